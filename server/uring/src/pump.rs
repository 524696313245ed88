//! The loop that drives a ring from inside any single-threaded executor.
//!
//! It lets every runnable task go first, so that all their submissions enter the kernel in one call; it reaps, and
//! repeats. With nothing to do it first lingers inside our own ring, where a completion costs one system call, and
//! only after that parks in the executor, where it costs a doorbell and a turn of the executor's own machinery.

use crate::driver::Driver;
use std::future::Future;
use std::io;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How the surrounding executor sleeps.
pub trait Parker {
    /// Returns when the doorbell is readable.
    fn park(&self, doorbell: BorrowedFd<'_>) -> impl Future<Output = io::Result<()>>;
}

/// Turns without any work before the pump lingers: tasks may still be waking each other, one link of the chain a turn.
/// A turn with nothing to submit or to reap makes no system call.
const QUIET_TURNS: u32 = 8;

/// Drives the ring until `stopped` says so. `linger` bounds how long the executor's other work may be held up.
///
/// # Errors
/// Only for a broken ring or a parker that cannot sleep.
pub async fn pump(
    driver: &Driver,
    parker: &impl Parker,
    linger: Duration,
    stopped: impl Fn() -> bool,
) -> io::Result<()> {
    driver.arm_doorbell(false);
    let mut quiet_turns = 0;
    while !stopped() {
        YieldOnce(false).await;
        let busy = driver.has_unsubmitted();
        if driver.turn()? > 0 || busy {
            quiet_turns = 0;
            continue;
        }
        quiet_turns += 1;
        if quiet_turns < QUIET_TURNS {
            continue;
        }
        if !linger.is_zero() && driver.turn_waiting(linger)? > 0 {
            quiet_turns = 0;
            continue;
        }
        park(driver, parker).await?;
        quiet_turns = 0;
    }
    Ok(())
}

async fn park(driver: &Driver, parker: &impl Parker) -> io::Result<()> {
    driver.arm_doorbell(true);
    // What came in before the bell was on rang nobody.
    if driver.turn_before_sleep()? == 0 {
        parker.park(driver.doorbell()).await?;
        driver.silence_doorbell();
    }
    driver.arm_doorbell(false);
    Ok(())
}

/// Goes to the back of the run queue once.
struct YieldOnce(bool);

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

//! The loop that drives a ring from inside any single-threaded executor.
//!
//! It lets every runnable task go first, so that all their submissions enter the kernel in one call; it reaps, and
//! repeats. With nothing to do it first lingers inside our own ring, where a completion costs one system call, and
//! only after that parks in the executor, where it costs a doorbell and a turn of the executor's own machinery.

use crate::driver::Driver;
use std::cell::Cell;
use std::future::{Future, poll_fn};
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

/// Turns without any work before the pump lingers. A turn with nothing to submit or to reap makes no system call.
const QUIET_TURNS: u32 = 2;

thread_local! {
    static POLLS: Cell<u64> = const { Cell::new(0) };
}

/// A task whose runs the pump of its thread takes notice of. The ring does not see work that needs no ring, such as a
/// task that goes to the back of the run queue now and then, or tasks that wake each other: without this the pump would
/// sleep although they are runnable. Every task beside a pump is to be made of this.
pub fn counted<F: Future>(task: F) -> impl Future<Output = F::Output> {
    // Boxed: a future that keeps another one inside would have room for it twice.
    let mut task = Box::pin(task);
    poll_fn(move |cx| {
        POLLS.set(POLLS.get().wrapping_add(1));
        task.as_mut().poll(cx)
    })
}

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
        let polls = POLLS.get();
        yield_now().await;
        let busy = driver.has_unsubmitted() || POLLS.get() != polls;
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

/// Goes to the back of the run queue once, so that other tasks of the core have a turn.
pub fn yield_now() -> impl Future<Output = ()> {
    YieldOnce(false)
}

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

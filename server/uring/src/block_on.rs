//! The executor of a thread that has no other: one future, and the ring that wakes it.
//!
//! For tools and tests. A core has a [`crate::Executor`].

use crate::driver::Driver;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// The ring is waited for so long at a time: only a wake-up that comes from elsewhere is noticed so late.
const LINGER: Duration = Duration::from_millis(20);

/// Runs a future to its end, polled only when it was woken.
///
/// ```
/// # use std::time::Duration;
/// # use uring::{Driver, DriverConfig, PoolConfig, block_on};
/// let driver = Driver::new(DriverConfig { entries: 8, pool: PoolConfig { size_bytes_max: 16 << 20 } })?;
/// block_on(&driver, driver.sleep(Duration::from_millis(1)))?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// Only for a broken ring.
pub fn block_on<F: Future>(driver: &Driver, future: F) -> io::Result<F::Output> {
    block_on_within(driver, Duration::MAX, future)
}

/// The same for a future that may hang, and is given up after `limit` then.
///
/// # Errors
/// `TimedOut`, which says what the driver and its pool were at; otherwise only for a broken ring.
pub fn block_on_within<F: Future>(driver: &Driver, limit: Duration, future: F) -> io::Result<F::Output> {
    let mut future = pin!(future);
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let started = Instant::now();
    loop {
        if woken.0.swap(false, Ordering::SeqCst)
            && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
        {
            return Ok(output);
        }
        driver.turn_waiting(if woken.0.load(Ordering::SeqCst) { Duration::ZERO } else { LINGER })?;
        if started.elapsed() >= limit {
            let why = format!("hangs: {:?} {:?}", driver.stats(), driver.pool().stats());
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
    }
}

/// True if the future is to be polled.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::DriverConfig;
    use crate::pool::PoolConfig;
    use std::future::{pending, poll_fn};

    fn driver() -> Driver {
        Driver::new(DriverConfig { entries: 8, pool: PoolConfig { size_bytes_max: 16 << 20 } }).unwrap()
    }

    #[test]
    fn a_future_is_polled_when_the_ring_wakes_it_and_not_in_between() {
        let driver = driver();
        let mut polls = 0;
        let mut sleep = pin!(driver.sleep(LINGER * 5));
        let counted = poll_fn(|cx| {
            polls += 1;
            sleep.as_mut().poll(cx)
        });
        block_on(&driver, counted).unwrap();
        assert_eq!(polls, 2);
    }

    #[test]
    fn a_future_that_wakes_itself_does_not_hold_up_the_ring() {
        let driver = driver();
        let mut sleep = pin!(driver.sleep(Duration::from_millis(5)));
        let restless = poll_fn(|cx| {
            cx.waker().wake_by_ref();
            sleep.as_mut().poll(cx)
        });
        block_on_within(&driver, Duration::from_secs(30), restless).unwrap();
    }

    #[test]
    fn a_wake_up_of_another_thread_is_noticed() {
        let driver = driver();
        let mut waking = None;
        let woken = poll_fn(|cx| {
            if waking.is_some() {
                return Poll::Ready(());
            }
            let waker = cx.waker().clone();
            waking = Some(std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(5));
                waker.wake();
            }));
            Poll::Pending
        });
        block_on_within(&driver, Duration::from_secs(30), woken).unwrap();
        waking.unwrap().join().unwrap();
    }

    #[test]
    fn a_future_that_hangs_is_given_up() {
        let driver = driver();
        let limit = Duration::from_millis(50);
        let error = block_on_within(&driver, limit, pending::<()>()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().starts_with("hangs: "), "{error}");
        // All that it had in flight is cancelled, and the driver is as good as before.
        assert!(block_on_within(&driver, limit, driver.sleep(Duration::from_secs(3600))).is_err());
        block_on(&driver, driver.sleep(Duration::from_millis(5))).unwrap();
        assert_eq!(driver.stats().in_flight, 0);
    }
}

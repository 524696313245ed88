//! One future and one ring on the thread that calls.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use uring::{Driver, DriverConfig, PoolConfig};

/// Entries of the submission queue.
const RING_ENTRIES: u32 = 256;
/// Registered memory at most; it is taken as it is needed.
const POOL_BYTES: usize = 128 << 20;
/// How long the ring is waited for: longer only means that a wake-up from nowhere is noticed later.
const LINGER: Duration = Duration::from_millis(50);

/// A ring for a tool.
///
/// # Errors
/// When the kernel has none for us.
pub(super) fn ring() -> io::Result<Driver> {
    Driver::new(DriverConfig { entries: RING_ENTRIES, pool: PoolConfig { size_bytes_max: POOL_BYTES } })
}

/// Runs a future to its end, polled only when it was woken.
///
/// # Errors
/// Only for a broken ring.
pub(super) fn run<F: Future>(driver: &Driver, future: F) -> io::Result<F::Output> {
    let mut future = pin!(future);
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&flag));
    loop {
        if flag.0.swap(false, Ordering::SeqCst)
            && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
        {
            return Ok(output);
        }
        let woken = flag.0.load(Ordering::SeqCst);
        driver.turn_waiting(if woken { Duration::ZERO } else { LINGER })?;
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_that_waits_for_the_ring_comes_to_its_end() {
        let driver = ring().unwrap();
        let waits = async {
            driver.sleep(Duration::from_millis(5)).await;
            7
        };
        assert_eq!(run(&driver, waits).unwrap(), 7);
    }
}

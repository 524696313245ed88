//! Faults that only show from inside: a ring that is broken.

use super::*;
use std::future::Future;
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Instant;

fn driver(entries: u32) -> Driver {
    Driver::new(DriverConfig { entries, pool: PoolConfig { size_bytes_max: 16 << 20 } }).unwrap()
}

fn null() -> OwnedFd {
    std::fs::File::open("/dev/null").unwrap().into()
}

fn poll_once<F: Future + Unpin>(mut future: F) -> Poll<F::Output> {
    pin!(&mut future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn operations_of_a_broken_ring_fail_and_do_not_hang() {
    let driver = driver(4);
    let ring_fd = driver.inner.ring.borrow().as_raw_fd();
    // SAFETY: the ring's own descriptor is replaced by another open one; the mappings of the ring stay.
    assert!(unsafe { libc::dup2(null().as_raw_fd(), ring_fd) } >= 0);
    assert!(driver.turn_waiting(Duration::from_millis(1)).is_err());
    assert!(driver.turn_waiting(Duration::ZERO).is_err());
    assert!(crate::block_on(&driver, std::future::pending::<()>()).is_err());
    let file = Rc::new(null());
    let queued: Vec<_> = (0..4).map(|_| driver.fsync(&file, true)).collect();
    let Poll::Ready(refused) = poll_once(driver.fsync(&file, true)) else { panic!("the fifth is refused") };
    assert!(refused.is_err());
    drop(queued);
    let started = Instant::now();
    drop(driver);
    assert!(started.elapsed() < Duration::from_secs(6));
}

//! What only shows from inside: a ring that is broken, a bell that rings for entries.

use super::*;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Instant;

fn driver(entries: u32) -> Driver {
    Driver::new(DriverConfig { entries, pool: PoolConfig { size_bytes_max: SEGMENT_BYTES } }).unwrap()
}

fn null() -> OwnedFd {
    std::fs::File::open("/dev/null").unwrap().into()
}

fn poll_once<F: Future + Unpin>(mut future: F) -> Poll<F::Output> {
    pin!(&mut future).poll(&mut Context::from_waker(Waker::noop()))
}

fn bell_rings(driver: &Driver) -> bool {
    rustix::io::read(driver.doorbell(), &mut [0u8; 8]).is_ok()
}

#[test]
fn operations_of_a_broken_ring_fail_and_do_not_hang() {
    let driver = driver(4);
    let ring_fd = driver.inner.ring.borrow().as_raw_fd();
    // SAFETY: the ring's own descriptor is replaced by another open one; the mappings of the ring stay.
    assert!(unsafe { libc::dup2(null().as_raw_fd(), ring_fd) } >= 0);
    assert!(driver.turn_before_sleep().is_err());
    assert!(driver.turn_waiting(Duration::ZERO).is_err());
    assert!(crate::block_on(&driver, std::future::pending::<()>()).is_err());
    let file = Rc::new(null());
    let queued: Vec<_> = (0..4).map(|_| driver.fsync(&file, true)).collect();
    let Poll::Ready(refused) = poll_once(driver.fsync(&file, true)) else { panic!("the fifth is refused") };
    assert!(refused.is_err());
    driver.close(null());
    drop(queued);
    let started = Instant::now();
    drop(driver);
    assert!(started.elapsed() < Duration::from_secs(6));
}

#[test]
fn an_entry_behind_the_sleeping_pump_rings_the_bell_once() {
    let driver = driver(4);
    driver.arm_doorbell(false);
    driver.turn().unwrap();
    driver.silence_doorbell();
    let file = Rc::new(null());
    let unheard = driver.fsync(&file, true);
    assert!(!bell_rings(&driver));
    driver.arm_doorbell(true);
    let heard = driver.fsync(&file, true);
    assert!(bell_rings(&driver));
    let third = driver.fsync(&file, true);
    assert!(!bell_rings(&driver));
    drop((unheard, heard, third));
}

#[test]
fn a_finished_operation_that_is_polled_again_leaves_others_alone() {
    let driver = driver(8);
    let file = Rc::new(null());
    let mut first = driver.fsync(&file, true);
    driver.turn_waiting(Duration::from_secs(1)).unwrap();
    assert!(poll_once(&mut first).is_ready());
    let mut second = driver.fsync(&file, true);
    assert_eq!(first_key(&first), first_key(&second), "the slot is reused");
    driver.turn_waiting(Duration::from_secs(1)).unwrap();
    assert!(poll_once(&mut first).is_pending());
    assert!(poll_once(&mut second).is_ready(), "its completion was not stolen");
}

fn first_key<T: crate::op::Operation>(op: &crate::Op<T>) -> usize {
    op.key()
}

#[test]
fn a_close_that_was_only_queued_happens_all_the_same() {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let driver = driver(4);
    driver.close(writer);
    drop(driver);
    // Would block for ever if the writing end were still open.
    assert_eq!(rustix::io::read(&reader, &mut [0u8; 1]), Ok(0));
}

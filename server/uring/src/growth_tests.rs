//! Growth by helpers, with helpers that work when the test says so, and with those that a node has.

use super::*;
use crate::arena::HUGE_BYTES as SEGMENT_BYTES;
use crate::driver::{Driver, DriverConfig};
use crate::pool::{Buf, Pool, PoolConfig};
use crate::tender::Tender;
use crate::{BUF_BYTES_MAX, LEAF_BYTES, block_on_within};
use rustix::event::{EventfdFlags, eventfd};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

/// Helpers that never do anything.
fn nobody() -> Grower {
    let threads =
        Threads { list: Arc::default(), ahead: std::thread::current(), now: std::thread::current() };
    Grower { threads: Arc::new(threads) }
}

fn pool_with(segments: usize, registrar: impl Fn(u16, libc::iovec) -> io::Result<()> + 'static) -> Pool {
    Pool::new(PoolConfig { size_bytes_max: segments * SEGMENT_BYTES }, Box::new(registrar)).unwrap()
}

/// A pool with one segment of its own making, which grows further by the test.
fn grown(pool: Pool) -> (Pool, Arc<Growth>) {
    pool.prepare(1);
    pool.grow_by(&nobody(), &Arc::new(eventfd(0, EventfdFlags::NONBLOCK).unwrap()));
    let growth = pool.growth().unwrap();
    (pool, growth)
}

fn all_of(pool: &Pool) -> Vec<Buf> {
    std::iter::from_fn(|| pool.try_alloc(BUF_BYTES_MAX)).collect()
}

#[derive(Default)]
struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll_once(wait: Pin<&mut impl Future<Output = Buf>>, calls: &Arc<Calls>) -> Option<Buf> {
    match wait.poll(&mut Context::from_waker(&Waker::from(Arc::clone(calls)))) {
        Poll::Ready(buf) => Some(buf),
        Poll::Pending => None,
    }
}

#[test]
fn the_core_takes_what_has_arrived_and_touches_nothing_itself() {
    let (pool, growth) = grown(pool_with(64, |_, _| Ok(())));
    assert_eq!(all_of(&pool).len(), 2, "one segment was there before");
    assert_eq!(pool.stats().resident_bytes, SEGMENT_BYTES);
    assert!(pool.can_grow() && !pool.take_in_one());
    assert!(growth.step());
    assert_eq!(pool.stats().resident_bytes, SEGMENT_BYTES, "it is not taken in yet");
    assert!(pool.take_in_one() && !pool.take_in_one());
    let held = all_of(&pool);
    assert_eq!((held.len(), pool.stats().resident_bytes), (4, 2 * SEGMENT_BYTES));
    assert!(held.iter().all(|buf| buf.iter().all(|&byte| byte == 0)));
}

#[test]
fn what_is_wanted_follows_what_is_used() {
    let (pool, growth) = grown(pool_with(256, |_, _| Ok(())));
    assert_eq!(growth.wanted(), 4, "8 MiB for a pool that nobody uses");
    let mut held = Vec::new();
    for mib in 1..=64usize {
        while growth.step() {}
        while pool.take_in_one() {}
        held.push(pool.try_alloc(BUF_BYTES_MAX).unwrap());
        let aim_in_quarters = mib * 4 + mib.max(32);
        assert_eq!(growth.wanted(), aim_in_quarters.div_ceil(8), "{mib} MiB are used");
    }
    drop(held);
    let wanted = growth.wanted();
    drop(pool.try_alloc(1));
    assert_eq!(growth.wanted(), wanted, "what is free is used before more comes");
}

#[test]
fn the_budget_is_never_passed() {
    let (pool, growth) = grown(pool_with(6, |_, _| Ok(())));
    let mut held = Vec::new();
    for _ in 0..20 {
        held.extend(all_of(&pool));
        growth.step();
        pool.take_in_one();
    }
    let stats = pool.stats();
    assert_eq!((held.len(), stats.used_bytes), (12, 6 * SEGMENT_BYTES));
    assert_eq!((stats.resident_bytes, growth.wanted(), growth.claimed()), (stats.limit_bytes, 6, 6));
    assert!(!pool.can_grow() && !growth.step());
}

#[test]
fn pieces_that_are_too_small_bring_more() {
    let pool = pool_with(64, |_, _| Ok(()));
    pool.prepare(8 * SEGMENT_BYTES);
    let small: Vec<Buf> =
        (0..8 * SEGMENT_BYTES / LEAF_BYTES).filter_map(|_| pool.try_alloc(LEAF_BYTES)).collect();
    let few: Vec<Buf> = small.into_iter().step_by(8).collect();
    let (pool, growth) = grown(pool);
    assert!(!growth.step(), "14 of 16 MiB are free");
    assert!(pool.try_alloc(BUF_BYTES_MAX).is_none(), "in pieces");
    assert!(growth.step() && pool.take_in_one() && pool.try_alloc(BUF_BYTES_MAX).is_some());
    drop(few);
}

#[test]
fn who_waits_is_woken_by_what_arrives() {
    let (pool, growth) = grown(pool_with(64, |_, _| Ok(())));
    let held = all_of(&pool);
    let calls: [Arc<Calls>; 3] = Default::default();
    let mut waits: [_; 3] = std::array::from_fn(|_| Box::pin(pool.alloc(BUF_BYTES_MAX)));
    for (wait, calls) in waits.iter_mut().zip(&calls) {
        assert!(poll_once(wait.as_mut(), calls).is_none());
    }
    assert!(growth.is_urgent.load(Ordering::Relaxed) && growth.step() && pool.take_in_one());
    let woken = |at: usize| calls[at].0.load(Ordering::Relaxed);
    assert_eq!((woken(0), woken(1)), (1, 0), "in the order of their coming");
    let [first, second, third] = &mut waits;
    let first = poll_once(first.as_mut(), &calls[0]).unwrap();
    assert_eq!(woken(1), 1, "there is more");
    let second = poll_once(second.as_mut(), &calls[1]).unwrap();
    assert!(poll_once(third.as_mut(), &calls[2]).is_none());
    assert!(growth.step() && pool.take_in_one() && poll_once(third.as_mut(), &calls[2]).is_some());
    assert!(!growth.is_urgent.load(Ordering::Relaxed), "nobody waits any more");
    drop((held, first, second));
}

#[test]
fn helpers_that_overtake_each_other() {
    let (pool, growth) = grown(pool_with(8, |_, _| Ok(())));
    let mut held = all_of(&pool);
    let claims: Vec<usize> = std::iter::from_fn(|| growth.claim()).collect();
    assert_eq!(claims, [1, 2, 3, 4], "2 MiB in use and 8 ahead");
    for segment in [3, 2] {
        growth.bring(segment);
        assert!(pool.take_in_one() && !pool.take_in_one());
        let new = all_of(&pool);
        assert!(new.iter().all(|buf| buf.fixed_index() == Some(segment as u16)) && new.len() == 2);
        held.extend(new);
    }
    growth.bring(1);
    growth.bring(4);
    assert!(pool.take_in_one() && pool.take_in_one() && !pool.take_in_one());
    assert_eq!(pool.stats().resident_bytes, 5 * SEGMENT_BYTES);
    drop(held);
    assert_eq!((all_of(&pool).len(), pool.stats().waiting), (10, 0));
}

#[test]
fn split_pools_grow_apart() {
    let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
    let whole = pool_with(8, {
        let seen = Rc::clone(&seen);
        move |index, _| {
            seen.borrow_mut().push(index);
            Ok(())
        }
    });
    let ((kept, keeps), (pool, grows)) = (grown(whole.split_off(3 * SEGMENT_BYTES)), grown(whole));
    while keeps.step() || grows.step() {}
    while kept.take_in_one() {}
    assert_eq!((all_of(&kept).len(), kept.can_grow()), (6, false));
    assert!(pool.take_in_one());
    assert_eq!((all_of(&pool).len(), pool.can_grow()), (4, true));
    assert_eq!(*seen.borrow(), [5, 0, 6, 7, 1]);
}

#[test]
fn memory_that_the_ring_refuses_is_used_all_the_same() {
    let (pool, growth) =
        grown(pool_with(
            4,
            |index, _| if index < 2 { Ok(()) } else { Err(io::ErrorKind::OutOfMemory.into()) },
        ));
    while growth.step() {}
    while pool.take_in_one() {}
    let held = all_of(&pool);
    let registered = held.iter().filter(|buf| buf.fixed_index().is_some()).count();
    assert_eq!((held.len(), registered), (8, 4));
    let stats = pool.stats();
    assert_eq!((stats.resident_bytes, stats.registered_bytes), (4 * SEGMENT_BYTES, 2 * SEGMENT_BYTES));
}

#[test]
fn a_pool_may_go_while_a_helper_works_for_it() {
    let (pool, growth) = grown(pool_with(64, |_, _| Ok(())));
    let segment = growth.claim().unwrap();
    drop(pool);
    std::thread::spawn(move || growth.bring(segment)).join().unwrap();
}

#[test]
fn the_helpers_of_a_node_serve_all_its_pools_and_end_with_it() {
    let grower = Grower::start().unwrap();
    let list = Arc::clone(&grower.threads.list);
    let cores: Vec<_> = (0..2)
        .map(|_| {
            let grower = grower.clone();
            std::thread::spawn(move || {
                let pool = PoolConfig { size_bytes_max: 24 * SEGMENT_BYTES };
                let driver = Driver::new(DriverConfig { entries: 8, pool }).unwrap();
                let kept = driver.pool().split_off(8 * SEGMENT_BYTES);
                driver.pool().prepare(1);
                let pools = vec![driver.pool().clone(), kept.clone()];
                let mut tender = pin!(Tender::new(&driver, &grower, pools).unwrap().run());
                let mut all = Box::pin(async {
                    let mut held = Vec::new();
                    for _ in 0..32 {
                        held.push(driver.pool().alloc(BUF_BYTES_MAX).await);
                    }
                    for _ in 0..16 {
                        held.push(kept.alloc(BUF_BYTES_MAX).await);
                    }
                    held
                });
                let held = poll_fn(|cx| {
                    assert!(tender.as_mut().poll(cx).is_pending(), "it does not end");
                    all.as_mut().poll(cx)
                });
                let held = block_on_within(&driver, LIMIT, held).unwrap();
                assert!(!driver.pool().can_grow() && !kept.can_grow());
                held.iter().filter(|buf| buf.fixed_index().is_some()).count()
            })
        })
        .collect();
    for core in cores {
        let registered = core.join().unwrap();
        assert_eq!(registered, 48, "as root, or with enough locked memory");
    }
    drop(grower);
    let since = Instant::now();
    while Arc::strong_count(&list) > 1 {
        assert!(since.elapsed() < LIMIT, "a helper does not end");
        std::thread::sleep(Duration::from_millis(1));
    }
}

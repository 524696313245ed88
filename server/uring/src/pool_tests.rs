//! Who gets which memory, who waits for it, and how it grows.

use super::*;
use crate::arena::HUGE_BYTES as SEGMENT_BYTES;

fn pool_with(segments: usize, registrar: impl Fn(u16, libc::iovec) -> io::Result<()> + 'static) -> Pool {
    Pool::new(PoolConfig { size_bytes_max: segments * SEGMENT_BYTES }, Box::new(registrar)).unwrap()
}

fn pool(segments: usize) -> Pool {
    pool_with(segments, |_, _| Ok(()))
}

#[test]
fn grows_to_the_budget_and_no_further() {
    let pool = pool(2);
    let held: Vec<Buf> = std::iter::from_fn(|| pool.try_alloc(BUF_BYTES_MAX)).collect();
    assert_eq!(held.len() * BUF_BYTES_MAX, 2 * SEGMENT_BYTES);
    assert_eq!(pool.stats().used_bytes, pool.stats().limit_bytes);
    drop(held);
    assert_eq!(pool.stats().used_bytes, 0);
}

#[test]
fn a_split_shares_the_budget_and_the_table_and_nothing_else() {
    let indices = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&indices);
    let pool = pool_with(4, move |index, _| {
        seen.borrow_mut().push(index);
        Ok(())
    });
    let first = pool.try_alloc(1).unwrap();
    let kept = pool.split_off(2 * SEGMENT_BYTES + 1);
    let all: Vec<Buf> = std::iter::from_fn(|| kept.try_alloc(BUF_BYTES_MAX)).collect();
    assert_eq!(all.len() * BUF_BYTES_MAX, 2 * SEGMENT_BYTES);
    assert_eq!(pool.stats().limit_bytes, 2 * SEGMENT_BYTES);
    let rest: Vec<Buf> = std::iter::from_fn(|| pool.try_alloc(BUF_BYTES_MAX)).collect();
    assert_eq!(*indices.borrow(), [0, 2, 3, 1]);
    let fixed =
        |bufs: &[Buf]| bufs.iter().filter_map(Buf::fixed_index).collect::<std::collections::BTreeSet<_>>();
    assert_eq!((fixed(&all), fixed(&rest)), ([2, 3].into(), [0, 1].into()));
    assert_eq!(first.fixed_index(), Some(0));
    assert!(pool.owns(&first) && !kept.owns(&first));
    // A segment in use stays, and one segment in any case.
    assert_eq!(pool.split_off(usize::MAX).stats().limit_bytes, 0);
    assert!(pool.split_off(usize::MAX).try_alloc(1).is_none());
}

#[test]
fn buffers_are_aligned_and_apart() {
    let pool = pool(1);
    let mut a = pool.try_alloc(5000).unwrap();
    let mut b = pool.try_alloc(1).unwrap();
    assert_eq!((a.len(), b.len()), (8192, 4096));
    assert_eq!(a.as_ptr().align_offset(4096), 0);
    a.fill(1);
    b.fill(2);
    assert!(a.iter().all(|&x| x == 1) && b.iter().all(|&x| x == 2));
}

#[test]
fn a_waiter_gets_the_released_buffer() {
    let pool = pool(1);
    let mut held: Vec<Buf> = std::iter::from_fn(|| pool.try_alloc(BUF_BYTES_MAX)).collect();
    let mut waiting = Box::pin(pool.alloc(4096));
    let mut cx = std::task::Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    assert_eq!(pool.stats().waiting, 1);
    held.pop();
    assert!(waiting.as_mut().poll(&mut cx).is_ready());
}

/// A waker that counts its calls.
#[derive(Default)]
struct Calls(std::sync::atomic::AtomicUsize);

impl Calls {
    fn count(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl std::task::Wake for Calls {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Polls once; returns the buffer and how often the waker had been called until then.
fn poll_once(
    wait: std::pin::Pin<&mut impl Future<Output = Buf>>,
    calls: &std::sync::Arc<Calls>,
) -> Option<Buf> {
    let waker = Waker::from(std::sync::Arc::clone(calls));
    match wait.poll(&mut std::task::Context::from_waker(&waker)) {
        Poll::Ready(buf) => Some(buf),
        Poll::Pending => None,
    }
}

#[test]
fn a_waiter_that_gives_up_takes_no_wake_up_with_it() {
    let pool = pool(1);
    let mut held: Vec<Buf> = std::iter::from_fn(|| pool.try_alloc(BUF_BYTES_MAX)).collect();
    let calls: [std::sync::Arc<Calls>; 3] = Default::default();
    let mut first = Box::pin(pool.alloc(4096));
    let mut second = Box::pin(pool.alloc(4096));
    let mut third = Box::pin(pool.alloc(4096));
    assert!(poll_once(first.as_mut(), &calls[0]).is_none());
    assert!(poll_once(second.as_mut(), &calls[1]).is_none());
    assert!(poll_once(third.as_mut(), &calls[2]).is_none());
    // One in the middle goes first, then a release wakes the head, which goes as well without looking.
    drop(second);
    held.pop();
    assert_eq!((calls[0].count(), calls[2].count()), (1, 0));
    drop(first);
    assert_eq!((calls[1].count(), calls[2].count()), (0, 1), "the wake-up was passed on");
    assert!(poll_once(third.as_mut(), &calls[2]).is_some());
    assert_eq!(pool.stats().waiting, 0);
}

#[test]
fn a_waiter_whom_a_release_does_not_suffice_stays_first() {
    let pool = pool(1);
    let mut large: Vec<Buf> = std::iter::from_fn(|| pool.try_alloc(BUF_BYTES_MAX)).collect();
    large.pop();
    let small = pool.try_alloc(4096).unwrap();
    let rest: Vec<Buf> = std::iter::from_fn(|| pool.try_alloc(4096)).collect();
    let calls: [std::sync::Arc<Calls>; 2] = Default::default();
    let mut first = Box::pin(pool.alloc(BUF_BYTES_MAX));
    let mut second = Box::pin(pool.alloc(4096));
    assert!(poll_once(first.as_mut(), &calls[0]).is_none());
    assert!(poll_once(second.as_mut(), &calls[1]).is_none());
    drop(small);
    assert!(poll_once(first.as_mut(), &calls[0]).is_none());
    assert!(poll_once(second.as_mut(), &calls[1]).is_none(), "nobody overtakes");
    drop(rest);
    let buf = poll_once(first.as_mut(), &calls[0]);
    assert!(buf.is_some());
    drop(first);
    assert_eq!(calls[1].count(), 1);
    assert!(poll_once(second.as_mut(), &calls[1]).is_none(), "all of it is handed out again");
    drop(buf);
    assert_eq!(calls[1].count(), 2);
    assert!(poll_once(second.as_mut(), &calls[1]).is_some());
}

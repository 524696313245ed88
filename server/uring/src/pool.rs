//! The registered memory of one core.
//!
//! The pool grows by whole segments, each registered with the ring as one fixed buffer, until the budget is reached;
//! after that `alloc` waits for a release and `try_alloc` answers `None`. A request that already holds a buffer must
//! only `try_alloc` a second one: that rule is what keeps waiting free of deadlock.

use crate::buddy::{Buddy, ORDERS};
use crate::region::Region;
use crate::{BUF_BYTES_MAX, LEAF_BYTES};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Leaves of one segment.
const SEGMENT_LEAVES: usize = 4096;
/// Bytes of one segment: 16 MiB, eight huge pages.
pub(crate) const SEGMENT_BYTES: usize = SEGMENT_LEAVES * LEAF_BYTES;

/// A buffer shared for reading: what caches keep and sockets send.
pub type Chunk = Rc<Buf>;

/// How large a pool may become.
#[derive(Clone, Copy, Debug)]
pub struct PoolConfig {
    /// Upper bound in bytes; rounded up to whole segments of 16 MiB.
    pub size_bytes_max: usize,
}

/// What a pool holds right now.
#[derive(Clone, Copy, Debug, Default)]
pub struct PoolStats {
    /// Bytes mapped so far.
    pub mapped_bytes: usize,
    /// Bytes handed out.
    pub used_bytes: usize,
    /// Upper bound of `mapped_bytes`.
    pub limit_bytes: usize,
    /// Segments that the ring knows as fixed buffers.
    pub registered_segments: usize,
    /// Segments backed by reserved huge pages.
    pub huge_segments: usize,
    /// Tasks waiting for a buffer.
    pub waiting: usize,
}

/// Tells the ring about a new segment: (table index, memory).
pub(crate) type Registrar = Box<dyn Fn(u16, libc::iovec) -> io::Result<()>>;

struct Segment {
    region: Region,
    registered: bool,
}

struct Waiter {
    id: u64,
    waker: Waker,
}

struct Shared {
    buddy: RefCell<Buddy>,
    segments: RefCell<Vec<Segment>>,
    segments_max: Cell<usize>,
    /// Place of the first segment in the ring's table.
    first_index: usize,
    registrar: Rc<Registrar>,
    /// In the order of their coming. Only the head is woken, and it stays the head until it is served or gives up.
    waiters: RefCell<VecDeque<Waiter>>,
    waiters_ever: Cell<u64>,
    grow_failed: Cell<bool>,
}

/// Handle to the pool; clones are the same pool.
#[derive(Clone)]
pub struct Pool {
    shared: Rc<Shared>,
}

impl Pool {
    pub(crate) fn new(config: PoolConfig, registrar: Registrar) -> Self {
        Self::sized(config.size_bytes_max.div_ceil(SEGMENT_BYTES).max(1), 0, Rc::new(registrar))
    }

    fn sized(segments_max: usize, first_index: usize, registrar: Rc<Registrar>) -> Self {
        Self {
            shared: Rc::new(Shared {
                buddy: RefCell::new(Buddy::new()),
                segments: RefCell::new(Vec::new()),
                segments_max: Cell::new(segments_max),
                first_index,
                registrar,
                waiters: RefCell::new(VecDeque::new()),
                waiters_ever: Cell::new(0),
                grow_failed: Cell::new(false),
            }),
        }
    }

    /// A pool of its own out of this one's budget, for buffers that stay: what is in flight then never waits for them,
    /// and they do not break up its room. As many whole segments of 16 MiB as fit into `size_bytes` and are not in use
    /// here, which keeps one at least; maybe none.
    #[must_use]
    pub fn split_off(&self, size_bytes: usize) -> Self {
        let own = self.shared.segments_max.get();
        let spare = own - self.shared.segments.borrow().len().max(1);
        let count = (size_bytes / SEGMENT_BYTES).min(spare);
        self.shared.segments_max.set(own - count);
        Self::sized(count, self.shared.first_index + own - count, Rc::clone(&self.shared.registrar))
    }

    /// A buffer of at least `size_bytes` (rounded up to a power of two of 4 KiB), or `None` when the budget is used up.
    ///
    /// # Panics
    /// If `size_bytes` is over [`BUF_BYTES_MAX`]: sizes are decided by code, never by peers.
    pub fn try_alloc(&self, size_bytes: usize) -> Option<Buf> {
        assert!(size_bytes <= BUF_BYTES_MAX, "a buffer of {size_bytes} bytes was asked for");
        let order = order_of(size_bytes);
        let leaf = loop {
            if let Some(leaf) = self.shared.buddy.borrow_mut().take(order) {
                break leaf;
            }
            if !self.grow() {
                return None;
            }
        };
        let segment = leaf as usize / SEGMENT_LEAVES;
        let segments = self.shared.segments.borrow();
        let home = &segments[segment];
        // SAFETY: the leaf lies inside this segment's region, which is SEGMENT_BYTES long.
        let start = unsafe { home.region.start().add(leaf as usize % SEGMENT_LEAVES * LEAF_BYTES) };
        let fixed_index = home.registered.then_some((self.shared.first_index + segment) as u16);
        drop(segments);
        Some(Buf {
            pool: Self { shared: Rc::clone(&self.shared) },
            start,
            size_bytes: LEAF_BYTES << order,
            leaf,
            order: order as u8,
            fixed_index,
        })
    }

    /// As [`Pool::try_alloc`], but waits for a release. Only for tasks that hold no other buffer. First come, first
    /// served: a small request waits behind a large one.
    pub async fn alloc(&self, size_bytes: usize) -> Buf {
        let mut place = Place { pool: self, id: None };
        poll_fn(|cx| {
            if place.is_first()
                && let Some(buf) = self.try_alloc(size_bytes)
            {
                return Poll::Ready(buf);
            }
            place.wait(cx.waker());
            Poll::Pending
        })
        .await
    }

    /// Whether a buffer is out of this pool.
    #[must_use]
    pub fn owns(&self, buf: &Buf) -> bool {
        Rc::ptr_eq(&self.shared, &buf.pool.shared)
    }

    /// Current sizes.
    pub fn stats(&self) -> PoolStats {
        let segments = self.shared.segments.borrow();
        let mapped_bytes = segments.len() * SEGMENT_BYTES;
        PoolStats {
            mapped_bytes,
            used_bytes: mapped_bytes - self.shared.buddy.borrow().free_leaves() * LEAF_BYTES,
            limit_bytes: self.shared.segments_max.get() * SEGMENT_BYTES,
            registered_segments: segments.iter().filter(|s| s.registered).count(),
            huge_segments: segments.iter().filter(|s| s.region.is_huge()).count(),
            waiting: self.shared.waiters.borrow().len(),
        }
    }

    /// Maps and registers one more segment; false when the budget or the system says no.
    fn grow(&self) -> bool {
        let mut segments = self.shared.segments.borrow_mut();
        if segments.len() >= self.shared.segments_max.get() || self.shared.grow_failed.get() {
            return false;
        }
        let Ok(region) = Region::map(SEGMENT_BYTES) else {
            self.shared.grow_failed.set(true);
            return false;
        };
        let index = (self.shared.first_index + segments.len()) as u16;
        let registered = (self.shared.registrar)(index, region.iovec()).is_ok();
        segments.push(Segment { region, registered });
        self.shared.buddy.borrow_mut().grow(SEGMENT_LEAVES);
        true
    }

    fn wake_first(&self) {
        let waker = self.shared.waiters.borrow().front().map(|w| w.waker.clone());
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A place in the queue for buffers, from the first wait on.
struct Place<'a> {
    pool: &'a Pool,
    id: Option<u64>,
}

impl Place<'_> {
    fn is_first(&self) -> bool {
        self.pool.shared.waiters.borrow().front().map(|w| w.id) == self.id
    }

    fn wait(&mut self, waker: &Waker) {
        let mut waiters = self.pool.shared.waiters.borrow_mut();
        let Some(id) = self.id else {
            let id = self.pool.shared.waiters_ever.get();
            self.pool.shared.waiters_ever.set(id + 1);
            self.id = Some(id);
            waiters.push_back(Waiter { id, waker: waker.clone() });
            return;
        };
        let Ok(at) = waiters.binary_search_by_key(&id, |w| w.id) else { return };
        let old = std::mem::replace(&mut waiters[at].waker, waker.clone());
        // A waker may own a task, and a task buffers: dropped outside of the borrow.
        drop(waiters);
        drop(old);
    }
}

impl Drop for Place<'_> {
    /// Served or given up: what is left is for the next one.
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let was_first = self.is_first();
        let mut waiters = self.pool.shared.waiters.borrow_mut();
        let found = waiters.binary_search_by_key(&id, |w| w.id);
        let removed = found.ok().and_then(|at| waiters.remove(at));
        drop(waiters);
        drop(removed);
        if was_first {
            self.pool.wake_first();
        }
    }
}

fn order_of(size_bytes: usize) -> usize {
    let leaves = size_bytes.div_ceil(LEAF_BYTES).max(1);
    let order = leaves.next_power_of_two().trailing_zeros() as usize;
    debug_assert!(order < ORDERS);
    order
}

/// A uniquely owned buffer, aligned for direct I/O; returns to its pool when dropped.
pub struct Buf {
    pool: Pool,
    start: NonNull<u8>,
    size_bytes: usize,
    leaf: u32,
    order: u8,
    fixed_index: Option<u16>,
}

impl Buf {
    /// Index in the ring's table of registered buffers, when it is registered.
    pub(crate) fn fixed_index(&self) -> Option<u16> {
        self.fixed_index
    }

    /// Makes it shareable and read-only.
    pub fn freeze(self) -> Chunk {
        Rc::new(self)
    }
}

impl Deref for Buf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the block belongs to this value alone, is mapped and was zeroed by the kernel; operations in flight
        // own the `Buf`, so no one can look at it while the kernel writes.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.size_bytes) }
    }
}

impl DerefMut for Buf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `&mut self` excludes every other reference.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.size_bytes) }
    }
}

impl Drop for Buf {
    fn drop(&mut self) {
        self.pool.shared.buddy.borrow_mut().give(self.leaf, self.order as usize);
        self.pool.wake_first();
    }
}

impl std::fmt::Debug for Buf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buf({} bytes, leaf {})", self.size_bytes, self.leaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(segments: usize) -> Pool {
        Pool::new(PoolConfig { size_bytes_max: segments * SEGMENT_BYTES }, Box::new(|_, _| Ok(())))
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
        let registrar = Box::new(move |index, _| {
            seen.borrow_mut().push(index);
            Ok(())
        });
        let pool = Pool::new(PoolConfig { size_bytes_max: 4 * SEGMENT_BYTES }, registrar);
        let first = pool.try_alloc(1).unwrap();
        let kept = pool.split_off(2 * SEGMENT_BYTES + 1);
        let all: Vec<Buf> = std::iter::from_fn(|| kept.try_alloc(BUF_BYTES_MAX)).collect();
        assert_eq!(all.len() * BUF_BYTES_MAX, 2 * SEGMENT_BYTES);
        assert_eq!(pool.stats().limit_bytes, 2 * SEGMENT_BYTES);
        let rest: Vec<Buf> = std::iter::from_fn(|| pool.try_alloc(BUF_BYTES_MAX)).collect();
        assert_eq!(*indices.borrow(), [0, 2, 3, 1]);
        let fixed = |bufs: &[Buf]| {
            bufs.iter().filter_map(Buf::fixed_index).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!((fixed(&all), fixed(&rest)), ([2, 3].into(), [0, 1].into()));
        assert_eq!(first.fixed_index(), Some(0));
        assert!(pool.owns(&first) && !kept.owns(&first));
        // What is in use stays, and one segment in any case.
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
}

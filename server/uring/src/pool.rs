//! The registered memory of one core.
//!
//! The pool grows by whole segments, each registered with the ring as one fixed buffer, until the budget is reached;
//! after that `alloc` waits for a release and `try_alloc` answers `None`. A request that already holds a buffer must
//! only `try_alloc` a second one: that rule is what keeps waiting free of deadlock.
//!
//! A program with nothing else to do, and a core that does not serve yet, grows it in `try_alloc` itself. On a core that
//! serves it grows ahead of demand by helpers ([`crate::Tender`]), and what they have not brought yet counts as used up.

use crate::arena::{Arena, segment_bytes};
use crate::buddy::{Buddy, ORDERS};
use crate::growth::{Grower, Growth};
use crate::{BUF_BYTES_MAX, LEAF_BYTES};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// Memory that is kept free ahead of demand, at least; a quarter of what is in use where that is more.
const AHEAD_BYTES_MIN: usize = 8 << 20;
const AHEAD_SHARE: usize = 4;

/// A buffer shared for reading: what caches keep and sockets send.
pub type Chunk = Rc<Buf>;

/// The size that a pool may grow to.
#[derive(Clone, Copy, Debug)]
pub struct PoolConfig {
    /// Upper bound in bytes; rounded up to whole segments of 2 MiB, of more where it is over 32 GiB.
    pub size_bytes_max: usize,
}

impl PoolConfig {
    pub(crate) fn segments(&self) -> usize {
        self.size_bytes_max.div_ceil(segment_bytes(self.size_bytes_max)).max(1)
    }
}

/// Counts of what a pool holds right now.
#[derive(Clone, Copy, Debug, Default)]
pub struct PoolStats {
    /// Bytes that are resident.
    pub resident_bytes: usize,
    /// The part of them that the ring knows as fixed buffers.
    pub registered_bytes: usize,
    /// The part of them in huge pages that the system has reserved.
    pub huge_bytes: usize,
    /// Bytes handed out.
    pub used_bytes: usize,
    /// Upper bound of `resident_bytes`.
    pub limit_bytes: usize,
    /// Tasks waiting for a buffer.
    pub waiting: usize,
}

/// Tells the ring about a new segment: (table index, memory).
pub(crate) type Registrar = Box<dyn Fn(u16, libc::iovec) -> io::Result<()>>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Segment {
    Absent,
    /// Resident, but the ring does not know it.
    Plain,
    Registered,
}

struct Waiter {
    id: u64,
    waker: Waker,
}

/// Growth by helpers.
struct Ahead {
    growth: Arc<Growth>,
    grower: Grower,
    /// All segments below this one are present.
    present_below: Cell<usize>,
}

struct Shared {
    arena: Arc<Arena>,
    /// Place of the first segment in the arena and in the ring's table.
    first: usize,
    segments_max: Cell<usize>,
    /// As many as there are up to the last one that is present.
    segments: RefCell<Vec<Segment>>,
    present: Cell<usize>,
    /// Segments that the ring knows, and segments in huge pages that the system has reserved.
    registered: Cell<usize>,
    huge: Cell<usize>,
    buddy: RefCell<Buddy>,
    registrar: Rc<Registrar>,
    ahead: OnceCell<Ahead>,
    /// In the order of their coming. Only the head is woken, and it stays the head until it is served or gives up.
    waiters: RefCell<VecDeque<Waiter>>,
    waiters_ever: Cell<u64>,
}

/// Handle to the pool; clones are the same pool.
#[derive(Clone)]
pub struct Pool {
    shared: Rc<Shared>,
}

impl Pool {
    pub(crate) fn new(config: PoolConfig, registrar: Registrar) -> io::Result<Self> {
        let segments = config.segments();
        let arena = Arena::map(segments, segment_bytes(config.size_bytes_max))?;
        Ok(Self::sized(Arc::new(arena), 0, segments, Rc::new(registrar)))
    }

    fn sized(arena: Arc<Arena>, first: usize, segments_max: usize, registrar: Rc<Registrar>) -> Self {
        let buddy = Buddy::with_room_for(segments_max * arena.segment_bytes() / LEAF_BYTES);
        Self {
            shared: Rc::new(Shared {
                arena,
                first,
                segments_max: Cell::new(segments_max),
                segments: RefCell::new(Vec::with_capacity(segments_max)),
                present: Cell::new(0),
                registered: Cell::new(0),
                huge: Cell::new(0),
                buddy: RefCell::new(buddy),
                registrar,
                ahead: OnceCell::new(),
                waiters: RefCell::new(VecDeque::new()),
                waiters_ever: Cell::new(0),
            }),
        }
    }

    /// A pool of its own out of this one's budget, for buffers that stay: what is in flight then never waits for them,
    /// and they do not break up its room. As many whole segments as fit into `size_bytes` and are not in use here, which
    /// keeps one at least; maybe none. Only before helpers grow this one.
    #[must_use]
    pub fn split_off(&self, size_bytes: usize) -> Self {
        assert!(self.shared.ahead.get().is_none(), "a pool is split before it grows by helpers");
        let own = self.shared.segments_max.get();
        let spare = own - self.shared.present.get().max(1);
        let count = (size_bytes / self.segment_bytes()).min(spare);
        self.shared.segments_max.set(own - count);
        let first = self.shared.first + own - count;
        Self::sized(Arc::clone(&self.shared.arena), first, count, Rc::clone(&self.shared.registrar))
    }

    fn segment_bytes(&self) -> usize {
        self.shared.arena.segment_bytes()
    }

    fn segment_leaves(&self) -> usize {
        self.segment_bytes() / LEAF_BYTES
    }

    /// A buffer of at least `size_bytes` (rounded up to a power of two of 4 KiB), or `None` when the budget is used up.
    ///
    /// # Panics
    /// If `size_bytes` is over [`BUF_BYTES_MAX`]: sizes are decided by code, never by peers.
    pub fn try_alloc(&self, size_bytes: usize) -> Option<Buf> {
        assert!(size_bytes <= BUF_BYTES_MAX, "a buffer of {size_bytes} bytes was asked for");
        let order = order_of(size_bytes);
        let leaf = loop {
            let taken = self.shared.buddy.borrow_mut().take(order);
            if let Some(leaf) = taken {
                break leaf;
            }
            if !self.grow_here() {
                // The free memory may be in pieces that are too small.
                self.ask_for(self.shared.present.get() + 1);
                return None;
            }
        };
        self.keep_ahead();
        let (segment, at) = (leaf as usize / self.segment_leaves(), leaf as usize % self.segment_leaves());
        let is_registered = self.shared.segments.borrow()[segment] == Segment::Registered;
        let index = self.shared.first + segment;
        // SAFETY: the leaf lies inside this segment, which the arena keeps mapped.
        let start = unsafe { self.shared.arena.start(index).add(at * LEAF_BYTES) };
        Some(Buf {
            pool: self.clone(),
            start,
            size_bytes: LEAF_BYTES << order,
            leaf,
            order: order as u8,
            fixed_index: is_registered.then_some(index as u16),
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

    /// True if a buffer is out of this pool.
    #[must_use]
    pub fn owns(&self, buf: &Buf) -> bool {
        Rc::ptr_eq(&self.shared, &buf.pool.shared)
    }

    /// True if more memory may come although there is none now.
    #[must_use]
    pub fn can_grow(&self) -> bool {
        self.shared.present.get() < self.shared.segments_max.get()
    }

    /// Current sizes.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let resident_bytes = self.shared.present.get() * self.segment_bytes();
        let free_bytes = self.shared.buddy.borrow().free_leaves() * LEAF_BYTES;
        assert!(free_bytes <= resident_bytes, "{free_bytes} bytes are free of {resident_bytes} in a pool");
        PoolStats {
            resident_bytes,
            registered_bytes: self.shared.registered.get() * self.segment_bytes(),
            huge_bytes: self.shared.huge.get() * self.segment_bytes(),
            used_bytes: resident_bytes - free_bytes,
            limit_bytes: self.shared.segments_max.get() * self.segment_bytes(),
            waiting: self.shared.waiters.borrow().len(),
        }
    }

    /// Grows on this thread until so much is free, as far as the budget goes. For the time before a core serves.
    pub fn prepare(&self, free_bytes: usize) {
        while self.shared.buddy.borrow().free_leaves() * LEAF_BYTES < free_bytes && self.grow_here() {}
    }

    /// From now on helpers make its memory resident, and the caller takes it in when the bell rings.
    pub(crate) fn grow_by(&self, grower: &Grower, bell: &Arc<OwnedFd>) {
        let (present, limit) = (self.shared.present.get(), self.shared.segments_max.get());
        let arena = Arc::clone(&self.shared.arena);
        let growth = Growth::new(arena, self.shared.first, present, limit, Arc::clone(bell));
        grower.add(&growth);
        let ahead = Ahead { growth, grower: grower.clone(), present_below: Cell::new(present) };
        assert!(self.shared.ahead.set(ahead).is_ok(), "a pool grows by helpers once");
        self.keep_ahead();
    }

    /// Its growth by helpers, if they do that.
    #[cfg(test)]
    pub(crate) fn growth(&self) -> Option<Arc<Growth>> {
        self.shared.ahead.get().map(|ahead| Arc::clone(&ahead.growth))
    }

    /// Takes in one segment that has arrived; false when there is none.
    pub(crate) fn take_in_one(&self) -> bool {
        let Some(ahead) = self.shared.ahead.get() else { return false };
        let is_absent = |at: usize| {
            self.shared.segments.borrow().get(at).is_none_or(|segment| *segment == Segment::Absent)
        };
        let mut open = ahead.present_below.get()..ahead.growth.claimed();
        let Some(segment) = open.find(|&at| is_absent(at) && ahead.growth.has_arrived(at)) else {
            return false;
        };
        self.add(segment);
        let mut below = ahead.present_below.get();
        while !is_absent(below) {
            below += 1;
        }
        ahead.present_below.set(below);
        self.keep_ahead();
        self.wake_first();
        true
    }

    /// Asks the helpers for what is to be free ahead of demand.
    fn keep_ahead(&self) {
        if self.shared.ahead.get().is_none() || !self.can_grow() {
            return;
        }
        let free_bytes = self.shared.buddy.borrow().free_leaves() * LEAF_BYTES;
        let used_bytes = self.shared.present.get() * self.segment_bytes() - free_bytes;
        let aim_bytes = used_bytes + AHEAD_BYTES_MIN.max(used_bytes / AHEAD_SHARE);
        self.ask_for(aim_bytes.div_ceil(self.segment_bytes()));
    }

    /// Has helpers bring up to so many segments in all.
    fn ask_for(&self, segments: usize) {
        let Some(ahead) = self.shared.ahead.get() else { return };
        if ahead.growth.want(segments) {
            ahead.grower.wake(!self.shared.waiters.borrow().is_empty());
        }
    }

    /// Says whether somebody waits.
    fn set_urgent(&self, is_urgent: bool) {
        let Some(ahead) = self.shared.ahead.get() else { return };
        ahead.growth.set_urgent(is_urgent);
        if is_urgent && ahead.growth.wanted() > self.shared.present.get() {
            ahead.grower.wake(true);
        }
    }

    /// Adds one more segment on this thread; false when the budget says no, or helpers do it.
    fn grow_here(&self) -> bool {
        let segment = self.shared.present.get();
        if self.shared.ahead.get().is_some() || segment >= self.shared.segments_max.get() {
            return false;
        }
        // SAFETY: without helpers the segments come one after the other, and nobody knows of this one yet.
        unsafe { self.shared.arena.touch(self.shared.first + segment) };
        self.add(segment);
        true
    }

    /// Registers a resident segment and puts it to use.
    fn add(&self, segment: usize) {
        let limit = self.shared.segments_max.get();
        assert!(segment < limit, "segment {segment} comes to a pool of {limit}");
        let index = self.shared.first + segment;
        let registered = (self.shared.registrar)(index as u16, self.shared.arena.iovec(index)).is_ok();
        let mut segments = self.shared.segments.borrow_mut();
        if segments.len() <= segment {
            segments.resize(segment + 1, Segment::Absent);
        }
        assert!(segments[segment] == Segment::Absent, "segment {segment} comes once");
        segments[segment] = if registered { Segment::Registered } else { Segment::Plain };
        let count = |counter: &Cell<usize>, is_one: bool| counter.set(counter.get() + usize::from(is_one));
        count(&self.shared.present, true);
        count(&self.shared.registered, registered);
        count(&self.shared.huge, self.shared.arena.is_reserved(index));
        self.shared.buddy.borrow_mut().add(segment * self.segment_leaves(), self.segment_leaves());
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
            drop(waiters);
            self.pool.set_urgent(true);
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
        let is_last = waiters.is_empty();
        drop(waiters);
        drop(removed);
        if is_last {
            self.pool.set_urgent(false);
        }
        if was_first {
            self.pool.wake_first();
        }
    }
}

fn order_of(size_bytes: usize) -> usize {
    let leaves = size_bytes.div_ceil(LEAF_BYTES).max(1);
    let order = leaves.next_power_of_two().trailing_zeros() as usize;
    assert!(order < ORDERS, "a buffer of {size_bytes} bytes is a block of order {order}");
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
#[path = "pool_tests.rs"]
mod tests;

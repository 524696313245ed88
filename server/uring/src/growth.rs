//! Pools grow on a core that serves: memory is made resident by helper threads, the core only registers it.
//!
//! Memory that was never touched costs a core up to milliseconds for 2 MiB: the kernel looks for a huge page and zeroes
//! it, and a virtual machine's host does the same below. To register what is resident takes 40 us for 2 MiB. So a pool
//! says how much it wants ([`Growth::want`]) while there is still some left, and [`crate::Tender`] takes in what has arrived.
//!
//! Nothing here makes a core wait for a helper, which may be a thread that does not get a processor: no lock is shared,
//! only counters and an eventfd.

use crate::arena::Arena;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::Thread;

/// All that a pool and the helpers know of each other. Segments are numbered from the pool's first one.
pub(crate) struct Growth {
    arena: Arc<Arena>,
    /// Number in the arena of the pool's first segment.
    first: usize,
    /// Segments that shall be resident; never more than the pool may have.
    wanted: AtomicUsize,
    /// Segments that some thread has made resident, or has begun to.
    claimed: AtomicUsize,
    /// The segments that are resident.
    arrived: Box<[AtomicBool]>,
    /// Somebody waits for memory.
    is_urgent: AtomicBool,
    bell: Arc<OwnedFd>,
}

impl Growth {
    /// Of a pool that has `present` of its `limit` segments.
    pub(crate) fn new(
        arena: Arc<Arena>,
        first: usize,
        present: usize,
        limit: usize,
        bell: Arc<OwnedFd>,
    ) -> Arc<Self> {
        Arc::new(Self {
            arena,
            first,
            wanted: AtomicUsize::new(present),
            claimed: AtomicUsize::new(present),
            arrived: (0..limit).map(|segment| AtomicBool::new(segment < present)).collect(),
            is_urgent: AtomicBool::new(false),
            bell,
        })
    }

    /// From now on so many segments are wanted, if that is more than before; says whether it is.
    pub(crate) fn want(&self, segments: usize) -> bool {
        let segments = segments.min(self.arrived.len());
        // Only the pool's own core writes it.
        let is_more = segments > self.wanted.load(Ordering::Relaxed);
        if is_more {
            self.wanted.store(segments, Ordering::Release);
        }
        is_more
    }

    /// Segments wanted.
    pub(crate) fn wanted(&self) -> usize {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Segments that have been claimed: those below may have arrived.
    pub(crate) fn claimed(&self) -> usize {
        self.claimed.load(Ordering::Acquire)
    }

    /// True if a segment is resident.
    pub(crate) fn has_arrived(&self, segment: usize) -> bool {
        self.arrived.get(segment).is_some_and(|arrived| arrived.load(Ordering::Acquire))
    }

    pub(crate) fn set_urgent(&self, is_urgent: bool) {
        self.is_urgent.store(is_urgent, Ordering::Release);
    }

    /// Makes one more segment resident; false when none is wanted. On any thread but the pool's.
    pub(crate) fn step(&self) -> bool {
        let claimed = self.claim();
        if let Some(segment) = claimed {
            self.bring(segment);
        }
        claimed.is_some()
    }

    /// The next segment that is wanted, for one helper alone.
    fn claim(&self) -> Option<usize> {
        let next = |claimed| (claimed < self.wanted.load(Ordering::Acquire)).then_some(claimed + 1);
        self.claimed.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).ok()
    }

    /// Makes a segment resident that was claimed before.
    fn bring(&self, segment: usize) {
        let limit = self.arrived.len();
        assert!(segment < limit, "segment {segment} is claimed of a pool of {limit}");
        // SAFETY: each segment is claimed once, those that were there before were never up for it, and the pool does not
        // use one before it has arrived.
        unsafe { self.arena.touch(self.first + segment) };
        if let Some(arrived) = self.arrived.get(segment) {
            let before = arrived.swap(true, Ordering::AcqRel);
            assert!(!before, "segment {segment} of a pool arrives twice");
        }
        // A full counter has been rung already.
        let _ = rustix::io::write(&*self.bell, &1u64.to_ne_bytes());
    }
}

/// A helper's own way of working.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Works ahead of demand with the time that nobody else wants.
    Ahead,
    /// Works for pools that somebody waits for, as a thread like any other: on full processors the other one might not
    /// run for a long time.
    Now,
}

/// The helper threads of a process: one of low priority that works ahead, and one for pools that somebody waits for.
/// Clones are the same threads; they end with the last one.
#[derive(Clone)]
pub struct Grower {
    threads: Arc<Threads>,
}

struct Threads {
    list: Arc<List>,
    ahead: Thread,
    now: Thread,
}

#[derive(Default)]
struct List {
    /// A pool that is gone leaves an empty place.
    growths: Mutex<Vec<Weak<Growth>>>,
    /// Counts changes of the list, so that helpers take the lock only for them.
    version: AtomicUsize,
    is_stopped: AtomicBool,
}

impl Grower {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start() -> io::Result<Self> {
        let list = Arc::new(List::default());
        let spawn = |name: &str, kind| {
            let list = Arc::clone(&list);
            let started = std::thread::Builder::new().name(name.to_owned()).spawn(move || list.help(kind));
            started.map(|handle| handle.thread().clone())
        };
        let ahead = spawn("memory-ahead", Kind::Ahead)?;
        let now = spawn("memory-now", Kind::Now)?;
        Ok(Self { threads: Arc::new(Threads { list, ahead, now }) })
    }

    pub(crate) fn add(&self, growth: &Arc<Growth>) {
        let list = &self.threads.list;
        let mut growths = list.growths.lock().unwrap_or_else(PoisonError::into_inner);
        growths.retain(|growth| growth.strong_count() > 0);
        growths.push(Arc::downgrade(growth));
        drop(growths);
        list.version.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn wake(&self, is_urgent: bool) {
        self.threads.ahead.unpark();
        if is_urgent {
            self.threads.now.unpark();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // They are not waited for: one may be in the middle of a page, and whatever it works on it keeps alive.
        self.list.is_stopped.store(true, Ordering::Release);
        self.ahead.unpark();
        self.now.unpark();
    }
}

impl List {
    fn help(&self, kind: Kind) {
        if kind == Kind::Ahead {
            take_the_lowest_priority();
        }
        let (mut known, mut version) = (Vec::new(), 0);
        while !self.is_stopped.load(Ordering::Acquire) {
            let now = self.version.load(Ordering::Acquire);
            if now != version {
                version = now;
                known.clone_from(&*self.growths.lock().unwrap_or_else(PoisonError::into_inner));
            }
            // One segment for each in turn, so that none waits for all of another one's.
            let mut has_worked = false;
            for growth in known.iter().filter_map(Weak::upgrade) {
                let is_mine = kind == Kind::Ahead || growth.is_urgent.load(Ordering::Acquire);
                has_worked |= is_mine && growth.step();
            }
            if !has_worked {
                std::thread::park();
            }
        }
    }
}

fn take_the_lowest_priority() {
    // Refused nowhere, as it asks for less; if it were, the thread would only be less polite.
    let _ = rustix::process::setpriority_process(None, 19);
}

#[cfg(test)]
#[path = "growth_tests.rs"]
mod tests;

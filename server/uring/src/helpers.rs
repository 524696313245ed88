//! Threads beside the cores, for calls that the kernel may answer only when a disk has answered.
//!
//! A group of them serves one disk, for all cores: when that disk hangs, its helpers hang with it and nobody else does.

use rustix::thread::CpuSet;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Work that is handed to a helper.
pub(crate) type Work = Box<dyn FnOnce() + Send>;

/// A group of helper threads. Clones are the same group; its threads end when the last clone has gone and everything
/// that was handed over is done.
#[derive(Clone, Debug)]
pub struct Helpers {
    group: Arc<Group>,
}

/// Counts of what the helpers of a group are at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HelperStats {
    /// Threads that exist; they are made as they are needed.
    pub threads: usize,
    /// Threads at work.
    pub busy: usize,
    /// Handed over and not begun.
    pub queued: usize,
}

/// The part that the clones share. The threads hold only what is inside, so that its end can be their end.
#[derive(Debug)]
struct Group {
    shared: Arc<Shared>,
    threads_max: usize,
    /// CPUs of the thread that made the group. A core that has a helper started is pinned, and the helper must not be.
    cpus: CpuSet,
    name: String,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Told when a helper has nothing to do.
    rest: Condvar,
}

#[derive(Default)]
struct Queue {
    work: VecDeque<Work>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Helpers {
    /// A group without threads yet, which may have up to `threads_max` of them; `name` is that of the threads.
    ///
    /// # Errors
    /// When the system does not tell the CPUs of this thread.
    pub fn new(name: &str, threads_max: usize) -> io::Result<Self> {
        let cpus = rustix::thread::sched_getaffinity(None)?;
        let shared = Arc::new(Shared { queue: Mutex::default(), wake: Condvar::new(), rest: Condvar::new() });
        let group = Group { shared, threads_max: threads_max.max(1), cpus, name: name.to_owned() };
        Ok(Self { group: Arc::new(group) })
    }

    /// Hands over work whose outcome nobody waits for. Where not even one thread can be started it is done here.
    pub fn post(&self, work: impl FnOnce() + Send + 'static) {
        self.submit(Box::new(work));
    }

    /// Returns when everything handed over is done, or false when that takes longer than `limit`.
    pub fn drain(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let shared = &self.group.shared;
        let mut queue = shared.lock();
        while queue.busy() > 0 || !queue.work.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            queue = shared.rest.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// As of now.
    pub fn stats(&self) -> HelperStats {
        let queue = self.group.shared.lock();
        HelperStats { threads: queue.threads, busy: queue.busy(), queued: queue.work.len() }
    }

    pub(crate) fn submit(&self, work: Work) {
        let shared = &self.group.shared;
        let mut queue = shared.lock();
        queue.work.push_back(work);
        let more = queue.work.len() > queue.idle && queue.threads < self.group.threads_max;
        if !more {
            drop(queue);
            return shared.wake.notify_one();
        }
        queue.threads += 1;
        drop(queue);
        if self.group.start_thread().is_err() {
            let mut queue = shared.lock();
            queue.threads -= 1;
            // The helpers that there are will come to it. Without any it must be done here.
            let orphan = if queue.threads == 0 { queue.work.pop_front() } else { None };
            drop(queue);
            orphan.into_iter().for_each(run);
        }
    }
}

impl Group {
    fn start_thread(&self) -> io::Result<()> {
        let (shared, cpus) = (Arc::clone(&self.shared), self.cpus);
        let serve = move || {
            // A helper that stays where it was started is slower and does the same.
            let _ = rustix::thread::sched_setaffinity(None, &cpus);
            shared.serve();
        };
        std::thread::Builder::new().name(self.name.clone()).spawn(serve).map(drop)
    }
}

impl Drop for Group {
    /// The threads are not waited for: one of them may hang in a disk that never answers.
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing runs under the lock that could leave the queue half-changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut queue = self.lock();
        loop {
            if let Some(work) = queue.work.pop_front() {
                drop(queue);
                run(work);
                queue = self.lock();
                continue;
            }
            if queue.closed {
                queue.threads -= 1;
                return;
            }
            queue.idle += 1;
            self.rest.notify_all();
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }
}

impl Queue {
    fn busy(&self) -> usize {
        let (threads, idle) = (self.threads, self.idle);
        assert!(idle <= threads, "{idle} of {threads} helpers are idle");
        threads - idle
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} queued, {} of {} threads idle", self.work.len(), self.idle, self.threads)
    }
}

/// A panic ends the work and not the thread; who waits for the outcome finds none.
fn run(work: Work) {
    let _ = catch_unwind(AssertUnwindSafe(work));
}

//! The ring of one core: batches submissions, hands completions to futures.

use crate::pool::{Pool, PoolConfig};
use crate::probe::{Features, KernelTooOld};
use crate::slots::{Aftermath, Completion, Polled, PolledStream, Slots};
use io_uring::squeue::Entry;
use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, opcode};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

/// Threads that the kernel may have for operations of one thread's rings that wait for a disk.
const WAITING_MAX: u32 = 256;
/// Completions of cancellations carry this; nobody waits for them.
const NOBODY: u64 = u64::MAX;
/// Times that a full submission queue is handed over before an operation fails; the kernel refuses only for want of
/// memory.
const HAND_OVERS_MAX: u32 = 1000;

/// Sizes of one driver.
#[derive(Clone, Copy, Debug)]
pub struct DriverConfig {
    /// Entries of the submission queue; the completion queue has eight times as many.
    pub entries: u32,
    /// Registered memory of this core.
    pub pool: PoolConfig,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct DriverStats {
    /// Entries pushed.
    pub submitted: u64,
    /// Completions reaped.
    pub completed: u64,
    /// System calls that entered the ring.
    pub enters: u64,
    /// Operations in flight now.
    pub in_flight: usize,
}

struct Inner {
    // Dropped before the pool: closing the ring ends what is left of the kernel's references.
    ring: RefCell<IoUring>,
    slots: RefCell<Slots>,
    aftermath: RefCell<Aftermath>,
    stats: Cell<DriverStats>,
    features: Features,
}

/// The ring of this core. Clones are the same ring; neither leaves its thread.
#[derive(Clone)]
pub struct Driver {
    inner: Rc<Inner>,
    pool: Pool,
}

impl Driver {
    /// Opens a ring on the calling thread, which must be the one that uses it.
    ///
    /// # Errors
    /// [`KernelTooOld`] inside an `Unsupported` error below Linux 5.19; otherwise what the kernel said.
    pub fn new(config: DriverConfig) -> io::Result<Self> {
        let ring = open_ring(config.entries)?;
        let features = Features::probe(&ring)?;
        // A disk that does not answer keeps the kernel's threads that wait for it; others must still find some.
        ring.submitter().register_iowq_max_workers(&mut [WAITING_MAX, 0])?;
        let table = ring.submitter().register_buffers_sparse(config.pool.segments() as u32).is_ok();
        let inner = Rc::new(Inner {
            ring: RefCell::new(ring),
            slots: RefCell::new(Slots::new()),
            aftermath: RefCell::new(Aftermath::default()),
            stats: Cell::new(DriverStats::default()),
            features: Features { registered_buffers: table, ..features },
        });
        let registrar = Rc::downgrade(&inner);
        let register = move |index: u16, memory: libc::iovec| {
            let inner = registrar.upgrade().filter(|i| i.features.registered_buffers);
            let inner = inner.ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
            let ring = inner.ring.borrow();
            // SAFETY: the segment outlives the ring: operations hold the pool, and the driver drains them before it ends.
            unsafe { ring.submitter().register_buffers_update(index.into(), &[memory], None) }.map(drop)
        };
        Ok(Self { pool: Pool::new(config.pool, Box::new(register))?, inner })
    }

    /// This core's registered memory.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The features of the running kernel.
    pub fn features(&self) -> Features {
        self.inner.features
    }

    /// Counters since the start.
    pub fn stats(&self) -> DriverStats {
        DriverStats { in_flight: self.inner.slots.borrow().in_flight(), ..self.inner.stats.get() }
    }

    /// Submits what is queued and handles what has completed, without waiting. Returns how many completions there were.
    /// None does not mean that the kernel has nothing to do: it runs a part of its deferred work at a time, and some of
    /// that completes nothing.
    ///
    /// # Errors
    /// Only for a broken ring; the caller should stop the core.
    pub fn turn(&self) -> io::Result<usize> {
        let enters = {
            let mut ring = self.inner.ring.borrow_mut();
            let submission = ring.submission();
            !submission.is_empty() || submission.taskrun() || submission.cq_overflow()
        };
        // Otherwise what there is lies in the queue already, and the system call would do nothing.
        if enters {
            self.enter(0, None)?;
        }
        Ok(self.reap())
    }

    /// As [`Driver::turn`], but waits in the kernel for a completion, at most `linger`.
    ///
    /// # Errors
    /// As [`Driver::turn`].
    pub fn turn_waiting(&self, linger: Duration) -> io::Result<usize> {
        let timespec = Timespec::new().sec(linger.as_secs()).nsec(linger.subsec_nanos());
        self.enter(1, Some(&timespec))?;
        Ok(self.reap())
    }

    /// Returns how many entries the kernel took.
    fn enter(&self, want: usize, timeout: Option<&Timespec>) -> io::Result<usize> {
        let ring = self.inner.ring.borrow();
        self.count(|s| s.enters += 1);
        let entered = match timeout {
            None => ring.submit_and_wait(want),
            Some(limit) => ring.submitter().submit_with_args(want, &SubmitArgs::new().timespec(limit)),
        };
        taken(entered)
    }

    fn reap(&self) -> usize {
        let mut after = self.inner.aftermath.take();
        let mut count = 0;
        {
            let mut ring = self.inner.ring.borrow_mut();
            let mut slots = self.inner.slots.borrow_mut();
            for entry in ring.completion() {
                count += 1;
                if entry.user_data() != NOBODY {
                    slots.complete(entry.user_data() as usize, Completion::read(&entry), &mut after);
                }
            }
        }
        self.count(|s| s.completed += count as u64);
        // Only now: wakers and the drop of memory may run code that comes back to this driver.
        after.run();
        self.inner.aftermath.replace(after);
        count
    }

    pub(crate) fn push_single(&self, entry: Entry) -> usize {
        let key = self.inner.slots.borrow_mut().insert_single();
        self.push_watched(entry, key);
        key
    }

    pub(crate) fn push_stream(&self, entry: Entry) -> usize {
        let key = self.inner.slots.borrow_mut().insert_stream();
        self.push_watched(entry, key);
        key
    }

    pub(crate) fn push_unwatched(&self, entry: Entry) {
        // An operation that cannot be cancelled is awaited; a broken ring shows at the next turn.
        let _ = self.push(&entry.user_data(NOBODY));
    }

    /// Pushes; an entry that cannot reach the kernel completes at once with the error.
    fn push_watched(&self, entry: Entry, key: usize) {
        if let Err(error) = self.push(&entry.user_data(key as u64)) {
            self.fail(key, &error);
        }
    }

    fn fail(&self, key: usize, error: &io::Error) {
        let mut after = Aftermath::default();
        self.inner.slots.borrow_mut().complete(key, Completion::failed(error), &mut after);
        after.run();
    }

    fn push(&self, entry: &Entry) -> io::Result<()> {
        for _ in 0..HAND_OVERS_MAX {
            // SAFETY: addresses in the entry belong to an `Operation`, which its `Op` or its slot keeps until the last
            // completion.
            let pushed = unsafe { self.inner.ring.borrow_mut().submission().push(entry) };
            if pushed.is_ok() {
                self.count(|s| s.submitted += 1);
                return Ok(());
            }
            // The queue is full: hand it over now.
            let submitted = self.enter(0, None);
            if submitted? == 0 {
                std::thread::yield_now();
            }
        }
        Err(io::Error::from_raw_os_error(libc::EAGAIN))
    }

    pub(crate) fn poll_single(&self, key: usize, waker: &Waker) -> Polled {
        self.inner.slots.borrow_mut().poll_single(key, waker)
    }

    pub(crate) fn poll_stream(&self, key: usize, waker: &Waker) -> PolledStream {
        self.inner.slots.borrow_mut().poll_stream(key, waker)
    }

    pub(crate) fn await_notification(&self, key: usize, memory: Box<dyn Any>, on_copied: fn(&dyn Any)) {
        self.inner.slots.borrow_mut().await_notification(key, memory, on_copied);
    }

    /// As [`Driver::abandon`], but what is under way is not cancelled.
    pub(crate) fn let_go(&self, key: usize, memory: Box<dyn Any>) {
        // The rest of it is dropped behind the borrow: that may run code that comes back to this driver.
        let _abandoned = self.inner.slots.borrow_mut().abandon(key, memory);
    }

    pub(crate) fn abandon(&self, key: usize, memory: Box<dyn Any>) {
        let abandoned = self.inner.slots.borrow_mut().abandon(key, memory);
        if abandoned.cancel {
            self.push_unwatched(opcode::AsyncCancel::new(key as u64).build());
        }
    }

    fn count(&self, change: impl FnOnce(&mut DriverStats)) {
        let mut stats = self.inner.stats.get();
        change(&mut stats);
        self.inner.stats.set(stats);
    }
}

/// The number of entries that the kernel took; not an error are: nothing came in time, a signal came, the completion
/// queue must be emptied first.
fn taken(entered: io::Result<usize>) -> io::Result<usize> {
    const PASSING: [i32; 4] = [libc::ETIME, libc::EINTR, libc::EBUSY, libc::EAGAIN];
    match entered {
        Err(e) if e.raw_os_error().is_some_and(|code| PASSING.contains(&code)) => Ok(0),
        other => other,
    }
}

fn open_ring(entries: u32) -> io::Result<IoUring> {
    let opened = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .setup_submit_all()
        .setup_cqsize(entries * 8)
        .build(entries);
    match opened {
        // Flags newer than the kernel: say which kernel is needed instead of "invalid argument".
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => Err(KernelTooOld::here().into()),
        Err(e) if e.raw_os_error() == Some(libc::ENOSYS) => Err(KernelTooOld::here().into()),
        other => other,
    }
}

impl Drop for Inner {
    /// Nothing is freed under the kernel: everything in flight is cancelled and awaited first.
    fn drop(&mut self) {
        let (ring, slots) = (self.ring.get_mut(), self.slots.get_mut());
        // First what is queued (it may fill the queue), then the cancellation.
        let _ = ring.submit();
        if slots.in_flight() == 0 {
            return;
        }
        let cancel_all =
            opcode::AsyncCancel2::new(io_uring::types::CancelBuilder::any()).build().user_data(NOBODY);
        // SAFETY: a cancellation names no memory.
        let _ = unsafe { ring.submission().push(&cancel_all) };
        let wait = Timespec::new().nsec(50_000_000);
        for _ in 0..100 {
            let _ = ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&wait));
            let mut after = Aftermath::default();
            for entry in ring.completion() {
                if entry.user_data() != NOBODY {
                    slots.complete(entry.user_data() as usize, Completion::read(&entry), &mut after);
                }
            }
            after.run();
            if slots.in_flight() == 0 {
                return;
            }
        }
        // A disk that never answers: leaking the memory is the only sound way out.
        std::mem::forget(std::mem::replace(slots, Slots::new()));
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;

//! The ring of one core: batches submissions, hands completions to futures.

use crate::pool::{Pool, PoolConfig, SEGMENT_BYTES};
use crate::probe::{Features, KernelTooOld};
use crate::slots::{Completion, Polled, Slots};
use io_uring::squeue::Entry;
use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, opcode};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

/// Completions of cancellations carry this; nobody waits for them.
const NOBODY: u64 = u64::MAX;

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
    wake_list: RefCell<Vec<Waker>>,
    unsubmitted: Cell<usize>,
    stats: Cell<DriverStats>,
    doorbell: OwnedFd,
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
        let doorbell = rustix::event::eventfd(
            0,
            rustix::event::EventfdFlags::CLOEXEC | rustix::event::EventfdFlags::NONBLOCK,
        )?;
        ring.submitter().register_eventfd(doorbell.as_raw_fd())?;
        let segments = config.pool.size_bytes_max.div_ceil(SEGMENT_BYTES).max(1);
        let table = ring.submitter().register_buffers_sparse(segments as u32).is_ok();
        let inner = Rc::new(Inner {
            ring: RefCell::new(ring),
            slots: RefCell::new(Slots::new()),
            wake_list: RefCell::new(Vec::new()),
            unsubmitted: Cell::new(0),
            stats: Cell::new(DriverStats::default()),
            doorbell,
            features: Features { registered_buffers: table, ..features },
        });
        let registrar = Rc::downgrade(&inner);
        let register = move |index: u16, memory: libc::iovec| {
            let inner = registrar.upgrade().filter(|i| i.features.registered_buffers);
            let inner = inner.ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
            let ring = inner.ring.borrow();
            // SAFETY: the region outlives the ring: operations hold the pool, and the driver drains them before it ends.
            unsafe { ring.submitter().register_buffers_update(index.into(), &[memory], None) }.map(drop)
        };
        Ok(Self { pool: Pool::new(config.pool, Box::new(register)), inner })
    }

    /// This core's registered memory.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// What the running kernel offers.
    pub fn features(&self) -> Features {
        self.inner.features
    }

    /// Counters since the start.
    pub fn stats(&self) -> DriverStats {
        DriverStats { in_flight: self.inner.slots.borrow().in_flight(), ..self.inner.stats.get() }
    }

    /// Becomes readable when completions are waiting and the bell was switched on by [`Driver::arm_doorbell`].
    pub fn doorbell(&self) -> BorrowedFd<'_> {
        self.inner.doorbell.as_fd()
    }

    /// Submits what is queued and handles what has completed, without waiting. Returns how many completions there were.
    ///
    /// # Errors
    /// Only for a broken ring; the caller should stop the core.
    pub fn turn(&self) -> io::Result<usize> {
        self.enter(0, None)?;
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

    /// True while entries wait to be submitted.
    pub fn has_unsubmitted(&self) -> bool {
        self.inner.unsubmitted.get() > 0
    }

    /// Switches the doorbell on or off. After switching it on, call [`Driver::turn`] once more before sleeping:
    /// completions that came in between rang nobody.
    pub fn arm_doorbell(&self, on: bool) {
        let mut ring = self.inner.ring.borrow_mut();
        let completions = ring.completion();
        if on { completions.enable_eventfd() } else { completions.disable_eventfd() }
    }

    /// Empties the doorbell's counter.
    pub fn silence_doorbell(&self) {
        // An empty counter answers EAGAIN, which is what "silent" means.
        let _ = rustix::io::read(&self.inner.doorbell, &mut [0u8; 8]);
    }

    fn enter(&self, want: usize, timeout: Option<&Timespec>) -> io::Result<()> {
        let ring = self.inner.ring.borrow();
        self.inner.unsubmitted.set(0);
        self.count(|s| s.enters += 1);
        let entered = match timeout {
            None => ring.submit_and_wait(want),
            Some(limit) => ring.submitter().submit_with_args(want, &SubmitArgs::new().timespec(limit)),
        };
        match entered {
            Ok(_) => Ok(()),
            // Nothing came in time, a signal came, or the completion queue must be emptied first.
            Err(e)
                if matches!(
                    e.raw_os_error(),
                    Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)
                ) =>
            {
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    fn reap(&self) -> usize {
        let mut wake_list = self.inner.wake_list.take();
        let mut count = 0;
        {
            let mut ring = self.inner.ring.borrow_mut();
            let mut slots = self.inner.slots.borrow_mut();
            for entry in ring.completion() {
                count += 1;
                if entry.user_data() == NOBODY {
                    continue;
                }
                wake_list.extend(slots.complete(entry.user_data() as usize, Completion::read(&entry)));
            }
        }
        self.count(|s| s.completed += count as u64);
        // Woken only now: a waker may run code that comes back to this driver.
        for waker in wake_list.drain(..) {
            waker.wake();
        }
        self.inner.wake_list.replace(wake_list);
        count
    }

    pub(crate) fn push_single(&self, entry: Entry) -> usize {
        let key = self.inner.slots.borrow_mut().insert_single();
        self.push(entry.user_data(key as u64));
        key
    }

    pub(crate) fn push_stream(&self, entry: Entry) -> usize {
        let key = self.inner.slots.borrow_mut().insert_stream();
        self.push(entry.user_data(key as u64));
        key
    }

    pub(crate) fn push_unwatched(&self, entry: Entry) {
        self.push(entry.user_data(NOBODY));
    }

    fn push(&self, entry: Entry) {
        self.count(|s| s.submitted += 1);
        loop {
            let mut ring = self.inner.ring.borrow_mut();
            // SAFETY: addresses in the entry belong to an `Operation`, which its `Op` or its slot keeps until the last
            // completion.
            if unsafe { ring.submission().push(&entry) }.is_ok() {
                self.inner.unsubmitted.set(self.inner.unsubmitted.get() + 1);
                return;
            }
            drop(ring);
            // The queue is full: hand it over now. An error shows again at the next turn.
            if self.enter(0, None).is_err() {
                std::thread::yield_now();
            }
        }
    }

    pub(crate) fn poll_single(&self, key: usize, waker: &Waker) -> Polled {
        self.inner.slots.borrow_mut().poll_single(key, waker)
    }

    pub(crate) fn poll_stream(&self, key: usize, waker: &Waker) -> Option<Option<Completion>> {
        self.inner.slots.borrow_mut().poll_stream(key, waker)
    }

    pub(crate) fn await_notification(&self, key: usize, memory: Box<dyn Any>, on_copied: fn(&dyn Any)) {
        self.inner.slots.borrow_mut().await_notification(key, memory, on_copied);
    }

    pub(crate) fn abandon(&self, key: usize, memory: Box<dyn Any>) {
        if self.inner.slots.borrow_mut().abandon(key, memory) {
            self.push_unwatched(opcode::AsyncCancel::new(key as u64).build());
        }
    }

    fn count(&self, change: impl FnOnce(&mut DriverStats)) {
        let mut stats = self.inner.stats.get();
        change(&mut stats);
        self.inner.stats.set(stats);
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
        let cancel_all =
            opcode::AsyncCancel2::new(io_uring::types::CancelBuilder::any()).build().user_data(NOBODY);
        let ring = self.ring.get_mut();
        // SAFETY: a cancellation names no memory.
        let _ = unsafe { ring.submission().push(&cancel_all) };
        let wait = Timespec::new().nsec(50_000_000);
        for _ in 0..100 {
            if self.slots.get_mut().in_flight() == 0 {
                return;
            }
            let _ = ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&wait));
            for entry in ring.completion() {
                if entry.user_data() != NOBODY {
                    self.slots.get_mut().complete(entry.user_data() as usize, Completion::read(&entry));
                }
            }
        }
        // A disk that never answers: leaking the memory is the only sound way out.
        std::mem::forget(std::mem::replace(self.slots.get_mut(), Slots::new()));
    }
}

//! The life of each operation between submission and its last completion.

use io_uring::cqueue;
use std::any::Any;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::task::Waker;

/// One completion: the result (negative errno) and the kernel's flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    pub(crate) result: i32,
    /// Another completion of the same operation follows.
    pub(crate) more: bool,
    /// A zero-copy notification said that the kernel copied after all.
    pub(crate) copied: bool,
}

impl Completion {
    pub(crate) fn read(entry: &cqueue::Entry) -> Self {
        /// IORING_NOTIF_USAGE_ZC_COPIED, the top bit of a notification's result.
        const COPIED: u32 = 1 << 31;
        let notification = cqueue::notif(entry.flags());
        Self {
            result: entry.result(),
            more: cqueue::more(entry.flags()),
            copied: notification && entry.result() as u32 & COPIED != 0,
        }
    }

    /// An operation that never reached the kernel.
    pub(crate) fn failed(error: &io::Error) -> Self {
        Self { result: -error.raw_os_error().unwrap_or(libc::EIO), more: false, copied: false }
    }

    pub(crate) fn to_result(self) -> io::Result<u32> {
        if self.result < 0 {
            return Err(io::Error::from_raw_os_error(-self.result));
        }
        Ok(self.result as u32)
    }
}

/// State of one slot. A slot is reused only after the kernel's last word on it.
enum Slot {
    Free {
        next: usize,
    },
    /// In flight, a future waits (or has not been polled yet).
    Waiting(Option<Waker>),
    /// Finished, the future has not looked yet. `last` is false while a zero-copy notification is still to come.
    Done {
        completion: Completion,
        last: bool,
    },
    /// Nobody waits any more, the kernel may still use the memory kept here.
    Draining(Box<dyn Any>),
    /// The result was taken; only the notification is awaited and its memory is kept alive.
    Notify {
        memory: Box<dyn Any>,
        on_copied: fn(&dyn Any),
    },
    /// Connections from one submission (multishot accept).
    Stream {
        ready: VecDeque<io::Result<OwnedFd>>,
        waker: Option<Waker>,
        ended: bool,
    },
    /// A stream that nobody reads any more: connections that still arrive are closed.
    StreamDraining(Box<dyn Any>),
}

/// The outcome of a poll. Replaced wakers come back to be dropped outside of every borrow: a waker may own a task, and
/// a task operations of this ring.
pub(crate) enum Polled {
    Pending(#[expect(dead_code, reason = "only dropped")] Option<Waker>),
    /// The result; `last` says that the slot is gone.
    Ready {
        completion: Completion,
        last: bool,
    },
}

/// The outcome of a poll of a stream.
pub(crate) enum PolledStream {
    Pending(#[expect(dead_code, reason = "only dropped")] Option<Waker>),
    Item(io::Result<OwnedFd>),
    Ended,
}

/// Code of others that completions set off: wakers to call, memory to drop (which may wake tasks that wait for a
/// buffer). Collected while the slots are borrowed, run when they no longer are.
#[derive(Default)]
pub(crate) struct Aftermath {
    wakers: Vec<Waker>,
    memory: Vec<Box<dyn Any>>,
}

impl Aftermath {
    /// Runs it; keeps the room for the next time.
    pub(crate) fn run(&mut self) {
        self.memory.clear();
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
    }
}

/// The rest of an operation whose future is gone; to be dropped outside of every borrow.
pub(crate) struct Abandoned {
    /// The kernel still works on it and must be told to stop.
    pub(crate) cancel: bool,
    #[expect(dead_code, reason = "only dropped")]
    leftovers: (Option<Slot>, Option<Box<dyn Any>>),
}

/// All operations of one ring that are in flight.
pub(crate) struct Slots {
    slots: Vec<Slot>,
    free_head: usize,
    in_flight: usize,
}

const NONE: usize = usize::MAX;

impl Slots {
    pub(crate) fn new() -> Self {
        Self { slots: Vec::new(), free_head: NONE, in_flight: 0 }
    }

    /// Operations that the kernel has not said its last word on.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(crate) fn insert_single(&mut self) -> usize {
        self.insert(Slot::Waiting(None))
    }

    pub(crate) fn insert_stream(&mut self) -> usize {
        self.insert(Slot::Stream { ready: VecDeque::new(), waker: None, ended: false })
    }

    fn insert(&mut self, slot: Slot) -> usize {
        self.in_flight += 1;
        if self.free_head == NONE {
            self.slots.push(slot);
            return self.slots.len() - 1;
        }
        let key = self.free_head;
        let next = if let Slot::Free { next } = self.slots[key] { Some(next) } else { None };
        assert!(next.is_some(), "slot {key} is on the list of free ones and in use");
        self.free_head = next.unwrap_or(NONE);
        self.slots[key] = slot;
        key
    }

    fn release(&mut self, key: usize) -> Slot {
        let old = std::mem::replace(&mut self.slots[key], Slot::Free { next: self.free_head });
        assert!(!matches!(old, Slot::Free { .. }), "slot {key} is given back twice");
        self.free_head = key;
        old
    }

    /// Records a completion; what it sets off goes to `after`.
    pub(crate) fn complete(&mut self, key: usize, completion: Completion, after: &mut Aftermath) {
        if !completion.more {
            assert!(self.in_flight > 0, "slot {key} completes, and no operation is in flight");
            self.in_flight -= 1;
        }
        match &mut self.slots[key] {
            Slot::Waiting(waker) => {
                after.wakers.extend(waker.take());
                self.slots[key] = Slot::Done { completion, last: !completion.more };
                return;
            }
            Slot::Stream { ready, waker, ended } => {
                *ended = !completion.more;
                ready.push_back(accepted(completion));
                after.wakers.extend(waker.take());
                return;
            }
            Slot::Done { completion: first, last } => {
                // The notification overtook the future: the memory is free, the result stays to be taken.
                first.copied = completion.copied;
                *last = !completion.more;
                return;
            }
            Slot::Notify { memory, on_copied } if completion.copied => on_copied(memory.as_ref()),
            Slot::StreamDraining(_) => drop(accepted(completion)),
            Slot::Notify { .. } | Slot::Draining(_) => {}
            Slot::Free { .. } => return,
        }
        if !completion.more {
            self.end(key, after);
        }
    }

    fn end(&mut self, key: usize, after: &mut Aftermath) {
        match self.release(key) {
            Slot::Draining(memory) | Slot::StreamDraining(memory) | Slot::Notify { memory, .. } => {
                after.memory.push(memory);
            }
            Slot::Free { .. } | Slot::Waiting(_) | Slot::Done { .. } | Slot::Stream { .. } => {}
        }
    }

    pub(crate) fn poll_single(&mut self, key: usize, waker: &Waker) -> Polled {
        match &mut self.slots[key] {
            Slot::Done { completion, last } => {
                let (completion, last) = (*completion, *last);
                if last {
                    drop(self.release(key));
                }
                Polled::Ready { completion, last }
            }
            Slot::Waiting(known) => Polled::Pending(remember(known, waker)),
            _ => unreachable_state(),
        }
    }

    /// After a first result with a notification still to come: keeps the memory until then.
    pub(crate) fn await_notification(&mut self, key: usize, memory: Box<dyn Any>, on_copied: fn(&dyn Any)) {
        let is_awaited = matches!(self.slots[key], Slot::Done { last: false, .. });
        assert!(is_awaited, "memory of slot {key} is kept for a notification that does not come");
        self.slots[key] = Slot::Notify { memory, on_copied };
    }

    /// The next connection of a stream.
    pub(crate) fn poll_stream(&mut self, key: usize, waker: &Waker) -> PolledStream {
        let Slot::Stream { ready, waker: known, ended } = &mut self.slots[key] else { unreachable_state() };
        if let Some(connection) = ready.pop_front() {
            return PolledStream::Item(connection);
        }
        if *ended {
            return PolledStream::Ended;
        }
        PolledStream::Pending(remember(known, waker))
    }

    /// The future is gone: what the kernel still uses stays here.
    pub(crate) fn abandon(&mut self, key: usize, memory: Box<dyn Any>) -> Abandoned {
        let draining = match &self.slots[key] {
            Slot::Done { last: true, .. } | Slot::Stream { ended: true, .. } => {
                let old = self.release(key);
                return Abandoned { cancel: false, leftovers: (Some(old), Some(memory)) };
            }
            Slot::Done { .. } | Slot::Waiting(_) => Slot::Draining(memory),
            Slot::Stream { .. } => Slot::StreamDraining(memory),
            _ => unreachable_state(),
        };
        let old = std::mem::replace(&mut self.slots[key], draining);
        Abandoned { cancel: true, leftovers: (Some(old), None) }
    }
}

/// Notes whom to wake; returns whom it replaced.
fn remember(known: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    if known.as_ref().is_some_and(|k| k.will_wake(waker)) {
        return None;
    }
    known.replace(waker.clone())
}

fn accepted(completion: Completion) -> io::Result<OwnedFd> {
    // SAFETY: the result of an accept is a descriptor that the kernel just made for us; nobody else knows it.
    completion.to_result().map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

#[expect(clippy::panic, reason = "a slot used after it was given back is a bug in this crate, not an input")]
fn unreachable_state() -> ! {
    panic!("an operation was polled after its slot was given back")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::os::fd::IntoRawFd;
    use std::rc::Rc;

    fn completion(result: i32, more: bool) -> Completion {
        Completion { result, more, copied: false }
    }

    fn complete(slots: &mut Slots, key: usize, completion: Completion) {
        let mut after = Aftermath::default();
        slots.complete(key, completion, &mut after);
        after.run();
    }

    /// A descriptor, and a way to see whether it has been closed: the other end of its pipe.
    fn watched_fd() -> (OwnedFd, impl Fn() -> bool) {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        (writer, move || rustix::io::read(&reader, &mut [0u8; 1]) == Ok(0))
    }

    struct Noisy(Rc<Cell<bool>>);
    impl Drop for Noisy {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }

    #[test]
    fn memory_of_an_abandoned_operation_lives_until_the_last_completion() {
        let (mut slots, freed) = (Slots::new(), Rc::new(Cell::new(false)));
        let key = slots.insert_single();
        assert!(slots.abandon(key, Box::new(Noisy(Rc::clone(&freed)))).cancel);
        complete(&mut slots, key, completion(5, true));
        assert!(!freed.get());
        complete(&mut slots, key, completion(0, false));
        assert!(freed.get());
        assert_eq!(slots.in_flight(), 0);
        assert_eq!(slots.insert_single(), key, "the slot is reused");
    }

    #[test]
    fn abandoned_between_result_and_notification_keeps_the_memory() {
        let (mut slots, freed) = (Slots::new(), Rc::new(Cell::new(false)));
        let key = slots.insert_single();
        complete(&mut slots, key, completion(100, true));
        assert!(slots.abandon(key, Box::new(Noisy(Rc::clone(&freed)))).cancel);
        assert!(!freed.get());
        assert_ne!(slots.insert_single(), key);
        complete(&mut slots, key, completion(0, false));
        assert!(freed.get());
    }

    #[test]
    fn a_finished_operation_needs_no_cancel() {
        let mut slots = Slots::new();
        let key = slots.insert_single();
        complete(&mut slots, key, completion(1, false));
        assert!(!slots.abandon(key, Box::new(())).cancel);
        assert_eq!(slots.insert_single(), key);
    }

    #[test]
    fn zero_copy_memory_waits_for_its_notification_and_reports_copies() {
        let (mut slots, copied) = (Slots::new(), Rc::new(Cell::new(false)));
        let key = slots.insert_single();
        complete(&mut slots, key, completion(100, true));
        let Polled::Ready { completion: first, last } = slots.poll_single(key, Waker::noop()) else {
            panic!()
        };
        assert_eq!((first.result, last), (100, false));
        slots.await_notification(key, Box::new(Rc::clone(&copied)), |memory| {
            memory.downcast_ref::<Rc<Cell<bool>>>().unwrap().set(true);
        });
        complete(&mut slots, key, Completion { result: 0, more: false, copied: true });
        assert!(copied.get());
        assert_eq!(slots.in_flight(), 0);
    }

    #[test]
    fn connections_that_nobody_took_are_closed() {
        let mut slots = Slots::new();
        let key = slots.insert_stream();
        let ((queued, queued_closed), (late, late_closed)) = (watched_fd(), watched_fd());
        complete(&mut slots, key, completion(queued.into_raw_fd(), true));
        assert!(!queued_closed());
        assert!(slots.abandon(key, Box::new(())).cancel);
        assert!(queued_closed());
        complete(&mut slots, key, completion(late.into_raw_fd(), true));
        assert!(late_closed());
        complete(&mut slots, key, completion(-libc::ECANCELED, false));
        assert_eq!(slots.in_flight(), 0);
        assert_eq!(slots.insert_single(), key);
    }

    #[test]
    fn connections_of_an_ended_stream_are_closed() {
        let mut slots = Slots::new();
        let key = slots.insert_stream();
        let (fd, closed) = watched_fd();
        complete(&mut slots, key, completion(fd.into_raw_fd(), true));
        complete(&mut slots, key, completion(-libc::EMFILE, false));
        assert!(!slots.abandon(key, Box::new(())).cancel);
        assert!(closed());
    }
}

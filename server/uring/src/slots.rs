//! The life of each operation between submission and its last completion.

use io_uring::cqueue;
use std::any::Any;
use std::collections::VecDeque;
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
    Draining(#[expect(dead_code, reason = "kept alive, never read")] Box<dyn Any>),
    /// The result was taken; only the notification is awaited and its memory is kept alive.
    Notify {
        memory: Box<dyn Any>,
        on_copied: fn(&dyn Any),
    },
    /// Several completions to one submission (multishot accept).
    Stream {
        ready: VecDeque<Completion>,
        waker: Option<Waker>,
        ended: bool,
    },
}

/// What became of a poll.
pub(crate) enum Polled {
    Pending,
    /// The result; `last` says that the slot is gone.
    Ready {
        completion: Completion,
        last: bool,
    },
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
        if let Slot::Free { next } = self.slots[key] {
            self.free_head = next;
        }
        self.slots[key] = slot;
        key
    }

    fn release(&mut self, key: usize) -> Slot {
        let old = std::mem::replace(&mut self.slots[key], Slot::Free { next: self.free_head });
        self.free_head = key;
        old
    }

    /// Records a completion; returns whom to wake.
    pub(crate) fn complete(&mut self, key: usize, completion: Completion) -> Option<Waker> {
        if !completion.more {
            self.in_flight -= 1;
        }
        match &mut self.slots[key] {
            Slot::Waiting(waker) => {
                let waker = waker.take();
                self.slots[key] = Slot::Done { completion, last: !completion.more };
                waker
            }
            Slot::Stream { ready, waker, ended } => {
                *ended = !completion.more;
                ready.push_back(completion);
                waker.take()
            }
            Slot::Done { completion: first, last } => {
                // The notification overtook the future: the memory is free, the result stays to be taken.
                first.copied = completion.copied;
                *last = !completion.more;
                None
            }
            Slot::Notify { memory, on_copied } => {
                if completion.copied {
                    on_copied(memory.as_ref());
                }
                self.end_unless(key, completion.more)
            }
            Slot::Draining(_) => self.end_unless(key, completion.more),
            Slot::Free { .. } => None,
        }
    }

    fn end_unless(&mut self, key: usize, more: bool) -> Option<Waker> {
        if !more {
            drop(self.release(key));
        }
        None
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
            Slot::Waiting(known) => {
                if !known.as_ref().is_some_and(|k| k.will_wake(waker)) {
                    *known = Some(waker.clone());
                }
                Polled::Pending
            }
            _ => unreachable_state(),
        }
    }

    /// After a first result with a notification still to come: keeps the memory until then.
    pub(crate) fn await_notification(&mut self, key: usize, memory: Box<dyn Any>, on_copied: fn(&dyn Any)) {
        self.slots[key] = Slot::Notify { memory, on_copied };
    }

    /// The next completion of a stream; `None` in the ready case means that it has ended.
    pub(crate) fn poll_stream(&mut self, key: usize, waker: &Waker) -> Option<Option<Completion>> {
        let Slot::Stream { ready, waker: known, ended } = &mut self.slots[key] else { return Some(None) };
        if let Some(completion) = ready.pop_front() {
            return Some(Some(completion));
        }
        if *ended {
            return Some(None);
        }
        *known = Some(waker.clone());
        None
    }

    /// The future is gone. True when the kernel still works and must be told to stop.
    pub(crate) fn abandon(&mut self, key: usize, memory: Box<dyn Any>) -> bool {
        let finished = match &self.slots[key] {
            Slot::Done { last, .. } => *last,
            Slot::Stream { ended, .. } => *ended,
            Slot::Waiting(_) => false,
            _ => return false,
        };
        if finished {
            drop(self.release(key));
            return false;
        }
        self.slots[key] = Slot::Draining(memory);
        true
    }
}

#[expect(clippy::panic, reason = "a future polled after its end is a bug in this crate, not an input")]
fn unreachable_state() -> ! {
    panic!("an operation was polled after its slot was given back")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    fn completion(result: i32, more: bool) -> Completion {
        Completion { result, more, copied: false }
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
        assert!(slots.abandon(key, Box::new(Noisy(Rc::clone(&freed)))));
        slots.complete(key, completion(5, true));
        assert!(!freed.get());
        slots.complete(key, completion(0, false));
        assert!(freed.get());
        assert_eq!(slots.in_flight(), 0);
        assert_eq!(slots.insert_single(), key, "the slot is reused");
    }

    #[test]
    fn a_finished_operation_needs_no_cancel() {
        let mut slots = Slots::new();
        let key = slots.insert_single();
        slots.complete(key, completion(1, false));
        assert!(!slots.abandon(key, Box::new(())));
    }

    #[test]
    fn zero_copy_memory_waits_for_its_notification_and_reports_copies() {
        let (mut slots, copied) = (Slots::new(), Rc::new(Cell::new(false)));
        let key = slots.insert_single();
        slots.complete(key, completion(100, true));
        let Polled::Ready { completion: first, last } = slots.poll_single(key, Waker::noop()) else {
            panic!()
        };
        assert_eq!((first.result, last), (100, false));
        slots.await_notification(key, Box::new(Rc::clone(&copied)), |memory| {
            memory.downcast_ref::<Rc<Cell<bool>>>().unwrap().set(true);
        });
        slots.complete(key, Completion { result: 0, more: false, copied: true });
        assert!(copied.get());
        assert_eq!(slots.in_flight(), 0);
    }
}

//! One change of a name at a time.
//!
//! A change looks up what is there, which may take a read, and then appends its record. Between the two no other change
//! of the same name may come in, or one of them would be counted over a version that is no longer there.

use futures_channel::oneshot;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

type Queue = VecDeque<oneshot::Sender<NameGuard>>;

/// The names being changed on one core, each with those who wait for it.
#[derive(Clone, Default)]
pub(crate) struct NameLocks {
    held: Rc<RefCell<HashMap<Box<[u8]>, Queue>>>,
}

/// The right to change a name; gives it to the next in line when dropped.
pub(crate) struct NameGuard {
    locks: NameLocks,
    name: Box<[u8]>,
}

impl NameLocks {
    /// Waits until nobody else changes this name; first come, first served.
    pub(crate) async fn lock(&self, name: &[u8]) -> NameGuard {
        loop {
            let my_turn = {
                let mut held = self.held.borrow_mut();
                let Some(queue) = held.get_mut(name) else {
                    held.insert(name.into(), Queue::new());
                    return NameGuard { locks: self.clone(), name: name.into() };
                };
                let (turn, my_turn) = oneshot::channel();
                queue.push_back(turn);
                my_turn
            };
            if let Ok(guard) = my_turn.await {
                return guard;
            }
        }
    }
}

impl Drop for NameGuard {
    fn drop(&mut self) {
        let next = self.locks.held.borrow_mut().get_mut(&self.name).and_then(VecDeque::pop_front);
        let Some(next) = next else {
            let was_held = self.locks.held.borrow_mut().remove(&self.name).is_some();
            assert!(was_held, "a name of {} bytes is given free that nobody holds", self.name.len());
            return;
        };
        // The guard itself is handed over: if the next in line has given up, or does before it looks, it is dropped
        // there and goes on from here.
        let guard = Self { locks: self.locks.clone(), name: std::mem::take(&mut self.name) };
        drop(next.send(guard));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn one_at_a_time_in_order_and_names_do_not_mind_each_other() {
        let locks = NameLocks::default();
        let first = locks.lock(b"a").now_or_never().unwrap();
        assert!(locks.lock(b"b").now_or_never().is_some());
        let mut second = Box::pin(locks.lock(b"a"));
        let mut third = Box::pin(locks.lock(b"a"));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        drop(first);
        assert!(third.as_mut().now_or_never().is_none());
        let held = second.as_mut().now_or_never().unwrap();
        drop(held);
        drop(third.as_mut().now_or_never().unwrap());
        assert!(locks.held.borrow().is_empty());
    }

    #[test]
    fn giving_up_while_waiting_blocks_nobody() {
        let locks = NameLocks::default();
        let first = locks.lock(b"a").now_or_never().unwrap();
        let mut gone = Box::pin(locks.lock(b"a"));
        assert!(gone.as_mut().now_or_never().is_none());
        let mut late = Box::pin(locks.lock(b"a"));
        assert!(late.as_mut().now_or_never().is_none());
        drop(gone);
        drop(first);
        // Given up when the lock was its own already, but before it looked.
        drop(late);
        assert!(locks.lock(b"a").now_or_never().is_some());
    }
}

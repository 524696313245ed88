//! Deadlines of connections without a timer each: a cell per connection, looked at a few times a second.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use uring::Driver;

const NEVER: u64 = u64::MAX;

struct Watched {
    socket: Rc<OwnedFd>,
    deadline_ms: Rc<Cell<u64>>,
    between_requests: Rc<Cell<bool>>,
}

/// All connections of a core, and its coarse clock.
#[derive(Default)]
pub(crate) struct Watch {
    watched: RefCell<HashMap<u64, Watched>>,
    next_id: Cell<u64>,
    now_ms: Cell<u64>,
}

/// One connection's entry; leaves the table when dropped.
pub(crate) struct WatchGuard {
    watch: Rc<Watch>,
    id: u64,
    deadline_ms: Rc<Cell<u64>>,
    between_requests: Rc<Cell<bool>>,
}

impl Watch {
    pub(crate) fn add(self: &Rc<Self>, socket: &Rc<OwnedFd>) -> WatchGuard {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        let deadline_ms = Rc::new(Cell::new(NEVER));
        let between_requests = Rc::new(Cell::new(false));
        let watched = Watched {
            socket: Rc::clone(socket),
            deadline_ms: Rc::clone(&deadline_ms),
            between_requests: Rc::clone(&between_requests),
        };
        self.watched.borrow_mut().insert(id, watched);
        WatchGuard { watch: Rc::clone(self), id, deadline_ms, between_requests }
    }

    /// Connections on this core.
    pub(crate) fn len(&self) -> usize {
        self.watched.borrow().len()
    }

    pub(crate) fn set_now(&self, now_ms: u64) {
        self.now_ms.set(now_ms);
    }

    /// Cancels what is past its deadline; the operation in flight then completes with `ECANCELED`.
    pub(crate) fn cancel_expired(&self, driver: &Driver) {
        for watched in self.watched.borrow().values() {
            if watched.deadline_ms.get() <= self.now_ms.get() {
                watched.deadline_ms.set(NEVER);
                driver.cancel_fd(&watched.socket);
            }
        }
    }

    /// Ends all connections that are waiting for a request; those that serve one finish it.
    pub(crate) fn shutdown_idle(&self) {
        for watched in self.watched.borrow().values() {
            if watched.between_requests.get() {
                uring::sock::shutdown(&*watched.socket);
            }
        }
    }
}

impl WatchGuard {
    /// From now on there are `timeout_ms` for what comes next.
    pub(crate) fn arm(&self, timeout_ms: u64) {
        self.deadline_ms.set(self.watch.now_ms.get().saturating_add(timeout_ms));
    }

    /// Whether the deadline has passed since it was armed.
    pub(crate) fn has_fired(&self) -> bool {
        self.deadline_ms.get() == NEVER
    }

    /// Whether nothing is lost when the connection ends now.
    pub(crate) fn set_between_requests(&self, between: bool) {
        self.between_requests.set(between);
    }

    pub(crate) fn disarm(&self) {
        self.deadline_ms.set(NEVER);
    }
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        self.watch.watched.borrow_mut().remove(&self.id);
    }
}

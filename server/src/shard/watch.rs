//! Deadlines of connections without a timer each: a cell per connection, looked at a few times a second.

use slab::Slab;
use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use uring::Driver;

const NEVER: u64 = u64::MAX;

struct Watched {
    socket: Rc<OwnedFd>,
    deadline_ms: Cell<u64>,
    between_requests: Cell<bool>,
}

/// All connections of a core, and its coarse clock.
#[derive(Default)]
pub(crate) struct Watch {
    watched: RefCell<Slab<Rc<Watched>>>,
    now_ms: Cell<u64>,
}

/// One connection's entry; leaves the table when dropped.
pub(crate) struct WatchGuard {
    watch: Rc<Watch>,
    key: usize,
    watched: Rc<Watched>,
}

impl Watch {
    pub(crate) fn add(self: &Rc<Self>, socket: &Rc<OwnedFd>) -> WatchGuard {
        let watched = Rc::new(Watched {
            socket: Rc::clone(socket),
            deadline_ms: Cell::new(NEVER),
            between_requests: Cell::new(false),
        });
        let key = self.watched.borrow_mut().insert(Rc::clone(&watched));
        WatchGuard { watch: Rc::clone(self), key, watched }
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
        for watched in self.watched.borrow().iter().map(|(_, watched)| watched) {
            if watched.deadline_ms.get() <= self.now_ms.get() {
                watched.deadline_ms.set(NEVER);
                driver.cancel_fd(&watched.socket);
            }
        }
    }

    /// Ends all connections that are waiting for a request; those that serve one finish it.
    pub(crate) fn shutdown_idle(&self) {
        for watched in self.watched.borrow().iter().map(|(_, watched)| watched) {
            if watched.between_requests.get() {
                uring::sock::shutdown(&*watched.socket);
            }
        }
    }
}

impl WatchGuard {
    /// From now on there are `timeout_ms` for what comes next.
    pub(crate) fn arm(&self, timeout_ms: u64) {
        self.watched.deadline_ms.set(self.watch.now_ms.get().saturating_add(timeout_ms));
    }

    /// Whether the deadline has passed since it was armed.
    pub(crate) fn has_fired(&self) -> bool {
        self.watched.deadline_ms.get() == NEVER
    }

    /// Whether nothing is lost when the connection ends now.
    pub(crate) fn set_between_requests(&self, between: bool) {
        self.watched.between_requests.set(between);
    }

    pub(crate) fn disarm(&self) {
        self.watched.deadline_ms.set(NEVER);
    }
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        self.watch.watched.borrow_mut().try_remove(self.key);
    }
}

//! Limits of time. No timer per operation: each worker notes its deadline, and one task per core looks at them all at
//! every tick.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Instant;
use uring::{Driver, sock};

/// The operation of one worker, as far as the watch needs to know it.
#[derive(Default)]
pub(crate) struct Slot {
    deadline: Cell<Option<Instant>>,
    socket: RefCell<Option<Rc<OwnedFd>>>,
    is_cut: Cell<bool>,
}

impl Slot {
    /// An operation begins.
    pub(crate) fn begin(&self, deadline: Option<Instant>) {
        self.is_cut.set(false);
        self.deadline.set(deadline);
    }

    /// The operation goes on with this socket.
    pub(crate) fn uses(&self, socket: &Rc<OwnedFd>) {
        self.socket.replace(Some(Rc::clone(socket)));
    }

    /// The operation is over.
    pub(crate) fn end(&self) {
        self.deadline.set(None);
        self.socket.replace(None);
    }

    /// True while an operation uses a socket.
    pub(crate) fn is_busy(&self) -> bool {
        self.socket.borrow().is_some()
    }

    /// True when the watch has cut the operation.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.get()
    }

    /// Says so of an operation that was cut before something was done in its wake.
    pub(crate) fn stays_cut(&self) {
        self.is_cut.set(true);
    }

    /// Cuts the operation when its time, or the whole run's (`latest`), is over. All that is in flight on its
    /// socket ends with an error; should it begin something new first, the next tick cuts that.
    pub(crate) fn check(&self, now: Instant, latest: Option<Instant>, driver: &Driver) {
        let is_due = |limit: Option<Instant>| limit.is_some_and(|limit| now >= limit);
        if !self.is_busy() || !(is_due(self.deadline.get()) || is_due(latest)) {
            return;
        }
        self.is_cut.set(true);
        if let Some(socket) = &*self.socket.borrow() {
            driver.cancel_fd(socket);
            sock::shutdown(socket);
        }
    }
}

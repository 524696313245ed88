//! Deadlines of connections without a timer each: a few cells per connection, looked at a few times a second.
//!
//! A deadline counts from the last byte that moved. A receive ends with the first bytes that come, and is given a new
//! deadline then; a send ends when the kernel has taken all of its bytes, so before one is cut the kernel is asked if
//! the peer has taken any of them since.

use super::seat::{Seat, Seats};
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use uring::Driver;

const NEVER: u64 = u64::MAX;
/// A connection that has waited for less does not make room for another.
const IDLE_MS_MIN: u64 = 250;
/// Cuts and refusals are logged no more often than this.
const LOG_MS: u64 = 1000;

/// Why a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The head of a request took too long.
    Head,
    /// No byte of a body came for too long.
    Body,
    /// No byte of an answer was taken for too long.
    Answer,
}

impl Cut {
    /// All reasons, in the order of [`Watch::cuts`], as the metric names them.
    pub(crate) const REASONS: [&'static str; 3] = ["head", "body", "answer"];

    const fn index(self) -> usize {
        match self {
            Self::Head => 0,
            Self::Body => 1,
            Self::Answer => 2,
        }
    }
}

/// The reason for an operation to end before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fired {
    Nothing,
    /// It has held its buffer for long enough.
    Hold,
    Deadline,
}

/// The moment that a deadline counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// When it was set.
    Set,
    /// The last byte that moved; the kernel has not been asked yet.
    Unasked,
    /// The last byte that moved: so many had then.
    Moved(u64),
}

struct Watched {
    socket: Rc<OwnedFd>,
    seat: Cell<Option<Seat>>,
    deadline_ms: Cell<u64>,
    timeout_ms: Cell<u64>,
    progress: Cell<Progress>,
    hold_until_ms: Cell<u64>,
    fired: Cell<Fired>,
    /// Since when it waits for a request; `NEVER` while it has one.
    idle_since_ms: Cell<u64>,
}

/// All connections of a core, and its coarse clock.
#[derive(Default)]
pub(crate) struct Watch {
    watched: RefCell<Slab<Rc<Watched>>>,
    now_ms: Cell<u64>,
    cuts: [Cell<u64>; Cut::REASONS.len()],
    cuts_log: LogGate,
    refusals_log: LogGate,
}

/// Lets one line a second through, with the number of those that it has kept back.
#[derive(Default)]
struct LogGate {
    passed_ms: Cell<Option<u64>>,
    kept_back: Cell<u64>,
}

impl LogGate {
    fn pass(&self, now_ms: u64) -> Option<u64> {
        if self.passed_ms.get().is_some_and(|passed| now_ms < passed + LOG_MS) {
            self.kept_back.set(self.kept_back.get() + 1);
            return None;
        }
        self.passed_ms.set(Some(now_ms));
        Some(self.kept_back.replace(0))
    }
}

/// One connection's entry; leaves the table when dropped.
pub(crate) struct WatchGuard {
    watch: Rc<Watch>,
    key: usize,
    watched: Rc<Watched>,
}

impl Watch {
    pub(super) fn add(self: &Rc<Self>, socket: &Rc<OwnedFd>, seat: Seat) -> WatchGuard {
        let watched = Rc::new(Watched {
            socket: Rc::clone(socket),
            seat: Cell::new(Some(seat)),
            deadline_ms: Cell::new(NEVER),
            timeout_ms: Cell::new(0),
            progress: Cell::new(Progress::Set),
            hold_until_ms: Cell::new(NEVER),
            fired: Cell::new(Fired::Nothing),
            idle_since_ms: Cell::new(NEVER),
        });
        let key = self.watched.borrow_mut().insert(Rc::clone(&watched));
        WatchGuard { watch: Rc::clone(self), key, watched }
    }

    /// Connections on this core.
    pub(crate) fn len(&self) -> usize {
        self.watched.borrow().len()
    }

    /// The number of connections that were cut for each of [`Cut::REASONS`].
    pub(crate) fn cuts(&self) -> [u64; Cut::REASONS.len()] {
        [0, 1, 2].map(|at: usize| self.cuts.get(at).map_or(0, Cell::get))
    }

    pub(super) fn set_now(&self, now_ms: u64) {
        self.now_ms.set(now_ms);
    }

    /// Cancels what is past its deadline; the operation in flight then completes with what it has done, or `ECANCELED`.
    pub(super) fn cancel_expired(&self, driver: &Driver) {
        for watched in self.watched.borrow().iter().map(|(_, watched)| watched) {
            if let Some(why) = watched.expired(self.now_ms.get()) {
                watched.fired.set(why);
                driver.cancel_fd(&watched.socket);
            }
        }
    }

    /// Seats those who stand by as soon as there are seats.
    pub(super) fn seat_standing(&self, seats: &Arc<Seats>) {
        for watched in self.watched.borrow().iter().map(|(_, watched)| watched) {
            if !watched.take_place(seats) && seats.free() == 0 {
                return;
            }
        }
    }

    /// Ends all connections that are waiting for a request; those that serve one finish it.
    pub(super) fn shutdown_idle(&self) {
        for watched in self.watched.borrow().iter().map(|(_, watched)| watched) {
            if watched.idle_since_ms.get() != NEVER {
                uring::sock::shutdown(&*watched.socket);
            }
        }
    }

    /// Ends the connection that has waited longest for a request, if one has for long enough. Its seat is free a moment
    /// later.
    pub(super) fn shutdown_longest_idle(&self) -> bool {
        let all = self.watched.borrow();
        let seated = all.iter().map(|(_, watched)| watched).filter(|watched| watched.has_seat());
        let Some(longest) = seated.min_by_key(|watched| watched.idle_since_ms.get()) else { return false };
        let since = longest.idle_since_ms.get();
        if since == NEVER || self.now_ms.get().saturating_sub(since) < IDLE_MS_MIN {
            return false;
        }
        longest.idle_since_ms.set(NEVER);
        uring::sock::shutdown(&*longest.socket);
        true
    }

    fn note_cut(&self, cut: Cut, peer: SocketAddr) {
        if let Some(count) = self.cuts.get(cut.index()) {
            count.set(count.get() + 1);
        }
        if let Some(more) = self.cuts_log.pass(self.now_ms.get()) {
            tracing::warn!(%peer, reason = ?cut, more, "connection cut: no byte moved for too long");
        }
    }

    pub(super) fn log_refusal(&self, why: &str) {
        if let Some(more) = self.refusals_log.pass(self.now_ms.get()) {
            tracing::warn!(why, more, "connection refused");
        }
    }
}

impl Watched {
    /// The reason for which its operation is to end now, if there is one.
    fn expired(&self, now_ms: u64) -> Option<Fired> {
        if self.hold_until_ms.get() <= now_ms {
            self.hold_until_ms.set(NEVER);
            return Some(Fired::Hold);
        }
        if self.deadline_ms.get() > now_ms {
            return None;
        }
        let moved = match self.progress.get() {
            Progress::Set => None,
            Progress::Unasked => Some(uring::sock::bytes_moved(&*self.socket)),
            Progress::Moved(before) => {
                Some(uring::sock::bytes_moved(&*self.socket)).filter(|moved| *moved != before)
            }
        };
        let Some(moved) = moved else {
            self.deadline_ms.set(NEVER);
            return Some(Fired::Deadline);
        };
        self.progress.set(Progress::Moved(moved));
        self.deadline_ms.set(now_ms.saturating_add(self.timeout_ms.get()));
        None
    }

    fn has_seat(&self) -> bool {
        self.with_seat(Seat::is_own)
    }

    fn with_seat(&self, ask: impl Fn(&Seat) -> bool) -> bool {
        let seat = self.seat.take();
        let answer = seat.as_ref().is_some_and(ask);
        self.seat.set(seat);
        answer
    }

    /// Seats a connection that stands by; false when it goes on standing.
    fn take_place(&self, seats: &Arc<Seats>) -> bool {
        if !self.with_seat(Seat::is_standby) {
            return self.has_seat();
        }
        let Some(seat) = seats.take() else { return false };
        drop(self.seat.replace(Some(seat)));
        true
    }
}

impl WatchGuard {
    /// From now on there are `timeout_ms` for what comes next.
    pub(super) fn arm(&self, timeout_ms: u64) {
        self.watched.progress.set(Progress::Set);
        self.watched.fired.set(Fired::Nothing);
        self.watched.deadline_ms.set(self.watch.now_ms.get().saturating_add(timeout_ms));
    }

    /// As [`WatchGuard::arm`], but the time counts from the last byte that the peer has taken or sent.
    pub(super) fn arm_for_progress(&self, timeout_ms: u64) {
        self.arm(timeout_ms / 2);
        self.watched.timeout_ms.set(timeout_ms);
        self.watched.progress.set(Progress::Unasked);
    }

    /// Has the operations of this connection end in `hold_ms`, as far as they have got by then.
    pub(super) fn hold(&self, hold_ms: u64) {
        if self.watched.fired.get() == Fired::Hold {
            self.watched.fired.set(Fired::Nothing);
        }
        self.watched.hold_until_ms.set(self.watch.now_ms.get().saturating_add(hold_ms));
    }

    pub(super) fn end_hold(&self) {
        self.watched.hold_until_ms.set(NEVER);
    }

    /// True once a hold was begun and its time is over.
    pub(super) fn is_held_too_long(&self) -> bool {
        let until = self.watched.hold_until_ms.get();
        self.watched.fired.get() == Fired::Hold || until <= self.watch.now_ms.get()
    }

    pub(super) fn fired(&self) -> Fired {
        self.watched.fired.get()
    }

    pub(super) fn disarm(&self) {
        self.watched.deadline_ms.set(NEVER);
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.watch.now_ms.get()
    }

    /// Says if nothing is lost when the connection ends now.
    pub(super) fn set_between_requests(&self, between: bool) {
        self.watched.idle_since_ms.set(if between { self.watch.now_ms.get() } else { NEVER });
    }

    pub(super) fn is_standby(&self) -> bool {
        self.watched.with_seat(Seat::is_standby)
    }

    pub(super) fn has_seat(&self) -> bool {
        self.watched.has_seat()
    }

    /// True if it has a seat of its own, now if not before.
    pub(super) fn take_place(&self, seats: &Arc<Seats>) -> bool {
        self.watched.take_place(seats)
    }

    /// For a connection that goes to another core.
    pub(super) fn take_seat(&self) -> Option<Seat> {
        self.watched.seat.take()
    }

    pub(super) fn note_cut(&self, cut: Cut, peer: SocketAddr) {
        self.watch.note_cut(cut, peer);
    }
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        let entry = self.watch.watched.borrow_mut().try_remove(self.key);
        // Frees the seat: outside of the borrow.
        drop(entry);
    }
}

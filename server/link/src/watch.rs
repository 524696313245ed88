//! Limits of time. No timer per exchange: each user notes what it waits for, and one task per core looks at them all a few
//! times a second.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};
use uring::{Driver, sock};

/// A silent peer is looked at so many times within its limit: it is cut at most a quarter of that late, and never early.
const LOOKS: u32 = 4;

/// The time that an exchange may take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    /// When it is over, whatever happens.
    pub until: Option<Instant>,
    /// The peer may move no byte at all for so long, in either direction, while it is waited for.
    pub idle: Option<Duration>,
}

/// The exchange of one user, as far as the watch needs to know. It can be used for one after another.
#[derive(Default)]
pub struct Slot {
    patience: Cell<Patience>,
    silence: Cell<Option<Silence>>,
    socket: RefCell<Option<Rc<OwnedFd>>>,
    is_cut: Cell<bool>,
    /// The peer is to do something, not we.
    is_peers_turn: Cell<bool>,
}

/// The last look at a connection.
#[derive(Clone, Copy)]
struct Silence {
    /// As the kernel counts them.
    bytes_moved: u64,
    since: Instant,
    look_at: Instant,
}

impl Slot {
    /// An exchange begins.
    pub fn begin(&self, patience: Patience) {
        self.is_cut.set(false);
        self.silence.set(None);
        self.patience.set(patience);
    }

    /// The exchange goes on with this socket.
    pub fn uses(&self, socket: &Rc<OwnedFd>) {
        self.silence.set(None);
        self.socket.replace(Some(Rc::clone(socket)));
    }

    /// The exchange is over.
    pub fn end(&self) {
        self.patience.set(Patience::default());
        self.socket.replace(None);
    }

    /// True while an exchange uses a socket.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.socket.borrow().is_some()
    }

    /// True when the watch has cut the exchange.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut.get()
    }

    /// Says so of an exchange that was cut before something was done in its wake.
    pub fn stays_cut(&self) {
        self.is_cut.set(true);
    }

    /// The peer's turn, until what is given back is dropped.
    pub(crate) fn awaits(self: &Rc<Self>) -> PeersTurn {
        self.is_peers_turn.set(true);
        PeersTurn(Rc::clone(self))
    }

    /// Cuts the exchange when its time, or everybody's (`latest`), is over. What is in flight on its socket ends with an
    /// error; should it begin something new first, the next look cuts that.
    fn check(&self, now: Instant, latest: Option<Instant>, driver: &Driver) {
        let Some(socket) = &*self.socket.borrow() else { return };
        let is_due = |limit: Option<Instant>| limit.is_some_and(|limit| now >= limit);
        if is_due(self.patience.get().until) || is_due(latest) || self.is_silent(now, socket) {
            self.is_cut.set(true);
            driver.cancel_fd(socket);
            sock::shutdown(socket);
        }
    }

    /// True if the peer has moved nothing for too long. A time that is not its turn counts as movement.
    fn is_silent(&self, now: Instant, socket: &Rc<OwnedFd>) -> bool {
        let Some(idle) = self.patience.get().idle else { return false };
        let seen = self.silence.get();
        if seen.is_some_and(|seen| now < seen.look_at) && self.is_peers_turn.get() {
            return false;
        }
        let bytes_moved = sock::bytes_moved(socket);
        let since = match seen {
            Some(seen) if seen.bytes_moved == bytes_moved && self.is_peers_turn.get() => seen.since,
            _ => now,
        };
        let end = since + idle;
        let step = idle.checked_div(LOOKS).unwrap_or(idle);
        self.silence.set(Some(Silence { bytes_moved, since, look_at: end.min(now + step) }));
        now >= end
    }
}

/// While it lives, the peer is waited for.
pub(crate) struct PeersTurn(Rc<Slot>);

impl PeersTurn {
    /// The turn is ours for as long as `work` takes.
    pub(crate) async fn except<T>(&self, work: impl Future<Output = T>) -> T {
        self.0.is_peers_turn.set(false);
        let done = work.await;
        self.0.is_peers_turn.set(true);
        done
    }
}

impl Drop for PeersTurn {
    fn drop(&mut self) {
        self.0.is_peers_turn.set(false);
    }
}

/// All slots of a core.
#[derive(Default)]
pub struct Watch {
    slots: RefCell<Vec<Rc<Slot>>>,
}

impl Watch {
    /// A slot that is watched for as long as somebody else has it.
    #[must_use]
    pub fn slot(&self) -> Rc<Slot> {
        let slot = Rc::new(Slot::default());
        self.slots.borrow_mut().push(Rc::clone(&slot));
        slot
    }

    /// Cuts what is out of time. To be called a few times a second; `latest` is a limit for all.
    pub fn look(&self, now: Instant, latest: Option<Instant>, driver: &Driver) {
        self.slots.borrow_mut().retain(|slot| Rc::strong_count(slot) > 1);
        for slot in &*self.slots.borrow() {
            slot.check(now, latest, driver);
        }
    }

    /// Exchanges that go on.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.slots.borrow().iter().filter(|slot| slot.is_busy()).count()
    }
}

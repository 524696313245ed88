//! The number of connections of the node: each holds a seat, whichever core it is on.
//!
//! Beyond the seats there is some standing room. A connection that comes when all seats are taken stands by: it may ask
//! for health, metrics and control at once, and for data as soon as a seat is free. When that is full too, a few more
//! are let in to be told to come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Connections that may stand by.
const STANDBY: usize = 32;
/// Connections that may be let in to be refused.
const REFUSALS: usize = 64;

/// Connections beyond the seats.
pub(super) const BEYOND_SEATS: usize = STANDBY + REFUSALS;

/// The seats of a node.
pub(crate) struct Seats {
    own: Places,
    standby: Places,
    refusals: Places,
}

struct Places {
    count: usize,
    free: AtomicUsize,
}

/// The place that a connection has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Own,
    Standby,
    Refusal,
}

/// One of them; free again when dropped.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    kind: Kind,
}

impl Places {
    fn new(count: usize) -> Self {
        Self { count, free: AtomicUsize::new(count) }
    }

    fn take(&self) -> bool {
        // Nothing else is ordered by the count.
        let taken = self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(1));
        taken.is_ok()
    }

    fn taken(&self) -> usize {
        self.count.saturating_sub(self.free.load(Ordering::Relaxed))
    }
}

impl Seats {
    /// So many, all free.
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            own: Places::new(count),
            standby: Places::new(STANDBY),
            refusals: Places::new(REFUSALS),
        })
    }

    fn places(&self, kind: Kind) -> &Places {
        match kind {
            Kind::Own => &self.own,
            Kind::Standby => &self.standby,
            Kind::Refusal => &self.refusals,
        }
    }

    fn take_kind(self: &Arc<Self>, kind: Kind) -> Option<Seat> {
        self.places(kind).take().then(|| Seat { seats: Arc::clone(self), kind })
    }

    /// A seat, if one is free.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Seat> {
        self.take_kind(Kind::Own)
    }

    /// Standing room.
    pub(super) fn take_standby(self: &Arc<Self>) -> Option<Seat> {
        self.take_kind(Kind::Standby)
    }

    /// The time that it takes to be refused.
    pub(super) fn take_refusal(self: &Arc<Self>) -> Option<Seat> {
        self.take_kind(Kind::Refusal)
    }

    /// The number of free seats.
    pub(super) fn free(&self) -> usize {
        self.own.free.load(Ordering::Relaxed)
    }

    /// True while anybody stands by.
    pub(super) fn has_standing(&self) -> bool {
        self.standby.taken() > 0
    }

    /// The number of connections, those without a seat among them.
    pub(super) fn taken(&self) -> usize {
        self.own.taken() + self.standby.taken() + self.refusals.taken()
    }
}

impl Seat {
    pub(super) fn is_own(&self) -> bool {
        self.kind == Kind::Own
    }

    pub(super) fn is_standby(&self) -> bool {
        self.kind == Kind::Standby
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.places(self.kind).free.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_that_is_given_up_can_be_taken_again() {
        let seats = Seats::new(2);
        let [first, second] = [seats.take(), seats.take()];
        assert!(first.is_some() && second.is_some() && seats.take().is_none());
        assert_eq!((seats.taken(), seats.free()), (2, 0));
        drop(first);
        assert_eq!(seats.taken(), 1);
        let third = seats.take();
        assert!(third.is_some() && seats.take().is_none());
    }

    #[test]
    fn standing_room_is_beyond_the_seats_and_bounded() {
        let seats = Seats::new(1);
        let own = seats.take().unwrap();
        let standing: Vec<Seat> = std::iter::from_fn(|| seats.take_standby()).collect();
        let refused: Vec<Seat> = std::iter::from_fn(|| seats.take_refusal()).collect();
        assert_eq!((standing.len(), refused.len()), (STANDBY, REFUSALS));
        assert_eq!(seats.taken(), 1 + BEYOND_SEATS);
        assert!(own.is_own() && standing.iter().all(Seat::is_standby));
        drop((standing, refused));
        assert_eq!((seats.taken(), seats.free()), (1, 0));
    }
}

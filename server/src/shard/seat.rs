//! How many connections the node has: each holds a seat, whichever core it is on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The seats of a node.
pub(crate) struct Seats {
    count: usize,
    free: AtomicUsize,
}

/// One of them; free again when dropped.
pub(crate) struct Seat(Arc<Seats>);

impl Seats {
    /// So many, all free.
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { count, free: AtomicUsize::new(count) })
    }

    /// A seat, if one is free.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Seat> {
        // Nothing else is ordered by the count.
        let taken = self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(1));
        taken.is_ok().then(|| Seat(Arc::clone(self)))
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.count.saturating_sub(self.free.load(Ordering::Relaxed))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.free.fetch_add(1, Ordering::Relaxed);
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
        assert_eq!(seats.taken(), 2);
        drop(first);
        assert_eq!(seats.taken(), 1);
        let third = seats.take();
        assert!(third.is_some() && seats.take().is_none());
    }
}

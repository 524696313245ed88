//! Memory of slow peers.
//!
//! Registered memory is for bytes that are there. A peer whose bytes come or go slowly has plain memory instead: a
//! little that is its own, and more while the slow peers of the core together stay below a bound. So no number of them
//! keeps a buffer from anybody, and none of them waits for another.

use std::cell::Cell;
use std::rc::Rc;

/// Each slow peer may have so much in any case; the budget has it among the buffers of connections.
pub(crate) const OWN_BYTES: usize = 8 << 10;
/// It may borrow so much, and its bytes are gathered to so many before they are written: a block.
pub(crate) const QUANTUM_BYTES: usize = super::BLOCK_BYTES;

/// Plain memory that the slow peers of a core share.
#[derive(Debug)]
pub(crate) struct SlowMemory {
    limit_bytes: usize,
    lent_bytes: Cell<usize>,
}

/// A part of it, given back when dropped.
#[derive(Debug)]
pub(crate) struct Loan {
    of: Rc<SlowMemory>,
    size_bytes: usize,
}

impl SlowMemory {
    pub(crate) fn new(limit_bytes: usize) -> Rc<Self> {
        Rc::new(Self { limit_bytes, lent_bytes: Cell::new(0) })
    }

    /// Lends so many bytes, or none: whoever gets none lives from [`OWN_BYTES`].
    pub(crate) fn try_lend(self: &Rc<Self>, size_bytes: usize) -> Option<Loan> {
        let lent = self.lent_bytes.get() + size_bytes;
        (lent <= self.limit_bytes).then(|| {
            self.lent_bytes.set(lent);
            Loan { of: Rc::clone(self), size_bytes }
        })
    }

    pub(crate) fn lent_bytes(&self) -> usize {
        self.lent_bytes.get()
    }
}

impl Loan {
    pub(crate) fn size_bytes(&self) -> usize {
        self.size_bytes
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let (lent, back) = (self.of.lent_bytes.get(), self.size_bytes);
        let left = lent.checked_sub(back);
        assert!(left.is_some(), "a slow peer gives back {back} bytes, and {lent} are lent");
        self.of.lent_bytes.set(left.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_lent_than_there_is_and_all_comes_back() {
        let memory = SlowMemory::new(3 * QUANTUM_BYTES);
        let loans: Vec<Loan> = std::iter::from_fn(|| memory.try_lend(QUANTUM_BYTES)).collect();
        assert_eq!((loans.len(), memory.lent_bytes()), (3, 3 * QUANTUM_BYTES));
        assert!(memory.try_lend(1).is_none());
        drop(loans);
        assert_eq!(memory.lent_bytes(), 0);
        assert!(memory.try_lend(3 * QUANTUM_BYTES + 1).is_none());
        assert_eq!(memory.try_lend(3 * QUANTUM_BYTES).unwrap().size_bytes(), 3 * QUANTUM_BYTES);
    }
}

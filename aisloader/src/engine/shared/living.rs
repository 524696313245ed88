//! The record of which names still exist while workers read some and delete others.
//!
//! Nobody may be asked for a name that a DELETE of ours has taken away: the 404 would be our own fault. So a reader first
//! says which name it holds and then looks whether the name is gone; a deleter first says that the name is gone and then
//! looks whether anybody holds it. All four steps are sequentially consistent, so at least one of the two sees the other
//! and chooses another name.

use crate::workload::random::scale;
use placement::mix;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Names that are drawn again before the next living one is looked for in order, which would prefer the neighbours of
/// deleted names.
const REDRAWS: u64 = 8;
/// Names that a deleter tries before it lets the readers get on.
const CLAIMS: u64 = 64;
const WORD_BITS: u64 = u64::BITS as u64;

/// The state of the names `0..len`.
#[derive(Debug, Default)]
pub(crate) struct Living {
    len: u64,
    /// One bit a name: it is deleted, or being deleted.
    gone: Vec<AtomicU64>,
    /// The number of deleted names.
    gone_count: AtomicU64,
    /// Names that were drawn again.
    redraws: AtomicU64,
    /// For each worker, the name that it reads, plus one; 0: none.
    held: Vec<AtomicU64>,
}

impl Living {
    /// All of `len` names live; `workers` read and delete them.
    pub(crate) fn new(len: u64, workers: usize) -> Self {
        let mut living = Self { held: (0..workers).map(|_| AtomicU64::new(0)).collect(), ..Self::default() };
        (0..len).for_each(|_| living.grow());
        living
    }

    /// One more name.
    pub(crate) fn grow(&mut self) {
        if self.len.is_multiple_of(WORD_BITS) {
            self.gone.push(AtomicU64::new(0));
        }
        self.len = self.len.saturating_add(1);
    }

    /// The number of names that live.
    pub(crate) fn left(&self) -> u64 {
        self.len.saturating_sub(self.gone_count.load(SeqCst))
    }

    /// Holds the name at `wish`, or another when that is gone; `None` when all are.
    pub(crate) fn hold(&self, worker: u64, wish: u64) -> Option<u64> {
        let held = self.held.get(usize::try_from(worker).ok()?)?;
        let mut wish = wish;
        while let Some(at) = self.living_near(wish) {
            held.store(at.saturating_add(1), SeqCst);
            if !self.is_gone(at) {
                return Some(at);
            }
            wish = at;
        }
        held.store(0, SeqCst);
        None
    }

    /// Ends what [`Living::hold`] began.
    pub(crate) fn release(&self, worker: u64) {
        if let Some(held) = usize::try_from(worker).ok().and_then(|worker| self.held.get(worker)) {
            held.store(0, SeqCst);
        }
    }

    /// Takes away the name at `wish`, or another when that is gone or read; `None` when there is none to be had now. It
    /// counts as living until [`Living::bury`]: the deletion may fail.
    pub(crate) fn claim(&self, wish: u64) -> Option<u64> {
        let mut at = self.living_near(wish)?;
        for _ in 0..CLAIMS {
            if self.mark(at) {
                if !self.is_held(at) {
                    return Some(at);
                }
                self.unmark(at);
            }
            at = self.living_near(at.saturating_add(1).checked_rem(self.len).unwrap_or(0))?;
        }
        None
    }

    /// Gives a claimed name back: its object is still there.
    pub(crate) fn unmark(&self, at: u64) {
        if let Some((word, bit)) = self.place(at) {
            word.fetch_and(!bit, SeqCst);
        }
    }

    /// A claimed name is gone for ever.
    pub(crate) fn bury(&self) {
        self.gone_count.fetch_add(1, SeqCst);
    }

    /// False when it was gone already.
    fn mark(&self, at: u64) -> bool {
        self.place(at).is_some_and(|(word, bit)| word.fetch_or(bit, SeqCst) & bit == 0)
    }

    fn is_held(&self, at: u64) -> bool {
        self.held.iter().any(|held| held.load(SeqCst) == at.saturating_add(1))
    }

    fn is_gone(&self, at: u64) -> bool {
        self.place(at).is_none_or(|(word, bit)| word.load(SeqCst) & bit != 0)
    }

    fn place(&self, at: u64) -> Option<(&AtomicU64, u64)> {
        let word = self.gone.get(usize::try_from(at / WORD_BITS).ok()?).filter(|_| at < self.len)?;
        Some((word, 1 << (at % WORD_BITS)))
    }

    /// `wish` or, when it is gone, another name, drawn anew.
    fn living_near(&self, wish: u64) -> Option<u64> {
        if !self.is_gone(wish) {
            return Some(wish);
        }
        let mut redrawn = (0..REDRAWS).map(|_| scale(mix(self.redraws.fetch_add(1, SeqCst)), self.len));
        redrawn.find(|at| !self.is_gone(*at)).or_else(|| self.living_after(wish))
    }

    /// The next one that lives, around the end to the start.
    fn living_after(&self, wish: u64) -> Option<u64> {
        let words = self.gone.len() as u64;
        let from = wish / WORD_BITS;
        for step in 0..=words {
            let at = from.saturating_add(step).checked_rem(words)?;
            let word = self.gone.get(usize::try_from(at).ok()?)?.load(SeqCst);
            let first = at.saturating_mul(WORD_BITS);
            let living = first.saturating_add(u64::from(word.trailing_ones()));
            if word != u64::MAX && living < self.len {
                return Some(living);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn every_name_is_claimed_once_and_then_there_is_none() {
        for len in [1, 63, 64, 65, 1000] {
            let living = Living::new(len, 2);
            let claimed: HashSet<u64> = (0..len).filter_map(|n| living.claim(mix(n) % len)).collect();
            assert_eq!((claimed.len() as u64, living.left()), (len, len));
            assert_eq!((living.claim(0), living.hold(1, 0)), (None, None));
            living.unmark(len - 1);
            (1..len).for_each(|_| living.bury());
            assert_eq!((living.hold(1, 0), living.left()), (Some(len - 1), 1));
        }
        assert_eq!(Living::new(0, 1).claim(0), None);
    }

    #[test]
    fn what_is_held_is_not_claimed() {
        let mut living = Living::new(2, 2);
        assert_eq!(living.hold(0, 1), Some(1));
        assert_eq!(living.claim(1), Some(0));
        assert_eq!(living.claim(1), None);
        living.release(0);
        assert_eq!(living.claim(1), Some(1));
        living.grow();
        assert_eq!(living.hold(1, 0), Some(2));
    }

    #[test]
    fn names_beside_deleted_ones_are_not_preferred() {
        let living = Living::new(1000, 1);
        // Every second one lives.
        (0..500).for_each(|n| assert!(living.mark(2 * n)));
        let mut chosen = vec![0u32; 1000];
        for n in 0..100_000 {
            chosen[living.hold(0, scale(mix(n), 1000)).unwrap() as usize] += 1;
        }
        // Odd ones have 200 each on average, half of them by their own draw.
        assert!(chosen.iter().skip(1).step_by(2).all(|count| (100..300).contains(count)));
        assert!(chosen.iter().step_by(2).all(|count| *count == 0));
    }

    #[test]
    fn threads_that_read_and_delete_never_meet() {
        let living = Living::new(2000, 4);
        let deleted: Vec<AtomicBool> = (0..2000).map(|_| AtomicBool::new(false)).collect();
        std::thread::scope(|scope| {
            for worker in 0..2u64 {
                let (living, deleted) = (&living, &deleted);
                scope.spawn(move || {
                    let mut n = worker;
                    while let Some(at) = living.hold(worker, scale(mix(n), 2000)) {
                        assert!(!deleted[at as usize].load(SeqCst));
                        n += 2;
                    }
                });
                scope.spawn(move || {
                    let mut n = worker;
                    while living.left() > 0 {
                        if let Some(at) = living.claim(scale(mix(!n), 2000)) {
                            assert!(!deleted[at as usize].swap(true, SeqCst));
                            living.bury();
                        }
                        n += 2;
                    }
                });
            }
        });
        assert!(deleted.iter().all(|one| one.load(SeqCst)));
    }
}

//! `-epochs`: full passes over the names, each name exactly once a pass, over all workers and cores.

use crate::workload::random::{Stream, draw, permute};
use std::sync::atomic::{AtomicU64, Ordering};

/// Where the `place`-th of all reads goes when passes over `len` names follow each other, each in a pseudo-random
/// order of its own; 0 when there is no name.
pub(super) fn place_in_pass(seed: u64, place: u64, len: u64) -> u64 {
    let pass = place.checked_div(len).unwrap_or(0);
    permute(draw(seed, Stream::Order, 0, pass), place.checked_rem(len).unwrap_or(0), len)
}

/// One read of the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its number among all reads of all passes.
    pub place: u64,
    /// The name that it reads, as a place in the list.
    pub name: u64,
}

/// The walk that all workers share: one counter, and nothing else that depends on the number of names.
#[derive(Debug)]
pub struct Epochs {
    seed: u64,
    names: u64,
    is_shuffled: bool,
    next: AtomicU64,
    /// The first turn that was handed out but not done.
    undone: AtomicU64,
    end: u64,
}

impl Epochs {
    /// `passes` passes over so many `names`. `start` reads are skipped: those of an earlier part of the same walk.
    #[must_use]
    pub fn new(seed: u64, names: u64, passes: u64, start: u64, is_shuffled: bool) -> Self {
        let (next, undone) = (AtomicU64::new(start), AtomicU64::new(u64::MAX));
        Self { seed, names, is_shuffled, next, undone, end: passes.saturating_mul(names) }
    }

    /// The next read; `None` after the last pass.
    pub fn take(&self) -> Option<Turn> {
        // Looked at first, so that workers who ask again and again after the end cannot make the counter wrap.
        if self.next.load(Ordering::Relaxed) >= self.end {
            return None;
        }
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        if place >= self.end {
            return None;
        }
        let name = if self.is_shuffled {
            place_in_pass(self.seed, place, self.names)
        } else {
            place.checked_rem(self.names)?
        };
        Some(Turn { place, name })
    }

    /// The read was not done after all, because the run ended before.
    pub fn give_back(&self, turn: Turn) {
        self.undone.fetch_min(turn.place, Ordering::Relaxed);
    }

    /// True when the last pass has been handed out.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.next.load(Ordering::Relaxed) >= self.end
    }

    /// The `start` of a walk that goes on from here. It leaves out no name; when reads were given back, those handed
    /// out after the first of them come again.
    #[must_use]
    pub fn resume_at(&self) -> u64 {
        self.next.load(Ordering::Relaxed).min(self.end).min(self.undone.load(Ordering::Relaxed))
    }

    /// Names of a pass.
    #[must_use]
    pub fn names(&self) -> u64 {
        self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rest(walk: &Epochs) -> Vec<u64> {
        std::iter::from_fn(|| walk.take()).map(|turn| turn.name).collect()
    }

    #[test]
    fn threads_together_visit_each_name_once_a_pass() {
        let walk = Epochs::new(3, 1013, 3, 0, true);
        let visited: Vec<u64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| rest(&walk))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let mut counts = vec![0; 1013];
        visited.iter().for_each(|place| counts[*place as usize] += 1);
        assert!(counts.iter().all(|count| *count == 3));
        assert!(walk.take().is_none() && walk.is_over());
        assert_eq!((walk.resume_at(), walk.names()), (3 * 1013, 1013));
    }

    #[test]
    fn the_order_in_a_list_is_kept_when_asked_for() {
        assert_eq!(rest(&Epochs::new(3, 4, 2, 1, false)), [1, 2, 3, 0, 1, 2, 3]);
    }

    #[test]
    fn the_first_name_of_a_pass_is_any_name() {
        // Over many seeds, each name is as likely as any other to come first, and to come second after a given first.
        for len in [2u64, 5, 10] {
            let mut first = vec![0f64; len as usize];
            let mut pairs = vec![0f64; (len * len) as usize];
            for seed in 0..20_000 {
                let walk = Epochs::new(seed, len, 1, 0, true);
                let (a, b) = (walk.take().unwrap().name, walk.take().unwrap().name);
                first[a as usize] += 1.0;
                pairs[(a * len + b) as usize] += 1.0;
            }
            let chi = |counts: &[f64], cells: f64| -> f64 {
                let want = 20_000.0 / cells;
                counts.iter().filter(|n| **n > 0.0).map(|n| (n - want).powi(2) / want).sum()
            };
            // Six deviations: rare enough for fixed seeds, far below what a stride would give.
            let limit = |cells: f64| cells - 1.0 + 6.0 * (2.0 * (cells - 1.0)).sqrt();
            let (single, double) = (len as f64, (len * (len - 1)) as f64);
            assert!(chi(&first, single) < limit(single), "{len}: {first:?}");
            assert!(chi(&pairs, double) < limit(double), "{len}: {pairs:?}");
        }
    }

    #[test]
    fn what_was_given_back_comes_again() {
        let walk = Epochs::new(3, 10, 2, 4, true);
        let turns: Vec<Turn> = (0..6).map(|_| walk.take().unwrap()).collect();
        assert_eq!((walk.resume_at(), walk.is_over()), (10, false));
        walk.give_back(turns[3]);
        walk.give_back(turns[2]);
        assert_eq!(walk.resume_at(), 6);
        let again = Epochs::new(3, 10, 2, 6, true);
        assert_eq!(again.take(), Some(turns[2]));
    }

    proptest! {
        #[test]
        fn passes_are_complete_differ_and_can_be_resumed(
            seed: u64, len in 1u64..500, passes in 1u64..4, cut in 0u64..2000,
        ) {
            let whole = rest(&Epochs::new(seed, len, passes, 0, true));
            prop_assert_eq!(whole.len() as u64, len * passes);
            for pass in whole.chunks(len as usize) {
                let mut sorted = pass.to_vec();
                sorted.sort_unstable();
                prop_assert!(sorted.into_iter().eq(0..len));
            }
            if len > 20 && passes > 1 {
                prop_assert_ne!(&whole[..len as usize], &whole[len as usize..2 * len as usize]);
            }
            let cut = cut.min(len * passes);
            prop_assert_eq!(rest(&Epochs::new(seed, len, passes, cut, true)), &whole[cut as usize..]);
        }
    }
}

//! The seconds of several loaders become those of one.

use crate::recorder::{Interval, Stats};
use std::collections::BTreeMap;

/// An interval came twice, or one is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfOrder;

/// Intervals as they come, from any loader at any time. Each loader's own come in order.
#[derive(Debug)]
pub(super) struct Merge {
    /// Whole intervals that each loader has posted, and whether more are to come.
    loaders: Vec<(u64, bool)>,
    /// Intervals that not all loaders have passed, and the ends of loaders that ended early.
    open: BTreeMap<u64, Interval>,
    /// Whole intervals that have been handed out.
    done: u64,
    total: Stats,
}

impl Merge {
    /// Nothing yet, of so many loaders.
    pub(super) fn new(loaders: usize) -> Self {
        let (open, total) = (BTreeMap::new(), Stats::default());
        Self { loaders: vec![(0, true); loaders], open, done: 0, total }
    }

    /// The next interval of a loader.
    pub(super) fn push(&mut self, loader: usize, interval: &Interval) -> Result<(), OutOfOrder> {
        let Some((posted, true)) = self.loaders.get_mut(loader) else { return Err(OutOfOrder) };
        if posted.checked_add(1) != Some(interval.number) {
            return Err(OutOfOrder);
        }
        *posted = interval.number;
        self.add(interval.number, interval);
        Ok(())
    }

    /// A loader posts nothing more; `rest` is what came after its last whole interval.
    pub(super) fn end(&mut self, loader: usize, rest: Option<&Interval>) {
        let Some((posted, is_going_on)) = self.loaders.get_mut(loader) else { return };
        *is_going_on = false;
        let number = posted.saturating_add(1);
        if let Some(rest) = rest {
            self.add(number, rest);
        }
    }

    /// True when no loader posts anything more.
    pub(super) fn is_over(&self) -> bool {
        self.loaders.iter().all(|(_, is_going_on)| !is_going_on)
    }

    /// The next whole interval, once all loaders have passed it.
    pub(super) fn next(&mut self) -> Option<Interval> {
        let number = self.done.saturating_add(1);
        let has_passed = |(posted, is_going_on): &(u64, bool)| *posted >= number || !is_going_on;
        let is_whole = self.loaders.iter().any(|(posted, _)| *posted >= number);
        if !is_whole || !self.loaders.iter().all(has_passed) {
            return None;
        }
        self.done = number;
        self.open.remove(&number)
    }

    /// Everything, and the part of it that was in no interval that was handed out.
    pub(super) fn finish(self) -> (Stats, Interval) {
        let mut rest = Interval { number: self.done.saturating_add(1), ..Interval::default() };
        self.open.values().for_each(|interval| rest.merge(interval));
        rest.inflight = 0;
        (self.total, rest)
    }

    fn add(&mut self, number: u64, interval: &Interval) {
        self.total.merge(&interval.stats);
        let open = self.open.entry(number).or_default();
        open.number = number;
        open.merge(interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::{Moved, Span};
    use crate::workload::OpKind;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    fn interval(number: u64, ops: u64) -> Interval {
        let begin = Instant::now();
        let mut interval = Interval { number, inflight: 3, ..Interval::default() };
        for _ in 0..ops {
            let span = Span { due: None, begin, end: begin + Duration::from_millis(ops), run_end: None };
            interval.stats.record(OpKind::Put, &span, Moved { bytes: 10, names: 0 });
        }
        interval
    }

    #[test]
    fn a_second_is_whole_when_all_have_passed_it() {
        let mut merge = Merge::new(2);
        merge.push(0, &interval(1, 5)).unwrap();
        merge.push(0, &interval(2, 5)).unwrap();
        assert!(merge.next().is_none());
        merge.push(1, &interval(1, 2)).unwrap();
        let first = merge.next().unwrap();
        assert_eq!((first.number, first.stats.ops(), first.inflight), (1, 7, 6));
        assert!(merge.next().is_none());
        // One ends within its second second, the other goes on.
        merge.end(1, Some(&interval(0, 1)));
        assert_eq!(merge.next().map(|second| (second.number, second.stats.ops())), Some((2, 6)));
        assert!(!merge.is_over());
        merge.end(0, Some(&interval(0, 4)));
        assert!(merge.is_over() && merge.next().is_none());
        let (total, rest) = merge.finish();
        assert_eq!((total.ops(), rest.stats.ops(), rest.inflight), (17, 4, 0));
    }

    #[test]
    fn intervals_that_cannot_be_are_refused() {
        let mut merge = Merge::new(2);
        merge.push(0, &interval(1, 1)).unwrap();
        for number in [0, 1, 3, u64::MAX] {
            assert_eq!(merge.push(0, &interval(number, 1)), Err(OutOfOrder));
        }
        merge.end(0, None);
        assert_eq!(merge.push(0, &interval(2, 1)), Err(OutOfOrder));
        assert_eq!(merge.push(7, &interval(1, 1)), Err(OutOfOrder));
    }

    proptest! {
        #[test]
        fn the_whole_is_the_sum_of_its_parts(
            lengths in prop::collection::vec(0u64..6, 1..5), order in prop::collection::vec(0usize..5, 0..60),
        ) {
            let mut merge = Merge::new(lengths.len());
            let mut posted = vec![0; lengths.len()];
            let mut seen = Vec::new();
            let ends = (0..lengths.len()).cycle().take(lengths.len() * 8);
            for loader in order.into_iter().map(|at| at % lengths.len()).chain(ends) {
                posted[loader] += 1;
                match posted[loader] {
                    number if number <= lengths[loader] => merge.push(loader, &interval(number, 2)).unwrap(),
                    number if number == lengths[loader] + 1 => merge.end(loader, Some(&interval(0, 1))),
                    _ => {}
                }
                seen.extend(std::iter::from_fn(|| merge.next()));
            }
            prop_assert!(merge.is_over());
            let longest = lengths.iter().copied().max().unwrap();
            prop_assert!(seen.iter().map(|one| one.number).eq(1..=longest));
            let (total, rest) = merge.finish();
            let want = lengths.iter().sum::<u64>() * 2 + lengths.len() as u64;
            prop_assert_eq!(total.ops(), want);
            prop_assert_eq!(seen.iter().map(|one| one.stats.ops()).sum::<u64>() + rest.stats.ops(), want);
        }
    }
}

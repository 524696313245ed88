//! Merging runs, so that few are left to look into.

use super::files::NewFile;
use super::flush::ENTRIES_PER_TURN;
use super::index::LaneIndex;
use super::merge::{Merge, Step};
use super::run::Run;
use super::run_writer::RunWriter;
use super::source::{Mode, RunCursor, Source};
use crate::error::{Error, Result};
use std::cmp::Reverse;
use std::ops::Range;
use std::rc::Rc;

/// So many runs of a similar size are merged.
const SIMILAR_RUNS_MIN: usize = 4;
/// With more runs than this some are merged, similar or not.
const RUNS_MAX: usize = 12;

/// The outcome of a merge.
enum Merged {
    Stopped,
    /// Nothing is left of the runs.
    Nothing,
    Into(Rc<Run>, NewFile),
}

impl LaneIndex {
    /// Merges some runs into one if there are enough; returns whether it did. Entries whose key `keep` refuses are
    /// dropped; it must refuse them for ever, as an older version may come to light. What readers hold of the old runs
    /// stays readable. When `stop` says so, what has been merged so far is thrown away.
    ///
    /// # Errors
    /// `Corrupt` when a run is damaged, what the disk says otherwise. The old runs stay.
    pub async fn merge_step(&self, keep: &dyn Fn(&[u8]) -> bool, stop: &dyn Fn() -> bool) -> Result<bool> {
        let Some(_pass) = self.merging.try_enter() else { return Ok(false) };
        let runs = Rc::clone(&self.runs.borrow());
        let sizes: Vec<u64> = runs.iter().map(|run| run.bytes()).collect();
        let Some(range) = pick(&sizes) else { return Ok(false) };
        let with_oldest = range.end == runs.len();
        let Some(old) = runs.get(range) else { return Ok(false) };
        let (run, file) = match self.merge(old, with_oldest, keep, stop).await? {
            Merged::Stopped => return Ok(false),
            Merged::Nothing => (None, None),
            Merged::Into(run, file) => (Some(run), Some(file)),
        };
        let pass = self.manifest.enter().await?;
        let now = Rc::clone(&self.runs.borrow());
        let now = replaced(&now, old, run).ok_or_else(|| Error::internal("runs vanished in a merge"))?;
        self.replace(pass, now, self.checkpoint.get(), file.into_iter().collect()).await?;
        for run in old {
            // A file that cannot be removed now is swept when the index is opened.
            let _ = self.home.remove_by_ring(&run.name()).await;
            run.forget_cached().await;
        }
        Ok(true)
    }

    async fn merge(
        &self,
        old: &[Rc<Run>],
        with_oldest: bool,
        keep: &dyn Fn(&[u8]) -> bool,
        stop: &dyn Fn() -> bool,
    ) -> Result<Merged> {
        let entries_max = old.iter().map(|run| run.entries()).sum();
        let mut writer = RunWriter::create(&self.home, self.take_seq(), entries_max).await?;
        let cursor = |run: &Rc<Run>| RunCursor::new(Rc::clone(run), b"", Mode::Streaming);
        let mut merge = Merge::new(old.iter().map(|run| Source::Run(Box::new(cursor(run)))).collect());
        let mut steps = 0u64;
        loop {
            match merge.step() {
                Step::End => break,
                Step::NeedsBlock => merge.load().await?,
                Step::Item => {
                    let tombstone_ends = with_oldest && merge.value().is_none();
                    if !tombstone_ends && keep(merge.key()) {
                        // Each block has been checked by itself, and what lies in the next one only by its checksum.
                        if !writer.is_next(merge.key()) {
                            return Err(Error::corrupt("runs that are merged have entries out of order"));
                        }
                        writer.push(merge.key(), merge.value())?;
                    }
                    steps += 1;
                }
            }
            if steps.is_multiple_of(ENTRIES_PER_TURN) {
                writer.write_out().await?;
                uring::yield_now().await;
                if stop() {
                    return Ok(Merged::Stopped);
                }
            }
        }
        if writer.entries() == 0 {
            return Ok(Merged::Nothing);
        }
        writer.finish().await.map(|(run, file)| Merged::Into(run, file))
    }
}

/// All runs with `old`, which lie side by side, replaced by one or none. Newer ones may have come meanwhile.
fn replaced(now: &[Rc<Run>], old: &[Rc<Run>], new: Option<Rc<Run>>) -> Option<Rc<[Rc<Run>]>> {
    let start = now.iter().position(|run| old.first().is_some_and(|first| Rc::ptr_eq(run, first)))?;
    let (newer, rest) = now.split_at_checked(start)?;
    let (gone, older) = rest.split_at_checked(old.len())?;
    let same = gone.iter().zip(old).all(|(a, b)| Rc::ptr_eq(a, b));
    same.then(|| newer.iter().cloned().chain(new).chain(older.iter().cloned()).collect())
}

/// Picks neighbours to merge: as many as possible of which the largest is no larger than the others together, so that
/// each merge at least doubles it and an entry is rewritten a logarithmic number of times. With too many runs, those
/// that cost least.
fn pick(sizes: &[u64]) -> Option<Range<usize>> {
    let windows = |lens: Range<usize>| {
        lens.flat_map(|len| {
            sizes.windows(len).enumerate().map(move |(start, window)| (start..start + len, window))
        })
    };
    let sum = |window: &[u64]| window.iter().sum::<u64>();
    let similar = |window: &[u64]| window.iter().max().is_some_and(|&max| max <= sum(window) - max);
    let most = windows(SIMILAR_RUNS_MIN..sizes.len() + 1)
        .filter(|(_, window)| similar(window))
        .max_by_key(|(range, window)| (range.len(), Reverse(sum(window))));
    let cheapest = || {
        let enough = (sizes.len() + 1).checked_sub(RUNS_MAX).filter(|&len| len > 1)?.max(SIMILAR_RUNS_MIN);
        windows(enough..enough + 1).min_by_key(|(_, window)| sum(window))
    };
    most.or_else(cheapest).map(|(range, _)| range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn similar_neighbours_are_merged() {
        assert_eq!(pick(&[]), None);
        assert_eq!(pick(&[1, 1, 1]), None);
        assert_eq!(pick(&[1, 1, 1, 1]), Some(0..4));
        assert_eq!(pick(&[1, 1, 1, 1, 4]), Some(0..5));
        assert_eq!(pick(&[1, 1, 1, 9]), None);
        assert_eq!(pick(&[1, 1, 1, 1, 40, 41, 42, 43]), Some(0..8));
        assert_eq!(pick(&[0, 0, 90, 40, 41, 42]), Some(0..6));
    }

    #[test]
    fn too_many_are_merged_where_it_is_cheapest() {
        let sizes: Vec<u64> = (0..12).map(|i| 1 << (2 * i)).collect();
        assert_eq!(pick(&sizes), None);
        let sizes: Vec<u64> = (0..13).map(|i| 1 << (2 * i)).collect();
        assert_eq!(pick(&sizes), Some(0..4));
    }

    proptest! {
        #[test]
        fn merging_comes_to_an_end(mut sizes in prop::collection::vec(1u64..1_000_000, 0..40)) {
            while let Some(range) = pick(&sizes) {
                prop_assert!(range.len() >= 4 && range.end <= sizes.len());
                let sum = sizes[range.clone()].iter().sum();
                sizes.splice(range, [sum]);
            }
            prop_assert!(sizes.len() <= RUNS_MAX);
        }

        /// Writes stay few: as when all flushes are alike.
        #[test]
        fn entries_are_rewritten_a_few_times(flushes in prop::collection::vec(50u64..100, 1000)) {
            let (mut sizes, mut written) = (Vec::new(), 0);
            for flush in &flushes {
                sizes.insert(0, *flush);
                while let Some(range) = pick(&sizes) {
                    let sum = sizes[range.clone()].iter().sum();
                    written += sum;
                    sizes.splice(range, [sum]);
                }
            }
            prop_assert!(sizes.len() <= RUNS_MAX);
            prop_assert!(written <= 8 * flushes.iter().sum::<u64>(), "{}", written);
        }
    }
}

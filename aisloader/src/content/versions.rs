//! The versions of a name that this run has seen acknowledged; they tell which ones a read may not return any more.
//!
//! Writes of one name may overlap, and then either may win. So versions are judged by groups of overlapping writes: once
//! all writes of a group have been acknowledged, everything older than the group is stale. A write that failed may still
//! have happened, or happen later; its version is never called stale.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Locks, so that cores seldom meet at one.
const SHARDS: usize = 256;
/// Failed writes that are remembered for a name; with more of them it is no longer judged.
const UNSURE_MAX: usize = 64;
/// Clocks of two loaders differ by less.
const CLOCKS_APART: Duration = Duration::from_secs(60);
/// Taken for the longest write when operations have no limit of time.
const WRITE_LONGEST: Duration = Duration::from_secs(3600);

/// The outcome of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged; the object has so many bytes.
    Stored(u64),
    /// Was never sent.
    NotBegun,
    /// Failed, or nobody knows.
    Unsure,
}

/// The versions that a read of a name may return, as known before it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Versions of this loader below this are stale; 0: none are.
    pub floor: u64,
    /// Versions below this are stale, whoever wrote them.
    pub foreign_floor: u64,
    /// Bytes of the object, when just one version is possible.
    pub size_bytes: Option<u64>,
    /// The number of this loader.
    pub loader: u32,
    /// Versions below the floor that may appear all the same.
    pub unsure: Vec<u64>,
}

impl Known {
    /// True when a read may not return this any more.
    #[must_use]
    pub fn is_stale(&self, version: u64, loader: u32) -> bool {
        let floor = if loader == self.loader { self.floor } else { self.foreign_floor };
        version < floor && !self.unsure.contains(&version)
    }
}

/// The writes of one name.
#[derive(Debug, Default)]
struct History {
    floor: u64,
    size_bytes: Option<u64>,
    in_flight: u32,
    /// The writes that overlap now: the oldest, how many, and whether any was acknowledged.
    group_first: u64,
    group_len: u32,
    is_group_acknowledged: bool,
    unsure: Vec<u64>,
    is_given_up: bool,
}

impl History {
    fn begin(&mut self, version: u64) {
        if self.in_flight == 0 {
            (self.group_first, self.group_len, self.is_group_acknowledged) = (version, 0, false);
        }
        self.group_first = self.group_first.min(version);
        self.group_len = self.group_len.saturating_add(1);
        self.in_flight = self.in_flight.saturating_add(1);
        self.size_bytes = None;
    }

    fn end(&mut self, version: u64, outcome: Outcome) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match outcome {
            Outcome::Unsure if self.unsure.len() >= UNSURE_MAX => self.is_given_up = true,
            Outcome::Unsure => self.unsure.push(version),
            Outcome::Stored(_) => self.is_group_acknowledged = true,
            Outcome::NotBegun => {}
        }
        if self.in_flight == 0 && self.is_group_acknowledged {
            self.floor = self.floor.max(self.group_first);
            self.size_bytes = match outcome {
                Outcome::Stored(size_bytes) if self.group_len == 1 => Some(size_bytes),
                Outcome::Stored(_) | Outcome::NotBegun | Outcome::Unsure => None,
            };
        }
    }
}

/// The versions of a run; its cores share one.
#[derive(Debug)]
pub struct Versions {
    shards: Vec<Mutex<HashMap<u64, History>>>,
    last: AtomicU64,
    loader: u32,
    foreign_margin_ns: u64,
    is_tracking: bool,
}

impl Versions {
    /// `is_tracking`: whether this run reads what it writes, and so has to remember it. `timeout` limits a write.
    #[must_use]
    pub fn new(loader: u32, is_tracking: bool, timeout: Option<Duration>) -> Self {
        let margin = timeout.unwrap_or(WRITE_LONGEST).saturating_add(CLOCKS_APART);
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            last: AtomicU64::new(0),
            loader,
            foreign_margin_ns: u64::try_from(margin.as_nanos()).unwrap_or(u64::MAX),
            is_tracking,
        }
    }

    /// A version above all before: the time, and at least one more than the last.
    pub fn next(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let next = |last: u64| Some(now.max(last.saturating_add(1)));
        // The closure never refuses.
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or(now);
        now.max(last.saturating_add(1))
    }

    /// A write of this version begins.
    pub fn begin(&self, name_hash: u64, version: u64) {
        self.with(name_hash, |history| history.begin(version));
    }

    /// It has ended.
    pub fn end(&self, name_hash: u64, version: u64, outcome: Outcome) {
        self.with(name_hash, |history| history.end(version, outcome));
    }

    /// The versions that a read that begins now may return.
    #[must_use]
    pub fn known(&self, name_hash: u64) -> Known {
        let mut known = Known { loader: self.loader, ..Known::default() };
        if !self.is_tracking {
            return known;
        }
        let Some(shard) = self.shard(name_hash) else { return known };
        let histories = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(history) = histories.get(&name_hash).filter(|history| !history.is_given_up) {
            known.floor = history.floor;
            known.foreign_floor = history.floor.saturating_sub(self.foreign_margin_ns);
            known.size_bytes = history.size_bytes.filter(|_| history.unsure.is_empty());
            known.unsure.clone_from(&history.unsure);
        }
        known
    }

    fn with(&self, name_hash: u64, change: impl FnOnce(&mut History)) {
        let Some(shard) = self.shard(name_hash).filter(|_| self.is_tracking) else { return };
        // A thread that panicked with the lock held leaves plain numbers behind.
        let mut histories = shard.lock().unwrap_or_else(PoisonError::into_inner);
        change(histories.entry(name_hash).or_default());
    }

    fn shard(&self, name_hash: u64) -> Option<&Mutex<HashMap<u64, History>>> {
        let index = usize::try_from(name_hash % SHARDS as u64).ok()?;
        self.shards.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracked() -> Versions {
        Versions::new(3, true, Some(Duration::from_secs(10)))
    }

    #[test]
    fn versions_grow_and_are_times() {
        let versions = tracked();
        let drawn: Vec<u64> = (0..10_000).map(|_| versions.next()).collect();
        assert!(drawn.is_sorted_by(|a, b| a < b));
        // Later than 2020.
        assert!(drawn.first().is_some_and(|first| *first > 1_577_836_800_000_000_000));
    }

    #[test]
    fn what_was_overwritten_is_stale() {
        let versions = tracked();
        for version in [10, 20] {
            versions.begin(1, version);
            assert!(!versions.known(1).is_stale(10, 3), "the older one may still be there");
            versions.end(1, version, Outcome::Stored(5));
        }
        let known = versions.known(1);
        assert!(known.is_stale(10, 3) && known.is_stale(19, 3) && !known.is_stale(20, 3));
        assert!(!known.is_stale(10, 4), "another loader's clock is not compared that closely");
        assert_eq!(known.size_bytes, Some(5));
        assert_eq!(versions.known(2), Known { loader: 3, ..Known::default() });
    }

    #[test]
    fn long_before_is_stale_whoever_wrote_it() {
        let versions = tracked();
        let now = versions.next();
        versions.begin(1, now);
        versions.end(1, now, Outcome::Stored(5));
        let seconds = |count: u64| now - count * 1_000_000_000;
        assert!(versions.known(1).is_stale(seconds(80), 9) && !versions.known(1).is_stale(seconds(60), 9));
    }

    #[test]
    fn of_writes_that_overlap_either_may_win() {
        let versions = tracked();
        versions.begin(1, 10);
        versions.begin(1, 20);
        versions.end(1, 20, Outcome::Stored(5));
        assert_eq!(versions.known(1).floor, 0);
        versions.end(1, 10, Outcome::Stored(6));
        let known = versions.known(1);
        assert!(!known.is_stale(10, 3) && !known.is_stale(20, 3) && known.is_stale(9, 3));
        assert_eq!(known.size_bytes, None);
    }

    #[test]
    fn what_failed_may_have_happened() {
        let versions = tracked();
        versions.begin(1, 10);
        versions.end(1, 10, Outcome::Unsure);
        assert_eq!(versions.known(1).floor, 0);
        versions.begin(1, 20);
        versions.end(1, 20, Outcome::Stored(5));
        let known = versions.known(1);
        assert!(!known.is_stale(10, 3) && known.is_stale(11, 3));
        assert_eq!(known.size_bytes, None);
        for version in 30..30 + UNSURE_MAX as u64 {
            versions.begin(1, version);
            versions.end(1, version, Outcome::Unsure);
        }
        assert!(!versions.known(1).is_stale(11, 3), "too many to remember");
    }

    #[test]
    fn what_was_never_sent_changes_nothing() {
        let versions = tracked();
        versions.begin(1, 10);
        versions.end(1, 10, Outcome::Stored(5));
        versions.begin(1, 20);
        versions.end(1, 20, Outcome::NotBegun);
        assert!(!versions.known(1).is_stale(10, 3));
    }

    #[test]
    fn a_run_that_does_not_read_remembers_nothing() {
        let versions = Versions::new(3, false, None);
        versions.begin(1, 10);
        versions.end(1, 10, Outcome::Stored(5));
        assert_eq!(versions.known(1).floor, 0);
    }
}

//! Counts for each place, a server or a mountpath: all kinds of operations together, to see skew.

use super::cells::{Cell, cells, filled};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Latencies are kept between a microsecond and an hour, to two digits: there may be a thousand places.
const LEAST_NS: u64 = 1_000;
const MOST_NS: u64 = 3_600_000_000_000;
const DIGITS: u8 = 2;

/// One place.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub struct PlaceStats {
    /// Operations that succeeded.
    pub ops: u64,
    /// Their payload.
    pub bytes: u64,
    /// Operations that failed.
    pub errors: u64,
    /// The greatest latency of those that succeeded.
    pub max_ns: u64,
    histogram: Option<Histogram<u64>>,
}

impl PlaceStats {
    /// The latency that the share `quantile` of the successes does not exceed, to two digits.
    #[must_use]
    pub fn quantile_ns(&self, quantile: f64) -> u64 {
        let value = self.histogram.as_ref().map_or(0, |histogram| histogram.value_at_quantile(quantile));
        value.min(self.max_ns)
    }

    fn record(&mut self, latency: Duration, bytes: u64) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.ops = self.ops.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        self.max_ns = self.max_ns.max(ns);
        if self.histogram.is_none() {
            self.histogram = empty();
        }
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(ns.max(LEAST_NS));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.ops = self.ops.saturating_add(other.ops);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.errors = self.errors.saturating_add(other.errors);
        self.max_ns = self.max_ns.max(other.max_ns);
        match (&mut self.histogram, &other.histogram) {
            // Same bounds on both sides, so every value fits.
            (Some(mine), Some(theirs)) => drop(mine.add(theirs)),
            (None, Some(theirs)) => self.histogram = Some(theirs.clone()),
            (_, None) => {}
        }
    }
}

/// A place on its way between programs.
#[derive(Serialize, Deserialize)]
struct Form {
    ops: u64,
    bytes: u64,
    errors: u64,
    max_ns: u64,
    cells: Vec<Cell>,
}

impl From<PlaceStats> for Form {
    fn from(stats: PlaceStats) -> Self {
        let PlaceStats { ops, bytes, errors, max_ns, histogram } = stats;
        Self { ops, bytes, errors, max_ns, cells: histogram.as_ref().map(cells).unwrap_or_default() }
    }
}

impl From<Form> for PlaceStats {
    fn from(form: Form) -> Self {
        let Form { ops, bytes, errors, max_ns, cells } = form;
        Self { ops, bytes, errors, max_ns, histogram: filled(empty(), &cells) }
    }
}

fn empty() -> Option<Histogram<u64>> {
    // The bounds are constants that fit; were they wrong, the counts would still be right.
    Histogram::new_with_bounds(LEAST_NS, MOST_NS, DIGITS).ok()
}

/// Places by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ByPlace(BTreeMap<String, PlaceStats>);

impl ByPlace {
    /// Adds an operation: its payload when it succeeded, nothing when it failed.
    pub fn record(&mut self, place: &str, latency: Duration, bytes: Option<u64>) {
        let Some(stats) = self.0.get_mut(place) else {
            // The first one of a place: its name is copied once, not for every operation.
            self.of_mut(place);
            return self.record(place, latency, bytes);
        };
        match bytes {
            Some(bytes) => stats.record(latency, bytes),
            None => stats.errors = stats.errors.saturating_add(1),
        }
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        for (place, stats) in &other.0 {
            self.of_mut(place).merge(stats);
        }
    }

    /// The same under other names; places whose new names are the same become one.
    #[must_use]
    pub fn renamed(&self, name: impl Fn(&str) -> String) -> Self {
        let mut all = Self::default();
        for (place, stats) in &self.0 {
            all.of_mut(&name(place)).merge(stats);
        }
        all
    }

    /// Every place, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &PlaceStats)> {
        self.0.iter().map(|(place, stats)| (place.as_str(), stats))
    }

    fn of_mut(&mut self, place: &str) -> &mut PlaceStats {
        self.0.entry(place.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_keep_apart_and_join_when_they_are_one() {
        let (mut a, mut b) = (ByPlace::default(), ByPlace::default());
        for ms in 1..=100 {
            a.record("h:1", Duration::from_millis(ms), Some(10));
            b.record("h:2", Duration::from_millis(100 + ms), Some(10));
        }
        b.record("h:2", Duration::from_secs(9), None);
        a.merge(&b);
        let all: Vec<(&str, u64, u64, u64)> =
            a.iter().map(|(name, s)| (name, s.ops, s.errors, s.max_ns)).collect();
        assert_eq!(all, [("h:1", 100, 0, 100_000_000), ("h:2", 100, 1, 200_000_000)]);
        let one = a.renamed(|_| "t1".to_owned());
        let (name, stats) = one.iter().next().unwrap();
        assert_eq!((name, stats.ops, stats.bytes, stats.errors), ("t1", 200, 2000, 1));
        let p50_ms = stats.quantile_ns(0.5) as f64 / 1e6;
        assert!((p50_ms / 100.0 - 1.0).abs() < 0.02, "{p50_ms}");
    }
}

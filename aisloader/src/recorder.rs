//! What happened, per kind of operation: counts, bytes, and histograms that merge without loss.

use crate::engine::{ErrorKind, OpError};
use crate::phases::{Marks, Phases};
use crate::pick::TrainingStats;
use crate::places::ByPlace;
use crate::workload::OpKind;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Latencies are kept between a microsecond and an hour, to three digits.
const LEAST_NS: u64 = 1_000;
const MOST_NS: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;
/// Texts of errors kept for people to read, per kind of operation.
const TEXTS_MAX: usize = 8;

/// A distribution of latencies. Empty ones cost nothing.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    histogram: Option<Histogram<u64>>,
    sum_ns: u128,
    min_ns: Option<u64>,
    max_ns: u64,
}

impl Latency {
    /// Adds one.
    pub fn record(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.sum_ns = self.sum_ns.saturating_add(u128::from(ns));
        self.min_ns = Some(self.min_ns.map_or(ns, |least| least.min(ns)));
        self.max_ns = self.max_ns.max(ns);
        if self.histogram.is_none() {
            // The bounds are constants that fit; were they wrong, counts and sums would still be right.
            self.histogram = Histogram::new_with_bounds(LEAST_NS, MOST_NS, DIGITS).ok();
        }
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(ns.max(LEAST_NS));
        }
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.min_ns = [self.min_ns, other.min_ns].into_iter().flatten().min();
        self.max_ns = self.max_ns.max(other.max_ns);
        match (&mut self.histogram, &other.histogram) {
            (Some(mine), Some(theirs)) => {
                // Same bounds on both sides, so every value fits.
                let _ = mine.add(theirs);
            }
            (None, Some(theirs)) => self.histogram = Some(theirs.clone()),
            (_, None) => {}
        }
    }

    /// All of them in nanoseconds; `None` when there are none.
    #[must_use]
    pub fn histogram(&self) -> Option<&Histogram<u64>> {
        self.histogram.as_ref()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// The latency that the share `quantile` of all does not exceed.
    #[must_use]
    pub fn quantile_ns(&self, quantile: f64) -> u64 {
        let value = self.histogram.as_ref().map_or(0, |histogram| histogram.value_at_quantile(quantile));
        // A bucket's upper edge may lie beyond what was ever measured.
        value.min(self.max_ns)
    }

    /// How many samples lie beyond a quantile: under 100, the quantile is a guess.
    #[must_use]
    pub fn samples_beyond(&self, quantile: f64) -> u64 {
        (self.count() as f64 * (1.0 - quantile)).round() as u64
    }

    /// The least.
    #[must_use]
    pub fn min_ns(&self) -> u64 {
        self.min_ns.unwrap_or(0)
    }

    /// The greatest.
    #[must_use]
    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// The mean, exact.
    #[must_use]
    pub fn mean_ns(&self) -> u64 {
        let mean = self.sum_ns.checked_div(u128::from(self.count())).unwrap_or(0);
        u64::try_from(mean).unwrap_or(u64::MAX)
    }
}

/// One kind of operation.
#[derive(Clone, Debug, Default)]
pub struct OpStats {
    /// Operations that succeeded.
    pub ops: u64,
    /// Their payload.
    pub bytes: u64,
    /// Names in their pages.
    pub names: u64,
    /// As `ops`, with an operation that ends after the run counted by the part of it that lies inside.
    pub ops_inside: f64,
    /// As `bytes`, in the same way.
    pub bytes_inside: f64,
    /// Latencies of those that succeeded.
    pub latency: Latency,
    /// Of the same operations in an open loop, from when they were due: what a user who came then waited.
    pub intended: Latency,
    /// Latencies of those that failed: among the others they would make a broken server look fast, or slow.
    pub error_latency: Latency,
    /// Where the time of those that succeeded and were traced went.
    pub phases: Phases,
    /// Failures by kind.
    pub errors: BTreeMap<ErrorKind, u64>,
    /// The first texts of failures.
    pub error_texts: Vec<String>,
}

impl OpStats {
    /// Failures of all kinds.
    #[must_use]
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }

    /// True when nothing was even tried.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops == 0 && self.errors.is_empty()
    }

    fn merge(&mut self, other: &Self) {
        self.ops = self.ops.saturating_add(other.ops);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.names = self.names.saturating_add(other.names);
        self.ops_inside += other.ops_inside;
        self.bytes_inside += other.bytes_inside;
        self.latency.merge(&other.latency);
        self.intended.merge(&other.intended);
        self.error_latency.merge(&other.error_latency);
        self.phases.merge(&other.phases);
        for (kind, count) in &other.errors {
            let mine = self.errors.entry(*kind).or_default();
            *mine = mine.saturating_add(*count);
        }
        for text in &other.error_texts {
            self.keep_text(text);
        }
    }

    fn keep_text(&mut self, text: &str) {
        if self.error_texts.len() < TEXTS_MAX && !self.error_texts.iter().any(|known| known == text) {
            self.error_texts.push(text.to_owned());
        }
    }
}

/// What only an open loop has.
#[derive(Clone, Debug, Default)]
pub struct OpenStats {
    /// Arrivals, the dropped ones included.
    pub arrivals: u64,
    /// Arrivals that found as many operations in flight as are allowed, and were not done.
    pub dropped: u64,
    /// The most operations in flight on one core.
    pub core_in_flight_max: u64,
    /// From when operations were due to when they began: what the loader itself delayed them.
    pub late: Latency,
}

impl OpenStats {
    /// Counts an arrival after which so many operations are in flight on its core.
    pub fn arrived(&mut self, core_in_flight: u64) {
        self.arrivals = self.arrivals.saturating_add(1);
        self.core_in_flight_max = self.core_in_flight_max.max(core_in_flight);
    }

    /// Counts an arrival that is not done.
    pub fn dropped(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
    }

    fn merge(&mut self, other: &Self) {
        self.arrivals = self.arrivals.saturating_add(other.arrivals);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.core_in_flight_max = self.core_in_flight_max.max(other.core_in_flight_max);
        self.late.merge(&other.late);
    }
}

/// All kinds.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    put: OpStats,
    mpu: OpStats,
    get: OpStats,
    update: OpStats,
    head: OpStats,
    delete: OpStats,
    list: OpStats,
    /// What the open loop counts.
    pub open: OpenStats,
    /// By server that answered, `host:port`.
    pub targets: ByPlace,
    /// By mountpath, `ID:/path`, as far as it is known.
    pub mountpaths: ByPlace,
    /// What accelerators did that were played.
    pub training: TrainingStats,
}

/// What a finished operation moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Payload.
    pub bytes: u64,
    /// Names of a page.
    pub names: u64,
}

/// When an operation ran.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// When it should have begun, in an open loop.
    pub due: Option<Instant>,
    /// Its begin.
    pub begin: Instant,
    /// Its end.
    pub end: Instant,
    /// The end of the run, when that is known.
    pub run_end: Option<Instant>,
}

impl Span {
    fn duration(&self) -> Duration {
        self.end.saturating_duration_since(self.begin)
    }

    /// The part of the operation that lies inside the run.
    fn share_inside(&self) -> f64 {
        let Some(run_end) = self.run_end.filter(|run_end| *run_end < self.end) else { return 1.0 };
        let inside = run_end.saturating_duration_since(self.begin).as_secs_f64();
        let whole = self.duration().as_secs_f64();
        if whole > 0.0 { inside / whole } else { 0.0 }
    }
}

impl Stats {
    /// One kind's.
    #[must_use]
    pub fn of(&self, kind: OpKind) -> &OpStats {
        match kind {
            OpKind::Put => &self.put,
            OpKind::Mpu => &self.mpu,
            OpKind::Get => &self.get,
            OpKind::Update => &self.update,
            OpKind::Head => &self.head,
            OpKind::Delete => &self.delete,
            OpKind::List => &self.list,
        }
    }

    fn of_mut(&mut self, kind: OpKind) -> &mut OpStats {
        match kind {
            OpKind::Put => &mut self.put,
            OpKind::Mpu => &mut self.mpu,
            OpKind::Get => &mut self.get,
            OpKind::Update => &mut self.update,
            OpKind::Head => &mut self.head,
            OpKind::Delete => &mut self.delete,
            OpKind::List => &mut self.list,
        }
    }

    /// Adds an operation that succeeded.
    pub fn record(&mut self, kind: OpKind, span: &Span, moved: Moved) {
        let share = span.share_inside();
        let stats = self.of_mut(kind);
        stats.ops = stats.ops.saturating_add(1);
        stats.bytes = stats.bytes.saturating_add(moved.bytes);
        stats.names = stats.names.saturating_add(moved.names);
        stats.ops_inside += share;
        stats.bytes_inside += share * moved.bytes as f64;
        stats.latency.record(span.duration());
        if let Some(due) = span.due {
            stats.intended.record(span.end.saturating_duration_since(due));
            self.open.late.record(span.begin.saturating_duration_since(due));
        }
    }

    /// Adds the phases of an operation that succeeded.
    pub fn record_phases(&mut self, kind: OpKind, span: &Span, marks: &Marks) {
        self.of_mut(kind).phases.record(marks, span.begin, span.end);
    }

    /// Adds an operation that failed.
    pub fn record_error(&mut self, kind: OpKind, span: &Span, error: &OpError) {
        let stats = self.of_mut(kind);
        let count = stats.errors.entry(error.kind).or_default();
        *count = count.saturating_add(1);
        stats.keep_text(&format!("{}: {}", error.kind, error.text));
        stats.error_latency.record(span.duration());
    }

    /// Takes the failures of another in place of its own.
    pub fn take_errors_of(&mut self, other: &Self) {
        for kind in OpKind::ALL {
            let (mine, theirs) = (self.of_mut(kind), other.of(kind));
            mine.errors = theirs.errors.clone();
            mine.error_texts = theirs.error_texts.clone();
            mine.error_latency = theirs.error_latency.clone();
        }
    }

    /// Payload of all kinds of operations.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        OpKind::ALL.into_iter().map(|kind| self.of(kind).bytes).sum()
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        for kind in OpKind::ALL {
            self.of_mut(kind).merge(other.of(kind));
        }
        self.open.merge(&other.open);
        self.targets.merge(&other.targets);
        self.mountpaths.merge(&other.mountpaths);
        self.training.merge(&other.training);
    }

    /// Failures of all kinds of operations; those of composite kinds are counted with their halves.
    #[must_use]
    pub fn error_count(&self) -> u64 {
        OpKind::singles().map(|kind| self.of(kind).error_count()).sum()
    }

    /// Successes of all kinds of operations; those of composite kinds are counted with their halves.
    #[must_use]
    pub fn ops(&self) -> u64 {
        OpKind::singles().map(|kind| self.of(kind).ops).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(begin: Instant, from_ms: u64, to_ms: u64, run_end_ms: Option<u64>) -> Span {
        let at = |ms| begin + Duration::from_millis(ms);
        Span { due: None, begin: at(from_ms), end: at(to_ms), run_end: run_end_ms.map(at) }
    }

    #[test]
    fn quantiles_of_a_known_distribution() {
        let mut latency = Latency::default();
        for ms in 1..=1000 {
            latency.record(Duration::from_millis(ms));
        }
        for (quantile, want_ms) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0)] {
            let got = latency.quantile_ns(quantile) as f64 / 1e6;
            assert!((got / want_ms - 1.0).abs() < 0.002, "{quantile}: {got}");
        }
        assert_eq!(latency.mean_ns(), 500_500_000);
        assert_eq!((latency.min_ns(), latency.max_ns()), (1_000_000, 1_000_000_000));
        assert_eq!(latency.samples_beyond(0.99), 10);
    }

    #[test]
    fn merging_is_the_same_as_recording_together() {
        let (mut a, mut b, mut all) = (Latency::default(), Latency::default(), Latency::default());
        for n in 0..10_000u64 {
            let latency = Duration::from_nanos(placement::mix(n) >> 36);
            if n % 3 == 0 {
                a.record(latency)
            } else {
                b.record(latency)
            };
            all.record(latency);
        }
        a.merge(&b);
        for quantile in [0.0, 0.5, 0.9, 0.99, 0.999, 1.0] {
            assert_eq!(a.quantile_ns(quantile), all.quantile_ns(quantile));
        }
        assert_eq!(
            (a.count(), a.mean_ns(), a.min_ns(), a.max_ns()),
            (10_000, all.mean_ns(), all.min_ns(), all.max_ns())
        );
        let mut from_nothing = Latency::default();
        from_nothing.merge(&all);
        assert_eq!(from_nothing.quantile_ns(0.5), all.quantile_ns(0.5));
        assert_eq!(Latency::default().quantile_ns(0.5), 0);
    }

    #[test]
    fn failures_do_not_touch_latency_and_throughput() {
        let mut stats = Stats::default();
        let now = Instant::now();
        stats.record(OpKind::Get, &span(now, 0, 10, None), Moved { bytes: 100, names: 0 });
        let error = OpError { kind: ErrorKind::Timeout, text: "slow".into(), is_before_answer: false };
        for _ in 0..20 {
            stats.record_error(OpKind::Get, &span(now, 0, 5000, None), &error);
        }
        let get = stats.of(OpKind::Get);
        assert_eq!((get.ops, get.bytes, get.error_count()), (1, 100, 20));
        assert_eq!(get.latency.max_ns(), 10_000_000);
        assert_eq!(get.error_latency.count(), 20);
        assert_eq!(get.error_texts, ["timeout: slow"]);
    }

    #[test]
    fn what_ends_after_the_run_counts_in_part() {
        let mut stats = Stats::default();
        let now = Instant::now();
        let moved = Moved { bytes: 1000, names: 0 };
        stats.record(OpKind::Put, &span(now, 0, 100, Some(400)), moved);
        stats.record(OpKind::Put, &span(now, 300, 700, Some(400)), moved);
        let put = stats.of(OpKind::Put);
        assert_eq!((put.ops, put.bytes), (2, 2000));
        assert!((put.ops_inside - 1.25).abs() < 1e-9);
        assert!((put.bytes_inside - 1250.0).abs() < 1e-6);
    }
}

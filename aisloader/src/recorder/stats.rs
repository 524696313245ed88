//! Counts, bytes and distributions of each kind of operation.

use super::error::{ErrorKind, OpError};
use super::latency::Latency;
use super::phases::{Marks, Phases};
use super::places::ByPlace;
use crate::workload::OpKind;
use crate::workload::pick::TrainingStats;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Texts of errors kept for people to read, per kind of operation.
const TEXTS_MAX: usize = 8;

/// One kind of operation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
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
    /// Latency of the same operations in an open loop, from when they were due, as a user who came then would wait.
    #[serde(skip_serializing_if = "Latency::is_empty")]
    pub intended: Latency,
    /// Latencies of those that failed: among the others they would make a broken server look fast, or slow.
    #[serde(skip_serializing_if = "Latency::is_empty")]
    pub error_latency: Latency,
    /// Where the time of those that succeeded and were traced went.
    #[serde(skip_serializing_if = "Phases::is_empty")]
    pub phases: Phases,
    /// Failures by kind.
    #[serde(with = "pairs")]
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

/// Figures that only an open loop has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OpenStats {
    /// Arrivals, the dropped ones included.
    pub arrivals: u64,
    /// Arrivals that found as many operations in flight as are allowed, and were not done.
    pub dropped: u64,
    /// The most operations in flight on one core.
    pub core_in_flight_max: u64,
    /// The delay from when operations were due to when the loader began them.
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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    #[serde(skip_serializing_if = "OpStats::is_empty")]
    put: OpStats,
    #[serde(skip_serializing_if = "OpStats::is_empty")]
    mpu: OpStats,
    #[serde(skip_serializing_if = "OpStats::is_empty")]
    get: OpStats,
    #[serde(skip_serializing_if = "OpStats::is_empty")]
    update: OpStats,
    #[serde(skip_serializing_if = "OpStats::is_empty")]
    head: OpStats,
    #[serde(skip_serializing_if = "OpStats::is_empty")]
    delete: OpStats,
    #[serde(skip_serializing_if = "OpStats::is_empty")]
    list: OpStats,
    /// The counts of the open loop.
    pub open: OpenStats,
    /// Figures by the server that answered, `host:port`.
    pub targets: ByPlace,
    /// Figures by mountpath, `ID:/path`, as far as it is known.
    pub mountpaths: ByPlace,
    /// The figures of the accelerators that were played.
    pub training: TrainingStats,
}

/// The amounts that a finished operation moved.
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

/// Failures by kind as a list: JSON has texts only for keys.
mod pairs {
    use crate::recorder::ErrorKind;
    use serde::{Deserialize as _, Deserializer, Serializer};
    use std::collections::BTreeMap;

    pub(super) fn serialize<S: Serializer>(
        errors: &BTreeMap<ErrorKind, u64>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(errors)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<ErrorKind, u64>, D::Error> {
        Ok(Vec::<(ErrorKind, u64)>::deserialize(from)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::DamageKind;

    fn span(begin: Instant, from_ms: u64, to_ms: u64, run_end_ms: Option<u64>) -> Span {
        let at = |ms| begin + Duration::from_millis(ms);
        Span { due: None, begin: at(from_ms), end: at(to_ms), run_end: run_end_ms.map(at) }
    }

    #[test]
    fn failures_do_not_touch_latency_and_throughput() {
        let mut stats = Stats::default();
        let now = Instant::now();
        stats.record(OpKind::Get, &span(now, 0, 10, None), Moved { bytes: 100, names: 0 });
        let error = OpError { kind: ErrorKind::Timeout, text: "slow".into() };
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

    #[test]
    fn what_travels_arrives() {
        let (mut stats, now) = (Stats::default(), Instant::now());
        let moved = Moved { bytes: 1000, names: 3 };
        stats.record(OpKind::List, &Span { due: Some(now), ..span(now, 300, 700, Some(400)) }, moved);
        stats.targets.record("h:1", Duration::from_millis(5), Some(1000));
        stats.open.arrived(4);
        for kind in [ErrorKind::Status(503), ErrorKind::Content(DamageKind::Stale)] {
            let error = OpError { kind, text: "t".into() };
            stats.record_error(OpKind::Get, &span(now, 0, 5, None), &error);
        }
        let text = serde_json::to_string(&stats).unwrap();
        let back: Stats = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
        assert_eq!((back.ops(), back.error_count(), back.open.arrivals), (1, 2, 1));
        assert_eq!(back.of(OpKind::Get).errors, stats.of(OpKind::Get).errors);
        assert!((back.of(OpKind::List).bytes_inside - 250.0).abs() < 1e-6);
        assert_eq!(back.targets.iter().next().map(|(name, place)| (name, place.ops)), Some(("h:1", 1)));
        assert!(!text.contains("\"put\""), "what did not happen takes no room: {text}");
    }
}

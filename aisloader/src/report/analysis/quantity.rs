//! Quantities by which two groups of runs can be compared.

use super::log::RunLog;
use crate::report::record::schema::{IntervalLine, OpLine};

/// The metrics that the user can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Payload, names or operations in a second.
    Throughput,
    /// Median latency.
    P50,
    /// 99th percentile of latency.
    P99,
    /// 99.9th percentile.
    P999,
    /// Processor time for the payload.
    Cpu,
}

impl Metric {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 5] = [Self::Throughput, Self::P50, Self::P99, Self::P999, Self::Cpu];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::P999 => "p999",
            Self::Cpu => "cpu",
        }
    }

    /// The metric of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// The share of operations that are at most as slow, for latencies.
    #[must_use]
    pub fn quantile(self) -> Option<f64> {
        match self {
            Self::P50 => Some(0.5),
            Self::P99 => Some(0.99),
            Self::P999 => Some(0.999),
            Self::Throughput | Self::Cpu => None,
        }
    }
}

/// The unit that a throughput counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Payload.
    Bytes,
    /// Names in listed pages.
    Names,
    /// Operations.
    Ops,
}

impl Unit {
    /// The number of such units in an operation's line.
    #[must_use]
    pub fn of(self, op: &OpLine) -> f64 {
        let count = match self {
            Self::Bytes => op.bytes,
            Self::Names => op.names,
            Self::Ops => op.ops,
        };
        count as f64
    }

    /// The unit that says most about this kind in all of these runs.
    #[must_use]
    pub fn best<'l>(logs: impl IntoIterator<Item = &'l RunLog> + Clone, kind: Option<&str>) -> Self {
        let all_have = |unit: Self| {
            let mut logs = logs.clone().into_iter();
            logs.all(|log| log.steady().any(|interval| sum_of(interval, kind, unit) > 0.0))
        };
        [Self::Bytes, Self::Names].into_iter().find(|unit| all_have(*unit)).unwrap_or(Self::Ops)
    }
}

/// The number of units that an interval has of a kind, or of all kinds together.
#[must_use]
pub fn sum_of(interval: &IntervalLine, kind: Option<&str>, unit: Unit) -> f64 {
    match kind {
        Some(kind) => interval.ops.get(kind).map_or(0.0, |op| unit.of(op)),
        None => interval.ops.values().map(|op| unit.of(op)).sum(),
    }
}

/// One figure of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Quantity {
    /// The throughput of one kind, or of all together.
    Throughput {
        /// The kind; `None`: all.
        kind: Option<String>,
        /// The unit that is counted.
        unit: Unit,
    },
    /// A percentile of one kind's latency.
    Latency {
        /// The kind.
        kind: String,
        /// The percentile.
        metric: Metric,
        /// The percentile counts from the intended start (open loop) instead of the request.
        is_intended: bool,
    },
    /// Processor time for the payload, or for operations without payload.
    Cpu {
        /// The time is that of the whole machine instead of the loader's own.
        is_machine: bool,
        /// The unit that it is divided by.
        unit: Unit,
    },
}

impl Quantity {
    /// Everything of these metrics that all the runs have.
    #[must_use]
    pub fn common(logs: &[&RunLog], metrics: &[Metric]) -> Vec<Self> {
        let mut kinds = logs.first().map(|log| log.kinds()).unwrap_or_default();
        kinds.retain(|kind| logs.iter().all(|log| log.kinds().contains(kind)));
        metrics.iter().flat_map(|metric| of_metric(logs, &kinds, *metric)).collect()
    }

    /// True when more is better.
    #[must_use]
    pub fn is_more_better(&self) -> bool {
        matches!(self, Self::Throughput { .. })
    }

    /// Its name in tables, such as `p99 get`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Throughput { kind, .. } => format!("throughput {}", kind.as_deref().unwrap_or("all")),
            Self::Latency { kind, metric, is_intended } => {
                format!("{} {kind}{}", metric.name(), if *is_intended { " (intended)" } else { "" })
            }
            Self::Cpu { is_machine, .. } => format!("cpu {}", if *is_machine { "machine" } else { "own" }),
        }
    }
}

fn of_metric(logs: &[&RunLog], kinds: &[&str], metric: Metric) -> Vec<Quantity> {
    let runs = || logs.iter().copied();
    match metric {
        Metric::Throughput => {
            let all = (kinds.len() > 1).then_some(None);
            let each = kinds.iter().map(|kind| Some((*kind).to_owned()));
            let unit = |kind: &Option<String>| Unit::best(runs(), kind.as_deref());
            all.into_iter().chain(each).map(|kind| Quantity::Throughput { unit: unit(&kind), kind }).collect()
        }
        Metric::P50 | Metric::P99 | Metric::P999 => {
            let is_open = |kind: &str| runs().all(|log| is_open_loop(log, kind));
            let latency =
                |kind: &str| Quantity::Latency { kind: kind.to_owned(), metric, is_intended: is_open(kind) };
            kinds.iter().map(|kind| latency(kind)).collect()
        }
        Metric::Cpu => {
            let has_machine = runs().all(|log| log.steady().any(|interval| interval.machine_cpu_s.is_some()));
            let unit = match Unit::best(runs(), None) {
                Unit::Bytes => Unit::Bytes,
                Unit::Names | Unit::Ops => Unit::Ops,
            };
            let machine = has_machine.then_some(true);
            machine.into_iter().chain([false]).map(|is_machine| Quantity::Cpu { is_machine, unit }).collect()
        }
    }
}

fn is_open_loop(log: &RunLog, kind: &str) -> bool {
    log.steady().any(|interval| interval.ops.get(kind).is_some_and(|op| op.intended.is_some()))
}

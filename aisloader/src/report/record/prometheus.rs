//! The counts of a run so far as Prometheus text.

use super::sink::Moment;
use crate::recorder::{OpStats, Stats};
use crate::workload::OpKind;
use std::fmt::Write as _;

/// Upper edges of the histogram's buckets, in nanoseconds: three a decade from 100 us to 100 s.
const EDGES_NS: [u64; 19] = [
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
    20_000_000_000,
    50_000_000_000,
    100_000_000_000,
];
const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];

/// Sums since the begin, and the last interval.
#[derive(Default)]
pub(super) struct Totals {
    all: Stats,
    last: Stats,
    own_cpu_s: f64,
    machine_cpu_s: f64,
    inflight: u64,
}

impl Totals {
    /// Adds an interval.
    pub(super) fn add(&mut self, moment: &Moment<'_>) {
        self.all.merge(&moment.interval.stats);
        self.last = moment.interval.stats.clone();
        self.own_cpu_s += moment.cpu.own_s;
        self.machine_cpu_s += moment.cpu.machine_s.unwrap_or(0.0);
        self.inflight = moment.interval.inflight;
    }

    /// The text of a scrape.
    pub(super) fn text(&self) -> String {
        let mut out = String::with_capacity(8 << 10);
        self.counter(&mut out, "ops_total", "Operations that succeeded.", |stats| stats.ops);
        self.counter(&mut out, "bytes_total", "Payload of operations that succeeded.", |stats| stats.bytes);
        self.counter(&mut out, "names_total", "Names in listed pages.", |stats| stats.names);
        self.errors(&mut out);
        self.histogram(&mut out);
        self.quantiles(&mut out);
        head(&mut out, "inflight", "gauge", "Operations in flight.");
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(out, "aisloader_inflight {}", self.inflight);
        head(&mut out, "cpu_seconds_total", "counter", "Processor time of the loader.");
        let _ = writeln!(out, "aisloader_cpu_seconds_total {:.3}", self.own_cpu_s);
        head(&mut out, "machine_cpu_seconds_total", "counter", "Processor time of the loader's machine.");
        let _ = writeln!(out, "aisloader_machine_cpu_seconds_total {:.3}", self.machine_cpu_s);
        out
    }

    fn kinds(&self) -> impl Iterator<Item = (String, &OpStats)> {
        let tried = OpKind::ALL.into_iter().filter(|kind| !self.all.of(*kind).is_empty());
        tried.map(|kind| (kind.label().to_ascii_lowercase(), self.all.of(kind)))
    }

    fn counter(&self, out: &mut String, name: &str, help: &str, pick: fn(&OpStats) -> u64) {
        head(out, name, "counter", help);
        for (op, stats) in self.kinds() {
            let _ = writeln!(out, "aisloader_{name}{{op=\"{op}\"}} {}", pick(stats));
        }
    }

    fn errors(&self, out: &mut String) {
        head(out, "errors_total", "counter", "Operations that failed, by kind of failure.");
        for (op, stats) in self.kinds() {
            for (error, count) in &stats.errors {
                let _ = writeln!(out, "aisloader_errors_total{{op=\"{op}\",error=\"{error}\"}} {count}");
            }
        }
    }

    fn histogram(&self, out: &mut String) {
        head(out, "latency_seconds", "histogram", "Latency of operations that succeeded.");
        for (op, stats) in self.kinds() {
            let latency = &stats.latency;
            let name = "aisloader_latency_seconds";
            for edge_ns in EDGES_NS {
                let below = latency.histogram().map_or(0, |histogram| histogram.count_between(0, edge_ns));
                let edge_s = edge_ns as f64 / 1e9;
                let _ = writeln!(out, "{name}_bucket{{op=\"{op}\",le=\"{edge_s}\"}} {below}");
            }
            let _ = writeln!(out, "{name}_bucket{{op=\"{op}\",le=\"+Inf\"}} {}", latency.count());
            let sum_s = latency.mean_ns() as f64 * latency.count() as f64 / 1e9;
            let _ = writeln!(out, "{name}_sum{{op=\"{op}\"}} {sum_s}");
            let _ = writeln!(out, "{name}_count{{op=\"{op}\"}} {}", latency.count());
        }
    }

    fn quantiles(&self, out: &mut String) {
        head(out, "interval_latency_seconds", "gauge", "Quantiles of the last second.");
        for (op, kind) in OpKind::ALL.into_iter().map(|kind| (kind.label().to_ascii_lowercase(), kind)) {
            let latency = &self.last.of(kind).latency;
            for quantile in QUANTILES.into_iter().filter(|_| latency.count() > 0) {
                let value = latency.quantile_ns(quantile) as f64 / 1e9;
                let _ = writeln!(
                    out,
                    "aisloader_interval_latency_seconds{{op=\"{op}\",quantile=\"{quantile}\"}} {value}"
                );
            }
        }
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = write!(out, "# HELP aisloader_{name} {help}\n# TYPE aisloader_{name} {kind}\n");
}

#[cfg(test)]
mod tests {
    use super::super::schema::Phase;
    use super::*;
    use crate::recorder::cpu::CpuUse;
    use crate::recorder::{Interval, Moved, Span};
    use std::time::{Duration, Instant};

    #[test]
    fn buckets_grow_up_to_the_count() {
        let begin = Instant::now();
        let mut interval = Interval::default();
        for ms in 1..=100 {
            let span = Span { due: None, begin, end: begin + Duration::from_millis(ms), run_end: None };
            interval.stats.record(OpKind::Put, &span, Moved { bytes: 1, names: 0 });
        }
        let mut totals = Totals::default();
        let cpu = CpuUse { own_s: 0.5, machine_s: Some(1.0), stolen_s: None };
        totals.add(&Moment { at_s: 1.0, span_s: 1.0, phase: Phase::Steady, interval: &interval, cpu });
        let text = totals.text();
        let bucket = |le: &str| {
            let start = format!("aisloader_latency_seconds_bucket{{op=\"put\",le=\"{le}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse::<u64>().unwrap()
        };
        assert_eq!((bucket("0.0001"), bucket("0.05"), bucket("0.2"), bucket("+Inf")), (0, 50, 100, 100));
        assert!(text.contains("aisloader_interval_latency_seconds{op=\"put\",quantile=\"0.5\"} 0.05"));
        assert!(text.contains("aisloader_cpu_seconds_total 0.500\n"));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.rsplit_once(' ').unwrap().1.parse::<f64>().is_ok(), "{line}");
        }
    }
}

//! One measurement and its verdict.

use crate::flags::units::show_duration_ns;
use crate::recorder::{Latency, RunEnd, Stats};
use crate::settings::Slo;
use crate::workload::OpKind;
use serde::Serialize;

/// The figures of one rate. Latencies count from when operations were due.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Arrivals a second that were asked for.
    pub rate: f64,
    /// Operations a second that succeeded within the measurement.
    pub achieved: f64,
    /// Their payload.
    pub bytes_per_s: f64,
    /// Arrivals.
    pub arrivals: u64,
    /// Arrivals that found too much in flight.
    pub dropped: u64,
    /// Operations that failed.
    pub errors: u64,
    /// Half of the operations took no longer.
    pub p50_ns: u64,
    /// 99% took no longer.
    pub p99_ns: u64,
    /// 99.9% took no longer.
    pub p999_ns: u64,
    /// Operations beyond the 99.9%: under 100, that quantile is a guess.
    pub samples_beyond_p999: u64,
    /// 99% were begun by the loader no later than this after they were due.
    pub late_p99_ns: u64,
    /// True when the promise was kept; `None` when there is none.
    pub is_met: Option<bool>,
    /// Why not; empty otherwise.
    pub why: String,
}

impl Step {
    /// Judges a measurement.
    #[must_use]
    pub fn new(rate: f64, end: &RunEnd, slo: Option<&Slo>) -> Self {
        let stats = &end.stats;
        let latency = due_latency(stats);
        let seconds = end.window.as_secs_f64().max(1e-9);
        let sum = |pick: fn(&crate::recorder::OpStats) -> f64| {
            OpKind::singles().map(|kind| pick(stats.of(kind))).sum::<f64>() / seconds
        };
        let late_p99_ns = stats.open.late.quantile_ns(0.99);
        let broken = slo.map(|slo| broken(slo, stats, &latency));
        let mut why = broken.clone().unwrap_or_default().join(", ");
        // Half of the delay was the loader's own: then this says little about the server.
        if !why.is_empty() && late_p99_ns > latency.quantile_ns(0.99) / 2 {
            why.push_str("; the loader itself was late");
        }
        Self {
            rate,
            achieved: sum(|s| s.ops_inside),
            bytes_per_s: sum(|s| s.bytes_inside),
            arrivals: stats.open.arrivals,
            dropped: stats.open.dropped,
            errors: stats.error_count(),
            p50_ns: latency.quantile_ns(0.5),
            p99_ns: latency.quantile_ns(0.99),
            p999_ns: latency.quantile_ns(0.999),
            samples_beyond_p999: latency.samples_beyond(0.999),
            late_p99_ns,
            is_met: broken.map(|broken| broken.is_empty()),
            why,
        }
    }
}

fn due_latency(stats: &Stats) -> Latency {
    let mut all = Latency::default();
    OpKind::singles().for_each(|kind| all.merge(&stats.of(kind).intended));
    all
}

/// The limits that were not kept.
fn broken(slo: &Slo, stats: &Stats, latency: &Latency) -> Vec<String> {
    let mut broken = Vec::new();
    if latency.count() == 0 {
        broken.push("nothing succeeded".to_owned());
    }
    for limit in &slo.latency {
        let got_ns = latency.quantile_ns(limit.quantile);
        if got_ns > limit.limit_ns {
            broken.push(format!("{} {}", limit.name, show_duration_ns(got_ns)));
        }
    }
    let lost = stats.open.dropped.saturating_add(stats.error_count());
    if lost as f64 > slo.error_share_max * stats.open.arrivals as f64 {
        broken.push(format!("{} dropped, {} failed", stats.open.dropped, stats.error_count()));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::cpu::CpuUse;
    use crate::recorder::{Interval, Moved, Span};
    use std::time::{Duration, Instant};

    /// 1,000 arrivals in a second, which took 1 to 1,000 ms from when they were due; some more were dropped.
    fn end(dropped: u64) -> RunEnd {
        let mut stats = Stats::default();
        let due = Instant::now();
        for ms in 1..=1000 {
            let end = due + Duration::from_millis(ms);
            let span = Span { due: Some(due), begin: due, end, run_end: None };
            stats.record(OpKind::Get, &span, Moved { bytes: 10, names: 0 });
            stats.open.arrived(1);
        }
        for _ in 0..dropped {
            stats.open.arrived(1);
            stats.open.dropped();
        }
        RunEnd {
            stats,
            rest: Interval::default(),
            window: Duration::from_secs(1),
            cpu: CpuUse::default(),
            is_interrupted: false,
            cores: 1,
            passes: None,
        }
    }

    #[test]
    fn a_promise_is_kept_or_broken() {
        let judge = |dropped, slo: &str| {
            let step = Step::new(1000.0, &end(dropped), Some(&Slo::parse(slo).unwrap()));
            (step.is_met, step.why)
        };
        assert_eq!(judge(0, "p99=1s"), (Some(true), String::new()));
        assert_eq!(judge(0, "p50=499ms").0, Some(false));
        assert!(judge(0, "p99=900ms,p50=1s").1.contains("p99 990"), "{}", judge(0, "p99=900ms").1);
        assert_eq!(judge(5, "p99=1s").1, "5 dropped, 0 failed");
        assert_eq!(judge(5, "p99=1s,err=1%").0, Some(true));
        let free = Step::new(1000.0, &end(0), None);
        assert_eq!((free.is_met, free.arrivals), (None, 1000));
        assert!((free.achieved - 1000.0).abs() < 1e-6 && (free.bytes_per_s - 10_000.0).abs() < 1e-6);
    }
}

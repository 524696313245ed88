//! Logs of runs that never happened, with a known truth, for tests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::log::RunLog;
use crate::report::record::schema::{FinalLine, IntervalLine, LatencyLine, OpLine};
use placement::mix;

/// The properties of a simulated run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Simulated {
    pub(crate) seconds: u64,
    /// Operations in a second, in the mean.
    pub(crate) ops: f64,
    /// Relative noise of one second.
    pub(crate) noise: f64,
    /// The share of a second's noise that goes over to the next one.
    pub(crate) likeness: f64,
    /// Relative noise of the run as a whole.
    pub(crate) run_noise: f64,
    /// Median latency in nanoseconds.
    pub(crate) latency_ns: f64,
    pub(crate) seed: u64,
}

impl Default for Simulated {
    fn default() -> Self {
        Self { seconds: 60, ops: 400.0, noise: 0.05, likeness: 0.5, run_noise: 0.0, latency_ns: 5e6, seed: 1 }
    }
}

/// Uniform in 0..1, never 0.
fn uniform(seed: u64, number: u64) -> f64 {
    ((mix(seed ^ mix(number)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// Standard normal, by Box and Muller.
fn normal(seed: u64, number: u64) -> f64 {
    let radius = (-2.0 * uniform(seed, number).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(seed ^ 0xa5a5, number)).cos()
}

impl Simulated {
    pub(crate) fn log(&self) -> RunLog {
        let mut log = RunLog { path: format!("seed-{}.ndjson", self.seed), ..RunLog::default() };
        let whole = 1.0 + self.run_noise * normal(self.seed, 1 << 40);
        let fresh = (1.0 - self.likeness * self.likeness).sqrt();
        let mut state = normal(self.seed, 1 << 41);
        let mut all = Vec::new();
        for second in 1..=self.seconds {
            state = self.likeness * state + fresh * normal(self.seed, (1 << 42) + second);
            let speed = (whole * (1.0 + self.noise * state)).max(0.01);
            let ops = (self.ops * speed).round().max(1.0) as u64;
            let draw = |n| self.latency_ns / speed * (0.4 * normal(self.seed ^ second << 20, n)).exp();
            let latencies: Vec<u64> = (0..ops).map(|n| draw(n).max(1.0) as u64).collect();
            let op = OpLine { ops, bytes: ops << 20, latency: summary(&latencies), ..OpLine::default() };
            all.extend(latencies);
            log.intervals.push(IntervalLine {
                at_s: second as f64,
                span_s: 1.0,
                ops: [("get".to_owned(), op)].into(),
                own_cpu_s: 0.2 * (1.0 + 0.05 * normal(self.seed, (1 << 43) + second)),
                machine_cpu_s: Some(1.0),
                inflight: 16,
                ..IntervalLine::default()
            });
        }
        let (ops, bytes) = (all.len() as u64, (all.len() as u64) << 20);
        let op = OpLine { ops, bytes, latency: summary(&all), ..OpLine::default() };
        let ops = [("get".to_owned(), op)].into();
        log.end = Some(FinalLine { window_s: self.seconds as f64, ops, ..FinalLine::default() });
        log
    }
}

fn summary(latencies: &[u64]) -> LatencyLine {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    let at = |quantile: f64| {
        let rank = (quantile * sorted.len() as f64).ceil() as usize;
        sorted[rank.clamp(1, sorted.len()) - 1]
    };
    LatencyLine {
        min_ns: at(0.0),
        mean_ns: sorted.iter().sum::<u64>() / sorted.len() as u64,
        p50_ns: at(0.5),
        p90_ns: at(0.9),
        p99_ns: at(0.99),
        p999_ns: at(0.999),
        p9999_ns: at(0.9999),
        max_ns: at(1.0),
        hdr: String::new(),
    }
}

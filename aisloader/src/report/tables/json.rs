//! The same as data: one array, an object per interval and one for the whole run; every number is a number.

use super::reading;
use crate::recorder::cpu::{per_gib, us_per_op};
use crate::recorder::{Latency, OpStats, RunEnd, Stats};
use crate::settings::Config;
use crate::workload::OpKind;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// An interval.
pub(super) fn interval(at: Duration, length: Duration, stats: &Stats, inflight: u64) -> Value {
    let mut row = ops(stats, length, |s| (s.ops as f64, s.bytes as f64));
    row.insert("type".into(), json!("interval"));
    row.insert("in_flight".into(), json!(inflight));
    if stats.open.arrivals > 0 {
        row.insert("open_loop".into(), open_loop(stats));
    }
    row.insert("at_s".into(), json!(at.as_secs_f64()));
    row.insert("duration".into(), json!(length.as_nanos()));
    Value::Object(row)
}

/// The whole run.
pub(super) fn end(config: &Config, end: &RunEnd) -> Value {
    let mut row = whole(&end.stats, end.window);
    let sum = |pick: fn(&OpStats) -> f64| OpKind::singles().map(|kind| pick(end.stats.of(kind))).sum::<f64>();
    let (bytes, ops) = (sum(|s| s.bytes_inside), sum(|s| s.ops_inside));
    let cost = |seconds: f64| {
        json!({
            "cpu_s": seconds,
            "cpu_s_per_gib": per_gib(seconds, bytes),
            "cpu_us_per_op": us_per_op(seconds, ops),
        })
    };
    row.insert("type".into(), json!("final"));
    row.insert("model".into(), json!(if config.open.is_some() { "open" } else { "closed" }));
    if config.open.is_some() {
        row.insert("open_loop".into(), open_loop(&end.stats));
    }
    row.insert("duration".into(), json!(end.window.as_nanos()));
    row.insert("interrupted".into(), json!(end.is_interrupted));
    row.insert("cores".into(), json!(end.cores));
    row.insert("cpu_own".into(), cost(end.cpu.own_s));
    row.insert("cpu_machine".into(), end.cpu.machine_s.map_or(Value::Null, cost));
    row.insert("cpu_stolen_s".into(), json!(end.cpu.stolen_s));
    row.insert("training".into(), reading::training(config, end));
    row.insert("passes".into(), reading::passes(config, end));
    row.insert("config".into(), json!(config));
    Value::Object(row)
}

/// Everything of a time that is over.
pub(super) fn whole(stats: &Stats, length: Duration) -> Map<String, Value> {
    ops(stats, length, |s| (s.ops_inside, s.bytes_inside))
}

/// Arrivals, and what became of them before they began.
fn open_loop(stats: &Stats) -> Value {
    let open = &stats.open;
    json!({
        "arrivals": open.arrivals,
        "dropped": open.dropped,
        "core_in_flight_max": open.core_in_flight_max,
        "late_p50_ns": open.late.quantile_ns(0.5),
        "late_p99_ns": open.late.quantile_ns(0.99),
        "late_max_ns": open.late.max_ns(),
    })
}

fn ops(stats: &Stats, length: Duration, inside: fn(&OpStats) -> (f64, f64)) -> Map<String, Value> {
    let seconds = length.as_secs_f64().max(1e-9);
    let one = |kind: OpKind| (kind.label().to_ascii_lowercase(), op(stats.of(kind), seconds, inside));
    OpKind::ALL.into_iter().filter(|kind| !stats.of(*kind).is_empty()).map(one).collect()
}

/// AIStore's keys first, then ours.
fn op(stats: &OpStats, seconds: f64, inside: fn(&OpStats) -> (f64, f64)) -> Value {
    let latency = &stats.latency;
    let (ops, bytes) = inside(stats);
    let errors: Map<String, Value> =
        stats.errors.iter().map(|(kind, count)| (kind.to_string(), json!(count))).collect();
    let mut row = json!({
        "count": stats.ops,
        "bytes": stats.bytes,
        "errors": stats.error_count(),
        "latency": latency.mean_ns(),
        "min_latency": latency.min_ns(),
        "max_latency": latency.max_ns(),
        "throughput": bytes / seconds,
        "ops_per_s": ops / seconds,
        "names": stats.names,
        "p50_ns": latency.quantile_ns(0.5),
        "p90_ns": latency.quantile_ns(0.9),
        "p99_ns": latency.quantile_ns(0.99),
        "p999_ns": latency.quantile_ns(0.999),
        "samples_beyond_p999": latency.samples_beyond(0.999),
        "error_kinds": errors,
        "error_texts": stats.error_texts,
        "error_p99_ns": stats.error_latency.quantile_ns(0.99),
        "trace": trace(stats),
    });
    if let (Value::Object(row), true) = (&mut row, stats.intended.count() > 0) {
        row.insert("intended".into(), intended(&stats.intended));
    }
    row
}

/// Latency from when operations were due.
fn intended(latency: &Latency) -> Value {
    json!({
        "mean_ns": latency.mean_ns(),
        "min_ns": latency.min_ns(),
        "max_ns": latency.max_ns(),
        "p50_ns": latency.quantile_ns(0.5),
        "p90_ns": latency.quantile_ns(0.9),
        "p99_ns": latency.quantile_ns(0.99),
        "p999_ns": latency.quantile_ns(0.999),
    })
}

/// The phases of operations; null when none was traced.
fn trace(stats: &OpStats) -> Value {
    if stats.phases.is_empty() {
        return Value::Null;
    }
    let one = |(name, latency): (&str, &Latency)| {
        let value = json!({
            "count": latency.count(),
            "mean_ns": latency.mean_ns(),
            "p50_ns": latency.quantile_ns(0.5),
            "p99_ns": latency.quantile_ns(0.99),
        });
        (name.to_owned(), value)
    };
    Value::Object(stats.phases.named().into_iter().map(one).collect())
}

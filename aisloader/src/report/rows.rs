//! The rows of a running test; the first seven columns are AIStore's.

use crate::recorder::{OpStats, Stats};
use crate::units::{show_duration_ns, show_size};
use crate::workload::OpKind;
use std::fmt::Write as _;
use std::time::Duration;

/// The line above the rows.
pub(super) fn head() -> String {
    row(&[
        "Time",
        "OP",
        "Count",
        "Size (Total)",
        "Latency (min, avg, max)",
        "Throughput (Avg)",
        "Errors (Total)",
        "p50",
        "p99",
        "p99.9",
    ])
}

/// The rows of one interval.
pub(super) fn interval(at: Duration, length: Duration, stats: &Stats, total: &Stats) -> String {
    let mut out = String::new();
    for kind in OpKind::ALL {
        let (now, all) = (stats.of(kind), total.of(kind));
        if !all.is_empty() {
            out.push_str(&one(at, length, kind, now, all));
        }
    }
    out
}

fn one(at: Duration, length: Duration, kind: OpKind, now: &OpStats, all: &OpStats) -> String {
    let seconds = length.as_secs_f64().max(f64::MIN_POSITIVE);
    let latency = &now.latency;
    let three = [latency.min_ns(), latency.mean_ns(), latency.max_ns()].map(show_duration_ns);
    let errors = match now.error_count() {
        0 if all.error_count() == 0 => "-".to_owned(),
        count => format!("{count} ({})", all.error_count()),
    };
    row(&[
        &format!("{}s", at.as_secs()),
        kind.label(),
        &format!("{} ({})", now.ops, all.ops),
        &format!("{} ({})", show_size(now.bytes as f64), show_size(all.bytes as f64)),
        &three.join(" "),
        &format!("{}/s ({}/s)", show_size(now.bytes as f64 / seconds), show_size(average(at, all))),
        &errors,
        &show_duration_ns(latency.quantile_ns(0.5)),
        &show_duration_ns(latency.quantile_ns(0.99)),
        &show_duration_ns(latency.quantile_ns(0.999)),
    ])
}

fn average(at: Duration, all: &OpStats) -> f64 {
    all.bytes as f64 / at.as_secs_f64().max(f64::MIN_POSITIVE)
}

fn row(cells: &[&str]) -> String {
    const WIDTHS: [usize; 10] = [8, 5, 18, 24, 30, 28, 15, 9, 9, 9];
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(WIDTHS) {
        // Writing to a string cannot fail.
        let _ = write!(line, "{cell:<width$} ");
    }
    format!("{}\n", line.trim_end())
}

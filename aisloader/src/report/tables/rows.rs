//! The rows of a running test; the first seven columns are AIStore's.

use crate::flags::units::{show_duration_ns, show_size};
use crate::recorder::{OpStats, Stats};
use crate::workload::OpKind;
use std::fmt::Write as _;
use std::time::Duration;

/// The heads of the columns that only an open loop has.
const OPEN: [&str; 5] = ["due p99", "due p99.9", "late p99", "Dropped", "In flight"];

/// The line above the rows.
pub(super) fn head(is_open: bool) -> String {
    let mut cells = vec![
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
    ];
    if is_open {
        cells.extend(OPEN);
    }
    row(&cells)
}

/// One interval: what happened in it, what since the begin, and how many operations are in flight at its end.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) at: Duration,
    pub(super) length: Duration,
    pub(super) stats: &'a Stats,
    pub(super) total: &'a Stats,
    pub(super) inflight: u64,
}

/// The rows of one interval.
pub(super) fn interval(moment: &Moment<'_>) -> String {
    let (stats, total) = (moment.stats, moment.total);
    let mut out = String::new();
    for kind in OpKind::ALL {
        let (now, all) = (stats.of(kind), total.of(kind));
        if !all.is_empty() {
            out.push_str(&one(moment, kind, now, all));
        }
    }
    out
}

fn one(moment: &Moment<'_>, kind: OpKind, now: &OpStats, all: &OpStats) -> String {
    let Moment { at, length, .. } = *moment;
    let seconds = length.as_secs_f64().max(f64::MIN_POSITIVE);
    let latency = &now.latency;
    let three = [latency.min_ns(), latency.mean_ns(), latency.max_ns()].map(show_duration_ns);
    let errors = match now.error_count() {
        0 if all.error_count() == 0 => "-".to_owned(),
        count => format!("{count} ({})", all.error_count()),
    };
    let mut cells = vec![
        format!("{}s", at.as_secs()),
        kind.label().to_owned(),
        format!("{} ({})", now.ops, all.ops),
        format!("{} ({})", show_size(now.bytes as f64), show_size(all.bytes as f64)),
        three.join(" "),
        format!("{}/s ({}/s)", show_size(now.bytes as f64 / seconds), show_size(average(at, all))),
        errors,
        show_duration_ns(latency.quantile_ns(0.5)),
        show_duration_ns(latency.quantile_ns(0.99)),
        show_duration_ns(latency.quantile_ns(0.999)),
    ];
    cells.extend(open_cells(moment, now));
    row(&cells)
}

/// Drops and operations in flight are those of all kinds: nobody knows what a dropped arrival would have been.
fn open_cells(moment: &Moment<'_>, now: &OpStats) -> Vec<String> {
    let open = &moment.stats.open;
    if moment.total.open.arrivals == 0 {
        return Vec::new();
    }
    let [due_p99, due_p999] = [0.99, 0.999].map(|q| show_duration_ns(now.intended.quantile_ns(q)));
    let late = show_duration_ns(open.late.quantile_ns(0.99));
    vec![due_p99, due_p999, late, open.dropped.to_string(), moment.inflight.to_string()]
}

fn average(at: Duration, all: &OpStats) -> f64 {
    all.bytes as f64 / at.as_secs_f64().max(f64::MIN_POSITIVE)
}

fn row<S: AsRef<str>>(cells: &[S]) -> String {
    const WIDTHS: [usize; 15] = [8, 6, 18, 24, 30, 28, 15, 9, 9, 9, 9, 9, 9, 9, 9];
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(WIDTHS) {
        // Writing to a string cannot fail.
        let _ = write!(line, "{:<width$} ", cell.as_ref());
    }
    format!("{}\n", line.trim_end())
}

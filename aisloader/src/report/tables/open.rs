//! The lines that only an open loop has at its end.

use super::quantile::quantile;
use crate::flags::units::show_duration_ns;
use crate::recorder::RunEnd;
use crate::workload::OpKind;
use std::fmt::Write as _;

/// Latency as users would have seen it, and what the loader itself delayed or dropped.
pub(super) fn lines(end: &RunEnd) -> String {
    let mut out = String::from("from when it was due (the table above: from when it began)\n");
    for kind in OpKind::ALL {
        let latency = &end.stats.of(kind).intended;
        if latency.count() == 0 {
            continue;
        }
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{:<5} {:>12} {:>14} {:>12} {:>10} {:>10} {:>10} {:>10} {:>10}",
            kind.label(),
            latency.count(),
            "",
            "",
            show_duration_ns(latency.min_ns()),
            quantile(latency, 0.5),
            quantile(latency, 0.99),
            quantile(latency, 0.999),
            show_duration_ns(latency.max_ns()),
        );
    }
    let open = &end.stats.open;
    let _ = writeln!(
        out,
        "Arrivals {} ({:.1}/s), dropped {}; begun late by {} (p50), {} (p99), {} (max); at most {} in flight on a core",
        open.arrivals,
        open.arrivals as f64 / end.window.as_secs_f64().max(1e-9),
        open.dropped,
        show_duration_ns(open.late.quantile_ns(0.5)),
        show_duration_ns(open.late.quantile_ns(0.99)),
        show_duration_ns(open.late.max_ns()),
        open.core_in_flight_max,
    );
    out
}

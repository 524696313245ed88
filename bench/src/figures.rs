//! Figures of a round: named numbers, and their medians and ratios.

use crate::usage::Usage;
use std::collections::BTreeMap;

const GIB: f64 = (1_u64 << 30) as f64;

/// Named numbers of a round. A figure that a tool does not give is missing.
pub(crate) type Figures = BTreeMap<&'static str, f64>;

/// A tool's report about itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    /// Operations per second inside the measured window.
    pub(crate) ops_per_s: f64,
    /// All completed operations.
    pub(crate) ops: f64,
    /// Bytes of payload of an operation.
    pub(crate) op_bytes: f64,
    /// Failed operations.
    pub(crate) errors: f64,
    /// Median latency.
    pub(crate) p50_us: Option<f64>,
    /// 99th percentile.
    pub(crate) p99_us: Option<f64>,
    /// 99.9th percentile.
    pub(crate) p999_us: Option<f64>,
    /// The slowest.
    pub(crate) max_us: Option<f64>,
    /// Median latency of a flush that follows a write, which the latencies above leave out (fio).
    pub(crate) flush_p50_us: Option<f64>,
    /// Its 99th percentile.
    pub(crate) flush_p99_us: Option<f64>,
    /// Open loop: 99th percentile from the moment an operation was due.
    pub(crate) due_p99_us: Option<f64>,
    /// Open loop: 99.9th percentile from that moment.
    pub(crate) due_p999_us: Option<f64>,
    /// Open loop: arrivals that were not done because too many were in flight.
    pub(crate) dropped: Option<f64>,
    /// Processor time where the load tool is the contender itself (fio).
    pub(crate) own_cpu_s: Option<f64>,
}

/// Turns a tool's report and the machine's counters into figures. `has_server` is false for fio.
pub(crate) fn figures(load: &Load, usage: &Usage, has_server: bool) -> Figures {
    let (ops, gib) = (load.ops.max(1.0), load.ops.max(1.0) * load.op_bytes / GIB);
    let mut all = Figures::from([
        ("ops_per_s", load.ops_per_s),
        ("gib_per_s", load.ops_per_s * load.op_bytes / GIB),
        ("ops", load.ops),
        ("errors", load.errors),
        ("machine_cpu_s_per_gib", usage.machine_s / gib),
        ("machine_cpu_us_per_op", usage.machine_s * 1e6 / ops),
        ("machine_busy_share", usage.busy_share()),
    ]);
    let cpu = if has_server { Some(usage.server_s) } else { load.own_cpu_s };
    if let Some(cpu) = cpu {
        all.insert("server_cpu_s", cpu);
        all.insert("server_cpu_s_per_gib", cpu / gib);
        all.insert("server_cpu_us_per_op", cpu * 1e6 / ops);
        all.insert("ops_per_server_cpu_s", load.ops / cpu.max(1e-9));
    }
    if has_server {
        all.insert("client_cpu_us_per_op", usage.children_s * 1e6 / ops);
        all.insert("client_cpu_s_per_gib", usage.children_s / gib);
    }
    let given = [
        ("p50_us", load.p50_us),
        ("p99_us", load.p99_us),
        ("p999_us", load.p999_us),
        ("max_us", load.max_us),
        ("flush_p50_us", load.flush_p50_us),
        ("flush_p99_us", load.flush_p99_us),
        ("due_p99_us", load.due_p99_us),
        ("due_p999_us", load.due_p999_us),
        ("dropped", load.dropped),
    ];
    all.extend(given.into_iter().filter_map(|(name, value)| Some((name, value?))));
    all
}

/// The median; of an even number the mean of the two in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

/// The value that so many percent of the sorted ones do not reach; the last one beyond.
pub(crate) fn quantile(sorted: &[f64], percent: usize) -> Option<f64> {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied()
}

/// The median of each figure.
pub(crate) fn medians(rounds: &[Figures]) -> Figures {
    let mut columns: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for (name, value) in rounds.iter().flatten() {
        columns.entry(name).or_default().push(*value);
    }
    columns.into_iter().filter_map(|(name, values)| Some((name, median(values)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_nothing() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([f64::NAN]), None);
    }

    #[test]
    fn quantiles_of_many_and_of_nothing() {
        let sorted: Vec<f64> = (0..200).map(f64::from).collect();
        assert_eq!((quantile(&sorted, 50), quantile(&sorted, 99)), (Some(100.0), Some(198.0)));
        assert_eq!((quantile(&[1.0], 99), quantile(&[], 50)), (Some(1.0), None));
    }

    #[test]
    fn figures_of_a_round() {
        let load = Load { ops_per_s: 1024.0, ops: 2048.0, op_bytes: 1_048_576.0, ..Load::default() };
        let usage = Usage { server_s: 1.0, children_s: 0.5, machine_s: 2.0, wall_s: 2.0 };
        let all = figures(&load, &usage, true);
        assert_eq!(all.get("gib_per_s"), Some(&1.0));
        assert_eq!(all.get("server_cpu_s_per_gib"), Some(&0.5));
        assert_eq!(all.get("machine_cpu_s_per_gib"), Some(&1.0));
        assert_eq!(figures(&load, &usage, false).get("server_cpu_s"), None);
    }
}

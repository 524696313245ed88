//! A figure of one run, as a statistic of its seconds that can be resampled.

use super::log::RunLog;
use super::quantity::{Quantity, sum_of};
use super::resample::{Noise, Statistic, noise};
use crate::report::record::schema::{IntervalLine, LatencyLine, OpLine};

/// More cells than this are joined with their neighbours: they would only cost time.
const CELLS_MOST: usize = 720;
/// Points of latency at which the cells' distributions are added up; between them it is interpolated.
const GRID_POINTS: usize = 240;
/// With fewer samples beyond a percentile, resampling cannot say how sure it is.
pub const SAMPLES_BEYOND_LEAST: f64 = 30.0;

/// A figure and how sure it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The figure: units in a second, nanoseconds, or CPU seconds for a byte or an operation.
    pub value: f64,
    /// Its noise within the run; an `Err` says why that cannot be known.
    pub noise: Result<Noise, String>,
}

/// Takes a figure out of a log. `None` when the run has no such thing (no operations of the kind, or no payload).
#[must_use]
pub fn measure(log: &RunLog, quantity: &Quantity, seed: u64) -> Option<Measured> {
    let seconds: Vec<&IntervalLine> = log.steady().collect();
    let cells: Vec<&[&IntervalLine]> = seconds.chunks(seconds.len().div_ceil(CELLS_MOST).max(1)).collect();
    let told = |statistic: &dyn Statistic| {
        noise(statistic, seed).ok_or_else(|| match cells.len() {
            few @ 0..super::resample::CELLS_LEAST => {
                format!("{}: {few} steady seconds are too few to know the noise", log.path)
            }
            _ => format!("{}: too many seconds without such operations", log.path),
        })
    };
    match quantity {
        Quantity::Throughput { kind, unit } => {
            let amount = |interval: &IntervalLine| sum_of(interval, kind.as_deref(), *unit);
            let ratio = Ratio::new(&cells, amount, |interval| interval.span_s);
            let value = ratio.of(&ratio.every())?;
            Some(Measured { value, noise: told(&ratio) })
        }
        Quantity::Cpu { is_machine, unit } => {
            let cpu = |interval: &IntervalLine| match is_machine {
                true => interval.machine_cpu_s.unwrap_or(0.0),
                false => interval.own_cpu_s,
            };
            let ratio = Ratio::new(&cells, cpu, |interval| sum_of(interval, None, *unit));
            let value = ratio.of(&ratio.every())?;
            Some(Measured { value, noise: told(&ratio) })
        }
        Quantity::Latency { kind, metric, is_intended } => {
            let wanted = metric.quantile()?;
            let tail = Tail::new(&cells, kind, *is_intended, wanted);
            let value = exact(log, kind, *is_intended, wanted).or_else(|| tail.of(&tail.every()))?;
            let beyond = tail.ops() * (1.0 - wanted);
            if beyond < SAMPLES_BEYOND_LEAST {
                let why = format!("{}: only {beyond:.0} operations are slower than that", log.path);
                return Some(Measured { value, noise: Err(why) });
            }
            Some(Measured { value, noise: told(&tail) })
        }
    }
}

/// The figure of the final line, which comes from the whole histogram.
fn exact(log: &RunLog, kind: &str, is_intended: bool, quantile: f64) -> Option<f64> {
    let latency = latency_of(log.end.as_ref()?.ops.get(kind)?, is_intended)?;
    let ns = match quantile {
        q if q < 0.9 => latency.p50_ns,
        q if q < 0.999 => latency.p99_ns,
        _ => latency.p999_ns,
    };
    (ns > 0).then_some(ns as f64)
}

fn latency_of(op: &OpLine, is_intended: bool) -> Option<&LatencyLine> {
    if is_intended { op.intended.as_ref() } else { Some(&op.latency) }.filter(|_| op.ops > 0)
}

/// A quotient of two sums over the cells.
struct Ratio {
    cells: Vec<(f64, f64)>,
}

impl Ratio {
    fn new(
        cells: &[&[&IntervalLine]],
        above: impl Fn(&IntervalLine) -> f64,
        below: impl Fn(&IntervalLine) -> f64,
    ) -> Self {
        let sum =
            |cell: &[&IntervalLine], of: &dyn Fn(&IntervalLine) -> f64| cell.iter().map(|i| of(i)).sum();
        Self { cells: cells.iter().map(|cell| (sum(cell, &above), sum(cell, &below))).collect() }
    }

    fn every(&self) -> Vec<usize> {
        (0..self.cells.len()).collect()
    }
}

impl Statistic for Ratio {
    fn cells(&self) -> Vec<f64> {
        self.cells.iter().map(|(above, below)| if *below > 0.0 { above / below } else { 0.0 }).collect()
    }

    fn of(&self, picks: &[usize]) -> Option<f64> {
        let chosen = picks.iter().filter_map(|at| self.cells.get(*at));
        let (above, below) = chosen.fold((0.0, 0.0), |(a, b), cell| (a + cell.0, b + cell.1));
        let value = above / below;
        (value.is_finite() && value > 0.0).then_some(value)
    }
}

/// A percentile of what several cells have together.
///
/// Percentiles cannot be averaged; counts can be added. So the distribution of each second is rebuilt from its
/// percentiles (straight lines between them, log latency against the logit of the share beyond, which suits both a
/// bell and its tail), and the counts beyond each point of a grid of latencies are added.
struct Tail {
    /// log latency of each grid point.
    grid: Vec<f64>,
    /// For each cell: operations slower than each grid point.
    beyond: Vec<Vec<f64>>,
    /// For each cell: all operations.
    ops: Vec<f64>,
    quantile: f64,
}

impl Tail {
    fn new(cells: &[&[&IntervalLine]], kind: &str, is_intended: bool, quantile: f64) -> Self {
        let curves = |cell: &[&IntervalLine]| -> Vec<Curve> {
            let ops = cell.iter().filter_map(|interval| interval.ops.get(kind));
            ops.filter_map(|op| Curve::new(op.ops, latency_of(op, is_intended)?)).collect()
        };
        let cells: Vec<Vec<Curve>> = cells.iter().map(|cell| curves(cell)).collect();
        let grid = grid_over(&cells);
        let row = |cell: &Vec<Curve>| -> Vec<f64> {
            grid.iter().map(|at| cell.iter().map(|curve| curve.beyond(*at)).sum()).collect()
        };
        Self {
            beyond: cells.iter().map(row).collect(),
            ops: cells.iter().map(|cell| cell.iter().map(|curve| curve.ops).sum()).collect(),
            grid,
            quantile,
        }
    }

    fn ops(&self) -> f64 {
        self.ops.iter().sum()
    }

    fn every(&self) -> Vec<usize> {
        (0..self.ops.len()).collect()
    }

    fn beyond_at(&self, picks: &[usize], point: usize) -> f64 {
        let rows = picks.iter().filter_map(|at| self.beyond.get(*at));
        rows.filter_map(|row| row.get(point)).sum()
    }
}

impl Statistic for Tail {
    /// The share of each cell that is slower than the whole series' percentile.
    fn cells(&self) -> Vec<f64> {
        let log_value = self.of(&self.every()).map_or(0.0, f64::ln);
        let point = self.grid.partition_point(|at| *at < log_value);
        let share = |at: usize, ops: &f64| if *ops > 0.0 { self.beyond_at(&[at], point) / ops } else { 0.0 };
        self.ops.iter().enumerate().map(|(at, ops)| share(at, ops)).collect()
    }

    fn of(&self, picks: &[usize]) -> Option<f64> {
        let ops: f64 = picks.iter().filter_map(|at| self.ops.get(*at)).sum();
        let wanted = ops * (1.0 - self.quantile);
        if wanted <= 0.0 || wanted.is_nan() {
            return None;
        }
        let (mut low, mut high) = (0usize, self.grid.len().checked_sub(1)?);
        while high.saturating_sub(low) > 1 {
            let middle = low.midpoint(high);
            if self.beyond_at(picks, middle) > wanted { low = middle } else { high = middle }
        }
        let (left, right) = (self.beyond_at(picks, low), self.beyond_at(picks, high));
        let part = if left > right { ((left - wanted) / (left - right)).clamp(0.0, 1.0) } else { 0.0 };
        let (from, to) = (self.grid.get(low)?, self.grid.get(high)?);
        Some((from + (to - from) * part).exp())
    }
}

/// Log latencies, evenly spaced over everything that occurred.
fn grid_over(cells: &[Vec<Curve>]) -> Vec<f64> {
    let ends =
        cells.iter().flatten().filter_map(|curve| Some((curve.points.first()?.0, curve.points.last()?.0)));
    let bounds = ends.reduce(|(low, high), (first, last)| (low.min(first), high.max(last)));
    let Some((low, high)) = bounds else { return Vec::new() };
    let step = ((high - low) / (GRID_POINTS - 1) as f64).max(1e-9);
    (0..GRID_POINTS).map(|n| low + step * n as f64).collect()
}

/// One second's distribution, rebuilt from its percentiles.
struct Curve {
    ops: f64,
    /// (log latency, logit of the share beyond), ascending in the first, descending in the second.
    points: Vec<(f64, f64)>,
}

impl Curve {
    fn new(ops: u64, latency: &LatencyLine) -> Option<Self> {
        if ops == 0 || latency.max_ns == 0 {
            return None;
        }
        let ops = ops as f64;
        let known = [
            (latency.min_ns, 1.0 - 0.5 / ops),
            (latency.p50_ns, 0.5),
            (latency.p90_ns, 0.1),
            (latency.p99_ns, 0.01),
            (latency.p999_ns, 0.001),
            (latency.p9999_ns, 0.0001),
        ];
        // A percentile with not one sample beyond it is the maximum under another name.
        let sound = known.into_iter().filter(|(_, share)| share * ops >= 1.0);
        let all = sound.chain([(latency.max_ns, 0.5 / ops)]);
        let mut points: Vec<(f64, f64)> = Vec::with_capacity(7);
        for (ns, share) in all {
            let log_ns = (ns.max(1) as f64).ln();
            let least = points.last().map_or(log_ns, |last| log_ns.max(last.0));
            points.push((least, (share / (1.0 - share)).ln()));
        }
        Some(Self { ops, points })
    }

    /// Operations that took longer than this log latency.
    fn beyond(&self, log_ns: f64) -> f64 {
        let next = self.points.partition_point(|(at, _)| *at <= log_ns);
        let left = next.checked_sub(1).and_then(|at| self.points.get(at));
        let logit = match (left, self.points.get(next)) {
            (None, _) => return self.ops,
            (Some(_), None) => return 0.0,
            (Some(a), Some(b)) => a.1 + (b.1 - a.1) * ((log_ns - a.0) / (b.0 - a.0).max(1e-12)),
        };
        self.ops / (1.0 + (-logit).exp())
    }
}

#[cfg(test)]
#[path = "sample_tests.rs"]
mod tests;

//! The table's rows: each N's rounds reduced to the figures that are judged.

use super::balance::{chance, without_skew};
use super::model::{Experiment, Level, LoadRound, mean};
use super::queueing::{Ceiling, ceiling};
use super::usl::Point;
use crate::report::analysis::balance::Balance;
use serde::Serialize;

const GIB: f64 = (1u64 << 30) as f64;

/// One N.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// N.
    pub disks: usize,
    /// Requests outstanding.
    pub outstanding: usize,
    /// Objects on all mountpaths.
    pub objects: u64,
    /// The rate that fio takes from each mountpath while all are busy, bytes a second.
    pub disk_bytes_per_s: Vec<f64>,
    /// The sum of it.
    pub fio_bytes_per_s: f64,
    /// The rate that the loader gets from the server, bytes a second.
    pub bytes_per_s: f64,
    /// Standard deviation of that over the rounds, as a fraction.
    pub variation: f64,
    /// Ours over fio's sum; rounds that ran next to each other are compared.
    pub eta: f64,
    /// The share that placement and queues allow.
    pub ceiling: Ceiling,
    /// `eta` over what can be reached in such a round: what the server itself gets out.
    pub eta_server: f64,
    /// Balance of the devices' bytes with placement skew taken out; `None` when mountpaths share a device.
    pub balance: Option<Balance>,
    /// Max/min that chance makes in as many requests.
    pub balance_chance: f64,
    /// Bytes that devices read for every byte of payload, by the block layer.
    pub device_ratio: f64,
    /// The same by the control group.
    pub group_ratio: f64,
    /// Processor seconds of the whole machine for each GiB.
    pub cpu_s_per_gib: f64,
    /// Processor seconds of the server for each GiB.
    pub server_cpu_s_per_gib: f64,
    /// Processor seconds of the loader for each GiB.
    pub client_cpu_s_per_gib: f64,
    /// Our 99th percentile over fio's.
    pub p99_ratio: f64,
    /// Failed requests.
    pub errors: u64,
    /// Largest of the rounds' shares, see [`LoadRound`].
    pub machine_busy: f64,
    /// Likewise.
    pub stolen: f64,
    /// Likewise.
    pub server_held: f64,
    /// Likewise.
    pub client_held: f64,
}

impl Row {
    /// The figures of one N; `None` when there is no round of both kinds or nothing was moved.
    #[must_use]
    pub fn of(level: &Level, experiment: &Experiment) -> Option<Self> {
        let object_bytes = experiment.object_bytes;
        let jobs = level.fio.first()?.bytes_per_s.len();
        let rate =
            |job: usize| mean(level.fio.iter().filter_map(|round| round.bytes_per_s.get(job).copied()));
        let disk_bytes_per_s: Vec<f64> = (0..jobs).map(rate).collect();
        let fio_bytes_per_s: f64 = disk_bytes_per_s.iter().sum();
        let load = &level.load;
        let of = |pick: fn(&LoadRound) -> f64| load.iter().map(pick);
        let bytes_per_s = mean(of(|round| round.bytes_per_s));
        let payload: f64 = of(|round| round.payload_bytes).sum();
        if bytes_per_s <= 0.0 || payload <= 0.0 || fio_bytes_per_s <= 0.0 {
            return None;
        }
        let shares = shares(&level.objects);
        let rates: Vec<f64> = disk_bytes_per_s.iter().map(|rate| rate / object_bytes.max(1) as f64).collect();
        let ceiling = ceiling(&shares, &rates, level.outstanding, experiment.window(), 1);
        let eta = paired(level).unwrap_or(bytes_per_s / fio_bytes_per_s);
        let device_bytes = sums(load.iter().map(|round| &round.device_bytes));
        let group_bytes: f64 = sums(load.iter().map(|round| &round.group_bytes)).iter().sum();
        let per_gib = |pick: fn(&LoadRound) -> f64| of(pick).sum::<f64>() * GIB / payload;
        let worst = |pick: fn(&LoadRound) -> f64| of(pick).fold(0.0, f64::max);
        let is_disk_for_each = device_bytes.len() == shares.len();
        Some(Self {
            disks: level.disks,
            outstanding: level.outstanding,
            objects: level.objects.iter().sum(),
            variation: mean(of(|round| round.bytes_per_s).map(|value| (value - bytes_per_s).powi(2))).sqrt()
                / bytes_per_s,
            eta,
            ceiling,
            eta_server: eta / ceiling.reach,
            balance: is_disk_for_each.then(|| Balance::of(&without_skew(&device_bytes, &shares))).flatten(),
            balance_chance: chance(level.disks, payload / object_bytes.max(1) as f64),
            device_ratio: device_bytes.iter().sum::<f64>() / payload,
            group_ratio: group_bytes / payload,
            cpu_s_per_gib: per_gib(|round| round.machine_cpu_s),
            server_cpu_s_per_gib: per_gib(|round| round.server_cpu_s),
            client_cpu_s_per_gib: per_gib(|round| round.client_cpu_s),
            p99_ratio: mean(of(|round| round.p99_ns)) / mean(level.fio.iter().map(|round| round.p99_ns)),
            errors: load.iter().map(|round| round.errors).sum(),
            machine_busy: worst(|round| round.machine_busy),
            stolen: worst(|round| round.stolen),
            server_held: worst(|round| round.server_held),
            client_held: worst(|round| round.client_held),
            disk_bytes_per_s,
            fio_bytes_per_s,
            bytes_per_s,
        })
    }
}

/// Processor time of the whole machine: what it takes whatever the load, and what each GiB adds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Processors that are busy without load: timers, and the loader's start in each round.
    pub standing_cpus: f64,
    /// Processor seconds for each GiB more.
    pub cpu_s_per_gib: f64,
}

impl Cost {
    /// The straight line through the rows; `None` for fewer than two different throughputs.
    #[must_use]
    pub fn of(rows: &[Row]) -> Option<Self> {
        let points = || rows.iter().map(|row| (row.bytes_per_s / GIB, row.cpu_s_per_gib));
        let (x, y) = (mean(points().map(|(x, _)| x)), mean(points().map(|(x, cost)| x * cost)));
        let spread: f64 = points().map(|(rate, _)| (rate - x).powi(2)).sum();
        let slope = points().map(|(rate, cost)| (rate - x) * (rate * cost - y)).sum::<f64>() / spread;
        slope.is_finite().then_some(Self { standing_cpus: y - slope * x, cpu_s_per_gib: slope })
    }
}

/// A row for each N that has one.
#[must_use]
pub fn rows(experiment: &Experiment) -> Vec<Row> {
    experiment.levels.iter().filter_map(|level| Row::of(level, experiment)).collect()
}

/// The points that the law is fitted to: every round's throughput, with placement and queues taken out, because both
/// would pass for contention.
#[must_use]
pub fn points(experiment: &Experiment) -> Vec<Point> {
    let mut points = Vec::new();
    for level in &experiment.levels {
        let Some(row) = Row::of(level, experiment) else { continue };
        points.extend(level.load.iter().map(|round| Point {
            disks: level.disks as f64,
            throughput: round.bytes_per_s / row.ceiling.reach,
        }));
    }
    points
}

/// The fraction of the objects that each mountpath holds.
fn shares(objects: &[u64]) -> Vec<f64> {
    let all: u64 = objects.iter().sum();
    objects.iter().map(|count| *count as f64 / all.max(1) as f64).collect()
}

/// Mean of the ratios of rounds that ran next to each other; the machine's moods then cancel.
fn paired(level: &Level) -> Option<f64> {
    let pairs = level.load.iter().zip(&level.fio);
    let ratios: Vec<f64> =
        pairs.map(|(load, fio)| load.bytes_per_s / fio.bytes_per_s.iter().sum::<f64>()).collect();
    (!ratios.is_empty() && ratios.iter().all(|ratio| ratio.is_finite())).then(|| mean(ratios))
}

fn sums<'v>(rounds: impl Iterator<Item = &'v Vec<f64>>) -> Vec<f64> {
    let mut total: Vec<f64> = Vec::new();
    for round in rounds {
        total.resize(total.len().max(round.len()), 0.0);
        for (sum, value) in total.iter_mut().zip(round) {
            *sum += value;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::super::simulated::{self, Machine};
    use super::*;

    #[test]
    fn the_figures_of_a_machine_that_is_known() {
        let experiment = simulated::experiment(&Machine::default());
        let rows = rows(&experiment);
        assert_eq!(rows.iter().map(|row| row.disks).collect::<Vec<_>>(), [1, 2, 4, 8]);
        for row in &rows {
            assert!((row.eta_server - 1.0).abs() < 0.01, "{row:?}");
            assert!((row.device_ratio - 1.0).abs() < 1e-9 && (row.group_ratio - 1.0).abs() < 1e-9);
            assert!((row.cpu_s_per_gib - 2.0).abs() < 1e-9, "{row:?}");
            assert!(row.balance.unwrap().max_over_min < 1.001);
        }
        assert_eq!(points(&experiment).len(), 4 * simulated::ROUNDS);
    }

    #[test]
    fn what_stands_and_what_each_gib_adds() {
        let mut rows = rows(&simulated::experiment(&Machine::default()));
        assert!(Cost::of(&rows[..1]).is_none());
        for row in &mut rows {
            row.cpu_s_per_gib = 0.5 + 0.1 / (row.bytes_per_s / GIB);
        }
        let cost = Cost::of(&rows).unwrap();
        assert!(
            (cost.standing_cpus - 0.1).abs() < 1e-9 && (cost.cpu_s_per_gib - 0.5).abs() < 1e-9,
            "{cost:?}"
        );
    }

    #[test]
    fn no_round_no_row() {
        assert!(Row::of(&Level::default(), &Experiment::default()).is_none());
        let level =
            Level { fio: vec![Default::default()], load: vec![Default::default()], ..Level::default() };
        assert!(Row::of(&level, &Experiment::default()).is_none());
    }
}

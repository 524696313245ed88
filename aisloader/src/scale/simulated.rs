//! A machine whose scaling is known, measured as the real one is: the judge is judged with it.

use super::model::{Experiment, FioRound, Level, LoadRound};
use super::queueing::{Window, ceiling};
use crate::workload::random::{Stream, draw};

pub(super) const ROUNDS: usize = 5;
const OBJECT_BYTES: u64 = 128 << 10;
const DEPTH: usize = 64;
const GIB: f64 = (1u64 << 30) as f64;

/// The properties of the machine. The default has no fault.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// Bytes a second of each disk.
    pub(super) disk: f64,
    /// The last disk's rate, as a fraction of the others'.
    pub(super) last_disk: f64,
    /// All mountpaths lie on one disk.
    pub(super) is_one_disk: bool,
    /// Share of requests that a cache answers, without the disk's limit.
    pub(super) cached: f64,
    /// Most that the server's processor quota lets through, bytes a second.
    pub(super) server_quota: f64,
    /// The loader's likewise.
    pub(super) client_quota: f64,
    /// Part of the work that only one disk can do at a time.
    pub(super) sigma: f64,
    /// A resource that all disks pass through, bytes a second.
    pub(super) serial: f64,
    /// The rate that the loader takes from a server that does nothing, bytes a second.
    pub(super) client_ceiling: f64,
    /// The last disk stops in the middle.
    pub(super) is_last_dead: bool,
    /// Processor seconds for each GiB, at N=1 and for each disk more.
    pub(super) cost: (f64, f64),
    /// Relative noise of a round.
    pub(super) noise: f64,
    /// Relative surplus of the first disk over its share.
    pub(super) surplus: f64,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            disk: 64e6,
            last_disk: 1.0,
            is_one_disk: false,
            cached: 0.0,
            server_quota: f64::INFINITY,
            client_quota: f64::INFINITY,
            sigma: 0.0,
            serial: f64::INFINITY,
            client_ceiling: 4e9,
            is_last_dead: false,
            cost: (2.0, 0.0),
            noise: 0.004,
            surplus: 0.0,
        }
    }
}

/// Runs the whole experiment on it.
pub(super) fn experiment(machine: &Machine) -> Experiment {
    let levels: Vec<Level> = [1, 2, 4, 8].into_iter().map(|disks| level(machine, disks)).collect();
    Experiment {
        object_bytes: OBJECT_BYTES,
        warmup_s: 1,
        measure_s: 4,
        levels,
        solo_bytes_per_s: match machine.is_one_disk {
            true => vec![machine.disk; 8],
            false => rates(machine, 8),
        },
        client_ceiling_bytes_per_s: Some(machine.client_ceiling.min(machine.client_quota)),
    }
}

/// The rate that fio gets from each disk while all are busy.
fn rates(machine: &Machine, disks: usize) -> Vec<f64> {
    if machine.is_one_disk {
        return vec![machine.disk / disks as f64; disks];
    }
    let mut rates = vec![machine.disk; disks];
    if let Some(last) = rates.last_mut().filter(|_| disks > 1) {
        *last *= machine.last_disk;
    }
    rates
}

fn level(machine: &Machine, disks: usize) -> Level {
    let objects = vec![3000u64; disks];
    let rates = rates(machine, disks);
    let shares = vec![1.0 / disks as f64; disks];
    let in_ops: Vec<f64> = rates.iter().map(|rate| rate / OBJECT_BYTES as f64).collect();
    let reach = ceiling(&shares, &in_ops, DEPTH * disks, Window { warmup_s: 1.0, measure_s: 4.0 }, 9).reach
        * rates.iter().sum::<f64>();
    let wanted = reach / (1.0 + machine.sigma * (disks as f64 - 1.0)) / (1.0 - machine.cached).max(0.05);
    let quotas = machine.server_quota.min(machine.client_quota);
    let truth = wanted.min(machine.serial).min(quotas);
    let load = (0..ROUNDS as u64).map(|round| {
        let uniform = draw(5, Stream::Kind, disks as u64, round) as f64 / u64::MAX as f64;
        let bytes_per_s = truth * (1.0 + (uniform - 0.5) * 3.4 * machine.noise);
        round_of(machine, disks, bytes_per_s, wanted)
    });
    Level {
        disks,
        outstanding: DEPTH * disks,
        objects,
        fio: vec![FioRound { bytes_per_s: rates, p99_ns: 2e8 }; ROUNDS],
        load: load.collect(),
    }
}

fn round_of(machine: &Machine, disks: usize, bytes_per_s: f64, wanted: f64) -> LoadRound {
    let payload_bytes = bytes_per_s * 5.0;
    let devices = if machine.is_one_disk { 1 } else { disks };
    let mut device_bytes = vec![payload_bytes * (1.0 - machine.cached) / devices as f64; devices];
    if let [first, second, ..] = device_bytes.as_mut_slice() {
        let moved = *second * machine.surplus / 2.0;
        (*first, *second) = (*first + moved, *second - moved);
    }
    let is_dead = machine.is_last_dead && disks == 8;
    let cost = machine.cost.0 + machine.cost.1 * (disks as f64 - 1.0);
    let held = |quota: f64| if wanted > quota { 1.0 - quota / wanted } else { 0.0 };
    LoadRound {
        bytes_per_s,
        payload_bytes,
        group_bytes: device_bytes.clone(),
        device_bytes,
        p50_ns: 1e8,
        p99_ns: 2.2e8,
        errors: if is_dead { 1000 } else { 0 },
        span_s: 5.0,
        machine_cpu_s: payload_bytes / GIB * cost,
        server_cpu_s: payload_bytes / GIB,
        client_cpu_s: payload_bytes / GIB / 2.0,
        machine_busy: 0.4,
        server_held: held(machine.server_quota),
        client_held: held(machine.client_quota),
        ..LoadRound::default()
    }
}

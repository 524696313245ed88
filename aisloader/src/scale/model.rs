//! The measurements, as plain data: one round of fio, one round of load, all rounds at one N, all N.

use super::queueing::Window;
use serde::Serialize;
use std::collections::BTreeMap;

/// fio on all disks at once: the yardstick.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FioRound {
    /// Bytes a second of each job; one job for each mountpath.
    pub bytes_per_s: Vec<f64>,
    /// Mean of the jobs' 99th percentiles, nanoseconds.
    pub p99_ns: f64,
}

/// The loader against the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LoadRound {
    /// Payload a second, without the warm-up.
    pub bytes_per_s: f64,
    /// Payload of the whole round.
    pub payload_bytes: f64,
    /// Bytes that each device read in the whole round, by the block layer (`/sys/block/*/stat`).
    pub device_bytes: Vec<f64>,
    /// The same by the control group's own meter (`blkio.throttle.io_service_bytes`).
    pub group_bytes: Vec<f64>,
    /// Median latency, nanoseconds.
    pub p50_ns: f64,
    /// 99th percentile of the latency, nanoseconds.
    pub p99_ns: f64,
    /// Failed requests.
    pub errors: u64,
    /// The same by kind.
    pub error_kinds: BTreeMap<String, u64>,
    /// Length of the whole round.
    pub span_s: f64,
    /// Processor time of the whole machine in the round.
    pub machine_cpu_s: f64,
    /// Processor seconds of the server's control group.
    pub server_cpu_s: f64,
    /// Processor seconds of the loader's control group.
    pub client_cpu_s: f64,
    /// Share of all processor time that was busy, 0 to 1.
    pub machine_busy: f64,
    /// Share that the hypervisor gave to others.
    pub stolen: f64,
    /// Share of the round in which a processor quota held the server back.
    pub server_held: f64,
    /// Share of the round in which a processor quota held the loader back.
    pub client_held: f64,
}

/// Everything at one N.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Level {
    /// N: mountpaths.
    pub disks: usize,
    /// Requests outstanding, over all disks.
    pub outstanding: usize,
    /// Objects on each mountpath, as counted there.
    pub objects: Vec<u64>,
    /// Rounds of fio.
    pub fio: Vec<FioRound>,
    /// Rounds of load.
    pub load: Vec<LoadRound>,
}

/// The whole experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Experiment {
    /// Size of every object.
    pub object_bytes: u64,
    /// Left out at the begin of each round.
    pub warmup_s: u64,
    /// Counted of each round.
    pub measure_s: u64,
    /// The levels by N, growing.
    pub levels: Vec<Level>,
    /// fio on each mountpath of the largest N with the others idle, bytes a second.
    pub solo_bytes_per_s: Vec<f64>,
    /// The rate that the loader takes from a server that does nothing, bytes a second.
    pub client_ceiling_bytes_per_s: Option<f64>,
}

impl Experiment {
    /// The part of each round that counts.
    #[must_use]
    pub fn window(&self) -> Window {
        Window { warmup_s: self.warmup_s as f64, measure_s: self.measure_s as f64 }
    }
}

/// Mean; 0 of nothing.
#[must_use]
pub fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value;
        count += 1.0;
    }
    if count > 0.0 { sum / count } else { 0.0 }
}

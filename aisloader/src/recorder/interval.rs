//! The output of a run: an interval after the other, and the whole.

use super::cpu::CpuUse;
use super::stats::Stats;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Cores post their records this often.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// The whole of a run.
pub struct RunEnd {
    /// Everything that was recorded.
    pub stats: Stats,
    /// The part of it that came after the last whole interval.
    pub rest: Interval,
    /// The time that throughput refers to.
    pub window: Duration,
    /// Processor time within it.
    pub cpu: CpuUse,
    /// True when the user ended the run.
    pub is_interrupted: bool,
    /// Cores that worked.
    pub cores: usize,
    /// The progress of the passes; `None`: the run had none.
    pub passes: Option<Passes>,
}

/// The progress of full passes over the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passes {
    /// Names of a pass.
    pub names: u64,
    /// Reads of all passes after which another run goes on.
    pub resume_at: u64,
}

/// The events of one interval.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Interval {
    /// Intervals from the begin to the end of this one.
    pub number: u64,
    /// The operations that ended in it.
    pub stats: Stats,
    /// Operations in flight at its end.
    pub inflight: u64,
    /// Processor time of the loaders that did it; `None`: this process did, and whoever wants to know looks.
    pub cpu: Option<CpuUse>,
}

impl Interval {
    /// Adds what happened elsewhere in the same interval.
    pub fn merge(&mut self, other: &Self) {
        self.stats.merge(&other.stats);
        self.inflight = self.inflight.saturating_add(other.inflight);
        if let Some(cpu) = &other.cpu {
            self.cpu.get_or_insert_default().add(cpu);
        }
    }
}

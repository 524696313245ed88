//! A coordinator's knowledge of one agent, from the first word to the last.

use super::super::clock::{Offset, Sample};
use super::super::protocol::{Ending, Readiness};
use super::member::Way;
use crate::honesty::agents::AgentFacts;
use crate::recorder::cpu::CpuUse;
use crate::recorder::{INTERVAL, Interval, Stats};
use std::time::Duration;

/// One agent of a run.
pub(super) struct Account {
    pub(super) address: String,
    pub(super) way: Way,
    pub(super) ready: Option<Readiness>,
    pub(super) samples: Vec<Sample>,
    pub(super) offset: Offset,
    /// When it began, by our clock.
    pub(super) began_ns: Option<u64>,
    stats: Stats,
    intervals: u64,
    cpu: CpuUse,
    pub(super) ending: Option<Ending>,
    /// Why it is missing.
    pub(super) lost: Option<String>,
}

impl Account {
    /// The account of an agent that has just been met.
    pub(super) fn new(address: &str, way: Way) -> Self {
        Self {
            address: address.to_owned(),
            way,
            ready: None,
            samples: Vec::new(),
            offset: Offset::default(),
            began_ns: None,
            stats: Stats::default(),
            intervals: 0,
            cpu: CpuUse::default(),
            ending: None,
            lost: None,
        }
    }

    /// A second of it.
    pub(super) fn add(&mut self, interval: &Interval) {
        self.intervals = interval.number;
        self.stats.merge(&interval.stats);
        self.cpu.add(&interval.cpu.unwrap_or_default());
    }

    /// Its end.
    pub(super) fn end(&mut self, ending: Ending) {
        self.stats.merge(&ending.rest.stats);
        self.ending = Some(ending);
    }

    /// True when nothing more is to come.
    pub(super) fn is_over(&self) -> bool {
        self.ending.is_some() || self.lost.is_some()
    }

    /// The time that it worked, as far as that was heard.
    pub(super) fn window(&self) -> Duration {
        match &self.ending {
            Some(ending) => Duration::from_nanos(ending.window_ns),
            None => INTERVAL.saturating_mul(u32::try_from(self.intervals).unwrap_or(u32::MAX)),
        }
    }

    /// Cores that it works on; of one that was lost, all that it has.
    pub(super) fn cores(&self) -> usize {
        let machine_cores = self.ready.map_or(0, |ready| ready.machine_cores);
        self.ending.as_ref().map_or(machine_cores, |ending| ending.cores)
    }

    /// Its processor time: within the run, or else as far as that was heard.
    pub(super) fn cpu(&self) -> CpuUse {
        self.ending.as_ref().map_or(self.cpu, |ending| ending.cpu)
    }

    /// For the report; the run was to begin at `planned_ns` by our clock.
    pub(super) fn facts(self, planned_ns: u64) -> AgentFacts {
        let (window, cpu, cores) = (self.window(), self.cpu(), self.cores());
        let machine_cores = self.ready.map_or(0, |ready| ready.machine_cores);
        let late_s = |began: u64| (i128::from(began) - i128::from(planned_ns)) as f64 / 1e9;
        AgentFacts {
            window,
            cpu,
            cores,
            machine_cores,
            clock_step_s: self.ending.as_ref().map_or(0.0, |ending| ending.clock_step_s),
            rtt: Duration::from_nanos(self.offset.rtt_ns),
            day_ahead_s: self.offset.day_ahead_ns as f64 / 1e9,
            late_s: self.began_ns.map(late_s),
            address: self.address,
            stats: self.stats,
            lost: self.lost,
        }
    }
}

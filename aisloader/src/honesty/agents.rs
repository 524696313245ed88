//! The facts about one of several loaders that made a run together.

use crate::recorder::Stats;
use crate::recorder::cpu::CpuUse;
use std::time::Duration;

/// One agent's part of a run.
#[derive(Clone, Debug, Default)]
pub struct AgentFacts {
    /// Where it listens, `host:port`.
    pub address: String,
    /// All that it did, the warm-up included.
    pub stats: Stats,
    /// The time from its begin to its end, or to the last that was heard of it.
    pub window: Duration,
    /// Cores that it worked on.
    pub cores: usize,
    /// Cores of its machine.
    pub machine_cores: usize,
    /// Its processor time, and what other guests took from its machine.
    pub cpu: CpuUse,
    /// Largest step of its wall clock within a second.
    pub clock_step_s: f64,
    /// Round trip to it.
    pub rtt: Duration,
    /// The seconds by which its time of the day is ahead of this machine's.
    pub day_ahead_s: f64,
    /// When it began after the instant that was set, as exactly as half of the round trip; `None`: it never did.
    pub late_s: Option<f64>,
    /// Why it is missing; `None`: it came to its end.
    pub lost: Option<String>,
}

impl AgentFacts {
    /// Share of its cores that it used.
    #[must_use]
    pub fn busy(&self) -> f64 {
        share(self.cpu.own_s, self.window, self.cores)
    }

    /// Share of its machine that other guests took.
    #[must_use]
    pub fn stolen(&self) -> f64 {
        share(self.cpu.stolen_s.unwrap_or(0.0), self.window, self.machine_cores)
    }
}

fn share(cpu_s: f64, window: Duration, cores: usize) -> f64 {
    let whole_s = window.as_secs_f64() * cores as f64;
    if whole_s > 0.0 { cpu_s / whole_s } else { 0.0 }
}

/// The time from the first begin to the last; `None` unless at least two agents have begun.
#[must_use]
pub fn skew_s(agents: &[AgentFacts]) -> Option<f64> {
    let begun: Vec<f64> = agents.iter().filter_map(|agent| agent.late_s).collect();
    let last = begun.iter().copied().max_by(f64::total_cmp)?;
    let first = begun.iter().copied().min_by(f64::total_cmp)?;
    (begun.len() > 1).then_some(last - first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skew_is_between_those_that_began() {
        let agent = |late_s| AgentFacts { late_s, ..AgentFacts::default() };
        assert_eq!(skew_s(&[agent(Some(0.25)), agent(None), agent(Some(-0.5))]), Some(0.75));
        assert_eq!(skew_s(&[agent(Some(1.0)), agent(None)]), None);
        assert_eq!(skew_s(&[]), None);
    }
}

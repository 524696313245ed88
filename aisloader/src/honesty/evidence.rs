//! The facts about a run, as data: verdict and rules are functions of them.

use super::agents::AgentFacts;
use super::steady::{Finding, Steadiness};

/// The facts of one run.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The time that CPU and throughput refer to, in seconds.
    pub window_s: f64,
    /// Operations that succeeded.
    pub ops: u64,
    /// Operations that failed.
    pub errors: u64,
    /// Answers among these whose bytes were wrong.
    pub verification_errors: u64,
    /// Cores that the loader worked on.
    pub loader_cores: usize,
    /// Its processor time.
    pub own_cpu_s: f64,
    /// Cores of the machine.
    pub machine_cores: usize,
    /// Processor time of the whole machine; `None`: not known.
    pub machine_cpu_s: Option<f64>,
    /// Processor time that other guests took; `None`: not known.
    pub stolen_s: Option<f64>,
    /// Largest step of the wall clock against the monotonic one within a second.
    pub clock_step_s: f64,
    /// The steadiness of the run.
    pub steadiness: Steadiness,
    /// Where the bytes came from.
    pub reads: Reads,
    /// Share of the time that the busiest of the server's disks was busy; `None`: they are not on this machine.
    pub disk_busy: Option<f64>,
    /// Share of its speed that the busiest network port reached; `None`: no port that tells its speed.
    pub network_busy: Option<f64>,
    /// Operations in flight at most: workers of a closed loop.
    pub workers: usize,
    /// Operations per second of an open loop that were asked for, and that were done.
    pub rate: Option<(f64, f64)>,
    /// The loaders, when there were several.
    pub agents: Vec<AgentFacts>,
}

/// Where the bytes of reads came from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reads {
    /// Payload of GET.
    pub payload_bytes: u64,
    /// Bytes that the server's devices read meanwhile; `None`: they are not on this machine.
    pub device_bytes: Option<u64>,
    /// Hits and misses of the server's own cache; `None`: it does not tell.
    pub cache: Option<(u64, u64)>,
    /// All objects together, by the mean size of those read.
    pub dataset_bytes: u64,
    /// Memory of the server; `None`: not on this machine.
    pub server_memory_bytes: Option<u64>,
}

impl Reads {
    /// Device bytes for each byte of payload.
    #[must_use]
    pub fn device_share(&self) -> Option<f64> {
        let device_bytes = self.device_bytes?;
        (self.payload_bytes > 0).then(|| device_bytes as f64 / self.payload_bytes as f64)
    }

    /// Share of lookups that the server's cache answered.
    #[must_use]
    pub fn hit_share(&self) -> Option<f64> {
        let (hits, misses) = self.cache?;
        let all = hits.saturating_add(misses);
        (all > 0).then(|| hits as f64 / all as f64)
    }
}

impl Evidence {
    /// The same with the loaders that made the run.
    #[must_use]
    pub fn with_agents(mut self, agents: Vec<AgentFacts>) -> Self {
        let steps = agents.iter().map(|agent| agent.clock_step_s);
        self.clock_step_s = steps.fold(self.clock_step_s, f64::max);
        self.agents = agents;
        self
    }

    /// The one of several loaders that used most of its cores.
    #[must_use]
    pub fn busiest(&self) -> Option<&AgentFacts> {
        self.agents.iter().max_by(|a, b| a.busy().total_cmp(&b.busy()))
    }

    /// Share of its cores that the loader used; of several, the busiest one.
    #[must_use]
    pub fn loader_busy(&self) -> f64 {
        self.busiest()
            .map_or_else(|| share(self.own_cpu_s, self.window_s, self.loader_cores), AgentFacts::busy)
    }

    /// The loader, of several the busiest one, and its cores.
    #[must_use]
    pub fn loader(&self) -> (String, usize) {
        match self.busiest() {
            Some(agent) => (format!("the agent {}", agent.address), agent.cores),
            None => ("the loader".to_owned(), self.loader_cores),
        }
    }

    /// Share of the machine that everybody used.
    #[must_use]
    pub fn machine_busy(&self) -> Option<f64> {
        self.machine_cpu_s.map(|seconds| share(seconds, self.window_s, self.machine_cores))
    }

    /// Share of the machine that other guests took.
    #[must_use]
    pub fn stolen(&self) -> f64 {
        if !self.agents.is_empty() {
            return self.agents.iter().map(AgentFacts::stolen).fold(0.0, f64::max);
        }
        self.stolen_s.map_or(0.0, |seconds| share(seconds, self.window_s, self.machine_cores))
    }

    /// Share of operations that failed.
    #[must_use]
    pub fn error_share(&self) -> f64 {
        let tried = self.ops.saturating_add(self.errors);
        if tried > 0 { self.errors as f64 / tried as f64 } else { 0.0 }
    }
}

fn share(cpu_s: f64, window_s: f64, cores: usize) -> f64 {
    let whole_s = window_s * cores as f64;
    if whole_s > 0.0 { cpu_s / whole_s } else { 0.0 }
}

impl Default for Evidence {
    fn default() -> Self {
        let finding = Finding::NotTested;
        Self {
            window_s: 0.0,
            ops: 0,
            errors: 0,
            verification_errors: 0,
            loader_cores: 0,
            own_cpu_s: 0.0,
            machine_cores: 0,
            machine_cpu_s: None,
            stolen_s: None,
            clock_step_s: 0.0,
            steadiness: Steadiness { warmup_s: 0, finding, text: String::new() },
            reads: Reads::default(),
            disk_busy: None,
            network_busy: None,
            workers: 0,
            rate: None,
            agents: Vec::new(),
        }
    }
}

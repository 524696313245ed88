//! The verdict on a run, in the form in which its log has it.

use serde::{Deserialize, Serialize};

/// A run's limit, and the decision if its figures may be quoted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Verdict {
    /// The limit of the run.
    pub limit: Limit,
    /// The same for people, with the figures that say so.
    pub text: String,
    /// False when a rule refuses the run.
    pub is_admissible: bool,
    /// Every rule that found something.
    pub refusals: Vec<Refusal>,
}

impl Default for Verdict {
    fn default() -> Self {
        Self { limit: Limit::Unknown, text: String::new(), is_admissible: true, refusals: Vec::new() }
    }
}

/// The things that can limit a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// The server's disks.
    Disk,
    /// The network.
    Network,
    /// The server's processors.
    ServerCpu,
    /// The loader's.
    ClientCpu,
    /// The number of operations in flight.
    Concurrency,
    /// The rate that was asked for.
    Rate,
    /// Nothing that can be seen from here.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A rule that refuses a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refusal {
    /// Its name, as `-allow` takes it.
    pub rule: String,
    /// Its finding, in words.
    pub text: String,
    /// True when the user allowed it.
    pub is_overridden: bool,
}

//! Why there is no run.

use std::fmt;

/// Why agents make no run.
#[derive(Debug)]
pub enum FleetError {
    /// One of them, or several, cannot; the text names each.
    Agents(String),
    /// The user did not want to wait.
    Interrupted,
}

impl fmt::Display for FleetError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agents(why) => out.write_str(why),
            Self::Interrupted => out.write_str("interrupted before the run began"),
        }
    }
}

impl std::error::Error for FleetError {}

//! The side that gives orders and makes no load itself.
//!
//! * [`Team`] are all agents of a run: gathered, started together, heard to their ends;
//! * `member` is one of them and the way to it, `account` what is known of it, `words` its command line;
//! * [`FleetError`] is why there is no run.

mod account;
mod member;
mod team;
mod words;

pub use team::{Team, TeamEnd};

/// Why agents make no run.
#[derive(Debug)]
pub enum FleetError {
    /// One of them, or several, cannot; the text names each.
    Agents(String),
    /// The user did not want to wait.
    Interrupted,
}

impl std::fmt::Display for FleetError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Agents(why) => out.write_str(why),
            Self::Interrupted => out.write_str("interrupted before the run began"),
        }
    }
}

impl std::error::Error for FleetError {}

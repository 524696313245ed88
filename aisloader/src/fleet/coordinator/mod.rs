//! The side that gives orders and makes no load itself.
//!
//! * [`Team`] are all agents of a run: gathered, started together, heard to their ends;
//! * `member` is one of them and the way to it, `account` what is known of it;
//! * [`FleetError`] is why there is no run.

mod account;
mod member;
mod team;

pub use team::{Team, TeamEnd};

/// Why agents make no run. The text names each that is to blame.
#[derive(Debug)]
pub struct FleetError(String);

impl std::fmt::Display for FleetError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for FleetError {}

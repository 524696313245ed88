//! The side that gives orders and makes no load itself.
//!
//! * [`Team`] are all agents of a run: gathered, started together, heard to their ends;
//! * `member` is one of them and the way to it, `account` what is known of it, `words` its command line;
//! * [`FleetError`] is why there is no run.

mod account;
mod error;
mod member;
mod team;
mod words;

pub use error::FleetError;
pub use team::{Team, TeamEnd};

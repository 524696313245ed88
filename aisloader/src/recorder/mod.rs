//! The record of a run and its cost: counts, bytes and distributions that merge without loss.
//!
//! Operations of the engine come in, one by one; an [`Interval`] goes out every second, and a [`RunEnd`] at the end.
//!
//! * [`Stats`] are all kinds together, one of them is [`OpStats`], a failure is an [`OpError`];
//! * [`Latency`] is a distribution, [`cells`] is its histogram as it travels between programs;
//! * [`phases`] says where the time of an operation goes, [`places`] which server it was, [`cpu`] what all of it cost.

pub(crate) mod cells;
pub mod cpu;
mod error;
mod interval;
mod latency;
pub mod phases;
pub mod places;
mod stats;

pub use error::{ErrorKind, OpError};
pub use interval::{INTERVAL, Interval, Passes, RunEnd};
pub use latency::Latency;
pub use stats::{Moved, OpStats, OpenStats, Span, Stats};

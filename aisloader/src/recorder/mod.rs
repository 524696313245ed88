//! What happened, per kind of operation: counts, bytes, and histograms that merge without loss.
//!
//! * [`Stats`] are all kinds together, one of them is [`OpStats`];
//! * [`Latency`] is a distribution;
//! * [`cells`] is a histogram as it travels between programs.

pub(crate) mod cells;
mod latency;
mod stats;

pub use latency::Latency;
pub use stats::{Moved, OpStats, OpenStats, Span, Stats};

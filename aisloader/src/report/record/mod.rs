//! The record of a run for other programs, beside the tables of [`report`](crate::report::tables).
//!
//! * [`schema`] is the NDJSON log as data; [`lines`] and [`ends`] make its lines;
//! * [`Sinks`] feeds what the flags ask for, every second: `ndjson`, `csv`, `hdr_log` write files, `exporter` answers
//!   Prometheus with the text of `prometheus`;
//! * [`Progress`] is the line on the terminal.

mod csv;
pub mod ends;
mod exporter;
mod hdr_log;
pub mod lines;
mod ndjson;
mod progress;
mod prometheus;
pub mod schema;
mod sink;
mod sinks;

pub use progress::Progress;
pub use sinks::Sinks;

//! What a run leaves behind for other programs, beside the tables of [`report`](crate::report).
//!
//! * [`schema`] is the NDJSON log as data; [`lines`] makes its lines, [`host`] says where the run was made;
//! * [`Sinks`] feeds what the flags ask for, every second: `ndjson`, `csv`, `hdr_log` write files, `exporter` answers
//!   Prometheus with the text of `prometheus`.

mod csv;
mod exporter;
mod hdr_log;
pub mod host;
pub mod lines;
mod ndjson;
mod prometheus;
pub mod schema;
mod sink;

pub use sink::Sinks;

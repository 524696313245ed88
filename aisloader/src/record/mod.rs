//! What a run leaves behind for other programs, beside the tables of [`report`](crate::report).
//!
//! * [`schema`] is the NDJSON log as data, [`Ndjson`] writes it;
//! * [`lines`] makes its lines from what was recorded, [`host`] says where that was.

pub mod host;
pub mod lines;
mod ndjson;
pub mod schema;

pub use ndjson::Ndjson;

//! The engine: workers on cores, each with one operation outstanding, one after another or when they are due.
//!
//! Bottom up: [`Peers`](peers) keep connections, an [`exchange`] is one request and its response, a [`call`] says what
//! each kind asks for, an [`operation`] follows redirects until it has an answer, a [`job`] is what the workload wants
//! next, a [`worker`] does jobs one after another, an [`open`] loop gives workers what is due by its [`arrival`] process,
//! a `core` runs workers under a [`watch`] that cuts what takes too long, and [`run()`] runs cores.

mod arrival;
mod body;
mod budget;
mod call;
mod check;
mod core;
mod dialect;
mod error;
mod exchange;
mod job;
mod known;
mod living;
mod multipart;
mod open;
mod operation;
mod payload;
mod payload_file;
mod peers;
mod places;
mod put_body;
mod route;
mod run;
mod s3;
mod shard_body;
mod source;
mod stamped;
mod tapes;
mod tracing;
mod training;
mod watch;
mod worker;

pub use error::{ErrorKind, OpError};
pub(crate) use peers::resolve;
pub use route::DirectMap;
pub(crate) use route::authority_of;
pub use run::{INTERVAL, Interval, Passes, Plan, RunEnd, run, run_when};

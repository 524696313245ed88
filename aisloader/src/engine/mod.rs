//! The engine: workers on cores, each with one operation outstanding.
//!
//! Bottom up: [`Peers`](peers) keep connections, an [`exchange`] is one request and its response, an
//! [`operation`] follows redirects until it has an answer, a [`worker`] runs operations one after
//! another, a `core` runs workers under a [`watch`] that cuts what takes too long, and [`run()`] runs cores.

mod body;
mod budget;
mod core;
mod error;
mod exchange;
mod operation;
mod payload;
mod peers;
mod route;
mod run;
mod watch;
mod worker;

pub use error::{ErrorKind, OpError};
pub(crate) use peers::resolve;
pub use route::DirectMap;
pub use run::{INTERVAL, Interval, Plan, RunEnd, run};

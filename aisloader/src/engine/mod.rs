//! The engine: workers on cores, each with one operation outstanding, one after another or when they are due.
//!
//! A [`Config`](crate::settings::Config) comes in; [`prepare`] makes a [`Plan`] of it, asking servers through a [`Control`].
//! What goes out is an [`Interval`](crate::recorder::Interval) every second and a [`RunEnd`](crate::recorder::RunEnd).
//!
//! Bottom up, each file knowing only those before it:
//!
//! * [`Peers`](peers) keep connections, a [`line`] is one in use, an [`exchange`] is one request and its response, with a
//!   [`body`] that goes to a [`sink`];
//! * what all cores share is the [`state`] of the run, what a core makes bodies from its [`stock`];
//! * a [`call`] says what each kind asks for, with a [`put_body`] or an [`upload`] and a [`check`]; a [`dialect`] words it;
//! * a `core` holds what its workers share; an [`operation`] follows redirects until it has an answer, a [`job`] is what the
//!   workload wants next, a [`worker`] does jobs one after another;
//! * an [`open`] loop gives workers what is due by its [`arrival`] process; a [`shift`] is a core's part of a run, under a
//!   [`watch`] that cuts what takes too long; [`run()`] runs cores.

mod arrival;
mod body;
mod budget;
mod call;
mod check;
mod control;
mod core;
mod dialect;
mod exchange;
mod job;
mod known;
mod line;
mod living;
mod mail;
mod multipart;
mod native;
mod open;
mod operation;
mod part;
mod payload;
mod payload_file;
mod peers;
mod places;
mod plan;
pub(crate) mod prepare;
mod put_body;
mod run;
mod s3;
mod shard_body;
mod shift;
mod sink;
mod source;
mod stamped;
mod state;
mod stock;
mod tapes;
mod tracing;
mod training;
mod upload;
mod watch;
mod worker;

pub use control::Control;
pub use plan::Plan;
pub use run::{run, run_when};

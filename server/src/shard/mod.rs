//! One core: its executor, its ring, its connections, and the mail between it and the other cores.
//!
//! The executor is the `uring` crate's; everything above awaits operations of the ring.

mod body;
mod boot;
mod call;
mod connection;
mod context;
mod door;
mod door_counts;
mod handler;
mod limits;
mod moving;
mod pace;
mod parcel;
mod runtime;
mod seat;
mod send;
mod stream;
mod turns;
mod watch;
mod watchdog;

pub(crate) use body::Body;
pub(crate) use boot::{CoreReady, CoreSetup, start_core};
pub(crate) use call::{Letter, mailbox_capacity};
pub(crate) use context::Shard;
pub(crate) use handler::Handler;
pub(crate) use limits::StreamLimits;
pub(crate) use seat::Seats;
pub(crate) use turns::Turn;
pub(crate) use watch::Cut;
pub(crate) use watchdog::{WatchdogCounts, watch_cores};

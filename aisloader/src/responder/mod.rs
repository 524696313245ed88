//! A server that answers from memory, to measure the loader itself: what it does when is known, and it costs so little
//! that the loader is the limit.
//!
//! One task for each connection, on the cores of [`crate::shard`]. It speaks as much of AIStore's native API as a run
//! needs: objects of one size, a bucket that is always there, and a listing.

mod cli;
mod connection;
mod delay;
mod server;
mod spec;

pub use cli::main;
pub use delay::{Delay, Stall};
pub use server::Responder;
pub use spec::{Served, Spec};

//! State that the cores of a run and its main thread share, and the part of it that each core keeps.
//!
//! * a [`plan`] is what a run is made from, its [`state`] how far it is; [`budget`] bounds it;
//! * [`mail`] is what cores tell the main thread, [`part`] which part of the run one core does;
//! * [`known`] are the names to choose from, [`living`] those of them that exist;
//! * [`tapes`] are the traces that are played and written, [`tracing`] turns the tracing of phases on.

pub(super) mod budget;
pub(super) mod known;
pub(super) mod living;
pub(super) mod mail;
pub(super) mod part;
pub(super) mod plan;
pub(super) mod state;
pub(super) mod tapes;
pub(super) mod tracing;

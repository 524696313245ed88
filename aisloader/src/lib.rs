//! A load generator for AIStore's native API that costs so little that the server, not the client, is what is measured.
//!
//! The one design decision: **what can be decided before the clock starts is decided before the clock starts, and what
//! cores share is shared before they start.** Every random decision is a pure function of (seed, decision, worker,
//! count), so a run needs no producer, no queue and no lock: each core makes its own operations, sends payload that was
//! made beforehand, receives into the same buffer again and again, and keeps its own histograms. They meet once an
//! interval, as values in the main thread's inbox.
//!
//! The rooms, in the order in which data flows through them; each knows only those above it:
//!
//! * [`flags`] reads the command line, [`workload`] says what is asked of a server, [`content`] which bytes objects have;
//! * [`client`] talks to servers before a run, [`settings`] is a run with its rules checked;
//! * [`recorder`] says what happened and what it cost, [`engine`] makes it happen, on the cores of [`shard`];
//! * [`honesty`] says which part of a run counts, what limited it, and what speaks against its figures;
//! * [`report`] prints it, writes it down for other programs, compares what was written, and shows it as pages;
//! * [`fleet`] lets several such programs make one load;
//! * [`responder`] is a server to measure the loader itself with, [`scale`] proves, or refutes, that N disks give N times
//!   the throughput;
//! * [`app`] puts it all together.

pub mod app;
pub mod client;
pub mod content;
pub mod engine;
pub mod flags;
pub mod fleet;
pub mod honesty;
pub mod recorder;
pub mod report;
pub mod responder;
pub mod scale;
pub mod settings;
pub mod shard;
pub mod workload;

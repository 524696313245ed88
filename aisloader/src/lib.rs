//! A load generator for AIStore's native API that costs so little that the server, not the client, is what is measured.
//!
//! The one design decision: **what can be decided before the clock starts is decided before the clock starts, and what
//! cores share is shared before they start.** Every random decision is a pure function of (seed, decision, worker,
//! count), so a run needs no producer, no queue and no lock: each core makes its own operations, sends payload that was
//! made beforehand, receives into the same buffer again and again, and keeps its own histograms. They meet once an
//! interval, as values in the main thread's inbox.
//!
//! * [`flags`] is the command line as a table, [`config`] a run with its rules checked;
//! * [`workload`] says what of which of the [`kinds`] comes next, from [`random`] numbers, about [`names`]; [`pick`] which
//!   one, and how large;
//! * [`open_loop`] says when operations begin if not one after another, [`trace`] plays and writes what ran when;
//! * [`engine`] does it, on the cores of [`shard`];
//! * [`fleet`] lets several such programs make one load;
//! * [`findmax`] runs it at rate after rate, [`responder`] is a server to measure the loader itself with;
//! * [`recorder`], [`places`] and [`cpu`] say what happened and what it cost, [`report`] prints it, [`record`] writes it down for other
//!   programs;
//! * [`filelist`] reads names from a file;
//! * [`honesty`] says which part of the run counts, what limited it, and what speaks against its figures;
//! * [`control`] makes, lists and cleans up buckets, over [`client`] or [`s3`], [`listing`] is the exchange for that;
//! * [`phases`] says where the time of an operation goes;
//! * [`naming`] says what new objects are called, [`range`] which part of one is read, [`archive`] what shards are,
//!   [`gateways`] who can be asked;
//! * [`s3`] is another protocol for the same work;
//! * [`scale`] proves, or refutes, that N disks give N times the throughput;
//! * [`command`] is what the program does beside load: comparing runs with the statistics of [`analysis`], showing them as [`html`];
//! * [`app`] puts it all together, [`units`] reads and writes sizes and durations.

pub mod analysis;
pub mod app;
pub mod archive;
pub mod client;
pub mod command;
pub mod config;
pub mod content;
pub mod control;
pub mod cpu;
pub mod engine;
pub mod filelist;
pub mod findmax;
pub mod flags;
pub mod fleet;
pub mod gateways;
pub mod honesty;
pub mod html;
mod http;
pub mod kinds;
pub mod listing;
pub mod names;
pub mod naming;
pub mod open_loop;
pub mod phases;
pub mod pick;
pub mod places;
mod prepare;
pub mod random;
pub mod range;
pub mod record;
pub mod recorder;
pub mod report;
pub mod responder;
pub mod s3;
pub mod scale;
mod settings;
pub mod shard;
pub mod trace;
pub mod units;
pub mod workload;

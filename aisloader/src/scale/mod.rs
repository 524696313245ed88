//! The scaling proof: does throughput grow as the number of disks, and if not, why not?
//!
//! `aisloader scale` builds N disks of known speed (files, loop devices, a throttle in a control group), runs the server
//! on them, and compares in turns what the loader gets from the server with what fio gets from the same disks. The one
//! design decision: **everything that decides is pure, and everything that touches the machine only measures**. So the
//! judge is tested with simulated machines whose faults are known, and the same faults can be planted in reality.
//!
//! * Pure: [`model`] is what was measured, [`queueing`] and [`balance`] take out what is not the server's doing, [`usl`]
//!   fits the law, [`figures`] makes the table's rows, [`verdict`] judges them, [`picture`] draws and [`report`] prints them.
//! * Impure: [`measure`] is the experiment, on [`devices`] in the groups of [`throttle`], with [`fio`], [`server`] and
//!   [`loader`] as processes; [`ledger`] gives everything back.
//! * [`options`] are the flags, [`faults`] what can be planted; [`main`] puts all of it together.

pub mod balance;
mod devices;
mod failure;
pub mod faults;
pub mod figures;
mod fio;
mod ledger;
mod loader;
mod measure;
pub mod model;
pub mod options;
pub mod picture;
mod process;
mod proof;
pub mod queueing;
pub mod report;
mod server;
mod throttle;
pub mod usl;
pub mod verdict;

#[cfg(test)]
mod simulated;
#[cfg(test)]
mod verdict_tests;

pub use failure::{Failure, Result};
pub use proof::main;

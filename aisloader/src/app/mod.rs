//! The program from its words to its exit code: the only room that knows all others.
//!
//! * [`main`] makes a run of the words, or hands them to a command;
//! * [`command`] are those about the logs of runs, [`findmax`] makes one run after another.

pub mod command;
pub mod findmax;
mod load;

pub use load::main;

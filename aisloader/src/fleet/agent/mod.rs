//! `aisloader agent`: makes load when a coordinator asks for it.
//!
//! * `command` starts it, `options` are its flags;
//! * `serve` listens, and sees to it that not too much happens at once, nor for ever;
//! * `job` is one run.

mod command;
mod job;
mod options;
mod serve;

pub use command::main;

//! The reading of the logs of runs, and the ways to tell a difference from noise.
//!
//! * [`log`] reads one NDJSON file, [`settings`] says how the configurations of several differ;
//! * [`quantity`] is what can be compared, [`sample`] takes it out of a log as a statistic of the log's seconds;
//! * [`resample`] says how far such a statistic would wander if the run were made again, [`student`] has the table;
//! * [`compare`] puts two groups of runs side by side with an interval and a verdict;
//! * [`histogram`] opens the HDR histograms, [`balance`] says how even a load is.

pub mod balance;
pub mod compare;
pub mod histogram;
pub mod log;
pub mod quantity;
pub mod resample;
pub mod sample;
pub mod settings;
#[cfg(test)]
pub(crate) mod simulated;
pub mod student;

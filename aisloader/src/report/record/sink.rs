//! The sinks that follow a run, and the moments that they are told of.

use super::schema::{FinalLine, Phase};
use crate::recorder::Interval;
use crate::recorder::cpu::CpuUse;
use std::io;

/// An interval with what it cost.
pub(super) struct Moment<'a> {
    /// Its end, since the begin of the run.
    pub(super) at_s: f64,
    /// Its length; nearly 0: what ended after the run.
    pub(super) span_s: f64,
    pub(super) phase: Phase,
    pub(super) interval: &'a Interval,
    pub(super) cpu: CpuUse,
}

/// Something that follows a run.
pub(super) trait Sink {
    /// The flag that asked for it and the place it writes to.
    fn name(&self) -> &str;

    /// After an interval.
    fn moment(&mut self, moment: &Moment<'_>) -> io::Result<()>;

    /// After the run.
    fn end(&mut self, whole: &FinalLine) -> io::Result<()>;
}

//! Where arrivals come from: a clock, or a trace.

use super::arrival::Arrivals;
use super::core::Core;
use crate::workload::trace::{Fed, Feed, TraceOp};
use std::time::{Duration, Instant};

/// A core asks again after this time when the reader of its trace is behind. An operation that is late by then
/// counts as late.
const ASK_AGAIN: Duration = Duration::from_micros(500);

/// One arrival.
pub(crate) struct Due {
    pub(crate) at: Instant,
    /// The operation to do, when that is not for the workload to say.
    pub(crate) op: Option<TraceOp>,
}

/// The arrivals of one core, in order.
pub(crate) enum Source {
    /// Arrivals of a process.
    Clock(Arrivals),
    /// Arrivals of a trace, so many times as fast.
    Trace { feed: Feed, speed: f64 },
}

impl Source {
    /// The next arrival of a run that began at `begin`; `None` when there is no other.
    pub(crate) async fn next(&mut self, core: &Core, begin: Instant) -> Option<Due> {
        match self {
            Self::Clock(arrivals) => Some(Due { at: begin.checked_add(arrivals.next()?)?, op: None }),
            Self::Trace { feed, speed } => {
                let op = loop {
                    match feed.ask() {
                        Fed::Op(op) => break op,
                        Fed::Over => return None,
                        Fed::NotYet if core.run.is_stopping() => return None,
                        Fed::NotYet => core.driver().sleep(ASK_AGAIN).await,
                    }
                };
                Some(Due { at: begin.checked_add(op.at.div_f64(*speed))?, op: Some(op) })
            }
        }
    }
}

//! A worker whose reads feed an accelerator that is played: it stops when enough is loaded ahead.

use super::core::Core;
use crate::workload::pick::{Consumer, Training};
use std::time::{Duration, Instant};

/// A worker that has loaded enough looks this often whether the run is over.
const LOOK: Duration = Duration::from_millis(20);

/// The accelerator that one worker loads for.
pub(crate) struct Trainer(Consumer);

impl Trainer {
    pub(crate) fn new(training: Training) -> Self {
        Self(Consumer::new(training))
    }

    /// Waits until there is room for another sample, or until the run is over.
    pub(crate) async fn await_room(&self, core: &Core) {
        while let Some(room) = self.0.room_at() {
            let now = Instant::now();
            let is_over = core.run.is_stopping() || core.run.planned_end().is_some_and(|end| now >= end);
            if now >= room || is_over {
                return;
            }
            core.driver().sleep(room.saturating_duration_since(now).min(LOOK)).await;
        }
    }

    /// A sample is there.
    pub(crate) fn loaded(&mut self, core: &Core, at: Instant) {
        if self.0.sample(at) {
            core.stats.borrow_mut().training.merge(&self.0.take_stats());
        }
    }

    /// The worker has done its last operation: at the end of the data the accelerator computes what it has, at any
    /// other end its time is cut.
    pub(crate) fn end(mut self, core: &Core) {
        let now = Instant::now();
        if core.run.is_read_to_the_end() {
            self.0.finish(now);
        } else {
            self.0.cut(core.run.end().map_or(now, |end| end.min(now)));
        }
        core.stats.borrow_mut().training.merge(&self.0.take_stats());
    }
}

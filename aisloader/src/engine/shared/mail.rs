//! Messages from the cores to the main thread.

use crate::recorder::{Interval, Stats};
use std::sync::mpsc::Sender;
use std::time::Instant;

/// A message from a core.
pub(crate) enum Letter {
    /// The core can begin.
    Ready,
    /// The core has ended, or could not even be set up.
    Gone,
    /// One interval.
    Interval(Box<Interval>),
    /// The rest, after the last worker.
    End { stats: Box<Stats>, last_end: Option<Instant> },
}

/// The way from a core to the main thread. Dropping it says that the core is gone, however that came about, so that
/// the main thread never waits for a core that failed.
pub(crate) struct Outbox(Sender<Letter>);

impl Outbox {
    /// A way that ends in this sender's receiver.
    pub(crate) fn new(sender: Sender<Letter>) -> Self {
        Self(sender)
    }

    /// Posts a letter. Nobody listens any more once the main thread has given up, and then it does not matter.
    pub(crate) fn post(&self, letter: Letter) {
        let _ = self.0.send(letter);
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.post(Letter::Gone);
    }
}

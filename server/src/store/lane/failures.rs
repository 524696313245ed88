//! Work that the upkeep of a lane could not do, which it leaves alone for a while.

use crate::error::{Error, Kind, Result};
use std::cell::RefCell;
use std::path::Path;
use std::time::{Duration, Instant};

/// The parts of a lane's upkeep that have failed the last time.
#[derive(Default)]
pub(super) struct Failures {
    /// Writing the index out.
    pub(super) checkpoint: Failing,
    /// Merging and reclaiming.
    pub(super) tidying: Failing,
}

/// A piece of upkeep that may be failing.
#[derive(Default)]
pub(super) struct Failing {
    last: RefCell<Option<Failure>>,
}

struct Failure {
    error: Error,
    /// It is not tried again before this.
    until: Instant,
    pause: Duration,
}

/// Work that has failed is left alone so long: at first, and at most.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(8);

impl Failing {
    pub(super) fn rests(&self) -> bool {
        self.last.borrow().as_ref().is_some_and(|failure| Instant::now() < failure.until)
    }

    pub(super) fn last(&self) -> Option<Error> {
        self.last.borrow().as_ref().map(|failure| failure.error.clone())
    }

    /// Notes how an attempt went; returns whether it has done something.
    pub(super) fn note(&self, lane: &Path, outcome: Result<bool>) -> bool {
        let error = match outcome {
            // Nothing tried is nothing learnt.
            Ok(false) => return false,
            Ok(true) => {
                self.last.take();
                return true;
            }
            // That an index is damaged has been told, and is mended elsewhere.
            Err(error) if error.kind == Kind::Rebuilding => return false,
            Err(error) => error,
        };
        tracing::error!(lane = %lane.display(), %error, "upkeep");
        let before = self.last.borrow().as_ref().map(|failure| failure.pause * 2);
        let pause = before.unwrap_or(PAUSE_MIN).min(PAUSE_MAX);
        self.last.replace(Some(Failure { error, until: Instant::now() + pause, pause }));
        false
    }
}

//! The pace at which a lane's index is made, and what makes that end early.

use crate::error::{Error, Kind, Result};
use crate::store::lane::Share;
use std::cell::Cell;
use std::time::Instant;
use uring::Driver;

/// Records that are taken in before others get the core.
const RECORDS_PER_TURN: u32 = 32;

/// The pace of whoever reads a log or walks through files. At a start nobody else wants the core; on a node that serves it
/// takes its share, and gives up when the node is stopped.
pub(crate) struct Pace<'p> {
    driver: Driver,
    beside: Option<(Share, &'p dyn Fn() -> bool)>,
    begun: Cell<Instant>,
    steps: Cell<u32>,
}

impl<'p> Pace<'p> {
    /// As fast as it can.
    pub(crate) fn full(driver: &Driver) -> Self {
        Self::new(driver, None)
    }

    /// Beside everything else; `is_closing` says when to give up.
    pub(crate) fn beside(driver: &Driver, share: Share, is_closing: &'p dyn Fn() -> bool) -> Self {
        Self::new(driver, Some((share, is_closing)))
    }

    fn new(driver: &Driver, beside: Option<(Share, &'p dyn Fn() -> bool)>) -> Self {
        Self { driver: driver.clone(), beside, begun: Cell::new(Instant::now()), steps: Cell::new(0) }
    }

    /// True if the node serves meanwhile.
    pub(crate) fn is_beside(&self) -> bool {
        self.beside.is_some()
    }

    /// True if it is time to give up.
    pub(crate) fn is_closing(&self) -> bool {
        self.beside.is_some_and(|(_, is_closing)| is_closing())
    }

    /// Notes a piece of work, and rests when it is time to.
    ///
    /// # Errors
    /// `ShuttingDown` when told to give up.
    pub(crate) async fn step(&self) -> Result<()> {
        let Some((share, _)) = self.beside else { return Ok(()) };
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() < RECORDS_PER_TURN {
            return Ok(());
        }
        self.check()?;
        self.steps.set(0);
        self.begun.set(share.rest(&self.driver, self.begun.get()).await);
        Ok(())
    }

    /// Counts no time until now as work: it was spent waiting.
    pub(crate) fn waited(&self) {
        self.begun.set(Instant::now());
    }

    /// # Errors
    /// `ShuttingDown` when told to give up.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_closing() {
            return Err(Error::client(Kind::ShuttingDown, "the node is shutting down"));
        }
        Ok(())
    }
}

//! The part of a core that is left to work in the background.

use std::time::{Duration, Instant};
use uring::Driver;

/// The part of a core that background work may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// Pause for each part of work, in percent.
    pub(crate) pause_percent: u32,
}

impl Share {
    /// Rests in proportion to the work done since `begun`.
    pub(crate) async fn rest(self, driver: &Driver, begun: Instant) -> Instant {
        let pause = begun.elapsed() * self.pause_percent / 100;
        driver.sleep(pause.min(Duration::from_millis(100))).await;
        Instant::now()
    }
}

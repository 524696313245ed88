//! Waiting for a lane whose index is being made anew, on behalf of jobs that nobody can ask to try again.

use crate::error::{Kind, Result};
use crate::shard::Shard;
use std::time::{Duration, Instant};

const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// A job that has waited so long for one step fails.
const PATIENCE: Duration = Duration::from_secs(600);

/// Takes a step of a job, again and again while it needs an index that is being made anew.
///
/// # Errors
/// What the step says, `Rebuilding` when that goes on for too long or the node is being stopped.
pub(super) async fn patiently<T>(shard: &Shard, step: impl AsyncFn() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    let mut pause = PAUSE_MIN;
    loop {
        match step().await {
            Err(e) if e.kind == Kind::Rebuilding && begun.elapsed() < PATIENCE && !shard.is_stopping() => {}
            outcome => return outcome,
        }
        shard.driver.sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

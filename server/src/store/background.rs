//! The work that runs beside requests as long as a core's store is open, and its end.
//!
//! Each mountpath has an upkeep task of its own, so that one whose disk is slow or broken keeps no other from it. A lane
//! whose upkeep fails is left alone for a while, longer each time.

use super::commit::Committer;
use super::engine::Store;
use super::lane::{Lane, Upkeep};
use crate::error::{Error, Kind, Result};
use crate::store::lane::Share;
use futures_util::future::{Either, join_all, select};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The upkeep waits so long when nothing is due.
const UPKEEP_PAUSE: Duration = Duration::from_millis(100);
/// Rest of the background work for each part of it, in percent, when one mountpath has work.
const PAUSE_PERCENT: u32 = 100;

impl Store {
    /// The tasks that commit; spawn each once.
    pub(crate) fn commit_loops(&self) -> impl Iterator<Item = impl Future<Output = ()> + use<>> {
        self.committers.clone().into_iter().map(Committer::run)
    }

    /// The tasks that keep indexes short and segments full; spawn each once.
    pub(crate) fn upkeep_loops(self: &Rc<Self>) -> impl Iterator<Item = impl Future<Output = ()> + use<>> {
        let loops: Vec<_> = (0..self.lanes.len()).map(|at| Rc::clone(self).upkeep_loop(at)).collect();
        loops.into_iter()
    }

    async fn upkeep_loop(self: Rc<Self>, mountpath: usize) {
        self.keeping_up.set(self.keeping_up.get() + 1);
        while !self.closing.get() {
            let mut busy = false;
            self.busy_upkeeps.set(self.busy_upkeeps.get() + 1);
            for lane in self.lanes.get(mountpath).into_iter().flatten().flatten() {
                if self.closing.get() {
                    break;
                }
                busy |= self.upkeep(lane).await;
            }
            self.busy_upkeeps.set(self.busy_upkeeps.get() - 1);
            if !busy {
                self.driver.sleep(UPKEEP_PAUSE).await;
            }
        }
        self.keeping_up.set(self.keeping_up.get() - 1);
    }

    /// Does one piece of what is due in a lane; false when nothing was done.
    async fn upkeep(&self, lane: &Rc<Lane>) -> bool {
        if lane.mountpath.is_suspect() {
            return false;
        }
        let Ok(committer) = self.committer(lane.mountpath_index) else { return false };
        let upkeep = Upkeep {
            committer,
            locks: &self.locks,
            limits: self.limits,
            is_alive: &|bucket_id| self.is_alive(bucket_id),
            is_closing: &|| self.closing.get(),
            share: Share { pause_percent: PAUSE_PERCENT * self.busy_upkeeps.get().max(1) },
        };
        lane.upkeep(&upkeep).await
    }

    /// Writes all indexes out, so that the next start has nothing to replay. Suspect mountpaths are left as they are.
    ///
    /// # Errors
    /// The first failure, or that it is not done `within` the time given; each lane is written out as far as it goes.
    pub(crate) async fn close(&self, within: Duration) -> Result<()> {
        self.closing.set(true);
        let deadline = Instant::now() + within;
        while (self.keeping_up.get() > 0 || self.rebuilding.get()) && Instant::now() < deadline {
            self.driver.sleep(Duration::from_millis(2)).await;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        match select(pin!(self.checkpoint_all()), self.driver.sleep(left)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => {
                let text = format!("the indexes were not written out within {} s", within.as_secs());
                Err(Error { kind: Kind::Timeout, ..Error::internal(text) })
            }
        }
    }

    async fn checkpoint_all(&self) -> Result<()> {
        // The next start makes the index of a lost lane anew.
        let sound = self.lanes().filter(|lane| !lane.mountpath.is_suspect() && !lane.is_lost());
        // Side by side: they share their flushes.
        let closing = sound.map(|lane| async move {
            lane.checkpoint_now(self.committer(lane.mountpath_index)?).await?;
            lane.log.seal().await
        });
        join_all(closing).await.into_iter().collect::<Result<()>>()?;
        match self.mountpaths.iter().find(|mountpath| mountpath.is_suspect()) {
            Some(suspect) => Err(suspect.refusal()),
            None => Ok(()),
        }
    }
}

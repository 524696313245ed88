//! The task that makes damaged indexes anew while the node serves.

use super::engine::Store;
use super::entry::BucketRef;
use super::lane::{Buckets, Lane, Pace, Rebuild};
use crate::error::{Error, Kind, Result};
use crate::store::lane::Share;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two looks for lanes that are damaged.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// After a rebuild that has failed the next one waits; twice as long each time.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Half of the core is for those that ask for other lanes.
const SHARE: Share = Share { pause_percent: 100 };

/// When a lane whose rebuild has failed is tried again, by mountpath and number.
type Failed = HashMap<(usize, u16), (Instant, Duration)>;

impl Store {
    /// The task that makes damaged indexes anew; spawn it once. `buckets` tells which buckets there are now.
    pub(crate) async fn rebuild_loop(self: Rc<Self>, buckets: impl Fn() -> Vec<Arc<BucketRef>>) {
        self.rebuilding.set(true);
        let mut failed = Failed::new();
        while !self.closing.get() {
            for at in 0..self.mountpaths.len() {
                self.rebuild_lost(at, &buckets, &mut failed).await;
            }
            self.driver.sleep(LOOK_EVERY).await;
        }
        self.rebuilding.set(false);
    }

    /// Makes the indexes anew that are damaged on a mountpath, except those that have to wait.
    async fn rebuild_lost(&self, at: usize, buckets: &impl Fn() -> Vec<Arc<BucketRef>>, failed: &mut Failed) {
        let now = Instant::now();
        let is_due = |lane: &Lane| failed.get(&(at, lane.number)).is_none_or(|(due, _)| *due <= now);
        let lost = self.lanes().filter(|lane| lane.mountpath_index == at && lane.is_lost() && is_due(lane));
        let lost: Vec<Rc<Lane>> = lost.cloned().collect();
        if lost.is_empty() {
            return;
        }
        let asked: Vec<u16> = lost.iter().map(|lane| lane.number).collect();
        let outcome = self.rebuild(at, lost, buckets).await;
        let left = outcome.unwrap_or_else(|e| {
            tracing::error!(error = %e, "an index cannot be made anew");
            Vec::new()
        });
        for number in asked {
            let Some((lane, error)) = left.iter().find(|(lane, _)| lane.number == number) else {
                failed.remove(&(at, number));
                continue;
            };
            if error.kind == Kind::ShuttingDown {
                continue;
            }
            let pause = failed.get(&(at, number)).map_or(PAUSE_MIN, |(_, pause)| (*pause * 2).min(PAUSE_MAX));
            failed.insert((at, number), (Instant::now() + pause, pause));
            lane.mountpath.note_lost(number, &format!("it cannot be made anew: {error}"));
            tracing::error!(lane = %lane.path().display(), %error, ?pause, "the index cannot be made anew: tried again");
        }
    }

    async fn rebuild(
        &self,
        at: usize,
        lost: Vec<Rc<Lane>>,
        buckets: &impl Fn() -> Vec<Arc<BucketRef>>,
    ) -> Result<Vec<(Rc<Lane>, Error)>> {
        let is_closing = || self.closing.get();
        let pace = Pace::beside(&self.driver, SHARE, &is_closing);
        let rebuild = Rebuild {
            mountpath: self.mountpath(at)?,
            committer: self.committer(at)?,
            cache: &self.index_cache,
            memtable_bytes_max: self.limits.memtable_bytes,
            is_alive: &|bucket_id| self.is_alive(bucket_id),
            pace: &pace,
        };
        let by_id = || -> Buckets {
            let alive = buckets().into_iter().filter(|bucket| self.is_alive(bucket.id));
            alive.map(|bucket| (bucket.id, bucket)).collect()
        };
        let all = lost.clone();
        let left = rebuild.run(lost, by_id).await;
        let made = all.iter().filter(|lane| !lane.is_lost()).count();
        self.count(|c| c.rebuilt += made as u64);
        self.entries.borrow_mut().clear();
        Ok(left)
    }
}

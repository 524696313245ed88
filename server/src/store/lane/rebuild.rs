//! Making the index of a lane anew while the node serves.
//!
//! The lane answers nothing meanwhile. Beside it, one of the same directory with an empty index is filled as at a start,
//! from the files and all segments. When that is durable, the lane takes the index over and serves again. A crash in
//! between leaves an index without a checkpoint, or with one up to which it is complete: a start goes on from there.

use super::Standing;
use super::log::Log;
use super::open::{OpenedLane, home, list_segments};
use super::replay::replay;
use super::segments::SegmentFiles;
use super::{Buckets, Lane, Lanes, Ledger, Pace, adopt_files};
use crate::error::{Error, Result};
use crate::fault;
use crate::store::after::After;
use crate::store::commit::Committer;
use crate::store::lane::failures::Failures;
use crate::store::mountpath::Mountpath;
use lsm::{IndexCache, LaneIndex, Opened};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::api::bprops::Durability;

/// Between two looks at whether the upkeep has left a lane.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Lanes of one mountpath whose indexes are made anew together: its files are walked through once.
pub(crate) struct Rebuild<'r> {
    pub(crate) mountpath: &'r Mountpath,
    pub(crate) committer: &'r Committer,
    pub(crate) cache: &'r Rc<IndexCache>,
    pub(crate) memtable_bytes_max: usize,
    /// True if a bucket still exists.
    pub(crate) is_alive: &'r dyn Fn(u64) -> bool,
    pub(crate) pace: &'r Pace<'r>,
}

impl Rebuild<'_> {
    /// Makes the indexes anew, one after the other; `buckets` are asked for when nothing changes any more. Each lane
    /// serves again as soon as its own index is there; the others are returned, each with the reason.
    pub(crate) async fn run(
        &self,
        lanes: Vec<Rc<Lane>>,
        buckets: impl Fn() -> Buckets,
    ) -> Vec<(Rc<Lane>, Error)> {
        let begun = Instant::now();
        let (mut fresh, mut failed) = (Vec::new(), Vec::new());
        for lane in lanes {
            match self.begin(&lane).await {
                Ok(opened) => fresh.push((lane, opened)),
                Err(e) => failed.push((lane, e)),
            }
        }
        if fresh.is_empty() {
            return failed;
        }
        // The lanes have come to rest: a bucket that has records and is not among these has been destroyed.
        let buckets = buckets();
        if let Err(e) = self.adopt(&fresh, &buckets).await {
            failed.extend(fresh.into_iter().map(|(lane, _)| (lane, e.clone())));
            return failed;
        }
        for (lane, opened) in fresh {
            match self.fill(&lane, &opened, &buckets).await {
                Ok(records) => tracing::warn!(
                    lane = %lane.path().display(),
                    objects = lane.ledger.borrow().all().objects,
                    records,
                    seconds = begun.elapsed().as_secs_f64(),
                    "the index has been made anew: the lane serves again"
                ),
                Err(e) => failed.push((lane, e)),
            }
        }
        failed
    }

    /// Waits until nothing changes in the lane any more, and removes its index.
    async fn begin(&self, lane: &Rc<Lane>) -> Result<OpenedLane> {
        while lane.kept_up.get() {
            self.pace.check()?;
            lane.driver.sleep(LOOK_EVERY).await;
        }
        // Nothing is appended since the lane was lost; what was before must be in the files, under their names.
        self.committer.join(lane, After::Nothing, None, Durability::Group).await?;
        lane.log.come_to_rest().await?;
        assert!(lane.is_lost(), "the index of lane {} is to be made anew and serves", lane.number);
        fault::point("rebuild-begun");
        lane.index().retire().await;
        let opened = lane.anew(self.cache).await?;
        fault::point("rebuild-emptied");
        Ok(opened)
    }

    async fn adopt(&self, fresh: &[(Rc<Lane>, OpenedLane)], buckets: &Buckets) -> Result<()> {
        let lanes: Lanes = fresh.iter().map(|(lane, made)| (lane.number, Rc::clone(&made.lane))).collect();
        adopt_files(self.mountpath, &lanes, buckets, self.memtable_bytes_max, self.pace).await.map(drop)
    }

    /// Fills a lane's new index from the log and puts it into service; returns the number of records.
    async fn fill(&self, lane: &Rc<Lane>, made: &OpenedLane, buckets: &Buckets) -> Result<u64> {
        let report = replay(made, buckets, self.memtable_bytes_max, self.pace).await?;
        fault::point("rebuild-filled");
        made.lane.first_checkpoint().await?;
        fault::point("rebuild-durable");
        // Some may have been destroyed since the log was read.
        made.lane.ledger.borrow_mut().keep_buckets(self.is_alive);
        lane.take_over(&made.lane);
        Ok(report.records)
    }
}

impl Lane {
    /// A lane of the same directory, with an empty index in the place of this one's, to be filled from everything
    /// there is.
    ///
    /// # Errors
    /// The disk's error.
    pub(crate) async fn anew(&self, cache: &Rc<IndexCache>) -> Result<OpenedLane> {
        let path = self.path();
        let list = move |_: &Arc<Mountpath>| {
            list_segments(&path).map_err(|e| Error::disk(&format!("list the lane {}", path.display()), &e))
        };
        let segments = self.disk.look(list).await?;
        let opened = LaneIndex::reset(home(&self.disk, &self.driver, &self.dir, cache)).await?;
        let next_segment = segments.last().map_or(1, |last| last + 1);
        let log = self.log.another(next_segment);
        let lane = Rc::new(self.beside(opened, log));
        Ok(OpenedLane { lane, from: None, segments, gone: 0 })
    }

    fn beside(&self, opened: Opened, log: Log) -> Self {
        // A clock that was set back must not make generations go back.
        let mut ledger = Ledger::default();
        ledger.note_generation(self.ledger.borrow().last_generation);
        Self {
            driver: self.driver.clone(),
            mountpath_index: self.mountpath_index,
            mountpath: Arc::clone(&self.mountpath),
            disk: self.disk.clone(),
            number: self.number,
            dir: Rc::clone(&self.dir),
            index: RefCell::new(opened.index),
            standing: Cell::new(Standing::Opening),
            log,
            ledger: RefCell::new(ledger),
            files: SegmentFiles::new(1),
            unsettled: RefCell::default(),
            checkpoint: Cell::default(),
            unfinished: RefCell::default(),
            swept: RefCell::default(),
            unflushed: RefCell::default(),
            kept: RefCell::default(),
            reclaimed: Cell::new(0),
            changes: Cell::new(0),
            taken_back: Cell::new(0),
            failures: Failures::default(),
            kept_up: Cell::new(false),
        }
    }

    /// Takes over the index that was made beside, and what was counted with it.
    fn take_over(&self, made: &Self) {
        assert!(self.is_lost(), "the index of lane {} was replaced while it was in use", self.number);
        let (own, made_for) = (self.number, made.number);
        assert!(own == made_for, "lane {own} is to take over the index of lane {made_for}");
        self.index.replace(made.index());
        self.ledger.replace(made.ledger.take());
        self.checkpoint.set(made.checkpoint.get());
        self.unfinished.take();
        self.swept.take();
        self.kept.take();
        self.changes.set(self.changes.get() + 1);
        self.mountpath.note_found(self.number);
        self.serve();
    }
}

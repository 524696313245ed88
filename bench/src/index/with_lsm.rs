//! Our own: an LSM tree without threads, on a ring of the calling thread; an index for each lane, one cache for all.
//!
//! The scenarios are futures here, and beside the ingest runs what the server calls upkeep: they take turns, as the tasks
//! of a core do.

use super::blocking::{Found, Page};
use super::keys::{BATCH, Entry, KeySet, LANES, key, lane, prefix, value};
use super::lsm_dead::Dead;
use super::lsm_log::Log;
use super::meters::Latencies;
use super::{Applied, CACHE_BYTES, IndexEngine, Visit};
use crate::error::Result;
use futures_util::future::{try_join, try_join_all};
use lsm::{Cursor, Home, IndexCache, LaneIndex, Peek, Step};
use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};
use uring::{Driver, DriverConfig, Helpers, Offload, PoolConfig, block_on, yield_now};

/// The server takes this for each lane beside a cache of this size.
const MEMTABLE_BYTES: usize = 4 << 20;
/// Who puts entries in waits while a memtable is so many times larger.
const BEHIND_MAX: usize = 4;
/// Turns of the upkeep after each batch, each 64 entries long: each entry is written out and merged two or three times.
const TURNS: usize = 4;
/// The upkeep waits this long when nothing is due.
const PAUSE: Duration = Duration::from_millis(10);
const RING_ENTRIES: u32 = 256;
/// The least there is.
const POOL_BYTES: usize = 16 << 20;

pub(super) const SETTINGS: &str = "lsm of this repository: 4 indexes on one ring, cache 64 MiB, direct I/O, 16 MiB of \
    registered memory; no threads: up to 4 turns of the merges (64 entries each) after a batch count as the batch's. It has no \
    log, so at a checkpoint every lane's memtable becomes a run: smaller runs and more merges than where there is one; a \
    crash leaves each lane with a checkpoint of its own. A deleted bucket is counted and its number noted durably: its \
    entries are passed over, and dropped by merges that come for other reasons, as there is no compaction on demand";

pub(super) const SETTINGS_WITH_LOG: &str = "the same as the server uses it, with a log: batches are appended to files \
    that are flushed at checkpoints, memtables of 4 MiB become runs beside the ingest, and opening reads the log behind \
    that; files of the log that no lane needs any more are removed. The server's log is the segments, which hold the \
    objects too, so there this log is no extra write";

/// The step that makes a checkpoint durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durable {
    /// The memtables are written out.
    ByRuns,
    /// A log is flushed.
    ByLog,
}

/// An open index of all lanes.
pub(super) struct Lsm {
    driver: Driver,
    cache: Rc<IndexCache>,
    lanes: Vec<Lane>,
    log: Option<Log>,
    dead: Dead,
    memtable_bytes: usize,
    /// The upkeep has something to do.
    is_busy: Cell<bool>,
}

struct Lane {
    index: Rc<LaneIndex>,
    /// Batches that need not be read from the log any more.
    complete: Cell<u64>,
}

impl Lsm {
    pub(super) fn open(dir: &Path, durable: Durable) -> Result<Self> {
        fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let pool = PoolConfig { size_bytes_max: POOL_BYTES };
        let driver = Driver::new(DriverConfig { entries: RING_ENTRIES, pool });
        let driver = driver.map_err(|e| format!("ring: {e}"))?;
        let cache = usize::try_from(CACHE_BYTES).map_err(|e| format!("cache: {e}"))?;
        let cache = IndexCache::new(&driver, cache).map_err(say)?;
        let lanes = (0..LANES).map(|lane| Lane::open(&driver, &cache, &dir.join(format!("lane{lane}"))));
        let lanes = lanes.collect::<Result<Vec<_>>>()?;
        let log = (durable == Durable::ByLog).then(|| replay(dir, &lanes)).transpose()?;
        let dead = Dead::open(dir)?;
        let is_busy = Cell::new(false);
        Ok(Self { driver, cache, lanes, log, dead, memtable_bytes: MEMTABLE_BYTES, is_busy })
    }

    fn lane(&self, lane: usize) -> Result<&LaneIndex> {
        self.lanes.get(lane).map(|lane| &*lane.index).ok_or_else(|| format!("no lane {lane}"))
    }

    fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        block_on(&self.driver, work).map_err(|e| format!("ring: {e}"))?
    }

    /// Applies a batch; then the upkeep has its turns.
    async fn apply(&self, entries: &[Entry]) -> Result<()> {
        if let Some(log) = &self.log {
            let limit = BEHIND_MAX * self.memtable_bytes;
            while self.lanes.iter().any(|lane| lane.index.memtable_bytes() > limit) {
                self.driver.sleep(Duration::from_millis(1)).await;
            }
            log.append(entries)?;
        }
        for entry in entries {
            self.lane(entry.lane)?.put(&entry.key, Some(&entry.value));
        }
        yield_now().await;
        for _ in 1..TURNS {
            if self.is_busy.get() {
                yield_now().await;
            }
        }
        Ok(())
    }

    async fn make_durable(&self) -> Result<()> {
        match &self.log {
            Some(log) => log.flush(&self.driver).await,
            None => self.write_all_out().await,
        }
    }

    async fn write_all_out(&self) -> Result<()> {
        try_join_all(self.lanes.iter().map(|lane| self.write_out(lane))).await.map(drop)
    }

    /// Makes a run of a lane's memtable.
    async fn write_out(&self, lane: &Lane) -> Result<()> {
        let position = self.log.as_ref().map_or(0, Log::position);
        if lane.index.memtable_bytes() == 0 && position == lane.complete.get() {
            return Ok(());
        }
        if !lane.index.freeze() {
            return Err("a memtable is written out already".to_owned());
        }
        if let Some(log) = &self.log {
            // The index must not know what the log may still lose: a batch would be in some lanes only.
            log.flush(&self.driver).await?;
        }
        lane.index.flush(&position.to_le_bytes()).await.map_err(say)?;
        lane.complete.set(position);
        match &self.log {
            Some(log) => {
                let complete = self.lanes.iter().map(|lane| lane.complete.get()).min();
                log.trim(&self.driver, complete.unwrap_or_default()).await
            }
            None => Ok(()),
        }
    }

    /// Does what is due in each lane, one after the other; false when nothing was.
    async fn upkeep(&self) -> Result<bool> {
        let mut busy = false;
        for lane in &self.lanes {
            let is_large = lane.index.memtable_bytes() > self.memtable_bytes;
            if self.log.is_some() && is_large {
                self.write_out(lane).await?;
                busy = true;
            } else {
                let keep = |key: &[u8]| !self.dead.has(key);
                busy |= lane.index.merge_step(&keep, &|| false).await.map_err(say)?;
            }
        }
        Ok(busy)
    }

    /// Does a piece of work with the upkeep beside it, which finishes what it has begun by the end.
    async fn beside_upkeep(&self, work: impl Future<Output = Result<()>>) -> Result<()> {
        let is_over = Cell::new(false);
        let work = async {
            work.await?;
            is_over.set(true);
            Ok(())
        };
        let upkeep = async {
            while !is_over.get() {
                self.is_busy.set(true);
                let worked = self.upkeep().await?;
                self.is_busy.set(false);
                if !worked {
                    self.driver.sleep(PAUSE).await;
                }
            }
            Ok(())
        };
        try_join(work, upkeep).await.map(drop)
    }

    /// Goes to the next entry of a bucket that is there; false behind the last one.
    async fn advance(&self, cursor: &mut Cursor) -> Result<bool> {
        loop {
            match cursor.step() {
                Step::Item if self.dead.has(cursor.key()) => {}
                Step::Item => return Ok(true),
                Step::NeedsBlock => cursor.load().await.map_err(say)?,
                Step::End => return Ok(false),
            }
        }
    }
}

impl Lane {
    fn open(driver: &Driver, cache: &Rc<IndexCache>, path: &Path) -> Result<Self> {
        let say_path = |e: std::io::Error| format!("{}: {e}", path.display());
        fs::create_dir_all(path).map_err(say_path)?;
        let dir = Rc::new(uring::sys::open_dir(path).map_err(say_path)?);
        let helpers = Helpers::new("index", 2).and_then(|helpers| Offload::new(&helpers, driver));
        let helpers = helpers.map_err(|e| format!("helper threads: {e}"))?;
        let home = Home { driver: driver.clone(), dir, cache: Rc::clone(cache), helpers };
        let opened = block_on(driver, LaneIndex::open(home));
        let opened = opened.map_err(|e| format!("ring: {e}"))?.map_err(say)?;
        let complete = opened.checkpoint.as_slice().try_into().map_or(0, u64::from_le_bytes);
        Ok(Self { index: opened.index, complete: Cell::new(complete) })
    }
}

/// Opens the log, and puts in what the lanes have not written out.
fn replay(dir: &Path, lanes: &[Lane]) -> Result<Log> {
    let complete = lanes.iter().map(|lane| lane.complete.get()).max().unwrap_or_default();
    Log::open(dir, complete, &mut |position, entry| {
        let lane = lanes.get(entry.lane).ok_or_else(|| format!("no lane {}", entry.lane))?;
        if position >= lane.complete.get() {
            lane.index.put(&entry.key, Some(&entry.value));
        }
        Ok(())
    })
}

impl IndexEngine for Lsm {
    fn ingest(&mut self, set: &KeySet, applied: &mut Applied<'_>) -> Result<()> {
        let work = async {
            let mut entries = Vec::with_capacity(BATCH + LANES);
            for batch in 0..set.batches() {
                set.fill(batch, &mut entries);
                let start = Instant::now();
                self.apply(&entries).await?;
                if set.is_checkpoint(batch) {
                    self.make_durable().await?;
                }
                applied(batch, start.elapsed())?;
            }
            Ok(())
        };
        self.run(self.beside_upkeep(work))
    }

    fn settle(&mut self) -> Result<()> {
        self.run(async {
            self.write_all_out().await?;
            while self.upkeep().await? {}
            Ok(())
        })
    }

    fn point_reads(
        &mut self,
        set: &KeySet,
        ids: &[u32],
        until: Instant,
        latencies: &mut Latencies,
    ) -> Result<()> {
        self.run(async {
            for id in ids {
                let (index, key, value) = (self.lane(lane(*id))?, key(*id), value(*id));
                let start = Instant::now();
                let found = match index.peek(&key) {
                    Peek::Found(found) => Some(found),
                    Peek::Absent => None,
                    Peek::OnDisk => index.get(&key).await.map_err(say)?,
                };
                let found = found.filter(|_| !self.dead.has(&key));
                let found = Found::compare(found.as_deref(), &value);
                latencies.add(start.elapsed());
                found.check(*id, set)?;
                if start >= until {
                    break;
                }
            }
            Ok(())
        })
    }

    fn scan(&mut self, visit: &mut Visit<'_>) -> Result<()> {
        self.run(async {
            for (number, lane) in self.lanes.iter().enumerate() {
                let mut cursor = lane.index.cursor(&[]);
                while self.advance(&mut cursor).await? {
                    visit(number, cursor.key(), cursor.value())?;
                }
            }
            Ok(())
        })
    }

    fn pages(
        &mut self,
        _set: &KeySet,
        from: &[u32],
        limit: usize,
        until: Instant,
        latencies: &mut Latencies,
    ) -> Result<()> {
        self.run(async {
            for id in from {
                let mut page = Page::from_object(*id);
                let index = self.lane(lane(*id))?;
                let start = Instant::now();
                let mut cursor = index.cursor(page.first());
                while page.entries() < limit && self.advance(&mut cursor).await? {
                    page.see(cursor.key());
                }
                latencies.add(start.elapsed());
                page.check(limit)?;
                if start >= until {
                    break;
                }
            }
            Ok(())
        })
    }

    fn delete_bucket(&mut self, bucket: u32) -> Result<u64> {
        let prefix = prefix(bucket);
        let deleted = self.run(async {
            let mut deleted = 0;
            for lane in &self.lanes {
                let mut cursor = lane.index.cursor(&prefix);
                while self.advance(&mut cursor).await? && cursor.key().starts_with(&prefix) {
                    deleted += 1;
                }
            }
            Ok(deleted)
        })?;
        self.dead.add(prefix)?;
        Ok(deleted)
    }

    fn compact(&mut self) -> Result<()> {
        self.settle()
    }

    fn own_memory(&self) -> Option<u64> {
        let lanes = self.lanes.iter().map(|lane| lane.index.stats());
        let lanes = lanes.map(|lane| (lane.memtable_bytes + lane.resident_bytes) as u64).sum::<u64>();
        Some(lanes + self.cache.stats().bytes + self.driver.pool().stats().resident_bytes as u64)
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.run(self.write_all_out())
    }
}

fn say(error: impl std::fmt::Display) -> String {
    format!("lsm: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::keys::{Owner, counted, owner};
    use crate::index::testing::direct_dir;

    /// Objects, and what the counters of the lanes claim.
    fn content(engine: &mut Lsm) -> (usize, Vec<u64>) {
        let (mut objects, mut counters) = (0, Vec::new());
        engine
            .scan(&mut |_, key, found| {
                match owner(key).unwrap() {
                    Owner::Object(id) if found == value(id) => objects += 1,
                    Owner::Object(id) => panic!("object {id} has another value"),
                    Owner::Counter => counters.push(counted(found).unwrap()),
                }
                Ok(())
            })
            .unwrap();
        (objects, counters)
    }

    fn files(dir: &Path, prefix: &str) -> usize {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(prefix)).count()
    }

    #[test]
    fn runs_and_log_together_hold_everything() {
        let set = KeySet::new(20_000);
        let dir = direct_dir();
        let mut engine = Lsm::open(dir.path(), Durable::ByLog).unwrap();
        // So small memtables are written out beside the ingest.
        engine.memtable_bytes = 100_000;
        engine.ingest(&set, &mut |_, _| Ok(())).unwrap();
        assert!(engine.lanes.iter().all(|lane| lane.complete.get() > 0 && lane.index.stats().runs > 0));
        let last = set.batches() - 1;
        assert_eq!(content(&mut engine), (20_000, vec![last; LANES]));
        // The engine goes without being closed.
        drop(engine);
        let mut engine = Lsm::open(dir.path(), Durable::ByLog).unwrap();
        assert!(engine.lanes.iter().any(|lane| lane.index.memtable_bytes() > 0));
        assert_eq!(content(&mut engine), (20_000, vec![last; LANES]));
        assert!(files(dir.path(), "log-") > 0);
        engine.settle().unwrap();
        assert_eq!(files(dir.path(), "log-"), 0);
        assert_eq!(content(&mut engine), (20_000, vec![last; LANES]));
    }

    #[test]
    fn without_a_log_the_last_checkpoint_stays() {
        let set = KeySet::new(20_000);
        let dir = direct_dir();
        let mut engine = Lsm::open(dir.path(), Durable::ByRuns).unwrap();
        let broken =
            engine.ingest(&set, &mut |batch, _| if batch < 50 { Ok(()) } else { Err("enough".into()) });
        broken.unwrap_err();
        drop(engine);
        let kept = (0..=50).rev().find(|batch| set.is_checkpoint(*batch)).unwrap();
        let mut engine = Lsm::open(dir.path(), Durable::ByRuns).unwrap();
        assert_eq!(content(&mut engine), ((kept as usize + 1) * BATCH, vec![kept; LANES]));
    }

    #[test]
    fn merges_drop_the_entries_of_dead_buckets() {
        let set = KeySet::new(10_000);
        let dir = direct_dir();
        let mut engine = Lsm::open(dir.path(), Durable::ByRuns).unwrap();
        let entries = |engine: &Lsm| engine.lanes.iter().map(|lane| lane.index.stats().entries).sum::<u64>();
        engine
            .run(async {
                let mut batch = Vec::new();
                for number in 0..set.batches() {
                    set.fill(number, &mut batch);
                    engine.apply(&batch).await?;
                    if number % 20 == 0 {
                        engine.write_all_out().await?;
                    }
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(engine.delete_bucket(4).unwrap(), 1000);
        assert_eq!(content(&mut engine).0, 9000);
        assert!(entries(&engine) > 10_000);
        // Runs of a similar size are due.
        engine.settle().unwrap();
        assert!(entries(&engine) < 9100, "{}", entries(&engine));
        assert_eq!((content(&mut engine).0, engine.delete_bucket(4).unwrap()), (9000, 0));
    }
}

//! Opening one core's share of the store: its lanes, brought up to date with their logs.

use super::cache::ReadCache;
use super::commit::Committer;
use super::disk::Disk;
use super::doorkeeper::Doorkeeper;
use super::engine::{BucketIds, Store, StoreConfig, StoreStats};
use super::entry::BucketRef;
use super::hybrid_clock::HybridClock;
use super::lane::{
    BatchBuffers, Buckets, Lane, LaneSetup, OpenedLane, Pace, ReplayReport, UpkeepLimits, adopt_files, replay,
};
use super::lock::NameLocks;
use super::mountpath::Mountpath;
use super::open::{Opening, open_files};
use super::room::Room;
use super::settle;
use super::slow::SlowMemory;
use crate::error::{Error, Kind, Result};
use crate::store::mountpath::Displaced;
use futures_util::future::try_join_all;
use lsm::IndexCache;
use placement::{LaneId, lane_owner};
use quick_cache::unsync::Cache;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use uring::Driver;

/// All that a core opens its share with.
pub(crate) struct StoreSetup {
    pub(crate) driver: Driver,
    pub(crate) core: usize,
    pub(crate) cores: usize,
    pub(crate) mountpaths: Arc<[Arc<Mountpath>]>,
    pub(crate) config: StoreConfig,
    pub(crate) buckets: Vec<Arc<BucketRef>>,
    /// Numbers from here on belong to buckets that are made later.
    pub(crate) first_new_bucket: u64,
}

/// The findings of a start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecoveryReport {
    pub(crate) objects: u64,
    pub(crate) size_bytes: u64,
    /// Work files and half-destroyed buckets that were removed.
    pub(crate) swept: usize,
    /// Records read to bring indexes up to date.
    pub(crate) replayed: u64,
    /// Bytes that a crash had left half-written.
    pub(crate) torn_bytes: u64,
    /// Lanes whose index was made anew.
    pub(crate) rebuilt: u64,
    /// Files and records that are not usable objects, left in place.
    pub(crate) unusable: u64,
}

impl RecoveryReport {
    fn add_replayed(&mut self, found: &ReplayReport) {
        self.replayed += found.records;
        self.torn_bytes += found.torn_bytes;
        self.unusable += found.damaged;
    }

    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            objects: self.objects + other.objects,
            size_bytes: self.size_bytes + other.size_bytes,
            swept: self.swept + other.swept,
            replayed: self.replayed + other.replayed,
            torn_bytes: self.torn_bytes + other.torn_bytes,
            rebuilt: self.rebuilt + other.rebuilt,
            unusable: self.unusable + other.unusable,
        }
    }
}

/// All that lanes are brought up to date with.
struct BringUp<'b> {
    buckets: &'b Buckets,
    cache: &'b Rc<IndexCache>,
    memtable_bytes: usize,
}

/// A quarter of the index memory holds what is not written out, and as much what is being written; the rest caches.
const MEMTABLE_SHARE: usize = 8;
/// Bounds of one lane's share of it.
const MEMTABLE_BYTES: std::ops::RangeInclusive<usize> = 128 << 10..=4 << 20;
/// Bytes that a start may have to read again, for each lane; segments behind the checkpoint cannot be reclaimed either.
const REPLAY_BYTES_MAX: u64 = 128 << 20;
const REPLAY_SEGMENTS: u64 = 2;
/// The year 2262: as much again is left for a clock that goes on by itself.
const CLOCK_MAX: u64 = i64::MAX as u64;
/// A clock that is further ahead of wall time than this is told of.
const CLOCK_AHEAD: Duration = Duration::from_secs(60);
/// Bytes of an entry that is kept decoded.
const ENTRY_BYTES: usize = 400;

impl StoreSetup {
    /// Opens the lanes. Requests must wait until this is done.
    pub(crate) async fn open(self) -> Result<(Rc<Store>, RecoveryReport)> {
        let lanes_owned: usize = (0..self.mountpaths.len()).map(|at| self.owned(at).count()).sum();
        let index_bytes = self.config.index_bytes;
        let memtable_bytes = (index_bytes / MEMTABLE_SHARE / lanes_owned.max(1))
            .clamp(*MEMTABLE_BYTES.start(), *MEMTABLE_BYTES.end());
        let replay_bytes = (REPLAY_SEGMENTS * self.config.segment_bytes).min(REPLAY_BYTES_MAX);
        let limits = UpkeepLimits { memtable_bytes, replay_bytes };
        let cache = IndexCache::new(&self.driver, index_bytes / 2)?;
        let buffers = Rc::new(BatchBuffers::new(self.driver.pool().clone())?);
        let mut committers = Vec::new();
        let disks = self.disks()?;
        for disk in &disks {
            committers.push(Committer::new(disk.clone(), self.core)?);
        }
        let by_id: Buckets = self.buckets.iter().map(|bucket| (bucket.id, Arc::clone(bucket))).collect();
        let mut lanes: Vec<Vec<Option<Rc<Lane>>>> = Vec::new();
        let mut report = RecoveryReport::default();
        for (at, (committer, disk)) in committers.iter().zip(&disks).enumerate() {
            committer.flush_found().await?;
            let opened = self.open_lanes(disk, at, &cache, &buffers, lanes_owned).await?;
            let bring_up = BringUp { buckets: &by_id, cache: &cache, memtable_bytes };
            let (brought_up, found) = self.bring_up(at, opened, &bring_up).await?;
            report = report.plus(found);
            report.swept += self.settle_displaced(disk.mountpath(), &brought_up, &by_id).await?;
            let mut by_number = vec![None; usize::from(self.lanes(at))];
            for lane in brought_up {
                lane.serve();
                let number = lane.number;
                if let Some(slot) = by_number.get_mut(usize::from(number)) {
                    let before = slot.replace(lane);
                    assert!(before.is_none(), "lane {number} of mountpath {at} was opened twice");
                }
            }
            lanes.push(by_number);
        }
        Ok((Rc::new(self.assemble(disks, committers, lanes, limits, cache)?), report))
    }

    /// This core's ways to the mountpaths.
    pub(super) fn disks(&self) -> Result<Vec<Disk>> {
        let disks = self.mountpaths.iter().map(|mountpath| Disk::new(mountpath, &self.driver));
        let disks: std::io::Result<Vec<Disk>> = disks.collect();
        disks.map_err(|e| Error::internal(format!("a mailbox for helper threads: {e}")))
    }

    pub(super) fn lanes(&self, mountpath: usize) -> u16 {
        self.mountpaths.get(mountpath).map_or(0, |mountpath| mountpath.lanes)
    }

    pub(super) fn owned(&self, mountpath: usize) -> impl Iterator<Item = u16> {
        let (lanes, core, cores) = (self.lanes(mountpath), self.core, self.cores);
        (0..lanes).filter(move |&lane| lane_owner(mountpath, LaneId::new(lane), lanes, cores) == core)
    }

    async fn open_lanes(
        &self,
        disk: &Disk,
        at: usize,
        cache: &Rc<IndexCache>,
        buffers: &Rc<BatchBuffers>,
        lanes_owned: usize,
    ) -> Result<Vec<OpenedLane>> {
        let mut opened = Vec::new();
        for setup in self.lane_setups(disk, at, cache, buffers, lanes_owned) {
            opened.push(setup.open().await?);
        }
        Ok(opened)
    }

    /// The setups of the lanes of a mountpath that are this core's.
    pub(super) fn lane_setups(
        &self,
        disk: &Disk,
        at: usize,
        cache: &Rc<IndexCache>,
        buffers: &Rc<BatchBuffers>,
        lanes_owned: usize,
    ) -> Vec<LaneSetup> {
        let setup = |number| LaneSetup {
            driver: self.driver.clone(),
            cache: Rc::clone(cache),
            buffers: Rc::clone(buffers),
            mountpath: Arc::clone(disk.mountpath()),
            disk: disk.clone(),
            mountpath_index: at,
            number,
            segment_bytes: self.config.segment_bytes,
            segments_open: (self.config.open_files / lanes_owned.max(1)).max(8),
        };
        self.owned(at).map(setup).collect()
    }

    /// Brings indexes up to date with their logs, and makes those anew that are lost.
    async fn bring_up(
        &self,
        at: usize,
        opened: Vec<OpenedLane>,
        with: &BringUp<'_>,
    ) -> Result<(Vec<Rc<Lane>>, RecoveryReport)> {
        let mut report = RecoveryReport::default();
        let pace = Pace::full(&self.driver);
        let (mut lanes, mut lost) = (Vec::new(), Vec::new());
        for opened in opened {
            if opened.from.is_none() {
                lost.push(opened);
                continue;
            }
            match replay(&opened, with.buckets, with.memtable_bytes, &pace).await {
                Ok(found) => {
                    opened.require_segments(|id| with.buckets.contains_key(&id)).await?;
                    report.add_replayed(&found);
                }
                // The index was whole as far as opening it can tell, and the log needs a part that is not.
                Err(e) if e.kind == Kind::Corrupt => {
                    let lane = opened.lane.path();
                    tracing::warn!(lane = %lane.display(), why = %e, "the index is damaged and is made again");
                    lost.push(opened.lane.anew(with.cache).await?);
                    continue;
                }
                Err(e) => return Err(e),
            }
            lanes.push(opened.lane);
        }
        report.unusable += self.adopt_lost(at, &lost, with, &pace).await?;
        for opened in &lost {
            let found = replay(opened, with.buckets, with.memtable_bytes, &pace).await?;
            report.add_replayed(&found);
            // An index of a mountpath that was never used before is not lost.
            let objects = opened.lane.ledger.borrow().all().objects;
            report.rebuilt += u64::from(objects > 0 || found.records > 0);
        }
        // An index that has been made anew, or has just been formatted, is complete from now on.
        try_join_all(lost.iter().map(|made| made.lane.first_checkpoint())).await?;
        lanes.extend(lost.into_iter().map(|made| made.lane));
        for lane in &lanes {
            let all = lane.ledger.borrow().all();
            report.objects += all.objects;
            report.size_bytes += all.size_bytes;
        }
        Ok((lanes, report))
    }

    /// Has each lane decide about the complete files that a crash or a failure has left under no name.
    async fn settle_displaced(
        &self,
        mountpath: &Arc<Mountpath>,
        lanes: &[Rc<Lane>],
        buckets: &Buckets,
    ) -> Result<usize> {
        let mut swept = 0;
        for lane in lanes {
            let is_of_lane = |file: &Displaced| match buckets.get(&file.meta.bucket_id) {
                Some(bucket) => {
                    let digest = bucket.digest(&file.meta.name);
                    placement::lane_of(digest, mountpath.lanes).get() == lane.number
                }
                None => false,
            };
            swept += settle::settle(lane, mountpath.take_displaced(is_of_lane), buckets).await?;
        }
        let of_nobody = mountpath.take_displaced(|file| !buckets.contains_key(&file.meta.bucket_id));
        of_nobody.iter().for_each(|file| file.remove(mountpath));
        Ok(swept + of_nobody.len())
    }

    async fn adopt_lost(
        &self,
        at: usize,
        lost: &[OpenedLane],
        with: &BringUp<'_>,
        pace: &Pace<'_>,
    ) -> Result<u64> {
        let Some(mountpath) = self.mountpaths.get(at) else { return Ok(0) };
        let lost = lost.iter().map(|opened| (opened.lane.number, Rc::clone(&opened.lane))).collect();
        adopt_files(mountpath, &lost, with.buckets, with.memtable_bytes, pace).await
    }

    /// A clock that is above all that these lanes have seen.
    ///
    /// # Errors
    /// `Corrupt` for a reading that no clock can have given.
    fn clock<'l>(&self, lanes: impl Iterator<Item = &'l Rc<Lane>>) -> Result<HybridClock> {
        let node = self.mountpaths.first().map_or(0, |mountpath| mountpath.node);
        let clock = HybridClock::new(node, self.core);
        for lane in lanes {
            let seen = lane.ledger.borrow().last_generation;
            if seen.clock > CLOCK_MAX {
                let lane = lane.path();
                return Err(Error::corrupt(format!("{}: the generation {seen} is no time", lane.display())));
            }
            clock.observe(seen);
        }
        let ahead = Duration::from_nanos(clock.ahead_ns());
        if ahead > CLOCK_AHEAD {
            tracing::warn!(
                seconds = ahead.as_secs(),
                "objects were written in what is the future by this machine's clock: generations go on from there"
            );
        }
        Ok(clock)
    }

    pub(super) fn assemble(
        self,
        disks: Vec<Disk>,
        committers: Vec<Rc<Committer>>,
        lanes: Vec<Vec<Option<Rc<Lane>>>>,
        limits: UpkeepLimits,
        index_cache: Rc<IndexCache>,
    ) -> Result<Store> {
        let entries_max = (self.config.index_bytes / 8 / ENTRY_BYTES).max(64);
        let at_start: HashSet<u64> = self.buckets.iter().map(|bucket| bucket.id).collect();
        let mut entries = Cache::new(entries_max);
        // Tables that double as they fill would stop the core while they are copied; see the read cache.
        entries.reserve(entries_max.saturating_mul(2));
        let (all, disks_all, lanes_all) = (self.mountpaths.len(), disks.len(), lanes.len());
        assert!(
            disks_all == all && lanes_all == all,
            "of {all} mountpaths {disks_all} have ways to the disk, and {lanes_all} lanes"
        );
        let clock = self.clock(lanes.iter().flatten().flatten())?;
        Ok(Store {
            cache: Rc::new(ReadCache::new(self.driver.pool().split_off(self.config.cache_bytes))),
            slow: SlowMemory::new(self.config.slow_bytes),
            driver: self.driver,
            open_files: RefCell::new(open_files(self.config.open_files)),
            opening: Opening::default(),
            entries: Rc::new(RefCell::new(entries)),
            entries_door: RefCell::new(Doorkeeper::new(entries_max as u64, entries_max)),
            rooms: disks.iter().map(|disk| Room::new(disk.clone(), self.cores)).collect(),
            disks,
            index_cache,
            locks: NameLocks::default(),
            limits,
            mountpaths: self.mountpaths,
            committers,
            lanes,
            buckets: BucketIds { at_start, first_new: self.first_new_bucket },
            destroyed: RefCell::default(),
            frozen: RefCell::default(),
            clock,
            counters: Cell::new(StoreStats::default()),
            closing: Cell::new(false),
            keeping_up: Cell::new(0),
            busy_upkeeps: Cell::new(0),
            rebuilding: Cell::new(false),
        })
    }
}

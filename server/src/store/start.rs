//! Opening one core's share of the store: its lanes, brought up to date with their logs.

use super::cache::ReadCache;
use super::commit::Committer;
use super::doorkeeper::Doorkeeper;
use super::engine::{BucketIds, Store, StoreConfig, StoreStats};
use super::entry::BucketRef;
use super::lane::{BatchBuffers, Buckets, Lane, LaneSetup, OpenedLane, UpkeepLimits, adopt_files, replay};
use super::lock::NameLocks;
use super::mountpath::Mountpath;
use super::room::Room;
use super::slow::SlowMemory;
use crate::error::Result;
use futures_util::future::try_join_all;
use lsm::IndexCache;
use placement::{LaneId, lane_owner};
use quick_cache::unsync::Cache;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use uring::Driver;

/// What a core opens its share with.
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

/// What a start found.
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

/// A quarter of the index memory holds what is not written out, and as much what is being written; the rest caches.
const MEMTABLE_SHARE: usize = 8;
/// Bounds of one lane's share of it.
const MEMTABLE_BYTES: std::ops::RangeInclusive<usize> = 128 << 10..=4 << 20;
/// What a start may have to read again, for each lane; segments behind the checkpoint cannot be reclaimed either.
const REPLAY_BYTES_MAX: u64 = 128 << 20;
const REPLAY_SEGMENTS: u64 = 2;
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
        for mountpath in self.mountpaths.iter() {
            committers.push(Committer::new(self.driver.clone(), Arc::clone(mountpath), self.core)?);
        }
        let by_id: Buckets = self.buckets.iter().map(|bucket| (bucket.id, Arc::clone(bucket))).collect();
        let mut lanes: Vec<Vec<Option<Rc<Lane>>>> = Vec::new();
        let mut report = RecoveryReport::default();
        for (at, committer) in committers.iter().enumerate() {
            // What is found now must not be taken away by a later power cut.
            committer.flush_marker().await?;
            let opened = self.open_lanes(at, &cache, &buffers, lanes_owned).await?;
            report = report.plus(self.bring_up(at, &opened, &by_id, memtable_bytes).await?);
            let made = opened.iter().filter(|opened| opened.from.is_none());
            // What has been made anew, or has just been formatted, is complete from now on.
            try_join_all(made.map(|made| made.lane.first_checkpoint())).await?;
            let mut by_number = vec![None; usize::from(self.lanes(at))];
            for OpenedLane { lane, .. } in opened {
                if let Some(slot) = by_number.get_mut(usize::from(lane.number)) {
                    *slot = Some(lane);
                }
            }
            lanes.push(by_number);
        }
        Ok((Rc::new(self.assemble(committers, lanes, limits, cache)), report))
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
        at: usize,
        cache: &Rc<IndexCache>,
        buffers: &Rc<BatchBuffers>,
        lanes_owned: usize,
    ) -> Result<Vec<OpenedLane>> {
        let mut opened = Vec::new();
        for setup in self.lane_setups(at, cache, buffers, lanes_owned) {
            opened.push(setup.open().await?);
        }
        Ok(opened)
    }

    /// What the lanes of a mountpath that are this core's are opened with.
    pub(super) fn lane_setups(
        &self,
        at: usize,
        cache: &Rc<IndexCache>,
        buffers: &Rc<BatchBuffers>,
        lanes_owned: usize,
    ) -> Vec<LaneSetup> {
        let Some(mountpath) = self.mountpaths.get(at) else { return Vec::new() };
        let setup = |number| LaneSetup {
            driver: self.driver.clone(),
            cache: Rc::clone(cache),
            buffers: Rc::clone(buffers),
            mountpath: Arc::clone(mountpath),
            mountpath_index: at,
            number,
            segment_bytes: self.config.segment_bytes,
            segments_open: (self.config.open_files / lanes_owned.max(1)).max(8),
        };
        self.owned(at).map(setup).collect()
    }

    /// Makes lost indexes anew from files, then brings all up to date with their logs.
    async fn bring_up(
        &self,
        at: usize,
        opened: &[OpenedLane],
        buckets: &Buckets,
        memtable_bytes: usize,
    ) -> Result<RecoveryReport> {
        let mut report = RecoveryReport::default();
        let lost = opened.iter().filter(|opened| opened.from.is_none());
        let lost: HashMap<u16, Rc<Lane>> =
            lost.map(|opened| (opened.lane.number, Rc::clone(&opened.lane))).collect();
        if let Some(mountpath) = self.mountpaths.get(at).filter(|_| !lost.is_empty()) {
            let by_name = buckets.values().map(|bucket| (bucket.name.clone(), Arc::clone(bucket))).collect();
            report.unusable += adopt_files(mountpath, &lost, &by_name, memtable_bytes).await?;
        }
        for lane in opened {
            let found = replay(lane, buckets, memtable_bytes).await?;
            report.replayed += found.records;
            report.torn_bytes += found.torn_bytes;
            report.unusable += found.damaged;
            let all = lane.lane.ledger.borrow().all();
            report.objects += all.objects;
            report.size_bytes += all.size_bytes;
            // An index of a mountpath that was never used before is not lost.
            report.rebuilt += u64::from(lane.from.is_none() && (all.objects > 0 || found.records > 0));
        }
        Ok(report)
    }

    pub(super) fn assemble(
        self,
        committers: Vec<Rc<Committer>>,
        lanes: Vec<Vec<Option<Rc<Lane>>>>,
        limits: UpkeepLimits,
        index_cache: Rc<IndexCache>,
    ) -> Store {
        let entries_max = (self.config.index_bytes / 8 / ENTRY_BYTES).max(64);
        let at_start: HashSet<u64> = self.buckets.iter().map(|bucket| bucket.id).collect();
        let mut entries = Cache::new(entries_max);
        // Tables that double as they fill would stop the core while they are copied; see the read cache.
        entries.reserve(entries_max.saturating_mul(2));
        let last_generation =
            lanes.iter().flatten().flatten().map(|lane| lane.ledger.borrow().last_generation).max();
        Store {
            cache: Rc::new(ReadCache::new(self.driver.pool().split_off(self.config.cache_bytes))),
            slow: SlowMemory::new(self.config.slow_bytes),
            driver: self.driver,
            open_files: RefCell::new(Cache::new(self.config.open_files)),
            entries: Rc::new(RefCell::new(entries)),
            entries_door: RefCell::new(Doorkeeper::new(entries_max as u64, entries_max)),
            rooms: self.mountpaths.iter().map(|m| Room::new(Arc::clone(m), self.cores)).collect(),
            index_cache,
            locks: NameLocks::default(),
            limits,
            core: self.core as u64,
            mountpaths: self.mountpaths,
            committers,
            lanes,
            buckets: BucketIds { at_start, first_new: self.first_new_bucket },
            destroyed: RefCell::default(),
            last_generation: Cell::new(last_generation.unwrap_or_default()),
            counters: Cell::new(StoreStats::default()),
            closing: Cell::new(false),
            keeping_up: Cell::new(0),
            busy_upkeeps: Cell::new(0),
        }
    }
}

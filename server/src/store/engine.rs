//! The store of one core: its lanes, the commit groups of their mountpaths, and what is kept in memory.

use super::cache::{FieldsForm, ReadCache};
use super::commit::Committer;
use super::disk::Disk;
use super::doorkeeper::Doorkeeper;
use super::entry::{BucketRef, Entry, Key};
use super::hybrid_clock::HybridClock;
use super::lane::{Lane, UpkeepLimits};
use super::lock::NameLocks;
use super::mountpath::Mountpath;
use super::open::{OpenFiles, OpenObject, Opening};
use super::place::{Extent, Place};
use super::reader::Reader;
use super::room::{Files, Room};
use super::slow::{Loan, SlowMemory};
use crate::error::{Error, Kind, Result};
use crate::store::cache::EntryCache;
use crate::store::piece::Piece;
use lsm::IndexCache;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use uring::{Driver, Pool, PoolStats};

/// Bounds of one core's store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreConfig {
    /// Bytes of registered memory that may hold what was read.
    pub(crate) cache_bytes: usize,
    /// Files kept open for reading.
    pub(crate) open_files: usize,
    /// Bytes of a segment after which the next one is begun.
    pub(crate) segment_bytes: u64,
    /// Bytes that the indexes may take: what is not written out yet, and blocks of what is.
    pub(crate) index_bytes: usize,
    /// Plain memory that slow peers may borrow.
    pub(crate) slow_bytes: usize,
}

/// Counts of what a core's store holds and has done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StoreStats {
    pub(crate) objects: u64,
    /// Resident bytes of the indexes.
    pub(crate) index_bytes: u64,
    /// Their bytes on disk.
    pub(crate) index_disk_bytes: u64,
    pub(crate) segments: u64,
    /// Bytes of all segments, and how many of them are in use.
    pub(crate) segment_bytes: u64,
    pub(crate) segment_live_bytes: u64,
    /// Segments that were emptied and removed.
    pub(crate) reclaimed: u64,
    /// Small objects and pieces of large ones that were in memory when they were asked for, and that were not.
    pub(crate) cache_hits: u64,
    pub(crate) cache_misses: u64,
    /// Memory of the cache.
    pub(crate) cache_pool: PoolStats,
    /// Plain memory that slow peers have borrowed.
    pub(crate) slow_bytes: u64,
    /// Look-ups of index blocks in memory, and reads of those that were not there.
    pub(crate) index_cache_hits: u64,
    pub(crate) index_cache_misses: u64,
    pub(crate) flushes: u64,
    pub(crate) commits: u64,
    pub(crate) corrupt_reads: u64,
    /// Lanes whose index is damaged and being made anew, and indexes that have been.
    pub(crate) lost_lanes: u64,
    pub(crate) rebuilt: u64,
}

/// Says if a read looks into the cache of what was read, and fills it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    Use,
    /// A piece that is there anyway is taken.
    Bypass,
}

/// The buckets there are, told from those that are gone.
#[derive(Debug, Default)]
pub(crate) struct BucketIds {
    /// The ones that existed at the start.
    pub(crate) at_start: HashSet<u64>,
    /// Buckets made since then have this number or a larger one.
    pub(crate) first_new: u64,
}

/// One core's objects.
pub(crate) struct Store {
    pub(super) driver: Driver,
    pub(super) open_files: RefCell<OpenFiles>,
    pub(super) opening: Opening,
    pub(super) cache: Rc<ReadCache>,
    pub(super) slow: Rc<SlowMemory>,
    /// Of objects that are asked for again and again.
    pub(super) entries: Rc<EntryCache>,
    pub(super) entries_door: RefCell<Doorkeeper>,
    pub(super) locks: NameLocks,
    pub(super) index_cache: Rc<IndexCache>,
    pub(super) limits: UpkeepLimits,
    pub(super) mountpaths: Arc<[Arc<Mountpath>]>,
    /// By mountpath.
    pub(super) disks: Vec<Disk>,
    pub(super) committers: Vec<Rc<Committer>>,
    /// By mountpath.
    pub(super) rooms: Vec<Room>,
    /// By mountpath, then by number; `None` for lanes of other cores.
    pub(super) lanes: Vec<Vec<Option<Rc<Lane>>>>,
    pub(super) buckets: BucketIds,
    /// Buckets destroyed since the start: a write that was under way must not bring one back.
    pub(super) destroyed: RefCell<HashSet<u64>>,
    /// Buckets that are being moved elsewhere: what is changed in them now would be lost.
    pub(super) frozen: RefCell<HashSet<u64>>,
    pub(super) clock: HybridClock,
    pub(super) counters: Cell<StoreStats>,
    pub(super) closing: Cell<bool>,
    /// Upkeep tasks that have not ended, and how many of them have found something to do.
    pub(super) keeping_up: Cell<u32>,
    pub(super) busy_upkeeps: Cell<u32>,
    /// The task that makes indexes anew is at work.
    pub(super) rebuilding: Cell<bool>,
}

impl Store {
    /// An object's metadata, if there is one of that name.
    pub(crate) async fn find(&self, key: &Key) -> Result<Option<Rc<Entry>>> {
        let index_key = key.index_key();
        if let Some(entry) = self.entries.borrow_mut().get(index_key.as_slice()) {
            return Ok(Some(Rc::clone(entry)));
        }
        let lane = self.lane(key)?;
        let Some(entry) = lane.lookup(&index_key).await? else { return Ok(None) };
        let entry = Rc::new(entry);
        // No wait since the look-up: nobody can have changed it.
        if self.entries_door.borrow_mut().has_seen(entry.generation.mixed(), 1) {
            self.entries.borrow_mut().insert(index_key.into_boxed_slice(), Rc::clone(&entry));
        }
        Ok(Some(entry))
    }

    /// Finds out if the index of a name's lane can be asked.
    ///
    /// # Errors
    /// `Rebuilding` when it cannot.
    pub(crate) async fn probe(&self, key: &Key) -> Result<()> {
        self.lane(key)?.lookup(&key.index_key()).await.map(drop)
    }

    /// True if an entry is still what its name stands for: one that was found a while ago may have been overwritten,
    /// or moved to another segment.
    pub(crate) async fn is_current(&self, key: &Key, entry: &Entry) -> Result<bool> {
        let now = self.lane(key)?.lookup(&key.index_key()).await?;
        let same = now.is_some_and(|now| now.generation == entry.generation && now.place == entry.place);
        if !same {
            self.entries.borrow_mut().remove(key.index_key().as_slice());
        }
        Ok(same)
    }

    /// Returns when an object's bytes are where its entry says.
    pub(crate) async fn settled(&self, key: &Key, entry: &Entry) -> Result<()> {
        self.lane(key)?.settled(entry).await
    }

    /// Opens a range of an object that is a plain file for reading.
    pub(crate) async fn read(
        &self,
        key: &Key,
        entry: &Entry,
        wanted: Range<u64>,
        caching: Caching,
    ) -> Result<Reader> {
        self.lane(key)?.settled(entry).await?;
        let object = match self.open_object(key, entry).await {
            Ok(object) => object,
            Err(e) => {
                // An object that has been overwritten since it was looked up is not damaged.
                if self.is_current(key, entry).await? {
                    self.count_corrupt(&e);
                }
                return Err(e);
            }
        };
        let cache = (caching == Caching::Use).then(|| Rc::clone(&self.cache));
        Ok(Reader::new(self.driver.clone(), object, wanted).through(cache))
    }

    /// Opens the file of an entry, or takes it from the files that are open.
    async fn open_object(&self, key: &Key, entry: &Entry) -> Result<Rc<OpenObject>> {
        if let Some(open) = self.open_files.borrow_mut().get(&entry.generation) {
            return Ok(Rc::clone(open));
        }
        let _opening = self.opening.begin();
        let open = Rc::new(OpenObject::load(self.disk(entry.mountpath)?, key, entry.generation).await?);
        if !self.opening.is_gone(entry.generation) {
            self.open_files.borrow_mut().insert(entry.generation, Rc::clone(&open));
        }
        Ok(open)
    }

    /// An object in a segment, whole.
    pub(crate) async fn read_small(&self, key: &Key, entry: &Entry, caching: Caching) -> Result<Piece> {
        let Place::Segment(extent) = entry.place else {
            return Err(Error::internal("a file was read like a small object"));
        };
        if let Some(piece) = self.cache.piece(entry.generation, 0) {
            return Ok(piece);
        }
        let cache = (caching == Caching::Use).then_some(&*self.cache);
        let piece = self.read_extent(key, entry, extent, cache).await;
        piece
            .inspect(|piece| self.cache.keep(entry.generation, 0, piece))
            .inspect_err(|e| self.count_corrupt(e))
    }

    /// Reads a small object from its segment, or from another one that it has been moved to since it was looked up.
    async fn read_extent(
        &self,
        key: &Key,
        entry: &Entry,
        mut extent: Extent,
        cache: Option<&ReadCache>,
    ) -> Result<Piece> {
        let lane = self.lane(key)?;
        loop {
            let failed = match lane.read(entry, &extent, cache).await {
                Ok(piece) => return Ok(piece),
                Err(e) => e,
            };
            let now = lane.lookup(&key.index_key()).await?.filter(|now| now.generation == entry.generation);
            match now.map(|now| now.place) {
                Some(Place::Segment(moved)) if moved != extent => extent = moved,
                _ => return Err(failed),
            }
            self.forget_entry(key);
        }
    }

    /// Pools that grow with use: buffers of what is in flight, and the cache.
    pub(crate) fn pools(&self) -> [&Pool; 2] {
        [self.driver.pool(), self.cache.pool()]
    }

    /// Keeps what `write` makes of a small object beside it in memory; `None` for one that is not there.
    pub(crate) fn kept_fields(
        &self,
        entry: &Entry,
        form: FieldsForm,
        write: impl FnOnce() -> Vec<u8>,
    ) -> Option<Rc<[u8]>> {
        (!entry.place.is_file()).then(|| self.cache.kept_fields(entry.generation, form, write)).flatten()
    }

    /// Borrows plain memory for a slow peer.
    pub(crate) fn lend_to_slow(&self, size_bytes: usize) -> Option<Loan> {
        self.slow.try_lend(size_bytes)
    }

    /// True while so many buffers are free that it does no harm to lend one to a peer that may turn out to be slow.
    pub(crate) fn has_plenty(&self) -> bool {
        let pool = self.driver.pool().stats();
        pool.waiting == 0 && pool.used_bytes < pool.limit_bytes / 2
    }

    pub(crate) fn stats(&self) -> StoreStats {
        let mut stats = self.counters.get();
        (stats.cache_hits, stats.cache_misses) = self.cache.hits_and_misses();
        stats.cache_pool = self.cache.pool().stats();
        stats.slow_bytes = self.slow.lent_bytes() as u64;
        let blocks = self.index_cache.stats();
        stats.index_bytes = blocks.bytes;
        stats.index_cache_hits = blocks.hits;
        stats.index_cache_misses = blocks.misses;
        for committer in &self.committers {
            let (flushes, commits) = committer.counts();
            stats.flushes += flushes;
            stats.commits += commits;
        }
        for lane in self.lanes() {
            let (ledger, index) = (lane.ledger.borrow(), lane.index().stats());
            stats.lost_lanes += u64::from(lane.is_lost());
            stats.objects += ledger.all().objects;
            stats.reclaimed += lane.reclaimed();
            stats.index_bytes += (index.resident_bytes + index.memtable_bytes) as u64;
            stats.index_disk_bytes += index.disk_bytes;
            for (_, account) in ledger.segments() {
                stats.segments += 1;
                stats.segment_bytes += account.end;
                stats.segment_live_bytes += account.live_bytes();
            }
        }
        stats
    }

    /// Notes a read that found damage.
    pub(crate) fn count_corrupt(&self, error: &Error) {
        if error.kind == Kind::Corrupt {
            self.count(|c| c.corrupt_reads += 1);
        }
    }

    /// This core's lanes.
    pub(super) fn lanes(&self) -> impl Iterator<Item = &Rc<Lane>> {
        self.lanes.iter().flatten().flatten()
    }

    /// The lane that owns a name.
    pub(super) fn lane(&self, key: &Key) -> Result<&Rc<Lane>> {
        let lane = self.lanes.get(key.mountpath).and_then(|lanes| lanes.get(usize::from(key.lane)));
        lane.and_then(Option::as_ref)
            .ok_or_else(|| Error::internal(format!("lane {} of mountpath {}", key.lane, key.mountpath)))
    }

    pub(super) fn mountpath(&self, index: usize) -> Result<&Arc<Mountpath>> {
        self.mountpaths.get(index).ok_or_else(|| Error::internal(format!("there is no mountpath {index}")))
    }

    /// The way to a mountpath's disk.
    pub(crate) fn disk(&self, index: usize) -> Result<&Disk> {
        self.disks.get(index).ok_or_else(|| Error::internal(format!("there is no mountpath {index}")))
    }

    /// Bytes that may be written to a mountpath, as far as is known.
    pub(crate) async fn space(&self, index: usize) -> Result<u64> {
        self.disk(index)?.space(&self.driver).await
    }

    /// A mountpath that may be written to.
    pub(super) fn writable(&self, index: usize) -> Result<&Arc<Mountpath>> {
        let mountpath = self.mountpath(index)?;
        if mountpath.is_suspect() {
            return Err(mountpath.refusal());
        }
        Ok(mountpath)
    }

    /// Has room on a mountpath for so many bytes of an object, and files.
    pub(super) async fn take_room(&self, mountpath: usize, size_bytes: u64, files: Files) -> Result<()> {
        let room = self.rooms.get(mountpath);
        let room = room.ok_or_else(|| Error::internal(format!("there is no mountpath {mountpath}")))?;
        room.take(size_bytes, files).await
    }

    pub(super) fn committer(&self, mountpath: usize) -> Result<&Rc<Committer>> {
        self.committers.get(mountpath).ok_or_else(|| Error::internal("a mountpath without a commit group"))
    }

    /// True if a bucket still exists.
    pub(super) fn is_alive(&self, bucket_id: u64) -> bool {
        let known = bucket_id >= self.buckets.first_new || self.buckets.at_start.contains(&bucket_id);
        known && !self.destroyed.borrow().contains(&bucket_id)
    }

    /// Refuses a change to a bucket that has been destroyed or closed meanwhile.
    pub(super) fn check_alive(&self, bucket: &BucketRef) -> Result<()> {
        if !self.is_alive(bucket.id) {
            return Err(Error::bucket_missing(&bucket.name));
        }
        if self.frozen.borrow().contains(&bucket.id) {
            return Err(Error::access_denied(&bucket.name, "writing any more"));
        }
        Ok(())
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut StoreStats)) {
        let mut counters = self.counters.get();
        change(&mut counters);
        self.counters.set(counters);
    }
}

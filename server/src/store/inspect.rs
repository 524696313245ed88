//! Opening lanes as they lie, to look at them; and taking their indexes away.

use super::engine::Store;
use super::entry::{BucketRef, Entry, Key};
use super::lane::{BatchBuffers, Buckets, Lane, UpkeepLimits, replay_in_memory};
use super::meta;
use super::mountpath::Mountpath;
use super::start::StoreSetup;
use crate::error::{Error, Kind, Result};
use lsm::IndexCache;
use std::rc::Rc;
use std::sync::Arc;
use uring::{OpenMode, Opened};
use wire::lom::ObjectMeta;

/// A lane whose index cannot be read.
#[derive(Clone, Debug)]
pub(crate) struct LostIndex {
    pub(crate) mountpath: usize,
    pub(crate) lane: u16,
    pub(crate) why: String,
}

impl StoreSetup {
    /// Opens the lanes as they lie, with what the next start would read from their logs in memory. Nothing on the disk
    /// changes, and the store must not be written to.
    ///
    /// # Errors
    /// The disk's error. A lane whose index is damaged is no error: it is in the list, and empty.
    pub(crate) async fn open_as_is(self) -> Result<(Rc<Store>, Vec<LostIndex>)> {
        let cache = IndexCache::new(&self.driver, self.config.index_bytes / 2)?;
        let buffers = Rc::new(BatchBuffers::new(self.driver.pool().clone())?);
        let disks = self.disks()?;
        let by_id: Buckets = self.buckets.iter().map(|bucket| (bucket.id, Arc::clone(bucket))).collect();
        let lanes_owned: usize = (0..self.mountpaths.len()).map(|at| self.owned(at).count()).sum();
        let mut lanes: Vec<Vec<Option<Rc<Lane>>>> = Vec::new();
        let mut lost = Vec::new();
        for (at, disk) in disks.iter().enumerate() {
            let mut by_number = vec![None; usize::from(self.lanes(at))];
            for setup in self.lane_setups(disk, at, &cache, &buffers, lanes_owned) {
                let number = setup.number;
                let mut inspected = setup.open_as_is().await?;
                if inspected.lost.is_none() {
                    inspected.lost = match replay_in_memory(&inspected.opened, &by_id).await {
                        Err(e) if e.kind == Kind::Corrupt => Some(e.text),
                        outcome => outcome.map(|_| None)?,
                    };
                }
                let why = inspected.lost;
                lost.extend(why.map(|why| LostIndex { mountpath: at, lane: number, why }));
                if let Some(slot) = by_number.get_mut(usize::from(number)) {
                    *slot = Some(inspected.opened.lane);
                }
            }
            lanes.push(by_number);
        }
        let limits = UpkeepLimits { memtable_bytes: usize::MAX, replay_bytes: u64::MAX };
        Ok((Rc::new(self.assemble(disks, Vec::new(), lanes, limits, cache)?), lost))
    }

    /// Removes all indexes; returns how many. Opening the store then makes them anew.
    ///
    /// # Errors
    /// The disk's error.
    pub(crate) async fn remove_indexes(&self) -> Result<usize> {
        let cache = IndexCache::new(&self.driver, 0)?;
        let buffers = Rc::new(BatchBuffers::new(self.driver.pool().clone())?);
        let mut removed = 0;
        for (at, disk) in self.disks()?.iter().enumerate() {
            for setup in self.lane_setups(disk, at, &cache, &buffers, 1) {
                setup.remove_index().await?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl Store {
    /// The key of an object that a scan has found.
    pub(crate) fn key(&self, bucket: &Arc<BucketRef>, name: &str, entry: &Entry) -> Result<Key> {
        let lanes = self.mountpath(entry.mountpath)?.lanes;
        let lane = placement::lane_of(bucket.digest(name), lanes).get();
        Ok(Key { bucket: Arc::clone(bucket), name: name.to_owned(), mountpath: entry.mountpath, lane })
    }

    /// The metadata of an object that is a plain file, as the file carries them.
    ///
    /// # Errors
    /// `Corrupt` when they are missing, damaged, or those of something else.
    pub(crate) async fn file_meta(&self, key: &Key, entry: &Entry) -> Result<ObjectMeta> {
        let path = key.path();
        let look = move |mountpath: &Arc<Mountpath>| {
            let file = Opened::open(mountpath.dir(), &path, OpenMode::Read);
            let file = file.map_err(|e| Error::disk("open", &e))?;
            let meta = meta::read_meta(&mountpath.path, &file)?
                .ok_or_else(|| Error::corrupt("it has lost its metadata"))?;
            let size_bytes = file.size_bytes().map_err(|e| Error::disk("look at a file", &e))?;
            Ok((meta, size_bytes))
        };
        let (meta, size_bytes) = self.disk(entry.mountpath)?.look(look).await?;
        let same = (meta.generation, meta.size) == (entry.generation, entry.size_bytes);
        if same && size_bytes == meta.size {
            Ok(meta)
        } else {
            Err(Error::corrupt("the file is not the one that was written"))
        }
    }

    /// Refuses a store whose indexes cannot all be read.
    pub(crate) fn require_indexes(&self, lost: &[LostIndex]) -> Result<()> {
        let Some(lost) = lost.first() else { return Ok(()) };
        let path = self.mountpath(lost.mountpath)?.path.display();
        Err(Error::corrupt(format!("{path}: the index of lane {} cannot be read: {}", lost.lane, lost.why)))
    }
}

//! Changes of names: each takes its name, looks up what is there, appends its record and publishes, in that order.
//!
//! From the record on there is no wait until the change is handed to its commit group, so that the log, the index
//! and the group all know the changes of a name in one order.

use super::after::{After, Finish, Naming, Rename, Unlink};
use super::engine::Store;
use super::entry::{BucketRef, Entry, Key};
use super::expect::Expect;
use super::lane::{DELETION_BYTES_MAX, Lane};
use super::lock::NameGuard;
use super::meta;
use super::place::{Extent, Place};
use super::undo::{Kept, Undo};
use crate::error::{Error, Result};
use crate::fault;
use crate::store::meta::PreparedMeta;
use crate::store::place::extent_of;
use crate::store::unsettled::Unsettled;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;
use uring::DirectFile;
use wire::api::bprops::Durability;
use wire::lom::{BlockCrcs, Generation, Slot};
use wire::segment::{self, Deletion};

/// A name that is being changed, and what it stands for.
pub(super) struct Held<'s> {
    store: &'s Store,
    key: &'s Key,
    index_key: Vec<u8>,
    lane: &'s Rc<Lane>,
    pub(super) old: Option<Entry>,
    /// Tells whether what was looked up may have been taken back since.
    taken_back: u64,
    _guard: NameGuard,
}

/// A work file that is to become an object.
pub(super) struct WorkFile {
    pub(super) work_path: String,
    pub(super) sidecar: Option<Generation>,
    /// All that it still lacks to be an object's file.
    pub(super) finish: Option<Finish>,
}

impl Store {
    /// Takes a name for a change. Nobody else changes it until the result is dropped.
    pub(super) async fn hold<'s>(&'s self, key: &'s Key) -> Result<Held<'s>> {
        let lane = self.lane(key)?;
        self.writable(key.mountpath)?;
        // The index is written out in the background; whoever is faster waits, unless that fails.
        while lane.index().memtable_bytes() > 4 * self.limits.memtable_bytes {
            lane.may_wait_for_upkeep()?;
            self.driver.sleep(Duration::from_millis(1)).await;
        }
        let index_key = key.index_key();
        let guard = self.locks.lock(&index_key).await;
        self.check_alive(&key.bucket)?;
        let taken_back = lane.taken_back();
        let old = lane.lookup(&index_key).await?;
        Ok(Held { store: self, key, index_key, lane, old, taken_back, _guard: guard })
    }

    /// Removes an object; false when there was none.
    pub(crate) async fn remove(&self, key: &Key, expect: &Expect, durability: Durability) -> Result<bool> {
        let held = self.hold(key).await?;
        if held.old.is_none() {
            return Ok(false);
        }
        held.require(expect)?;
        let generation = held.next_generation();
        let done = held.delete(generation, durability).await?;
        done.await.map(|()| true)
    }

    /// Changes an object's custom metadata. Nobody else changes them between what `edit` is shown and what it makes.
    pub(crate) async fn set_custom(
        &self,
        key: &Key,
        expect: &Expect,
        edit: CustomEdit<'_>,
        durability: Durability,
    ) -> Result<()> {
        let held = self.hold(key).await?;
        let missing = || Error::object_missing(&key.bucket.name, &key.name);
        let old = held.old.clone().ok_or_else(missing)?;
        held.require(expect)?;
        let custom = edit(&old.custom)?;
        let done = match old.place {
            Place::File { .. } => held.set_file_custom(old, custom, durability).await?,
            Place::Segment(extent) => held.set_small_custom(old, extent, custom, durability).await?,
        };
        done.await
    }

    /// Forgets a destroyed bucket; its records are reclaimed later. When this returns, no file gets a name in it any
    /// more, so that its directories can be moved away.
    pub(crate) async fn forget_bucket(&self, bucket: &BucketRef) {
        self.destroyed.borrow_mut().insert(bucket.id);
        self.thaw_bucket(bucket.id);
        for lane in self.lanes() {
            lane.ledger.borrow_mut().forget_bucket(bucket.id);
        }
        let lanes = self.lanes.iter().filter_map(|lanes| lanes.iter().flatten().next());
        for (lane, committer) in
            lanes.filter_map(|lane| Some((lane, self.committer(lane.mountpath_index).ok()?)))
        {
            // Changes take effect in the order of their coming: those that came before this one have done so then. One
            // that fails has failed for them too.
            let _ = committer.barrier(lane).await;
        }
        for lane in self.lanes() {
            lane.ledger.borrow_mut().bucket_is_still(bucket.id);
        }
        // Its entries and bodies are never asked for again and leave the caches as they age.
    }

    /// Makes no more changes in a bucket. What has been appended before is in the index already.
    pub(crate) fn freeze_bucket(&self, bucket_id: u64) {
        self.frozen.borrow_mut().insert(bucket_id);
    }

    /// Makes changes in a bucket again.
    pub(crate) fn thaw_bucket(&self, bucket_id: u64) {
        self.frozen.borrow_mut().remove(&bucket_id);
    }

    /// Has a name looked up anew.
    pub(super) fn forget_entry(&self, key: &Key) {
        self.entries.borrow_mut().remove(key.index_key().as_slice());
    }

    fn forget_caches(&self, entry: &Entry) {
        self.open_files.borrow_mut().remove(&entry.generation);
        self.opening.forget(entry.generation);
        self.cache.forget(entry);
    }
}

/// Makes new custom metadata of those that are there.
pub(crate) type CustomEdit<'e> = &'e dyn Fn(&[(String, String)]) -> Result<Vec<(String, String)>>;

type Done = std::pin::Pin<Box<dyn Future<Output = Result<()>>>>;

impl Held<'_> {
    /// Refuses a change that expects to find something else.
    pub(super) fn require(&self, expect: &Expect) -> Result<()> {
        expect.check(self.old.as_ref())
    }

    /// The version that a write makes.
    pub(super) fn next_version(&self) -> u64 {
        self.old.as_ref().map_or(1, |old| old.version + 1)
    }

    /// The generation of a change, which is above that of what is there, whoever wrote that.
    pub(super) fn next_generation(&self) -> Generation {
        self.old.iter().for_each(|old| self.store.clock.observe(old.generation));
        self.store.clock.next()
    }

    /// Writes a small object into the lane's segment.
    pub(super) async fn put_small(
        mut self,
        mut entry: Entry,
        crcs: Vec<u32>,
        data: &[u8],
        durability: Durability,
    ) -> Result<(Rc<Entry>, Done)> {
        let extent = self.append_object(&entry, crcs, data).await?;
        entry.place = Place::Segment(extent);
        let old = self.old.take();
        // A file of that name is in the way.
        let after = match &old {
            Some(old) if old.place.is_file() => self.unlink(old),
            _ => After::Nothing,
        };
        let (entry, undo) = self.publish(entry, old);
        Ok((entry, self.join(after, undo, durability)?))
    }

    /// Puts a work file, with its metadata on it, into the place of an object.
    pub(super) async fn put_file(
        mut self,
        entry: Entry,
        work: &mut Option<WorkFile>,
        durability: Durability,
    ) -> Result<(Rc<Entry>, Done)> {
        self.append_file(&entry).await?;
        let Some(work) = work.take() else { return Err(Error::internal("an object was committed twice")) };
        let unsettled = Unsettled::new(self.lane, entry.generation);
        let old = self.old.take();
        let old_sidecar = old.as_ref().and_then(Entry::sidecar);
        let (entry, undo) = self.publish(entry, old);
        let rename = Rename {
            naming: Naming {
                work_path: work.work_path,
                path: self.key.path(),
                finish: work.finish,
                keeps_old: true,
                old_sidecar,
                sidecar: work.sidecar,
            },
            unsettled,
        };
        Ok((entry, self.join(After::Rename(Box::new(rename)), undo, durability)?))
    }

    async fn delete(mut self, generation: Generation, durability: Durability) -> Result<Done> {
        self.lane.log.reserve(DELETION_BYTES_MAX).await?;
        self.check_current()?;
        let Some(old) = self.old.take() else { return Err(Error::internal("nothing to delete")) };
        let before = old.generation;
        assert!(before < generation, "a deletion of generation {generation} comes after {before}");
        let deletion = Deletion {
            bucket_id: self.key.bucket.id,
            generation,
            slot: Slot::Current,
            name: self.key.name.clone(),
        };
        self.lane.log.append_deletion(deletion)?;
        self.lane.ledger.borrow_mut().note_generation(generation);
        fault::point("deletion-appended");
        self.lane.unpublish(self.key.bucket.id, &self.index_key, &old);
        self.store.entries.borrow_mut().remove(self.index_key.as_slice());
        self.store.forget_caches(&old);
        let after = match old.place {
            Place::File { .. } => self.unlink(&old),
            Place::Segment(_) => After::Nothing,
        };
        let undo = self.undo(None, Some(old));
        self.join(after, undo, durability)
    }

    fn unlink(&self, old: &Entry) -> After {
        After::Unlink(Unlink { path: self.key.path(), sidecar: old.sidecar() })
    }

    async fn set_file_custom(
        mut self,
        old: Entry,
        custom: Vec<(String, String)>,
        durability: Durability,
    ) -> Result<Done> {
        self.lane.settled(&old).await?;
        let path = self.key.path();
        let disk = self.store.disk(old.mountpath)?;
        let prepared = disk.change(move |mountpath| meta::prepare_meta(mountpath, &path, custom)).await?;
        let PreparedMeta { file, meta, value, moved_out } = prepared;
        if meta.generation != old.generation {
            return Err(Error::corrupt("the file is not the one that was written"));
        }
        let file = DirectFile::from(file);
        let has_sidecar = old.sidecar().is_some() || moved_out;
        let entry = Entry::from_meta(&meta, old.mountpath, Place::File { has_sidecar })?;
        entry.atime_ns.set(old.atime_ns.get());
        self.append_file(&entry).await?;
        let (_, undo) = self.publish(entry, Some(old));
        self.join(After::SetMeta { file: Rc::clone(file.fd()), value }, undo, durability)
    }

    /// A small object is written anew with its metadata; it stays the same generation.
    async fn set_small_custom(
        mut self,
        old: Entry,
        extent: Extent,
        custom: Vec<(String, String)>,
        durability: Durability,
    ) -> Result<Done> {
        let piece = self.lane.read(&old, &extent, None).await?;
        let data = piece.chunk.get(piece.range.clone()).unwrap_or_default();
        let entry = Entry { custom: custom.into_boxed_slice(), ..old.clone() };
        let blocks = data.len().div_ceil(super::BLOCK_BYTES);
        let crcs = extent.crcs.iter().copied().take(blocks).collect();
        let extent = self.append_object(&entry, crcs, data).await?;
        let changed = Entry { place: Place::Segment(extent), ..entry };
        self.store.cache.forget_fields(old.generation);
        let (_, undo) = self.publish(changed, Some(old));
        self.join(After::Nothing, undo, durability)
    }

    async fn append_object(&self, entry: &Entry, crcs: Vec<u32>, data: &[u8]) -> Result<Extent> {
        let meta = entry.to_meta(self.key, BlockCrcs::Inline(crcs));
        let mut head = Vec::with_capacity(2048);
        segment::object_head(&mut head, &meta).map_err(|e| Error::bad(format!("metadata: {e}")))?;
        let padding = segment::object_padding(meta.size);
        self.lane.log.reserve(head.len() + data.len() + padding).await?;
        self.check_current()?;
        let start = self.lane.log.append([&head, data], padding)?;
        fault::point("object-appended");
        Ok(extent_of(start.segment, start.offset, head.len(), &meta))
    }

    /// Appends the record of a file. Its checksums are with the file; the record only says that it changes.
    async fn append_file(&self, entry: &Entry) -> Result<()> {
        let meta = entry.to_meta(self.key, BlockCrcs::Inline(Vec::new()));
        let mut record = Vec::with_capacity(1024);
        segment::file_record(&mut record, &meta).map_err(|e| Error::bad(format!("metadata: {e}")))?;
        self.lane.log.reserve(record.len()).await?;
        self.check_current()?;
        self.lane.log.append([&record, &[]], 0)?;
        fault::point("file-appended");
        Ok(())
    }

    /// To be asked when nothing comes in between any more: the bucket is still there, and the name still stands for what
    /// was looked up.
    fn check_current(&self) -> Result<()> {
        self.lane.check_standing()?;
        self.store.check_alive(&self.key.bucket)?;
        if self.lane.still_is(&self.index_key, self.old.as_ref(), self.taken_back) {
            return Ok(());
        }
        Err(Error::busy("a change of this name has failed while another one waited for it: try again"))
    }

    fn publish(&mut self, entry: Entry, old: Option<Entry>) -> (Rc<Entry>, Undo) {
        let entry = Rc::new(entry);
        let (before, now) = (old.as_ref().map(|old| old.generation), entry.generation);
        assert!(before <= Some(now), "an object of generation {now} comes after {before:?}");
        self.lane.publish(self.key.bucket.id, &self.index_key, &entry, old.as_ref());
        // An entry that is written may never be read: the next look-up brings it in.
        self.store.entries.borrow_mut().remove(self.index_key.as_slice());
        if let Some(old) = old.as_ref().filter(|old| old.generation != entry.generation) {
            self.store.forget_caches(old);
        }
        (Rc::clone(&entry), self.undo(Some(entry), old))
    }

    fn undo(&mut self, new: Option<Rc<Entry>>, old: Option<Entry>) -> Undo {
        Undo {
            bucket_id: self.key.bucket.id,
            key: std::mem::take(&mut self.index_key),
            new,
            old: old.map(Rc::new),
            freezes: self.lane.index().freezes(),
            kept: Some(Kept {
                entries: Rc::clone(&self.store.entries),
                pieces: Rc::clone(&self.store.cache),
            }),
        }
    }

    /// Hands the change to its commit group.
    fn join(&self, after: After, undo: Undo, durability: Durability) -> Result<Done> {
        let committer = self.store.committer(self.key.mountpath)?;
        Ok(Box::pin(committer.join(self.lane, after, Some(undo), durability)))
    }
}

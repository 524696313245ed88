//! Bringing an index up to date with its log at the start.
//!
//! Records are taken in the order they were written; of two of one name the one of the later generation counts. What a
//! crash tore is dropped: it was never acknowledged, because batches are written one after another and acknowledged
//! in order. Damage further up is not torn but decayed, and shows as an error when its object is read.

use super::adopt::{adopt_file, read_object};
use super::log::{Position, file_name};
use super::open::{OpenedLane, encode_checkpoint};
use super::reader::Found;
use super::{BATCH_BYTES_MAX, Lane, Pace};
use crate::error::{Error, Result};
use crate::store::after::Unlink;
use crate::store::entry::{BucketRef, Entry, Key, index_key};
use crate::store::place::{Extent, Place};
use std::collections::HashMap;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use uring::{DirectFile, OpenMode, sys};
use wire::lom::{BlockCrcs, ObjectMeta};
use wire::segment::{Deletion, Record};

/// The buckets that exist, by their number.
pub(crate) type Buckets = HashMap<u64, Arc<BucketRef>>;

/// What replay found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReplayReport {
    pub(crate) records: u64,
    /// Bytes that a crash had left half-written.
    pub(crate) torn_bytes: u64,
    /// Places that are damaged.
    pub(crate) damaged: u64,
}

/// An object whose data do not match, until it is known whether they were torn or have decayed.
struct Doubtful {
    offset: u64,
    object: Option<(ObjectMeta, Extent)>,
}

struct Replay<'r> {
    lane: &'r Rc<Lane>,
    buckets: &'r Buckets,
    memtable_bytes_max: usize,
    pace: &'r Pace<'r>,
    /// Only the index in memory changes, nothing on the disk.
    in_memory: bool,
    report: ReplayReport,
    /// The index was lost: files have been walked through before.
    is_anew: bool,
}

/// Replays a lane's log from its checkpoint on, or all of it.
///
/// # Errors
/// `Corrupt` when the index is found to be damaged; what the disk says otherwise.
pub(crate) async fn replay(
    opened: &OpenedLane,
    buckets: &Buckets,
    memtable_bytes_max: usize,
    pace: &Pace<'_>,
) -> Result<ReplayReport> {
    replay_from(opened, buckets, memtable_bytes_max, pace, false).await
}

/// Replays a lane's log into the index in memory, and leaves everything on the disk as it is.
pub(crate) async fn replay_in_memory(opened: &OpenedLane, buckets: &Buckets) -> Result<ReplayReport> {
    let pace = Pace::full(&opened.lane.driver);
    replay_from(opened, buckets, usize::MAX, &pace, true).await
}

async fn replay_from(
    opened: &OpenedLane,
    buckets: &Buckets,
    memtable_bytes_max: usize,
    pace: &Pace<'_>,
    in_memory: bool,
) -> Result<ReplayReport> {
    let lane = &opened.lane;
    lane.ledger.borrow_mut().keep_buckets(|id| buckets.contains_key(&id));
    let is_anew = opened.from.is_none();
    let report = ReplayReport::default();
    let mut replay = Replay { lane, buckets, memtable_bytes_max, pace, in_memory, report, is_anew };
    let from = opened.from.unwrap_or_default();
    let segments = replay.drop_empty_tail(&opened.segments).await?;
    for (at, &segment) in segments.iter().enumerate().filter(|(_, segment)| **segment >= from.segment) {
        let offset = if segment == from.segment { from.offset } else { 0 };
        // Beside a node that serves the log ends where its last whole batch does: nothing in it is torn.
        let is_last = at + 1 == segments.len() && !pace.is_beside();
        replay.segment(segment, offset, is_last).await?;
    }
    Ok(replay.report)
}

impl Replay<'_> {
    /// Removes segments at the end that were begun and never written to; the last of the others may be torn.
    async fn drop_empty_tail<'s>(&self, segments: &'s [u64]) -> Result<&'s [u64]> {
        let mut rest = segments;
        while let Some((&last, before)) = rest.split_last() {
            let name = file_name(last);
            let mut reader = self.lane.segment_reader(&name, 0).await?;
            if !matches!(reader.next().await?, Found::End { offset: 0 }) {
                break;
            }
            if !self.in_memory {
                sys::unlink_beneath(self.lane.dir.as_fd(), &name)
                    .map_err(|e| Error::disk("remove an empty segment", &e))?;
            }
            self.lane.ledger.borrow_mut().drop_segment(last);
            rest = before;
        }
        Ok(rest)
    }

    async fn segment(&mut self, segment: u64, offset: u64, is_last: bool) -> Result<()> {
        let name = file_name(segment);
        let mut reader = self.lane.segment_reader(&name, offset).await?;
        let mut doubtful: Vec<Doubtful> = Vec::new();
        let mut end = offset;
        loop {
            self.pace.step().await?;
            match reader.next().await? {
                Found::End { .. } => break,
                Found::Damage { offset, len, what } => {
                    tracing::warn!(segment = name, offset, bytes = len, what, "no record");
                    doubtful.push(Doubtful { offset, object: None });
                }
                Found::Record { offset, len, record, intact } => {
                    if intact {
                        end = offset + len;
                        // The largest batch ends before here: what was doubtful is older, and was acknowledged.
                        let decayed =
                            doubtful.extract_if(.., |d| d.offset + BATCH_BYTES_MAX as u64 <= offset);
                        let decayed: Vec<Doubtful> = decayed.collect();
                        self.decayed(decayed, &name).await?;
                    }
                    self.record(segment, offset, record, intact, &mut doubtful).await?;
                }
            }
            self.checkpoint(Position { segment, offset: end }).await?;
        }
        self.lane.account(Position { segment, offset: end });
        if !is_last && !doubtful.is_empty() {
            return self.decayed(doubtful, &name).await;
        }
        self.cut_tail(reader.file_bytes(), &name, end, !doubtful.is_empty())
    }

    async fn record(
        &mut self,
        segment: u64,
        offset: u64,
        record: Record,
        intact: bool,
        doubtful: &mut Vec<Doubtful>,
    ) -> Result<()> {
        self.report.records += 1;
        match record {
            Record::Object { meta, head_len } => {
                let extent = extent_of(segment, offset, head_len, &meta);
                if intact {
                    self.object(meta, extent).await
                } else {
                    doubtful.push(Doubtful { offset, object: Some((meta, extent)) });
                    Ok(())
                }
            }
            Record::File(meta) => self.file(meta).await,
            Record::Deletions(deletions) => {
                for deletion in deletions {
                    // Also a deletion's generation is one that no later change may fall behind.
                    self.lane.ledger.borrow_mut().note_generation(deletion.generation);
                    self.deletion(deletion).await?;
                }
                Ok(())
            }
            Record::Padding | Record::End => Ok(()),
        }
    }

    /// Objects that were whole once: they stay known, so that a read says what is wrong.
    async fn decayed(&mut self, decayed: Vec<Doubtful>, name: &str) -> Result<()> {
        for doubtful in decayed {
            self.report.damaged += 1;
            let object = doubtful.object.as_ref().map(|(meta, _)| meta.name.as_str());
            tracing::error!(segment = name, offset = doubtful.offset, ?object, "damaged record");
            if let Some((meta, extent)) = doubtful.object {
                self.object(meta, extent).await?;
            }
        }
        Ok(())
    }

    async fn object(&mut self, meta: ObjectMeta, extent: Extent) -> Result<()> {
        let Some(bucket) = self.buckets.get(&meta.bucket_id) else { return Ok(()) };
        let key = index_key(meta.bucket_id, &meta.name);
        let old = self.lane.lookup(&key).await?;
        if old.as_ref().is_some_and(|old| old.generation > meta.generation) {
            return Ok(());
        }
        let entry = Entry::from_meta(&meta, self.lane.mountpath_index, Place::Segment(extent));
        self.lane.publish(meta.bucket_id, &key, &entry, old.as_ref());
        if old.is_some_and(|old| old.place.is_file()) {
            self.remove_file(bucket, &meta.name, meta.generation)?;
        }
        Ok(())
    }

    /// The file itself says whether the change came through.
    async fn file(&mut self, meta: ObjectMeta) -> Result<()> {
        let Some(bucket) = self.buckets.get(&meta.bucket_id) else { return Ok(()) };
        match self.file_meta(bucket, &meta.name) {
            Ok(Some(actual)) if actual.generation == meta.generation => adopt_file(self.lane, &actual).await,
            Ok(_) => Ok(()),
            Err(why) => {
                // An index that is made anew has met the file already.
                if !self.is_anew {
                    self.report.damaged += 1;
                    tracing::warn!(
                        bucket = bucket.name,
                        object = meta.name,
                        why,
                        "not a usable object: left in place"
                    );
                }
                Ok(())
            }
        }
    }

    async fn deletion(&mut self, deletion: Deletion) -> Result<()> {
        let Some(bucket) = self.buckets.get(&deletion.bucket_id) else { return Ok(()) };
        let key = index_key(deletion.bucket_id, &deletion.name);
        if let Some(old) = self.lane.lookup(&key).await? {
            if old.generation > deletion.generation {
                return Ok(());
            }
            self.lane.unpublish(deletion.bucket_id, &key, &old);
            if old.place.is_file() {
                self.remove_file(bucket, &deletion.name, deletion.generation)?;
            }
        }
        Ok(())
    }

    /// Metadata of the file of this name, if there is one; the error says why it is not usable.
    fn file_meta(&self, bucket: &Arc<BucketRef>, name: &str) -> Result<Option<ObjectMeta>, String> {
        let path = self.lane.mountpath.path.join(self.key(bucket, name).path());
        if !path.exists() {
            return Ok(None);
        }
        read_object(&self.lane.mountpath.path, &path, name, bucket).map(Some)
    }

    /// Removes the file that an older version left, when a crash came before that was done.
    fn remove_file(&self, bucket: &Arc<BucketRef>, name: &str, generation: u64) -> Result<()> {
        // One that cannot be read is left for a person to see.
        let Ok(Some(meta)) = self.file_meta(bucket, name) else { return Ok(()) };
        if meta.generation >= generation || self.in_memory {
            return Ok(());
        }
        let sidecar = matches!(meta.block_crcs, BlockCrcs::Sidecar { .. }).then_some(meta.generation);
        Unlink { path: self.key(bucket, name).path(), sidecar }.run(&self.lane.mountpath)
    }

    fn key(&self, bucket: &Arc<BucketRef>, name: &str) -> Key {
        Key {
            bucket: Arc::clone(bucket),
            name: name.to_owned(),
            mountpath: self.lane.mountpath_index,
            lane: self.lane.number,
        }
    }

    /// Writes the index out when much of it is in memory only.
    async fn checkpoint(&mut self, position: Position) -> Result<()> {
        let index = self.lane.index();
        if index.memtable_bytes() < self.memtable_bytes_max || !index.freeze() {
            return Ok(());
        }
        let ledger = self.lane.ledger.borrow().clone();
        let bytes = encode_checkpoint(position, &ledger).await;
        index.flush(&bytes).await?;
        self.lane.checkpoint.set(position);
        while index.merge_step(&|_| true, &|| self.pace.is_closing()).await? {}
        Ok(())
    }

    /// Ends a segment behind its last good record. Bytes that have decayed are left for a person to see.
    fn cut_tail(&mut self, file_bytes: u64, name: &str, end: u64, torn: bool) -> Result<()> {
        if end >= file_bytes {
            return Ok(());
        }
        if torn {
            self.report.torn_bytes += file_bytes - end;
        }
        if self.in_memory {
            return Ok(());
        }
        let file = DirectFile::open(self.lane.dir.as_fd(), name, OpenMode::Write);
        let cut = file.and_then(|file| sys::truncate(file.fd().as_fd(), end));
        cut.map_err(|e| Error::disk(&format!("cut segment {name}"), &e))
    }
}

/// Where the data of an object's record are.
pub(crate) fn extent_of(segment: u64, offset: u64, head_len: usize, meta: &ObjectMeta) -> Extent {
    let mut crcs = [0; 2];
    if let BlockCrcs::Inline(found) = &meta.block_crcs {
        crcs.iter_mut().zip(found).for_each(|(crc, found)| *crc = *found);
    }
    Extent { segment, offset: offset + head_len as u64, head_bytes: head_len as u32, crcs }
}

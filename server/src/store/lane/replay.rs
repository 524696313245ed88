//! Bringing an index up to date with its log at the start.
//!
//! Records are taken in the order they were written; of two of one name the one of the later generation counts. What a
//! crash tore is dropped: it was never acknowledged, because batches are written one after another and acknowledged
//! in order. Damage further up is not torn but decayed, and shows as an error when its object is read.

use super::adopt::{adopt_file, read_object};
use super::log::Position;
use super::open::{OpenedLane, encode_checkpoint};
use super::prepare::END_BYTES;
use super::reader::Found;
use super::{BATCH_BYTES_MAX, Lane, Pace};
use crate::error::{Error, Result};
use crate::store::after::Unlink;
use crate::store::entry::{BucketRef, Entry, Key, require_served};
use crate::store::index_key::index_key;
use crate::store::layout::{file_name, segment_path};
use crate::store::mountpath::Mountpath;
use crate::store::place::extent_of;
use crate::store::place::{Extent, Place};
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::Arc;
use uring::{OpenMode, Opened, sys};
use wire::lom::{BlockCrcs, Generation, ObjectMeta, Slot};
use wire::segment::{Deletion, Record};

/// The buckets that exist, by their number.
pub(crate) type Buckets = HashMap<u64, Arc<BucketRef>>;

/// The findings of a replay.
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
    len: u64,
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
                let path = segment_path(self.lane.number, last);
                let remove = move |mountpath: &Arc<Mountpath>| {
                    sys::unlink_beneath(mountpath.dir(), &path)
                        .map_err(|e| Error::disk("remove an empty segment", &e))
                };
                self.lane.disk.change(remove).await?;
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
                    doubtful.push(Doubtful { offset, len, object: None });
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
                    self.record(segment, (offset, len), record, intact, &mut doubtful).await?;
                }
            }
            self.checkpoint(Position { segment, offset: end }).await?;
        }
        self.lane.account(Position { segment, offset: end });
        if !is_last && !doubtful.is_empty() {
            return self.decayed(doubtful, &name).await;
        }
        self.silence(&doubtful, segment, end).await?;
        if is_last || reader.file_bytes() != end + END_BYTES {
            self.cut_tail(reader.file_bytes(), segment, end, !doubtful.is_empty()).await?;
        }
        Ok(())
    }

    async fn record(
        &mut self,
        segment: u64,
        (offset, len): (u64, u64),
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
                    doubtful.push(Doubtful { offset, len, object: Some((meta, extent)) });
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
        let entry = Entry::from_meta(&meta, self.lane.mountpath_index, Place::Segment(extent))?;
        self.lane.publish(meta.bucket_id, &key, &entry, old.as_ref());
        if old.is_some_and(|old| old.place.is_file()) {
            self.remove_file(bucket, &meta.name, meta.generation).await?;
        }
        Ok(())
    }

    /// The file itself says whether the change came through.
    async fn file(&mut self, meta: ObjectMeta) -> Result<()> {
        require_served(meta.kind, || format!("{}/{}", meta.bucket, meta.name))?;
        let Some(bucket) = self.buckets.get(&meta.bucket_id) else { return Ok(()) };
        match self.file_meta(bucket, &meta.name).await? {
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
        if deletion.slot != Slot::Current {
            return Err(Error::not_implemented(
                "the log deletes a version or a part, and this version has none",
            ));
        }
        let Some(bucket) = self.buckets.get(&deletion.bucket_id) else { return Ok(()) };
        let key = index_key(deletion.bucket_id, &deletion.name);
        if let Some(old) = self.lane.lookup(&key).await? {
            if old.generation > deletion.generation {
                return Ok(());
            }
            self.lane.unpublish(deletion.bucket_id, &key, &old);
            if old.place.is_file() {
                self.remove_file(bucket, &deletion.name, deletion.generation).await?;
            }
        }
        Ok(())
    }

    /// Metadata of the file of this name, if there is one; the inner error says why it is not usable.
    async fn file_meta(
        &self,
        bucket: &Arc<BucketRef>,
        name: &str,
    ) -> Result<Result<Option<ObjectMeta>, String>> {
        let path = self.key(bucket, name).path();
        let (bucket, name) = (Arc::clone(bucket), name.to_owned());
        let look = move |mountpath: &Arc<Mountpath>| {
            let path = mountpath.path.join(path);
            Ok(if path.exists() {
                read_object(&mountpath.path, &path, &name, &bucket).map(Some)
            } else {
                Ok(None)
            })
        };
        self.lane.disk.look(look).await
    }

    /// Removes the file that an older version left, when a crash came before that was done.
    async fn remove_file(&self, bucket: &Arc<BucketRef>, name: &str, generation: Generation) -> Result<()> {
        // One that cannot be read is left for a person to see.
        let Ok(Some(meta)) = self.file_meta(bucket, name).await? else { return Ok(()) };
        if meta.generation >= generation || self.in_memory {
            return Ok(());
        }
        let sidecar = matches!(meta.block_crcs, BlockCrcs::Sidecar { .. }).then_some(meta.generation);
        let unlink = Unlink { path: self.key(bucket, name).path(), sidecar };
        self.lane.disk.change(move |mountpath| unlink.run(mountpath)).await
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
        self.lane.advance_checkpoint(position);
        while index.merge_step(&|_| true, &|| self.pace.is_closing()).await? {}
        Ok(())
    }

    /// Makes padding of what a crash tore in front of records that are whole. Once more has been written behind it, it could
    /// not be told any more from what was acknowledged and has decayed.
    async fn silence(&mut self, torn: &[Doubtful], segment: u64, end: u64) -> Result<()> {
        let torn = torn.iter().filter(|torn| torn.offset < end);
        let silent: Vec<(u64, Vec<u8>)> = torn
            .map(|torn| {
                let mut bytes = Vec::new();
                wire::segment::padding(&mut bytes, torn.len as usize);
                assert_eq!(bytes.len() as u64, torn.len, "padding takes the place of what was torn");
                (torn.offset, bytes)
            })
            .collect();
        self.report.torn_bytes += silent.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
        if silent.is_empty() || self.in_memory {
            return Ok(());
        }
        let path = segment_path(self.lane.number, segment);
        let write = move |mountpath: &Arc<Mountpath>| {
            let file = File::options().write(true).open(mountpath.path.join(&path));
            let written = file.and_then(|file| {
                silent.iter().try_for_each(|(offset, bytes)| file.write_all_at(bytes, *offset))?;
                file.sync_data()
            });
            written.map_err(|e| Error::disk(&format!("mend segment {path}"), &e))
        };
        self.lane.disk.change(write).await
    }

    /// Ends a segment behind its last good record, with the zeros that end an archive: whatever else is there must not be
    /// read again. Bytes that have decayed are left for a person to see.
    async fn cut_tail(&mut self, file_bytes: u64, segment: u64, end: u64, torn: bool) -> Result<()> {
        if torn {
            self.report.torn_bytes += file_bytes.saturating_sub(end);
        }
        if self.in_memory {
            return Ok(());
        }
        let path = segment_path(self.lane.number, segment);
        let cut = move |mountpath: &Arc<Mountpath>| {
            let cut = Opened::open(mountpath.dir(), &path, OpenMode::Write).and_then(|file| {
                sys::truncate(file.as_fd(), end)?;
                sys::truncate(file.as_fd(), end + END_BYTES)
            });
            cut.map_err(|e| Error::disk(&format!("cut segment {path}"), &e))
        };
        self.lane.disk.change(cut).await
    }
}

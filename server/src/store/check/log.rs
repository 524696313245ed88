//! The segments of a lane: every record from front to back, held against the index.

use super::lane::{At, LaneCheck, Unknown};
use super::look::readable;
use super::{Class, Finding, digest_of};
use crate::error::Result;
use crate::store::entry::Entry;
use crate::store::index_key::index_key;
use crate::store::lane::{BATCH_BYTES_MAX, Found, Position};
use crate::store::layout::file_name;
use crate::store::place::Place;
use crate::store::place::extent_of;
use wire::lom::ObjectMeta;
use wire::segment::{Deletion, Record};

/// A walk through one segment.
struct Segment {
    number: u64,
    /// Where what was written ends, if that is known.
    end: Option<u64>,
    /// Only the last one may be torn.
    is_last: bool,
    /// Damage, until it is known whether it was torn or has decayed; each with its place.
    doubtful: Vec<(u64, Finding)>,
    /// Where the last whole record starts.
    last_whole: u64,
}

impl LaneCheck<'_> {
    pub(super) async fn segments(&mut self) -> Result<()> {
        let segments = self.lane.segments().await?;
        let last = segments.last().map(|(number, _)| *number);
        for (number, end) in segments {
            let is_last = Some(number) == last && self.check.store.committers.is_empty();
            let mut segment = Segment { number, end, is_last, doubtful: Vec::new(), last_whole: 0 };
            let name = file_name(number);
            if let Err(why) = readable(self.segment(&mut segment, &name).await)?
                && self.is_there(&name).await?
            {
                self.told(&segment, None, format!("it cannot be read: {why}"));
            }
            self.tell(segment);
        }
        Ok(())
    }

    async fn is_there(&self, name: &str) -> Result<bool> {
        let path = self.lane.path().join(name);
        self.lane.disk.look(move |_| Ok(path.exists())).await
    }

    async fn segment(&mut self, segment: &mut Segment, name: &str) -> Result<()> {
        let mut reader = self.lane.segment_reader(name, 0).await?;
        let limit = segment.end.unwrap_or(reader.file_bytes());
        self.check.count(|counts| counts.segments += 1);
        let mut passed = 0;
        loop {
            let (offset, len) = match reader.next().await? {
                Found::End { offset } if offset >= limit => break,
                Found::End { offset } => match reader.skip_zeros(limit).await? {
                    Some(next) => {
                        let what = format!("there are zeros instead of records, up to byte {next}");
                        self.told(segment, Some(offset), what);
                        (offset, next - offset)
                    }
                    None if segment.end.is_some() => {
                        let what = format!("it ends here, {} bytes too early", limit - offset);
                        self.told(segment, Some(offset), what);
                        break;
                    }
                    None => break,
                },
                Found::Damage { offset, .. } | Found::Record { offset, .. } if offset >= limit => break,
                Found::Damage { offset, len, what } => {
                    self.doubt(segment, offset, None, format!("{len} bytes are no record: bad {what}"));
                    (offset, len)
                }
                Found::Record { offset, len, record, intact } => {
                    if intact {
                        segment.last_whole = offset;
                    }
                    self.record(segment, offset, record, intact).await?;
                    (offset, len)
                }
            };
            self.check.advance(offset + len - passed).await?;
            passed = offset + len;
        }
        self.check.advance(limit.saturating_sub(passed)).await
    }

    async fn record(
        &mut self,
        segment: &mut Segment,
        offset: u64,
        record: Record,
        intact: bool,
    ) -> Result<()> {
        self.check.count(|counts| counts.records += 1);
        match record {
            Record::Object { meta, head_len } => {
                let at = (segment.number, offset + head_len as u64);
                if !intact {
                    let used = self.expected.contains_key(&at);
                    let used = if used || !self.compares { "" } else { " (it is no longer in use)" };
                    let what = format!("the data do not match their checksums{used}");
                    self.doubt(segment, offset, Some(&meta), what);
                }
                let extent = extent_of(segment.number, offset, head_len, &meta);
                let entry = Entry::from_meta(&meta, self.lane.mountpath_index, Place::Segment(extent))?;
                self.object(&meta, &entry, at, intact).await
            }
            Record::Deletions(deletions) => {
                for deletion in deletions {
                    self.deletion(&deletion);
                    self.undeleted(segment, offset, &deletion).await?;
                }
                Ok(())
            }
            // Files are looked at where they lie: they say themselves whether a change has come through.
            Record::File(_) | Record::Padding | Record::End => Ok(()),
        }
    }

    /// Holds a record against the index.
    async fn object(&mut self, meta: &ObjectMeta, entry: &Entry, at: At, intact: bool) -> Result<()> {
        if !self.compares || !self.check.store.is_alive(meta.bucket_id) {
            return Ok(());
        }
        let key = index_key(meta.bucket_id, &meta.name);
        let digest = digest_of(&key, entry);
        // An entry that is expected otherwise stays, and is looked at again at the end.
        if self.expected.get(&at) == Some(&digest) {
            self.expected.remove(&at);
            return Ok(());
        }
        if self.expected.contains_key(&at) {
            return Ok(());
        }
        match self.lane.lookup(&key).await? {
            Some(now) if now.generation > entry.generation => {}
            Some(now) if now.generation == entry.generation && position(&now) >= Some(at) => {}
            // A crash may have torn it: the start drops it.
            Some(_) | None if !intact => {}
            Some(_) => {
                self.check.found(self.lane, |finding| {
                    finding.segment = Some(file_name(at.0));
                    finding.offset = Some(at.1);
                    finding.object = Some(self.check.object(meta.bucket_id, &meta.name));
                    finding.what = "the index knows an older version than the log".to_owned();
                });
            }
            None => {
                let unknown = Unknown { generation: entry.generation, at };
                self.unknown.insert(key, unknown);
            }
        }
        Ok(())
    }

    /// A deletion explains what the index does not know.
    fn deletion(&mut self, deletion: &Deletion) {
        let key = index_key(deletion.bucket_id, &deletion.name);
        if self.unknown.get(&key).is_some_and(|unknown| unknown.generation <= deletion.generation) {
            self.unknown.remove(&key);
        }
        for stray in self.strays.iter_mut().filter(|stray| stray.index_key == key) {
            stray.deleted |= stray.generation <= deletion.generation;
        }
    }

    /// A name that was deleted must not be in the index.
    async fn undeleted(&self, segment: &Segment, offset: u64, deletion: &Deletion) -> Result<()> {
        if !self.compares || !self.check.store.is_alive(deletion.bucket_id) {
            return Ok(());
        }
        let key = index_key(deletion.bucket_id, &deletion.name);
        let Some(now) = self.lane.lookup(&key).await? else { return Ok(()) };
        let is_later = position(&now).is_some_and(|at| at > (segment.number, offset));
        if now.generation <= deletion.generation && !is_later {
            self.check.found(self.lane, |finding| {
                finding.segment = Some(file_name(segment.number));
                finding.offset = Some(offset);
                finding.object = Some(self.check.object(deletion.bucket_id, &deletion.name));
                finding.what = "it was deleted, and the index still knows it".to_owned();
            });
        }
        Ok(())
    }

    /// Reads the log once more, for deletions only.
    pub(super) async fn read_deletions(&mut self) -> Result<()> {
        // Copies go to the end: the list must be looked at again until there is nothing behind it.
        let mut from = 0;
        while let Some(&(number, end)) =
            self.lane.segments().await?.iter().find(|(number, end)| *number >= from && *end != Some(0))
        {
            from = number + 1;
            let name = file_name(number);
            let reader = self.lane.segment_reader(&name, 0).await;
            let Ok(mut reader) = reader else { continue };
            let limit = end.unwrap_or(reader.file_bytes());
            loop {
                match readable(reader.next().await)? {
                    Ok(Found::Record { offset, record, .. }) if offset < limit => {
                        if let Record::Deletions(deletions) = record {
                            deletions.iter().for_each(|deletion| self.deletion(deletion));
                        }
                    }
                    Ok(Found::Damage { offset, .. }) if offset < limit => {}
                    Ok(Found::End { offset }) if offset < limit => {
                        if reader.skip_zeros(limit).await?.is_none() {
                            break;
                        }
                    }
                    _ => break,
                }
            }
        }
        Ok(())
    }

    fn doubt(&self, segment: &mut Segment, offset: u64, meta: Option<&ObjectMeta>, what: String) {
        let mut finding = self.finding(segment, Some(offset), what);
        finding.object = meta.map(|meta| self.check.object(meta.bucket_id, &meta.name));
        segment.doubtful.push((offset, finding));
    }

    /// Says what was doubtful: torn by a crash, if it lies in the last batch of all; decayed otherwise.
    fn tell(&self, segment: Segment) {
        for (offset, mut finding) in segment.doubtful {
            let at = Position { segment: segment.number, offset };
            let in_last_batch = offset + BATCH_BYTES_MAX as u64 > segment.last_whole;
            if segment.is_last && at >= self.lane.checkpoint() && in_last_batch {
                finding.class = Class::Leftover;
                finding.what.push_str("; if a crash came while it was written, nobody was told that it was");
            }
            self.check.observer.found(finding);
        }
    }

    fn told(&self, segment: &Segment, offset: Option<u64>, what: String) {
        self.check.observer.found(self.finding(segment, offset, what));
    }

    fn finding(&self, segment: &Segment, offset: Option<u64>, what: String) -> Finding {
        Finding {
            lane: Some(self.lane.number),
            segment: Some(file_name(segment.number)),
            offset,
            ..Finding::damaged(&self.lane.mountpath.path, what)
        }
    }
}

/// Where an entry's data are, if that is in a segment.
fn position(entry: &Entry) -> Option<At> {
    match &entry.place {
        Place::Segment(extent) => Some((extent.segment, extent.offset)),
        Place::File { .. } => None,
    }
}

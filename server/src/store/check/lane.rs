//! One lane: every entry of its index is held against what it points at.
//!
//! The segments are read from front to back, once. So the index is read first, and what it expects in the segments is
//! kept as a position and a digest, 24 bytes an object; a record then finds its entry without a look-up.

use super::files::Stray;
use super::look::TRIES;
use super::{Check, Class, digest_of, leftovers};
use crate::error::{Kind, Result};
use crate::store::entry::Entry;
use crate::store::index_key::{IndexKey, index_key, parse_index_key};
use crate::store::lane::{Found, Lane};
use crate::store::layout::file_name;
use crate::store::mountpath::Mountpath;
use crate::store::place::extent_of;
use crate::store::place::{Extent, Place};
use crate::store::value::{self, Whence};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use wire::lom::{Generation, Slot};
use wire::segment::Record;

/// Segment and byte of an object's data.
pub(super) type At = (u64, u64);

/// A record whose name no entry knows, until a deletion of it is found.
pub(super) struct Unknown {
    pub(super) generation: Generation,
    /// Where its data are.
    pub(super) at: At,
}

/// One lane being checked.
pub(super) struct LaneCheck<'c> {
    pub(super) check: &'c Check<'c>,
    pub(super) lane: &'c Rc<Lane>,
    /// True if there is an index to compare with.
    pub(super) compares: bool,
    /// The places that the index expects in segments, and a digest of what it says of it.
    pub(super) expected: HashMap<At, u64>,
    pub(super) unknown: HashMap<Vec<u8>, Unknown>,
    pub(super) strays: Vec<Stray>,
}

/// Bytes that a lane will have to read.
pub(super) async fn bytes_of(lane: &Lane) -> Result<u64> {
    let files = files_bytes(lane);
    let (segments, dir) = (lane.segments().await?, lane.path());
    let look = move |_: &Arc<Mountpath>| {
        let len = |number| std::fs::metadata(dir.join(file_name(number))).map_or(0, |file| file.len());
        Ok(segments.into_iter().map(|(number, end)| end.unwrap_or_else(|| len(number))).sum::<u64>())
    };
    Ok(files + lane.disk.look(look).await?)
}

/// Bucket, name and entry of what a name stands for, or what is wrong with it.
fn read_entry<'k>(key: &'k [u8], value: &[u8], whence: Whence) -> Result<(u64, &'k str, Entry), String> {
    let malformed = || "the index has a malformed entry".to_owned();
    let IndexKey { bucket_id, name, slot } = IndexKey::decode(key).ok_or_else(malformed)?;
    if slot != Slot::Current {
        return Err(format!("the index has {slot:?} of {name:?}, which this version does not serve"));
    }
    let entry = value::decode(value, whence)
        .map_err(|e| format!("the index has an entry that cannot be used: {e}"))?;
    Ok((bucket_id, name, entry))
}

fn files_bytes(lane: &Lane) -> u64 {
    let ledger = lane.ledger.borrow();
    let live: u64 = ledger.segments().map(|(_, account)| account.live_bytes()).sum();
    ledger.all().size_bytes.saturating_sub(live)
}

/// Checks a lane; `strays` are files that its index does not know.
pub(super) async fn check(check: &Check<'_>, lane: &Rc<Lane>, strays: Vec<Stray>) -> Result<()> {
    let compares = check.is_usable(lane);
    let (expected, unknown) = (HashMap::new(), HashMap::new());
    let mut this = LaneCheck { check, lane, compares, expected, unknown, strays };
    check.count(|counts| counts.lanes += 1);
    if compares {
        this.index().await?;
    }
    this.segments().await?;
    if compares {
        this.missing().await?;
        this.unknown().await?;
        this.nameless().await?;
    }
    this.strays().await
}

impl LaneCheck<'_> {
    /// Goes through the index: files are verified at once, what is in segments is noted.
    async fn index(&mut self) -> Result<()> {
        let (mut objects, mut size_bytes) = (0, 0);
        let mut in_use: HashMap<u64, u64> = HashMap::new();
        let mut cursor = self.lane.cursor(&[])?;
        while cursor.next().await? {
            let key = cursor.key().to_vec();
            let (bucket_id, name, entry) = match read_entry(&key, cursor.value(), self.lane.whence()) {
                Ok(read) => read,
                Err(what) => {
                    self.check.found(self.lane, |finding| finding.what = what);
                    continue;
                }
            };
            // Segments count what a destroyed bucket has until it has been swept.
            if let Place::Segment(extent) = &entry.place
                && self.lane.ledger.borrow().counts(bucket_id)
            {
                *in_use.entry(extent.segment).or_default() += extent.record_bytes(entry.size_bytes);
            }
            if !self.check.store.is_alive(bucket_id) {
                continue;
            }
            objects += 1;
            size_bytes += entry.size_bytes;
            self.placed(bucket_id, name);
            match &entry.place {
                Place::Segment(extent) => {
                    self.expected.insert((extent.segment, extent.offset), digest_of(&key, &entry));
                }
                Place::File { .. } => self.check.file(self.lane, &key, entry).await?,
            }
        }
        self.check.count(|counts| counts.objects += objects);
        // Beside changes, the counts are of another moment.
        if self.check.store.committers.is_empty() {
            self.counts(objects, size_bytes, &in_use);
        }
        Ok(())
    }

    /// The counts must say what the index has: objects and bytes, and bytes in use of each segment.
    fn counts(&self, objects: u64, size_bytes: u64, in_use: &HashMap<u64, u64>) {
        let ledger = self.lane.ledger.borrow();
        let all = ledger.all();
        if (all.objects, all.size_bytes) != (objects, size_bytes) {
            let what = format!(
                "the index has {objects} objects of {size_bytes} bytes, its counts say {} of {}",
                all.objects, all.size_bytes
            );
            self.check.found(self.lane, |finding| finding.what = what);
        }
        for (segment, account) in ledger.segments() {
            let (found, counted) = (in_use.get(&segment).copied().unwrap_or_default(), account.live_bytes());
            if found != counted {
                self.check.found(self.lane, |finding| {
                    finding.segment = Some(file_name(segment));
                    finding.what = format!("{found} bytes of it are in use, its count says {counted}");
                });
            }
        }
    }

    /// A name must be on the mountpath and in the lane that look-ups of it go to.
    fn placed(&self, bucket_id: u64, name: &str) {
        let Some(bucket) = self.check.plan.buckets.get(&bucket_id) else { return };
        let digest = bucket.digest(name);
        if let Some(right) = self.check.plan.elsewhere(digest, &self.lane.mountpath.id) {
            self.check.found(self.lane, |finding| {
                finding.object = Some(self.check.object(bucket_id, name));
                finding.what = format!("it belongs to mountpath {right}");
            });
        }
        let right = placement::lane_of(digest, self.lane.mountpath.lanes).get();
        if right != self.lane.number {
            self.check.found(self.lane, |finding| {
                finding.object = Some(self.check.object(bucket_id, name));
                finding.what = format!("it belongs to lane {right}");
            });
        }
    }

    /// Tells what the index expects and the walk through the segments has not met.
    async fn missing(&mut self) -> Result<()> {
        if self.expected.is_empty() {
            return Ok(());
        }
        let mut cursor = self.lane.cursor(&[])?;
        while cursor.next().await? {
            let Ok(entry) = value::decode(cursor.value(), self.lane.whence()) else { continue };
            let Place::Segment(extent) = &entry.place else { continue };
            if self.expected.remove(&(extent.segment, extent.offset)).is_some() {
                let key = cursor.key().to_vec();
                self.look_again(&key, entry).await?;
            }
        }
        // Entries that are no longer there were overwritten meanwhile.
        Ok(())
    }

    /// Looks at the record of an entry, until it is right or wrong for good.
    async fn look_again(&self, key: &[u8], mut entry: Entry) -> Result<()> {
        let Some((bucket_id, name)) = parse_index_key(key) else { return Ok(()) };
        for _ in 0..TRIES {
            let Place::Segment(extent) = entry.place else { return Ok(()) };
            self.lane.settled(&entry).await?;
            let Some(what) = self.wrong_at(key, &entry, &extent).await? else { return Ok(()) };
            let now = self.lane.lookup(key).await?;
            match now {
                Some(now) if digest_of(key, &now) != digest_of(key, &entry) => entry = now,
                None => return Ok(()),
                Some(_) if !self.check.store.is_alive(bucket_id) => return Ok(()),
                Some(_) => {
                    self.check.found(self.lane, |finding| {
                        finding.segment = Some(file_name(extent.segment));
                        finding.offset = Some(extent.offset.saturating_sub(extent.head_bytes.into()));
                        finding.object = Some(self.check.object(bucket_id, name));
                        finding.what = what;
                    });
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Tells what is wrong with the record of an entry.
    async fn wrong_at(&self, key: &[u8], entry: &Entry, extent: &Extent) -> Result<Option<String>> {
        let begin = extent.offset.saturating_sub(extent.head_bytes.into());
        let found = match self.lane.segment_reader(&file_name(extent.segment), begin).await {
            Ok(mut reader) => reader.next().await,
            Err(e) => Err(e),
        };
        Ok(match found {
            Ok(Found::Record { offset, record: Record::Object { meta, head_len }, intact, .. })
                if offset == begin =>
            {
                let there = extent_of(extent.segment, offset, head_len, &meta);
                let there = Entry::from_meta(&meta, self.lane.mountpath_index, Place::Segment(there))?;
                let there_key = index_key(meta.bucket_id, &meta.name);
                match (digest_of(&there_key, &there) == digest_of(key, entry), intact) {
                    (true, true) => None,
                    (true, false) => Some("the data do not match their checksums".to_owned()),
                    (false, _) => Some("the index says other than its record".to_owned()),
                }
            }
            Ok(_) => Some("its record is not there".to_owned()),
            Err(e) if matches!(e.kind, Kind::Io | Kind::Corrupt) => Some(format!("its record: {e}")),
            Err(e) => return Err(e),
        })
    }

    /// Records that are in use by the log and that the index does not know.
    async fn unknown(&mut self) -> Result<()> {
        if !self.unknown.is_empty() {
            // A deletion may have come, or moved on, since the walk passed: once everything that the index knows is
            // written, it is found.
            self.check.barrier(self.lane).await?;
            self.read_deletions().await?;
        }
        let there: Vec<u64> = self.lane.segments().await?.into_iter().map(|(number, _)| number).collect();
        for (key, Unknown { at, .. }) in std::mem::take(&mut self.unknown) {
            let Some((bucket_id, name)) = parse_index_key(&key) else { continue };
            let known = self.lane.lookup(&key).await?.is_some();
            if known || !there.contains(&at.0) || !self.check.store.is_alive(bucket_id) {
                continue;
            }
            self.check.found(self.lane, |finding| {
                finding.segment = Some(file_name(at.0));
                finding.offset = Some(at.1);
                finding.object = Some(self.check.object(bucket_id, name));
                finding.what = "it is in the log, never deleted, and the index does not know it".to_owned();
            });
        }
        Ok(())
    }

    /// Files in the lane's directory that are neither segments nor the index's. Only on a store that nobody uses.
    async fn nameless(&self) -> Result<()> {
        if !self.check.store.committers.is_empty() {
            return Ok(());
        }
        let mut known: HashSet<String> = self.lane.index().file_names().into_iter().collect();
        known.extend(self.lane.segments().await?.into_iter().map(|(number, _)| file_name(number)));
        let dir = self.lane.path();
        for path in self.lane.disk.look(move |_| leftovers::list(&dir)).await? {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if !known.contains(&name) {
                self.check.found(self.lane, |finding| {
                    finding.class = Class::Leftover;
                    finding.file = Some(name);
                    finding.what = "it is neither a segment nor in use by the index".to_owned();
                });
            }
        }
        Ok(())
    }

    /// Files that the index does not know, or knows otherwise.
    async fn strays(&mut self) -> Result<()> {
        if self.strays.is_empty() {
            return Ok(());
        }
        self.check.barrier(self.lane).await?;
        for stray in std::mem::take(&mut self.strays) {
            let Some(meta) = stray.still_there(self.lane).await? else { continue };
            let now = if self.compares { self.lane.lookup(&stray.index_key).await? } else { None };
            if now.as_ref().is_some_and(|now| now.place.is_file() && now.generation == meta.generation) {
                continue;
            }
            let replaced = now.as_ref().is_some_and(|now| now.generation > meta.generation);
            self.check.found(self.lane, |finding| {
                finding.file = Some(stray.path.clone());
                finding.object = Some(self.check.object(meta.bucket_id, &meta.name));
                finding.what = "it is a whole object, and the index does not know it".to_owned();
                if replaced || stray.deleted {
                    finding.class = Class::Leftover;
                    finding.what = "the file of an object that was deleted or written anew".to_owned();
                }
            });
        }
        Ok(())
    }
}

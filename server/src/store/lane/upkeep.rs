//! A lane's work in the background: it writes its index out, merges it, and reclaims segments.
//!
//! A segment is reclaimed by appending what is still in use of it to the log, and removing it when that is durable. A
//! crash in between leaves both copies, of which the later one counts. Deletions are carried along for as long as
//! older segments exist: an index made anew from those would otherwise bring back what was deleted.

use super::log::Position;
use super::open::encode_checkpoint;
use super::reader::Found;
use super::share::Share;
use super::{Lane, Standing, Unfinished};
use crate::error::{Error, Kind, Result};
use crate::fault;
use crate::store::after::After;
use crate::store::commit::Committer;
use crate::store::entry::Entry;
use crate::store::index_key::{bucket_of, index_key};
use crate::store::layout::file_name;
use crate::store::lock::NameLocks;
use crate::store::place::Place;
use crate::store::place::extent_of;
use crate::store::undo::Undo;
use futures_util::future::join_all;
use std::ffi::CString;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Instant;
use wire::api::bprops::Durability;
use wire::lom::ObjectMeta;
use wire::segment::{Deletion, Record};

/// A segment is reclaimed when less than this part of it is in use, in percent.
const LIVE_PERCENT_MIN: u64 = 60;
/// Segments smaller than this are gathered into larger ones once there are many.
const SMALL_BYTES: u64 = 8 << 20;
const SMALL_MAX: usize = 8;
/// Bytes out of use that cannot be reclaimed before the next checkpoint bring it about when they are this part of what is
/// in use, and the lane's slack.
const GARBAGE_SHARE: u64 = 4;
/// Copies on their way to the disk at a time.
const COPIES_MAX: usize = 64;
/// Records of a segment that are looked at before others get the core for as long as that took.
const RECORDS_PER_TURN: usize = 32;

/// Bounds of the upkeep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpkeepLimits {
    /// Bytes of a lane's index in memory that make it be written out.
    pub(crate) memtable_bytes: usize,
    /// Log bytes that a start may have to replay for a lane.
    pub(crate) replay_bytes: u64,
}

/// All that the upkeep of a lane works with.
pub(crate) struct Upkeep<'u> {
    pub(crate) committer: &'u Committer,
    pub(crate) locks: &'u NameLocks,
    pub(crate) limits: UpkeepLimits,
    /// True if a bucket still exists.
    pub(crate) is_alive: &'u dyn Fn(u64) -> bool,
    /// True if the node is being stopped.
    pub(crate) is_closing: &'u dyn Fn() -> bool,
    pub(crate) share: Share,
}

type Copies = Vec<Pin<Box<dyn Future<Output = Result<()>>>>>;

impl Lane {
    /// Does one piece of what is due; false when nothing was. What has failed is left alone for a while, and a lane
    /// without an index too.
    pub(crate) async fn upkeep(self: &Rc<Self>, upkeep: &Upkeep<'_>) -> bool {
        if self.is_lost() {
            return false;
        }
        let is_at_work = self.kept_up.replace(true);
        assert!(!is_at_work, "two tasks keep up lane {}", self.number);
        let worked = self.keep_up(upkeep).await;
        self.kept_up.set(false);
        worked
    }

    async fn keep_up(self: &Rc<Self>, upkeep: &Upkeep<'_>) -> bool {
        let outcome =
            if self.failures.checkpoint.rests() { Ok(false) } else { self.checkpoint_if_due(upkeep).await };
        match self.failures.checkpoint.note(&self.path(), outcome) {
            true => true,
            false if self.failures.tidying.rests() => false,
            false => {
                let outcome = self.tidy(upkeep).await;
                self.failures.tidying.note(&self.path(), outcome)
            }
        }
    }

    /// # Errors
    /// Why the index cannot be written out at present: whoever waits for that waits in vain.
    pub(crate) fn may_wait_for_upkeep(&self) -> Result<()> {
        if self.mountpath.is_suspect() {
            return Err(self.mountpath.refusal());
        }
        self.check_standing()?;
        self.failures.checkpoint.last().map_or(Ok(()), Err)
    }

    async fn checkpoint_if_due(self: &Rc<Self>, upkeep: &Upkeep<'_>) -> Result<bool> {
        let log_bytes = self.log_bytes_since(self.checkpoint.get());
        let is_due = self.unfinished.borrow().is_some()
            || self.index().memtable_bytes() > upkeep.limits.memtable_bytes
            || log_bytes > upkeep.limits.replay_bytes
            || self.garbage_is_due().await?;
        if is_due {
            self.checkpoint_now(upkeep.committer).await?;
        }
        Ok(is_due)
    }

    /// Sweeps what destroyed buckets have left, merges runs, or else reclaims a segment.
    async fn tidy(self: &Rc<Self>, upkeep: &Upkeep<'_>) -> Result<bool> {
        if self.sweep(upkeep).await? {
            return Ok(true);
        }
        let keep = |key: &[u8]| {
            let bucket = bucket_of(key);
            bucket.is_none_or(|bucket| (upkeep.is_alive)(bucket) || self.needs_entries_of(bucket))
        };
        let (index, stop) = (self.index(), || (upkeep.is_closing)() || self.is_lost());
        let merged = index.merge_step(&keep, &stop).await;
        if merged.map_err(|e| self.heard(&index, self.mountpath.index_failed(e)))? {
            return Ok(true);
        }
        match self.victim() {
            Some(victim) if self.has_room_to_reclaim(victim).await? => {
                let reclaimed = self.reclaim(victim, upkeep).await;
                // One that cannot be reclaimed must not keep others from it; on a full disk it is tried again.
                let passes = |e: &Error| matches!(e.kind, Kind::NoSpace | Kind::Rebuilding);
                if reclaimed.as_ref().is_err_and(|e| !passes(e)) {
                    self.kept.borrow_mut().insert(victim);
                }
                reclaimed.map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// Says if there is room to write once more what is in use of a segment. Given up half-way that would make things
    /// worse, and other cores may be about the same.
    async fn has_room_to_reclaim(&self, victim: u64) -> Result<bool> {
        let live = self.ledger.borrow_mut().segment(victim).live_bytes();
        let available = self.disk.available_bytes().await?;
        Ok(live == 0 || available > 2 * live + self.mountpath.slack_bytes())
    }

    /// Writes the index out, complete up to the log's present end. One that has failed half-way is finished first.
    pub(crate) async fn checkpoint_now(self: &Rc<Self>, committer: &Committer) -> Result<()> {
        if self.unfinished.borrow().is_none() {
            let position = self.log.position();
            if position == self.checkpoint.get() && self.index().memtable_bytes() == 0 {
                return Ok(());
            }
            if !self.index().freeze() {
                return Err(Error::internal("an index has been frozen and not written out"));
            }
            let ledger = self.ledger.borrow().clone();
            let swept = self.swept.borrow().clone();
            *self.unfinished.borrow_mut() = Some(Unfinished { position, ledger, swept });
        }
        // The index must not know of records that a power cut may still take away.
        committer.join(self, After::Nothing, None, Durability::Group).await?;
        let Some(checkpoint) = self.unfinished.borrow().clone() else { return Ok(()) };
        fault::point("checkpoint-begun");
        let bytes = encode_checkpoint(checkpoint.position, &checkpoint.ledger).await;
        let index = self.index();
        let flushed = index.flush(&bytes).await;
        flushed.map_err(|e| self.heard(&index, self.mountpath.index_failed(e)))?;
        fault::point("checkpoint-durable");
        self.unfinished.take();
        self.advance_checkpoint(checkpoint.position);
        self.swept.borrow_mut().retain(|bucket| !checkpoint.swept.contains(bucket));
        Ok(())
    }

    /// Writes out an index that has just been made from a log that is durable.
    pub(crate) async fn first_checkpoint(&self) -> Result<()> {
        let (position, standing) = (self.log.position(), self.standing.get());
        assert!(standing == Standing::Opening, "the first checkpoint of a lane comes late: {standing:?}");
        let is_set_aside = self.index().freeze();
        assert!(is_set_aside, "a memtable was set aside before the first checkpoint, at {position:?}");
        let ledger = self.ledger.borrow().clone();
        let bytes = encode_checkpoint(position, &ledger).await;
        self.index().flush(&bytes).await.map_err(|e| self.mountpath.index_failed(e))?;
        self.advance_checkpoint(position);
        Ok(())
    }

    /// True if there is much that only a checkpoint lets be reclaimed. What lies in the open segment is not reclaimed
    /// by that either, so the segment is ended first.
    async fn garbage_is_due(&self) -> Result<bool> {
        let from = self.checkpoint.get().segment;
        let much = {
            let ledger = self.ledger.borrow();
            let behind = ledger.segments_from(from);
            let dead: u64 = behind.map(|(_, a)| a.end.saturating_sub(a.live_bytes())).sum();
            let live = || ledger.segments().map(|(_, account)| account.live_bytes()).sum::<u64>();
            // The sum over all segments only when it can matter.
            dead >= self.mountpath.slack_bytes() && dead >= live() / GARBAGE_SHARE
        };
        if !much {
            return Ok(false);
        }
        if self.log.position().segment == from {
            self.log.end_segment().await?;
        }
        Ok(self.log.position().segment > from)
    }

    fn log_bytes_since(&self, from: Position) -> u64 {
        let now = self.log.position();
        if now.segment == from.segment {
            return now.offset.saturating_sub(from.offset);
        }
        let ledger = self.ledger.borrow();
        let between = ledger.segments_from(from.segment).take_while(|(number, _)| *number < now.segment);
        now.offset + between.map(|(_, account)| account.end).sum::<u64>().saturating_sub(from.offset)
    }

    /// The segment to reclaim next, if there is one worth it.
    fn victim(&self) -> Option<u64> {
        let (open, checkpoint) = (self.log.open_segment(), self.checkpoint.get().segment);
        let ledger = self.ledger.borrow();
        let closed = ledger.segments().filter(|(number, _)| {
            Some(*number) != open && *number < checkpoint && !self.kept.borrow().contains(number)
        });
        let closed: Vec<_> = closed.collect();
        let wasteful = closed.iter().filter(|(_, account)| {
            account.live_bytes() * 100 < account.end * LIVE_PERCENT_MIN || account.end == 0
        });
        let emptiest = wasteful.min_by_key(|(_, account)| account.live_bytes());
        let mut small = closed.iter().filter(|(_, account)| account.end < SMALL_BYTES);
        let gathered = || small.clone().count().gt(&SMALL_MAX).then(|| small.next()).flatten();
        emptiest.or_else(gathered).map(|(number, _)| *number)
    }

    async fn reclaim(self: &Rc<Self>, victim: u64, upkeep: &Upkeep<'_>) -> Result<()> {
        let name = file_name(victim);
        let taken_back = self.taken_back();
        let mut reader = self.segment_reader(&name, 0).await?;
        let oldest = self.ledger.borrow().segments().next().is_none_or(|(number, _)| number >= victim);
        let mut copies: Copies = Vec::new();
        let mut begun = Instant::now();
        for looked_at in 1.. {
            match reader.next().await? {
                Found::End { .. } => break,
                Found::Damage { .. } => {}
                Found::Record { offset, len, record: Record::Object { meta, head_len }, .. } => {
                    let at = Position { segment: victim, offset: offset + head_len as u64 };
                    self.copy_object(&meta, at, reader.raw(len), upkeep, &mut copies).await?;
                }
                Found::Record { record: Record::Deletions(deletions), .. } if !oldest => {
                    let wanted =
                        deletions.into_iter().filter(|deletion| (upkeep.is_alive)(deletion.bucket_id));
                    self.copy_deletions(wanted.collect(), upkeep, &mut copies).await?;
                }
                Found::Record { .. } => {}
            }
            if copies.len() >= COPIES_MAX {
                finish(&mut copies).await?;
            }
            if looked_at % RECORDS_PER_TURN == 0 {
                if (upkeep.is_closing)() {
                    return finish(&mut copies).await;
                }
                begun = upkeep.share.rest(&self.driver, begun).await;
            }
        }
        finish(&mut copies).await?;
        // Whoever closes a removed file last frees its blocks.
        drop(reader);
        // Records are out of use here because of later ones: those must be durable, or be taken back, before it goes.
        upkeep.committer.join(self, After::Nothing, None, Durability::Group).await?;
        if self.taken_back() != taken_back {
            // Something may be in use here again: it is looked through once more.
            return Ok(());
        }
        self.remove_segment(victim, name).await
    }

    /// Copies an object that the index says is here.
    async fn copy_object(
        self: &Rc<Self>,
        meta: &ObjectMeta,
        at: Position,
        raw: &[u8],
        upkeep: &Upkeep<'_>,
        copies: &mut Copies,
    ) -> Result<()> {
        let key = index_key(meta.bucket_id, &meta.name);
        if !(upkeep.is_alive)(meta.bucket_id) {
            return Ok(());
        }
        let _guard = upkeep.locks.lock(&key).await;
        let taken_back = self.taken_back();
        let Some(entry) = self.lookup(&key).await? else { return Ok(()) };
        let Place::Segment(extent) = entry.place else { return Ok(()) };
        if (extent.segment, extent.offset) != (at.segment, at.offset) {
            return Ok(());
        }
        let head_len = extent.head_bytes as usize;
        let data = raw.get(head_len..head_len + meta.size as usize).unwrap_or_default();
        if data.len() as u64 != meta.size || !extent.matches(data) {
            // It stays where it is, and so does its segment, for a person to see.
            tracing::error!(segment = %file_name(at.segment), offset = at.offset, name = meta.name, "damaged object");
            return Ok(());
        }
        // The very bytes: a record says nothing of where it lies.
        self.log.reserve(raw.len()).await?;
        self.check_standing()?;
        if !(upkeep.is_alive)(meta.bucket_id) || !self.still_is(&key, Some(&entry), taken_back) {
            return Ok(());
        }
        let start = self.log.append([raw, &[]], 0)?;
        let (from, to) = (at.segment, start.segment);
        assert!(from < to, "segment {from} is to be removed, and its objects are copied to {to}");
        fault::point("copy-appended");
        let moved = Entry {
            place: Place::Segment(extent_of(start.segment, start.offset, head_len, meta)),
            ..entry.clone()
        };
        self.publish(meta.bucket_id, &key, &moved, Some(&entry));
        let undo = Undo {
            bucket_id: meta.bucket_id,
            key,
            new: Some(Rc::new(moved)),
            old: Some(Rc::new(entry)),
            freezes: self.index().freezes(),
            // A request that has kept the place looks the name up again when it cannot read there.
            kept: None,
        };
        copies.push(Box::pin(upkeep.committer.join(self, After::Nothing, Some(undo), Durability::Group)));
        Ok(())
    }

    async fn copy_deletions(
        self: &Rc<Self>,
        deletions: Vec<Deletion>,
        upkeep: &Upkeep<'_>,
        copies: &mut Copies,
    ) -> Result<()> {
        for deletion in deletions {
            self.log.reserve(super::DELETION_BYTES_MAX).await?;
            self.check_standing()?;
            self.log.append_deletion(deletion)?;
            copies.push(Box::pin(upkeep.committer.join(self, After::Nothing, None, Durability::Group)));
        }
        Ok(())
    }

    async fn remove_segment(&self, victim: u64, name: String) -> Result<()> {
        let left = self.ledger.borrow_mut().segment(victim).live_bytes();
        if left > 0 && self.ledger.borrow().has_doomed() {
            // A bucket was destroyed meanwhile: tried again when it has been swept.
            return Ok(());
        }
        if left > 0 {
            tracing::error!(segment = %name, bytes = left, "kept: it holds objects that cannot be read");
            self.kept.borrow_mut().insert(victim);
            return Ok(());
        }
        let (open, checkpoint) = (self.log.open_segment(), self.checkpoint.get());
        let may_go = Some(victim) != open && victim < checkpoint.segment;
        assert!(may_go, "segment {victim} goes, a start reads from {checkpoint:?}, and {open:?} is open");
        fault::point("copies-durable");
        self.reclaimed.set(self.reclaimed.get() + 1);
        self.files.forget(victim);
        self.ledger.borrow_mut().drop_segment(victim);
        let name = CString::new(name).map_err(|_| Error::internal("a segment with a strange name"))?;
        let removed = match uring::fault::step("segment-remove") {
            Ok(()) => self.driver.unlink(&self.dir, name).await,
            Err(e) => Err(e),
        };
        removed.map_err(|e| self.mountpath.failed("remove a segment", &e))?;
        if self.mountpath.flushes_each() {
            // It must not come back when the deletions that came after it have gone.
            let flushed = self.driver.fsync(&self.dir, false).await;
            flushed.map_err(|e| self.mountpath.lost("flush a directory", &e))?;
        }
        fault::point("segment-removed");
        Ok(())
    }
}

async fn finish(copies: &mut Copies) -> Result<()> {
    let outcomes = join_all(copies.drain(..)).await;
    outcomes.into_iter().collect()
}

//! A lane: a fixed share of a mountpath's names, with a log of its own and an index of its own.
//!
//! The log is the truth and the index is made from it: an object's record is appended, the index learns where it is,
//! and from time to time the index is written out together with the position up to which it is complete.

mod adopt;
mod buffers;
mod cursor;
mod extent;
mod failures;
mod inspect;
mod ledger;
mod log;
mod open;
mod pace;
mod prepare;
mod reader;
mod rebuild;
mod replay;
mod segments;
mod share;
mod standing;
mod sweep;
mod upkeep;
mod walk;

use crate::store::layout::file_name;
use crate::store::piece::Piece;
pub(crate) use adopt::name_of;
pub(crate) use buffers::{BATCH_BYTES_MAX, BatchBuffers};
pub(crate) use cursor::LaneCursor;
use failures::Failures;
pub(crate) use ledger::Ledger;
use log::Log;
pub(crate) use log::Position;
pub(crate) use open::{LaneSetup, OpenedLane};
pub(crate) use pace::Pace;
pub(crate) use reader::Found;
pub(crate) use rebuild::Rebuild;
pub(crate) use replay::{Buckets, ReplayReport, replay, replay_in_memory};
use segments::SegmentFiles;
pub(crate) use share::Share;
pub(crate) use upkeep::{Upkeep, UpkeepLimits};
pub(crate) use walk::{Lanes, Walk, adopt_files};

use super::cache::ReadCache;
use super::disk::Disk;
use super::entry::Entry;
use super::mountpath::Mountpath;
use super::place::{Extent, Place};
use super::undo::Undo;
use super::value::{self, Whence};
use crate::error::{Error, Kind, Result};
use futures_channel::oneshot;
use lsm::{LaneIndex, Peek};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use uring::Driver;
use wire::lom::Generation;

/// Room that one more deletion takes at most.
pub(crate) const DELETION_BYTES_MAX: usize = wire::segment::MAX_DELETION;

/// Says if a lane's index can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is being filled, or only looked at: damage is an error for whoever does that.
    Opening,
    Serving,
    /// It is damaged, and will be made anew.
    Lost,
}

/// The tasks that wait to read a file that does not have its name yet, told whether it got it.
type Readers = Vec<oneshot::Sender<bool>>;

/// The contents of a checkpoint to come.
#[derive(Clone)]
struct Unfinished {
    position: Position,
    ledger: Ledger,
    /// Buckets whose sweep becomes durable with it.
    swept: HashSet<u64>,
}

/// One lane, on the core that owns it.
pub(crate) struct Lane {
    driver: Driver,
    /// Index of its mountpath on the node.
    pub(crate) mountpath_index: usize,
    pub(crate) mountpath: Arc<Mountpath>,
    pub(crate) disk: Disk,
    pub(crate) number: u16,
    dir: Rc<OwnedFd>,
    /// Another one once it has been made anew.
    index: RefCell<Rc<LaneIndex>>,
    /// Says if the index can be asked.
    standing: Cell<Standing>,
    pub(crate) log: Log,
    pub(crate) ledger: RefCell<Ledger>,
    files: SegmentFiles,
    /// Generations whose files do not have their names yet, with those who wait to read them.
    unsettled: RefCell<HashMap<Generation, Readers>>,
    /// The log up to here is in the durable index.
    checkpoint: Cell<Position>,
    /// A checkpoint whose index is frozen and not durable yet.
    unfinished: RefCell<Option<Unfinished>>,
    /// Destroyed buckets whose sweep is not durable yet.
    swept: RefCell<HashSet<u64>>,
    /// Segments that have been written to and not flushed, where each file is.
    unflushed: RefCell<Vec<Rc<OwnedFd>>>,
    /// Segments that cannot be reclaimed, because something in them is damaged.
    kept: RefCell<HashSet<u64>>,
    reclaimed: Cell<u64>,
    /// Counts changes of the index: a look-up that waited for the disk may have been overtaken.
    changes: Cell<u64>,
    /// Counts changes that were taken back: what was looked up before may be one of them.
    taken_back: Cell<u64>,
    failures: Failures,
    /// The upkeep is at work on this lane.
    kept_up: Cell<bool>,
}

impl Lane {
    /// Asks the index for a key.
    ///
    /// # Errors
    /// `Rebuilding` when it cannot say: what has found the damage, this look-up perhaps, has seen to that.
    pub(crate) async fn lookup(&self, key: &[u8]) -> Result<Option<Entry>> {
        loop {
            self.check_standing()?;
            let peeked = self.index.borrow().peek(key);
            let value = match peeked {
                Peek::Found(value) => Some(value),
                Peek::Absent => None,
                Peek::OnDisk => {
                    let (before, index) = (self.changes.get(), self.index());
                    let value = index.get(key).await;
                    if self.changes.get() != before {
                        // Perhaps of this very name: look again, most likely in memory this time.
                        continue;
                    }
                    value.map_err(|e| self.heard(&index, e.into()))?
                }
            };
            let entry = value.map(|value| value::decode(&value, self.whence())).transpose();
            return entry.map_err(|e| self.heard(&self.index(), e));
        }
    }

    /// Whose index it is.
    pub(crate) fn whence(&self) -> Whence {
        Whence { mountpath: self.mountpath_index, node: self.mountpath.node }
    }

    /// The index as of now: it is another one once it has been made anew.
    pub(crate) fn index(&self) -> Rc<LaneIndex> {
        Rc::clone(&self.index.borrow())
    }

    /// Makes an entry the one that its name stands for.
    pub(crate) fn publish(&self, bucket_id: u64, key: &[u8], entry: &Entry, old: Option<&Entry>) {
        self.assert_kept();
        let (of, here) = (entry.mountpath, self.mountpath_index);
        assert!(of == here, "an entry of mountpath {of} comes to a lane of {here}");
        let mut bytes = Vec::with_capacity(96);
        value::encode(entry, self.whence(), &mut bytes);
        self.index.borrow().put(key, Some(&bytes));
        let mut ledger = self.ledger.borrow_mut();
        if let Some(old) = old {
            ledger.remove(bucket_id, old);
        }
        ledger.add(bucket_id, entry);
        self.changes.set(self.changes.get() + 1);
    }

    /// Makes a name stand for nothing.
    pub(crate) fn unpublish(&self, bucket_id: u64, key: &[u8], old: &Entry) {
        self.assert_kept();
        self.index.borrow().put(key, None);
        self.ledger.borrow_mut().remove(bucket_id, old);
        self.changes.set(self.changes.get() + 1);
    }

    /// The index takes changes: one that is made anew meanwhile would lose them.
    fn assert_kept(&self) {
        assert!(!self.is_lost(), "a change comes to lane {} while its index is made anew", self.number);
    }

    /// Takes back a change that has failed. `later` is the next change of the same name, if one that is still under way
    /// has been published on top of it.
    pub(crate) fn take_back(&self, undo: &Undo, later: Option<&mut Undo>) {
        self.changes.set(self.changes.get() + 1);
        self.taken_back.set(self.taken_back.get() + 1);
        let replace = |ledger: &mut Ledger| {
            undo.new.iter().for_each(|new| ledger.remove(undo.bucket_id, new));
            undo.old.iter().for_each(|old| ledger.add(undo.bucket_id, old));
        };
        let is_latest = later.is_none();
        match later {
            Some(later) => {
                later.old.clone_from(&undo.old);
                if later.freezes == undo.freezes {
                    return;
                }
            }
            None => replace(&mut self.ledger.borrow_mut()),
        }
        // A checkpoint that has begun must not make durable what did not happen.
        if let Some(unfinished) = self.unfinished.borrow_mut().as_mut()
            && undo.freezes < self.index().freezes()
        {
            replace(&mut unfinished.ledger);
        }
        let value = undo.old.as_ref().map(|old| {
            let mut bytes = Vec::with_capacity(96);
            value::encode(old, self.whence(), &mut bytes);
            bytes
        });
        self.index().put_back(undo.freezes, is_latest, &undo.key, value.as_deref());
        undo.forget_kept();
    }

    /// Changes that were taken back so far.
    pub(crate) fn taken_back(&self) -> u64 {
        self.taken_back.get()
    }

    /// True if a name still stands for what was found when [`Self::taken_back`] said `taken_back`. Nobody else has
    /// changed it, but a change before may have been taken back.
    pub(crate) fn still_is(&self, key: &[u8], found: Option<&Entry>, taken_back: u64) -> bool {
        if self.taken_back.get() == taken_back {
            return true;
        }
        let peeked = self.index.borrow().peek(key);
        let now = match peeked {
            Peek::Found(value) => value::decode(&value, self.whence()).ok(),
            Peek::Absent => None,
            Peek::OnDisk => return false,
        };
        match (&now, found) {
            (Some(now), Some(found)) => {
                (now.generation, now.place, &now.custom) == (found.generation, found.place, &found.custom)
            }
            (now, found) => now.is_none() && found.is_none(),
        }
    }

    /// Notes that the durable index is complete up to here.
    fn advance_checkpoint(&self, position: Position) {
        let before = self.checkpoint.replace(position);
        assert!(before <= position, "the checkpoint of a lane goes back from {before:?} to {position:?}");
    }

    /// Segments that were emptied and removed.
    pub(crate) fn reclaimed(&self) -> u64 {
        self.reclaimed.get()
    }

    /// Writes the batch of the log, if there is anything to write.
    pub(crate) async fn write_batch(&self) -> std::io::Result<()> {
        let Some((file, end)) = self.log.write_batch().await? else { return Ok(()) };
        self.account(end);
        if self.mountpath.flushes_each() {
            let mut unflushed = self.unflushed.borrow_mut();
            if !unflushed.iter().any(|known| Rc::ptr_eq(known, &file)) {
                unflushed.push(file);
            }
        }
        Ok(())
    }

    /// Segments that have been written to since they were flushed last; whoever takes them flushes them.
    pub(crate) fn take_unflushed(&self) -> Vec<Rc<OwnedFd>> {
        self.unflushed.take()
    }

    /// Notes how far a segment has been written.
    fn account(&self, end: Position) {
        let mut ledger = self.ledger.borrow_mut();
        let account = ledger.segment(end.segment);
        account.end = account.end.max(end.offset);
    }

    /// Notes a file that is not under its name yet.
    pub(crate) fn unsettle(&self, generation: Generation) {
        let before = self.unsettled.borrow_mut().insert(generation, Vec::new());
        assert!(before.is_none(), "two files of generation {generation} wait for their names");
    }

    /// The file of this generation is under its name, or will never be.
    pub(crate) fn unsettle_done(&self, generation: Generation, named: bool) {
        for reader in self.unsettled.borrow_mut().remove(&generation).unwrap_or_default() {
            // Whoever has gone waits for nothing.
            let _ = reader.send(named);
        }
    }

    /// Returns when an object's bytes can be read from where its entry says. After an error they never will be, and the
    /// name stands for what it stood for before.
    pub(crate) async fn settled(&self, entry: &Entry) -> Result<()> {
        match &entry.place {
            Place::Segment(extent) => self.log.settled(record_of(extent)).await,
            Place::File { .. } => {
                let turn = self.unsettled.borrow_mut().get_mut(&entry.generation).map(|waiting| {
                    let (turn, my_turn) = oneshot::channel();
                    waiting.push(turn);
                    my_turn
                });
                let Some(turn) = turn else { return Ok(()) };
                if turn.await == Ok(true) {
                    return Ok(());
                }
                Err(Error { kind: Kind::Io, ..Error::internal("the write that was to be read has failed") })
            }
        }
    }

    /// Reads a small object, verified, into memory of the cache if there is one.
    pub(crate) async fn read(
        &self,
        entry: &Entry,
        extent: &Extent,
        cache: Option<&ReadCache>,
    ) -> Result<Piece> {
        self.log.settled(record_of(extent)).await?;
        let (piece, len) = self.read_extent(extent, entry, cache).await?;
        let bytes = piece.chunk.get(piece.range.clone()).unwrap_or_default();
        if bytes.len() != len || !extent.matches(bytes) {
            return Err(Error::corrupt(format!(
                "the bytes at {} of segment {} do not match their checksum",
                extent.offset,
                file_name(extent.segment)
            )));
        }
        Ok(piece)
    }
}

/// Where the record of an object begins. An object without bytes may end where its batch does, and the log with it.
fn record_of(extent: &Extent) -> Position {
    let offset = extent.offset.saturating_sub(u64::from(extent.head_bytes));
    Position { segment: extent.segment, offset }
}

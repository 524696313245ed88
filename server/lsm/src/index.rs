//! The index of one lane: memtables in front, runs behind.

use super::checkpoint::CheckpointRecord;
use super::cursor::Cursor;
use super::files::Home;
use super::filter::hash;
use super::manifest::Manifest;
use super::memtable::{Memtable, MemtableCursor};
use super::merge::Merge;
use super::run::{Known, Run};
use super::source::{Mode, RunCursor, Source};
use super::turn::Gate;
use crate::error::Result;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The ordered index of one lane. One task at a time may flush, and one may merge; everything else may be called
/// between any two of their steps.
pub struct LaneIndex {
    pub(super) home: Home,
    pub(super) active: RefCell<Rc<Memtable>>,
    pub(super) frozen: RefCell<Option<Rc<Memtable>>>,
    /// The newest first.
    pub(super) runs: RefCell<Rc<[Rc<Run>]>>,
    /// The last durable one.
    pub(super) checkpoint: Cell<Option<CheckpointRecord>>,
    pub(super) next_seq: Cell<u64>,
    /// Memtables that have been set aside so far.
    freezes: Cell<u64>,
    pub(super) flushing: Gate,
    pub(super) merging: Gate,
    pub(super) manifest: Gate,
}

/// The knowledge of a key that takes no waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peek {
    /// Its value.
    Found(Rc<[u8]>),
    /// There is no such key.
    Absent,
    /// Only [`LaneIndex::get`] can tell.
    OnDisk,
}

/// Counts of what an index holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStats {
    /// Sorted files that a look-up may have to ask.
    pub runs: usize,
    /// Bytes of the runs on disk.
    pub disk_bytes: u64,
    /// Estimated bytes of both memtables.
    pub memtable_bytes: usize,
    /// Bytes of the runs in memory, all the time: filters and maps.
    pub resident_bytes: usize,
    /// Estimated: overwritten ones count twice until they are merged.
    pub entries: u64,
}

impl LaneIndex {
    pub(super) fn new(home: Home, manifest: Manifest, runs: Vec<Rc<Run>>) -> Rc<Self> {
        Rc::new(Self {
            home,
            active: RefCell::default(),
            frozen: RefCell::default(),
            runs: RefCell::new(runs.into()),
            checkpoint: Cell::new(manifest.checkpoint),
            next_seq: Cell::new(manifest.next_seq),
            freezes: Cell::new(0),
            flushing: Gate::new(),
            merging: Gate::new(),
            manifest: Gate::new(),
        })
    }

    /// Sets or, with `None`, deletes a key. Durable only with a flush; until then the caller's log has it. Key and value
    /// together stay far below 128 KiB, or flushes fail.
    pub fn put(&self, key: &[u8], value: Option<&[u8]>) {
        self.active.borrow().put(key, value);
    }

    /// Memtables that have been set aside so far: tells which one a put went to.
    pub fn freezes(&self) -> u64 {
        self.freezes.get()
    }

    /// Replaces what a put has set when [`Self::freezes`] said `freezes`, in the memtable that took it, and, if it is the
    /// `latest` of its key, what a later one that was replaced as well has left on top of it. A memtable that was set
    /// aside must not have begun to be flushed.
    pub fn put_back(&self, freezes: u64, latest: bool, key: &[u8], value: Option<&[u8]>) {
        let now = self.freezes.get();
        assert!(freezes <= now, "a change of memtable {freezes} is taken back, and the present one is {now}");
        let active = self.active.borrow();
        let frozen = self.frozen.borrow();
        let set_aside = frozen.as_ref().filter(|_| freezes < now);
        if let Some(frozen) = set_aside {
            frozen.put(key, value);
        }
        if set_aside.is_none() || (latest && active.get(key).is_some()) {
            active.put(key, value);
        }
    }

    /// Looks a key up in what is in memory.
    pub fn peek(&self, key: &[u8]) -> Peek {
        if let Some(value) = self.in_memtables(key) {
            return value.map_or(Peek::Absent, Peek::Found);
        }
        let hash = hash(key);
        for run in self.runs.borrow().iter() {
            match run.look_up(key, hash) {
                Known::Found(value) => return Peek::Found(value),
                Known::Deleted => return Peek::Absent,
                Known::Unknown => {}
                Known::InBlock(_) => return Peek::OnDisk,
            }
        }
        Peek::Absent
    }

    /// Looks a key up, on disk if need be. The answer was true when this was called; whoever must know that it still is
    /// peeks again, or is the only one to change the key.
    ///
    /// # Errors
    /// `Corrupt` when a block that is needed is damaged; what the disk says otherwise.
    pub async fn get(&self, key: &[u8]) -> Result<Option<Rc<[u8]>>> {
        if let Some(value) = self.in_memtables(key) {
            return Ok(value);
        }
        let hash = hash(key);
        let runs = Rc::clone(&self.runs.borrow());
        for run in runs.iter() {
            let known = match run.look_up(key, hash) {
                Known::InBlock(block) => run.look_up_in(block, key).await?,
                known => known,
            };
            match known {
                Known::Found(value) => return Ok(Some(value)),
                Known::Deleted => return Ok(None),
                Known::Unknown | Known::InBlock(_) => {}
            }
        }
        Ok(None)
    }

    fn in_memtables(&self, key: &[u8]) -> Option<Option<Rc<[u8]>>> {
        let active = self.active.borrow().get(key);
        active.or_else(|| self.frozen.borrow().as_ref()?.get(key))
    }

    /// A scan of all entries from the first key that is not smaller than `from`.
    pub fn cursor(&self, from: &[u8]) -> Cursor {
        let frozen = self.frozen.borrow().clone();
        let memtables = std::iter::once(Rc::clone(&self.active.borrow())).chain(frozen);
        let memtables = memtables.map(|table| Source::Memtable(MemtableCursor::new(table, from)));
        let runs = Rc::clone(&self.runs.borrow());
        let run = |run: &Rc<Run>| RunCursor::new(Rc::clone(run), from, Mode::Cached);
        let runs = runs.iter().map(|r| Source::Run(Box::new(run(r))));
        Cursor::new(Merge::new(memtables.chain(runs).collect()))
    }

    /// Estimated bytes of the memtable that takes puts; the caller freezes it in time.
    pub fn memtable_bytes(&self) -> usize {
        self.active.borrow().bytes()
    }

    /// Sets the memtable aside to be flushed; a fresh one takes puts from here on. False when one is set aside already.
    pub fn freeze(&self) -> bool {
        let mut frozen = self.frozen.borrow_mut();
        if frozen.is_some() {
            return false;
        }
        *frozen = Some(self.active.take());
        self.freezes.set(self.freezes.get() + 1);
        true
    }

    /// Counts of what it holds now.
    pub fn stats(&self) -> IndexStats {
        let runs = self.runs.borrow();
        let mut stats = IndexStats { runs: runs.len(), ..IndexStats::default() };
        let (mut entries, mut tombstones) = (0, 0);
        for run in runs.iter() {
            stats.disk_bytes += run.bytes();
            stats.resident_bytes += run.memory_bytes();
            entries += run.entries();
            tombstones += run.tombstones();
        }
        for table in self.frozen.borrow().iter().chain([&*self.active.borrow()]) {
            stats.memtable_bytes += table.bytes();
            entries += table.entries();
            tombstones += table.tombstones();
        }
        // A tombstone is no entry and usually hides one.
        stats.entries = entries.saturating_sub(2 * tombstones);
        stats
    }

    pub(super) fn take_seq(&self) -> u64 {
        let seq = self.next_seq.get();
        self.next_seq.set(seq + 1);
        seq
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Lane;

    async fn on_disk(lane: &Lane) -> Result<Option<Vec<u8>>> {
        Ok(lane.open().await?.index.get(b"a").await?.map(|value| value.to_vec()))
    }

    #[test]
    fn what_is_put_back_is_what_is_read_and_flushed() {
        let lane = Lane::new(1 << 20);
        lane.must(async {
            let index = lane.open().await?.index;
            index.put(b"a", Some(b"1"));
            let first = index.freezes();
            index.put(b"a", Some(b"2"));
            assert!(index.freeze());
            let second = index.freezes();
            index.put(b"a", Some(b"3"));
            // Both are taken back, the later one first.
            index.put_back(second, true, b"a", Some(b"2"));
            index.put_back(first, true, b"a", Some(b"1"));
            assert_eq!(index.peek(b"a"), Peek::Found(b"1".as_slice().into()));
            index.flush(b"checkpoint").await?;
            assert_eq!(on_disk(&lane).await?.as_deref(), Some(b"1".as_slice()));
            Ok(())
        });
    }

    #[test]
    fn a_later_put_stands_on_what_was_put_back_below_it() {
        let lane = Lane::new(1 << 20);
        lane.must(async {
            let index = lane.open().await?.index;
            let first = index.freezes();
            index.put(b"a", Some(b"2"));
            assert!(index.freeze());
            index.put(b"a", None);
            index.put_back(first, false, b"a", Some(b"1"));
            assert_eq!(index.peek(b"a"), Peek::Absent);
            index.flush(b"checkpoint").await?;
            assert_eq!(on_disk(&lane).await?.as_deref(), Some(b"1".as_slice()));
            assert_eq!(index.peek(b"a"), Peek::Absent);
            Ok(())
        });
    }
}

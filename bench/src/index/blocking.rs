//! Engines whose calls block: what they offer, and the scenarios made of it.

use super::keys::{BATCH, Entry, Key, KeySet, LANES, key, lane, prefix, value};
use super::meters::Latencies;
use super::{Applied, IndexEngine, Visit};
use crate::error::Result;
use std::path::Path;
use std::time::Instant;

/// Is given each entry of a lane: key, value.
pub(super) type VisitLane<'a> = dyn FnMut(&[u8], &[u8]) -> Result<()> + 'a;

/// The calls of an engine.
pub(super) trait Store: Sized {
    fn open(dir: &Path) -> Result<Self>;

    /// Applies the entries as a whole; durable on return, with all before, if so `durable`.
    fn commit(&mut self, entries: &[Entry], durable: bool) -> Result<()>;

    /// See [`IndexEngine::settle`].
    fn settle(&mut self) -> Result<()>;

    /// Looks for the key with exactly this value.
    fn find(&mut self, lane: usize, key: &[u8], value: &[u8]) -> Result<Found>;

    /// Visits at most `limit` entries of a lane in order, from the key on.
    fn visit(&mut self, lane: usize, from: &[u8], limit: usize, visit: &mut VisitLane<'_>) -> Result<()>;

    /// Deletes all keys with the prefix from every lane, durably; gives their number.
    fn delete(&mut self, prefix: [u8; 8]) -> Result<u64>;

    /// See [`IndexEngine::compact`].
    fn compact(&mut self) -> Result<()>;

    /// See [`IndexEngine::own_memory`].
    fn own_memory(&self) -> Option<u64>;

    /// See [`IndexEngine::close`].
    fn close(self) -> Result<()>;
}

/// The finding of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No such key.
    Nothing,
    /// The value that was expected.
    Same,
    /// Another one.
    Other,
}

impl Found {
    pub(super) fn compare(found: Option<&[u8]>, expected: &[u8]) -> Self {
        match found {
            None => Self::Nothing,
            Some(found) if found == expected => Self::Same,
            Some(_) => Self::Other,
        }
    }

    /// Checks that this is right of an object: it is there if it is one of the set's.
    pub(super) fn check(self, id: u32, set: &KeySet) -> Result<()> {
        let expected = if id < set.keys() { Self::Same } else { Self::Nothing };
        if self == expected {
            return Ok(());
        }
        Err(format!("object {id}: {self:?} was found, and not {expected:?}"))
    }
}

/// A page of a lane from an object on, as it is read.
pub(super) struct Page {
    id: u32,
    first: Key,
    entries: usize,
    is_first_right: bool,
}

impl Page {
    pub(super) fn from_object(id: u32) -> Self {
        Self { id, first: key(id), entries: 0, is_first_right: false }
    }

    /// The key to start from.
    pub(super) fn first(&self) -> &[u8] {
        &self.first
    }

    /// So many so far.
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// Takes the next entry's key.
    pub(super) fn see(&mut self, key: &[u8]) {
        self.is_first_right |= self.entries == 0 && key == self.first;
        self.entries += 1;
    }

    /// Checks that it began where it should, and has not become too long.
    pub(super) fn check(&self, limit: usize) -> Result<()> {
        let Self { id, entries, .. } = self;
        if self.is_first_right && *entries <= limit {
            return Ok(());
        }
        Err(format!("page from object {id}: starts elsewhere, or has {entries} entries"))
    }
}

/// The scenarios over a store.
pub(super) struct Calls<S>(S);

impl<S: Store> Calls<S> {
    pub(super) fn open(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        S::open(dir).map(Self)
    }
}

impl<S: Store> IndexEngine for Calls<S> {
    fn ingest(&mut self, set: &KeySet, applied: &mut Applied<'_>) -> Result<()> {
        let mut entries = Vec::with_capacity(BATCH + LANES);
        for batch in 0..set.batches() {
            set.fill(batch, &mut entries);
            let start = Instant::now();
            self.0.commit(&entries, set.is_checkpoint(batch))?;
            applied(batch, start.elapsed())?;
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        self.0.settle()
    }

    fn point_reads(
        &mut self,
        set: &KeySet,
        ids: &[u32],
        until: Instant,
        latencies: &mut Latencies,
    ) -> Result<()> {
        for id in ids {
            let (lane, key, value) = (lane(*id), key(*id), value(*id));
            let start = Instant::now();
            let found = self.0.find(lane, &key, &value)?;
            latencies.add(start.elapsed());
            found.check(*id, set)?;
            if start >= until {
                break;
            }
        }
        Ok(())
    }

    fn scan(&mut self, visit: &mut Visit<'_>) -> Result<()> {
        (0..LANES).try_for_each(|lane| {
            self.0.visit(lane, &[], usize::MAX, &mut |key, value| visit(lane, key, value))
        })
    }

    fn pages(
        &mut self,
        _set: &KeySet,
        from: &[u32],
        limit: usize,
        until: Instant,
        latencies: &mut Latencies,
    ) -> Result<()> {
        for id in from {
            let (mut page, first) = (Page::from_object(*id), key(*id));
            let start = Instant::now();
            self.0.visit(lane(*id), &first, limit, &mut |key, _| {
                page.see(key);
                Ok(())
            })?;
            latencies.add(start.elapsed());
            page.check(limit)?;
            if start >= until {
                break;
            }
        }
        Ok(())
    }

    fn delete_bucket(&mut self, bucket: u32) -> Result<u64> {
        self.0.delete(prefix(bucket))
    }

    fn compact(&mut self) -> Result<()> {
        self.0.compact()
    }

    fn own_memory(&self) -> Option<u64> {
        self.0.own_memory()
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.0.close()
    }
}

//! fjall: an LSM tree with worker threads; a keyspace for each lane, one journal for all.

use super::CACHE_BYTES;
use super::blocking::{Found, Store, VisitLane};
use super::keys::{Entry, LANES};
use crate::error::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::path::Path;
use std::time::{Duration, Instant};

/// The memtables of all lanes together are as large as the cache.
const MEMTABLE_BYTES: u64 = CACHE_BYTES / LANES as u64;
/// Entries of a batch of deletions.
const DELETE_BATCH: usize = 1024;
/// The workers are idle when they have been so for that long.
const IDLE: Duration = Duration::from_millis(100);
const SETTLE_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);

pub(super) const SETTINGS: &str = "fjall 3.1.13: 4 keyspaces in a database, cache_size 64 MiB, max_memtable_size \
    16 MiB, manual_journal_persist; persist(SyncData) at checkpoints; all else as it comes, with LZ4 below the \
    second level";

/// An open database.
pub(super) struct Fjall {
    lanes: Vec<Keyspace>,
    db: Database,
}

impl Fjall {
    fn lane(&self, lane: usize) -> Result<&Keyspace> {
        self.lanes.get(lane).ok_or_else(|| format!("no lane {lane}"))
    }

    /// Waits until flushes and compactions are over.
    fn wait_idle(&self) -> Result<()> {
        let until = Instant::now() + SETTLE_MAX;
        let mut idle_since = Instant::now();
        while idle_since.elapsed() < IDLE {
            if self.db.outstanding_flushes() > 0 || self.db.active_compactions() > 0 {
                idle_since = Instant::now();
            }
            if Instant::now() > until {
                return Err(format!("fjall's workers are not idle after {} s", SETTLE_MAX.as_secs()));
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Store for Fjall {
    fn open(dir: &Path) -> Result<Self> {
        let db = Database::builder(dir).cache_size(CACHE_BYTES).manual_journal_persist(true).open();
        let db = db.map_err(say)?;
        let options = || {
            KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES).manual_journal_persist(true)
        };
        let lanes = (0..LANES).map(|lane| db.keyspace(&format!("lane{lane}"), options));
        Ok(Self { lanes: lanes.collect::<fjall::Result<_>>().map_err(say)?, db })
    }

    fn commit(&mut self, entries: &[Entry], durable: bool) -> Result<()> {
        let mut batch = self.db.batch();
        for entry in entries {
            batch.insert(self.lane(entry.lane)?, entry.key.as_slice(), entry.value.as_slice());
        }
        batch.commit().map_err(say)?;
        if durable {
            self.db.persist(PersistMode::SyncData).map_err(say)?;
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        self.lanes.iter().try_for_each(Keyspace::rotate_memtable_and_wait).map_err(say)?;
        self.db.persist(PersistMode::SyncAll).map_err(say)?;
        self.wait_idle()
    }

    fn find(&mut self, lane: usize, key: &[u8], value: &[u8]) -> Result<Found> {
        let found = self.lane(lane)?.get(key).map_err(say)?;
        Ok(Found::compare(found.as_deref(), value))
    }

    fn visit(&mut self, lane: usize, from: &[u8], limit: usize, visit: &mut VisitLane<'_>) -> Result<()> {
        for entry in self.lane(lane)?.range(from..).take(limit) {
            let (key, value) = entry.into_inner().map_err(say)?;
            visit(&key, &value)?;
        }
        Ok(())
    }

    fn delete(&mut self, prefix: [u8; 8]) -> Result<u64> {
        let mut deleted = 0;
        for lane in &self.lanes {
            let mut keys = lane.prefix(prefix).map(fjall::Guard::key).peekable();
            while keys.peek().is_some() {
                let mut batch = self.db.batch();
                for key in keys.by_ref().take(DELETE_BATCH) {
                    batch.remove(lane, key.map_err(say)?);
                    deleted += 1;
                }
                batch.commit().map_err(say)?;
            }
        }
        self.db.persist(PersistMode::SyncAll).map_err(say)?;
        Ok(deleted)
    }

    fn compact(&mut self) -> Result<()> {
        self.settle()?;
        self.lanes.iter().try_for_each(Keyspace::major_compact).map_err(say)?;
        self.wait_idle()
    }

    fn own_memory(&self) -> Option<u64> {
        Some(self.db.cache_size() + self.db.write_buffer_size())
    }

    fn close(self) -> Result<()> {
        self.db.persist(PersistMode::SyncAll).map_err(say)
    }
}

fn say(error: fjall::Error) -> String {
    format!("fjall: {error}")
}

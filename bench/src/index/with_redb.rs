//! redb: a copy-on-write B-tree in one file, without threads of its own; a table for each lane.

use super::CACHE_BYTES;
use super::blocking::{Found, Store, VisitLane};
use super::keys::{Entry, LANES};
use crate::error::Result;
use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition, WriteTransaction};
use std::fmt::Display;
use std::path::Path;

type Bytes = &'static [u8];

const LANE_TABLES: [TableDefinition<'static, Bytes, Bytes>; LANES] = [
    TableDefinition::new("lane0"),
    TableDefinition::new("lane1"),
    TableDefinition::new("lane2"),
    TableDefinition::new("lane3"),
];

pub(super) const SETTINGS: &str = "redb 4.5.0: 4 tables in a database, cache_size 64 MiB; Durability::None, at \
    checkpoints Immediate with quick_repair; readers keep their transaction until the next commit; all else as it comes";

/// An open database.
pub(super) struct Redb {
    db: Database,
    /// The tables that readers see. They are given up before a commit, as they would keep pages from being used again.
    view: Option<Vec<ReadOnlyTable<Bytes, Bytes>>>,
}

impl Redb {
    fn begin(&mut self, durable: bool) -> Result<WriteTransaction> {
        self.view = None;
        let mut transaction = self.db.begin_write().map_err(say)?;
        transaction.set_quick_repair(durable);
        let durability = if durable { Durability::Immediate } else { Durability::None };
        transaction.set_durability(durability).map_err(say)?;
        Ok(transaction)
    }

    fn table(&mut self, lane: usize) -> Result<&ReadOnlyTable<Bytes, Bytes>> {
        if self.view.is_none() {
            let transaction = self.db.begin_read().map_err(say)?;
            let tables = LANE_TABLES.into_iter().map(|table| transaction.open_table(table));
            self.view = Some(tables.collect::<std::result::Result<_, _>>().map_err(say)?);
        }
        self.view.as_ref().and_then(|view| view.get(lane)).ok_or_else(|| format!("no lane {lane}"))
    }
}

impl Store for Redb {
    fn open(dir: &Path) -> Result<Self> {
        let cache = usize::try_from(CACHE_BYTES).map_err(|e| format!("cache: {e}"))?;
        let path = dir.join("index.redb");
        let is_new = !path.exists();
        let db = Database::builder().set_cache_size(cache).create(path).map_err(say)?;
        let mut opened = Self { db, view: None };
        if is_new {
            // A table is there from its first opening for writing on.
            opened.commit(&[], true)?;
        }
        Ok(opened)
    }

    fn commit(&mut self, entries: &[Entry], durable: bool) -> Result<()> {
        let transaction = self.begin(durable)?;
        let tables = LANE_TABLES.into_iter().map(|table| transaction.open_table(table));
        let mut tables = tables.collect::<std::result::Result<Vec<_>, _>>().map_err(say)?;
        for entry in entries {
            let table = tables.get_mut(entry.lane).ok_or_else(|| format!("no lane {}", entry.lane))?;
            table.insert(entry.key.as_slice(), entry.value.as_slice()).map_err(say)?;
        }
        drop(tables);
        transaction.commit().map_err(say)
    }

    fn settle(&mut self) -> Result<()> {
        self.commit(&[], true)
    }

    fn find(&mut self, lane: usize, key: &[u8], value: &[u8]) -> Result<Found> {
        let found = self.table(lane)?.get(key).map_err(say)?;
        Ok(Found::compare(found.as_ref().map(redb::AccessGuard::value), value))
    }

    fn visit(&mut self, lane: usize, from: &[u8], limit: usize, visit: &mut VisitLane<'_>) -> Result<()> {
        for entry in self.table(lane)?.range::<&[u8]>(from..).map_err(say)?.take(limit) {
            let (key, value) = entry.map_err(say)?;
            visit(key.value(), value.value())?;
        }
        Ok(())
    }

    fn delete(&mut self, prefix: [u8; 8]) -> Result<u64> {
        let end = u64::from_be_bytes(prefix).saturating_add(1).to_be_bytes();
        let transaction = self.begin(true)?;
        let mut deleted = 0;
        for table in LANE_TABLES {
            let mut table = transaction.open_table(table).map_err(say)?;
            let each = |_: &[u8], _: &[u8]| {
                deleted += 1;
                false
            };
            table.retain_in(prefix.as_slice()..end.as_slice(), each).map_err(say)?;
        }
        transaction.commit().map_err(say)?;
        Ok(deleted)
    }

    fn compact(&mut self) -> Result<()> {
        self.view = None;
        self.db.compact().map_err(say)?;
        Ok(())
    }

    fn own_memory(&self) -> Option<u64> {
        None
    }

    fn close(self) -> Result<()> {
        drop(self.view);
        self.db.close().map_err(say)
    }
}

fn say(error: impl Display) -> String {
    format!("redb: {error}")
}

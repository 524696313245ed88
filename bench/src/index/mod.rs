//! Engines for the ordered index of a lane, measured side by side.
//!
//! An engine joins by implementing [`IndexEngine`], whose methods are whole pieces of a scenario, so that one with an
//! executor and a ring of its own can do them its way (`with_lsm`); engines with blocking calls implement
//! `blocking::Store`.
//! Then it gets a variant in [`Kind`] and a line in [`Kind::open`].

mod blocking;
mod children;
mod command;
mod crash;
mod handover;
mod keys;
mod legend;
mod lsm_dead;
mod lsm_log;
mod measure;
mod meters;
mod result;
mod with_fjall;
mod with_lsm;
mod with_redb;

pub(crate) use children::{ChildArgs, run as run_part};
pub(crate) use command::{IndexArgs, run};

use crate::error::Result;
use clap::ValueEnum;
use keys::KeySet;
use meters::Latencies;
use std::path::Path;
use std::time::{Duration, Instant};

/// The cache that each engine may have.
const CACHE_BYTES: u64 = 64 << 20;

/// Is told of each batch when it has been applied: its number, and for how long the caller stood still for it.
type Applied<'a> = dyn FnMut(u64, Duration) -> Result<()> + 'a;

/// Is given each entry of a scan: lane, key, value.
type Visit<'a> = dyn FnMut(usize, &[u8], &[u8]) -> Result<()> + 'a;

/// An engine with an index open, driven from one thread. Every wrong answer is an error.
trait IndexEngine {
    /// Applies all batches of the set in order, each as a whole; those that [`KeySet::is_checkpoint`] names are durable,
    /// with all before them, when they are told as applied.
    fn ingest(&mut self, set: &KeySet, applied: &mut Applied<'_>) -> Result<()>;

    /// Makes everything durable and waits until the engine has no work left in the background.
    fn settle(&mut self) -> Result<()>;

    /// Reads one entry after the other until `until`, and checks the values; numbers from [`KeySet::keys`] on must not
    /// be found.
    fn point_reads(
        &mut self,
        set: &KeySet,
        ids: &[u32],
        until: Instant,
        latencies: &mut Latencies,
    ) -> Result<()>;

    /// Visits the entries of each lane in order of their keys.
    fn scan(&mut self, visit: &mut Visit<'_>) -> Result<()>;

    /// Reads a page of `limit` entries, or what its lane has left, from each of these keys on.
    fn pages(
        &mut self,
        set: &KeySet,
        from: &[u32],
        limit: usize,
        until: Instant,
        latencies: &mut Latencies,
    ) -> Result<()>;

    /// Deletes a bucket from all lanes, durably; gives the number of its entries.
    fn delete_bucket(&mut self, bucket: u32) -> Result<u64>;

    /// Gives back what space it can.
    fn compact(&mut self) -> Result<()>;

    /// Bytes of memory that the engine says it holds, where it says so.
    fn own_memory(&self) -> Option<u64>;

    /// Ends in good order.
    fn close(self: Box<Self>) -> Result<()>;
}

/// The engines that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// An LSM tree.
    Fjall,
    /// A B-tree.
    Redb,
    /// Our own LSM tree, alone: what is durable is in its runs.
    Lsm,
    /// The same with a log before it, as the server uses it.
    LsmLog,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Fjall, Self::Redb, Self::Lsm, Self::LsmLog];

    const fn name(self) -> &'static str {
        match self {
            Self::Fjall => "fjall",
            Self::Redb => "redb",
            Self::Lsm => "lsm",
            Self::LsmLog => "lsm-log",
        }
    }

    /// Version and settings, for the record.
    const fn settings(self) -> &'static str {
        match self {
            Self::Fjall => with_fjall::SETTINGS,
            Self::Redb => with_redb::SETTINGS,
            Self::Lsm => with_lsm::SETTINGS,
            Self::LsmLog => with_lsm::SETTINGS_WITH_LOG,
        }
    }

    /// Opens what lies in the directory, or makes it.
    fn open(self, dir: &Path) -> Result<Box<dyn IndexEngine>> {
        Ok(match self {
            Self::Fjall => Box::new(blocking::Calls::<with_fjall::Fjall>::open(dir)?),
            Self::Redb => Box::new(blocking::Calls::<with_redb::Redb>::open(dir)?),
            Self::Lsm => Box::new(with_lsm::Lsm::open(dir, with_lsm::Durable::ByRuns)?),
            Self::LsmLog => Box::new(with_lsm::Lsm::open(dir, with_lsm::Durable::ByLog)?),
        })
    }
}

#[cfg(test)]
mod testing {
    /// Beside the test's own binary: on a disk that can do direct I/O, which a temporary directory need not be.
    pub(super) fn direct_dir() -> tempfile::TempDir {
        let beside = std::env::current_exe().unwrap();
        tempfile::tempdir_in(beside.parent().unwrap()).unwrap()
    }
}

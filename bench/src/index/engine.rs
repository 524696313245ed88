//! The work of an engine that is measured.

use super::keys::KeySet;
use super::meters::Latencies;
use crate::error::Result;
use std::time::{Duration, Instant};

/// The cache that each engine may have.
pub(crate) const CACHE_BYTES: u64 = 64 << 20;

/// Is told of each batch when it has been applied: its number, and for how long the caller stood still for it.
pub(crate) type Applied<'a> = dyn FnMut(u64, Duration) -> Result<()> + 'a;

/// Is given each entry of a scan: lane, key, value.
pub(crate) type Visit<'a> = dyn FnMut(usize, &[u8], &[u8]) -> Result<()> + 'a;

/// An engine with an index open, driven from one thread. Every wrong answer is an error.
pub(crate) trait IndexEngine {
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

//! The memory that the lanes of one core share: blocks, and buffers to read them with.

use super::BLOCK_BYTES_MAX;
use super::block::Block;
use super::reserve::{Lent, Reserve};
use crate::error::Result;
use quick_cache::unsync::Cache;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use uring::Driver;

/// Buffers for look-ups, and with them the reads of one core that are in flight at once.
const SMALL_BUFS: usize = 32;
const SMALL_BUF_BYTES: usize = 16 << 10;
/// Buffers for what is read or written in larger pieces: runs as a whole, read-ahead of scans.
const BULK_BUFS: usize = 6;
/// Bytes of such a piece; holds any block.
pub(super) const BULK_BUF_BYTES: usize = BLOCK_BYTES_MAX;
/// Bytes of a usual block and what the cache itself keeps of it.
const BLOCK_BYTES_USUAL: usize = 8 << 10;
const BLOCK_OVERHEAD_BYTES: usize = 96;

/// (number of an open run, number of a block in it).
type BlockId = (u64, u32);

#[derive(Clone)]
struct BlockWeight;

impl quick_cache::Weighter<BlockId, Rc<Block>> for BlockWeight {
    fn weight(&self, _: &BlockId, block: &Rc<Block>) -> u64 {
        (block.memory_bytes() + BLOCK_OVERHEAD_BYTES) as u64
    }
}

/// One for each core.
pub struct IndexCache {
    blocks: RefCell<Cache<BlockId, Rc<Block>, BlockWeight>>,
    small: Reserve,
    bulk: Reserve,
    runs_ever: Cell<u64>,
    hits: Cell<u64>,
    misses: Cell<u64>,
}

/// Counts of what the cache of a core holds and has done.
#[derive(Clone, Copy, Debug, Default)]
pub struct CacheStats {
    /// Bytes of blocks in memory.
    pub bytes: u64,
    /// Times that a block was in memory.
    pub hits: u64,
    /// Times that it was not.
    pub misses: u64,
}

impl IndexCache {
    /// A cache for `bytes` of blocks. Its buffers, 1.25 MiB, come out of the driver's pool.
    ///
    /// # Errors
    /// The pool is too small.
    pub fn new(driver: &Driver, bytes: usize) -> Result<Rc<Self>> {
        let blocks_expected = (bytes / BLOCK_BYTES_USUAL).max(1);
        let mut blocks = Cache::with_weighter(blocks_expected, bytes as u64, BlockWeight);
        // Tables that double as they fill would stop the core while they are copied.
        blocks.reserve(blocks_expected.saturating_mul(2));
        Ok(Rc::new(Self {
            blocks: RefCell::new(blocks),
            small: Reserve::new(driver, SMALL_BUFS, SMALL_BUF_BYTES)?,
            bulk: Reserve::new(driver, BULK_BUFS, BULK_BUF_BYTES)?,
            runs_ever: Cell::new(0),
            hits: Cell::new(0),
            misses: Cell::new(0),
        }))
    }

    /// Counts of what it holds and has done by now.
    pub fn stats(&self) -> CacheStats {
        let bytes = self.blocks.borrow().weight();
        CacheStats { bytes, hits: self.hits.get(), misses: self.misses.get() }
    }

    /// A number that no other run of this core has.
    pub(super) fn next_run(&self) -> u64 {
        let run = self.runs_ever.get();
        self.runs_ever.set(run + 1);
        run
    }

    pub(super) fn get(&self, id: BlockId) -> Option<Rc<Block>> {
        let found = self.blocks.borrow().get(&id).cloned();
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.set(counter.get() + 1);
        found
    }

    pub(super) fn insert(&self, id: BlockId, block: Rc<Block>) {
        self.blocks.borrow_mut().insert(id, block);
    }

    pub(super) fn remove(&self, id: BlockId) {
        // Dropped outside of the borrow.
        let removed = self.blocks.borrow_mut().remove(&id);
        drop(removed);
    }

    /// A buffer for `len` bytes, as far as one buffer can hold them. Only for tasks that hold none of these.
    pub(super) async fn buffer(&self, len: usize) -> Result<Lent> {
        let reserve = if len <= SMALL_BUF_BYTES { &self.small } else { &self.bulk };
        reserve.borrow().await
    }
}

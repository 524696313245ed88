//! A run: one immutable sorted file, of which the filter and the map of blocks are in memory.
//!
//! ```text
//! block | block | ... | filter | map of blocks | footer (one page)
//! ```
//! Everything is whole pages, and every byte is under some checksum.

use super::block::{Block, Lookup};
use super::cache::BULK_BUF_BYTES;
use super::files::{Home, run_name};
use super::filter::Filter;
use super::footer::{Footer, SECTION_PIECE_BYTES, Section, SectionCrc};
use super::manifest::RunRecord;
use super::sparse::{Span, Sparse};
use super::{BLOCK_BYTES_MAX, PAGE_BYTES};
use crate::error::{Error, Result};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use uring::Helpers;

/// Blocks that are forgotten before others go first.
const BLOCKS_PER_TURN: u32 = 256;

/// An open run. Whoever holds it can read it, even when it has been merged away.
pub(super) struct Run {
    home: Home,
    file: OpenFile,
    /// Among the open runs of this core, for the cache.
    id: u64,
    bytes: u64,
    footer: Footer,
    filter: Filter,
    sparse: Sparse,
}

/// A run's answer for a key without waiting.
pub(super) enum Known {
    Found(Rc<[u8]>),
    Deleted,
    /// Not in this run.
    Unknown,
    /// This block, which is on disk, would have it.
    InBlock(u32),
}

impl Run {
    /// Opens a run that the manifest names.
    ///
    /// # Errors
    /// `Corrupt` when it is missing or damaged outside of its blocks.
    pub(super) async fn open(home: &Home, record: &RunRecord) -> Result<Self> {
        let name = run_name(record.seq);
        let damaged = |why: &str| Error::corrupt(format!("{name}: {why}"));
        let (file, bytes) = home.open(&name).await?.ok_or_else(|| damaged("it is missing"))?;
        if bytes != record.bytes || bytes < PAGE_BYTES as u64 || !bytes.is_multiple_of(PAGE_BYTES as u64) {
            return Err(damaged("it is not as long as it was"));
        }
        let page = home.read(&file, bytes - PAGE_BYTES as u64, PAGE_BYTES as u64).await?;
        let footer = Footer::decode(&page, bytes).map_err(damaged)?;
        if (footer.seq, footer.entries) != (record.seq, record.entries) {
            return Err(damaged("it is another run"));
        }
        let filter = read_section(home, &file, &footer.filter).await?;
        let filter = filter.and_then(|bytes| Filter::decode(&bytes));
        let filter = filter.ok_or_else(|| damaged("its filter is damaged"))?;
        let sparse = read_section(home, &file, &footer.sparse).await?;
        let sparse = sparse.and_then(|bytes| Sparse::decode(&bytes, BLOCK_BYTES_MAX));
        let sparse = sparse.filter(|sparse| sparse.blocks_bytes() == footer.filter.offset);
        let sparse = sparse.ok_or_else(|| damaged("its map is damaged"))?;
        Ok(Self::new(home, file, bytes, footer, filter, sparse))
    }

    /// A run whose parts are in memory, because they have just been read or written.
    pub(super) fn new(
        home: &Home,
        fd: Rc<OwnedFd>,
        bytes: u64,
        footer: Footer,
        filter: Filter,
        sparse: Sparse,
    ) -> Self {
        let file = OpenFile { helpers: home.helpers.helpers().clone(), fd: Some(fd) };
        Self { home: home.clone(), file, id: home.cache.next_run(), bytes, footer, filter, sparse }
    }

    pub(super) fn record(&self) -> RunRecord {
        RunRecord { seq: self.footer.seq, bytes: self.bytes, entries: self.footer.entries }
    }

    pub(super) fn name(&self) -> String {
        run_name(self.footer.seq)
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Tombstones included.
    pub(super) fn entries(&self) -> u64 {
        self.footer.entries
    }

    pub(super) fn tombstones(&self) -> u64 {
        self.footer.tombstones
    }

    /// Bytes of memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.filter.bytes() + self.sparse.memory_bytes() + size_of::<Self>()
    }

    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    pub(super) fn sparse(&self) -> &Sparse {
        &self.sparse
    }

    /// Looks a key up in the filter and in the blocks in memory; `hash` is the filter's of the key.
    pub(super) fn look_up(&self, key: &[u8], hash: u64) -> Known {
        if !self.filter.may_contain(hash) {
            return Known::Unknown;
        }
        let block = self.sparse.block_of(key);
        self.cached(block).map_or(Known::InBlock(block), |block| known(&block, key))
    }

    /// Looks a key up in a block that [`Run::look_up`] did not find in memory.
    ///
    /// # Errors
    /// `Corrupt` when the block is damaged.
    pub(super) async fn look_up_in(&self, block: u32, key: &[u8]) -> Result<Known> {
        let block = self.load(block).await?;
        Ok(known(&block, key))
    }

    pub(super) fn cached(&self, block: u32) -> Option<Rc<Block>> {
        self.home.cache.get((self.id, block))
    }

    pub(super) fn keep_cached(&self, number: u32, block: &Rc<Block>) {
        self.home.cache.insert((self.id, number), Rc::clone(block));
    }

    /// Makes room for others in the cache, once the run has been merged away.
    pub(super) async fn forget_cached(&self) {
        for number in 0..self.sparse.blocks() {
            self.home.cache.remove((self.id, number));
            if number.is_multiple_of(BLOCKS_PER_TURN) {
                uring::yield_now().await;
            }
        }
    }

    async fn load(&self, number: u32) -> Result<Rc<Block>> {
        let mut blocks = self.read(number, 1).await?;
        let block = blocks.pop().ok_or_else(|| Error::internal("a block that is not there was asked for"))?;
        self.keep_cached(number, &block);
        Ok(block)
    }

    /// Reads up to `count` blocks in one go, as many as one buffer takes; at least one. Damage of a later one is left to
    /// be found when that one is asked for.
    pub(super) async fn read(&self, first: u32, count: u32) -> Result<Vec<Rc<Block>>> {
        let spans = (first..first.saturating_add(count)).map_while(|block| self.sparse.span(block));
        let mut len = 0;
        let fits = |span: &Span| {
            len += span.len;
            len == span.len || len <= BULK_BUF_BYTES
        };
        let spans: Vec<Span> = spans.take_while(fits).collect();
        let Some(offset) = spans.first().map(|span| span.offset) else { return Ok(Vec::new()) };
        let len = spans.iter().map(|span| span.len).sum();
        let mut buf = self.home.cache.buffer(len).await?;
        let mut bytes = buf.read(&self.home.driver, self.file.fd()?, offset, len).await?;
        let mut blocks = Vec::with_capacity(spans.len());
        for (number, span) in (first..).zip(&spans) {
            let (block, rest) = bytes.split_at_checked(span.len).unwrap_or_default();
            bytes = rest;
            match Block::decode(block, self.footer.seq, number) {
                Ok(block) => blocks.push(Rc::new(block)),
                Err(why) if blocks.is_empty() => {
                    return Err(Error::corrupt(format!("{}, block {number}: {why}", self.name())));
                }
                Err(_) => break,
            }
        }
        Ok(blocks)
    }
}

fn known(block: &Block, key: &[u8]) -> Known {
    match block.find(key) {
        Lookup::Found(value) => Known::Found(value.into()),
        Lookup::Deleted => Known::Deleted,
        Lookup::Unknown => Known::Unknown,
    }
}

/// `None` when it does not match its checksum.
async fn read_section(home: &Home, fd: &Rc<OwnedFd>, section: &Section) -> Result<Option<Vec<u8>>> {
    let mut bytes = home.read(fd, section.offset, section.padded()).await?;
    let mut crc = SectionCrc::default();
    bytes.chunks(SECTION_PIECE_BYTES).for_each(|piece| crc.add(piece));
    if crc.finish() != section.crc {
        return Ok(None);
    }
    bytes.truncate(section.used as usize);
    Ok(Some(bytes))
}

/// Closed by a helper: of a run that was merged away this frees the blocks, which may wait for the disk.
struct OpenFile {
    helpers: Helpers,
    fd: Option<Rc<OwnedFd>>,
}

impl OpenFile {
    fn fd(&self) -> Result<&Rc<OwnedFd>> {
        self.fd.as_ref().ok_or_else(|| Error::internal("a run was closed too early"))
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        // Shared with an operation that was given up: then the last one closes it.
        if let Some(fd) = self.fd.take().and_then(Rc::into_inner) {
            self.helpers.post(move || drop(fd));
        }
    }
}

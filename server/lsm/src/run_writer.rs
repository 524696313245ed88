//! Writes a run: entries in, in order; a file that is durable out.

use super::block::BlockBuilder;
use super::files::{Home, NewFile, run_name};
use super::filter::{Filter, hash};
use super::footer::{Footer, SECTION_PIECE_BYTES, Section, SectionCrc};
use super::run::Run;
use super::sparse::{Sparse, SparseBuilder};
use super::{BLOCK_BYTES_MAX, PAGE_BYTES};
use crate::error::{Error, Result};
use std::rc::Rc;

/// Bytes of header and lengths around one entry, at most.
const ENTRY_OVERHEAD_BYTES: usize = 64;

/// A run being written. Its file is removed when this is dropped.
pub(super) struct RunWriter {
    home: Home,
    file: NewFile,
    seq: u64,
    block: BlockBuilder,
    sparse: SparseBuilder,
    filter: Filter,
    entries: u64,
    tombstones: u64,
}

impl RunWriter {
    /// Makes the file. `entries_max` is what the filter is sized for.
    pub(super) async fn create(home: &Home, seq: u64, entries_max: u64) -> Result<Self> {
        Ok(Self {
            home: home.clone(),
            file: NewFile::create(home, &run_name(seq)).await?,
            seq,
            block: BlockBuilder::default(),
            sparse: SparseBuilder::default(),
            filter: Filter::with_room_for(entries_max),
            entries: 0,
            tombstones: 0,
        })
    }

    /// Appends an entry; keys come in strictly ascending order. Nothing is written yet.
    pub(super) fn push(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        if key.len() + value.map_or(0, <[u8]>::len) + ENTRY_OVERHEAD_BYTES > BLOCK_BYTES_MAX {
            return Err(Error::internal(format!("an entry of the index with a key of {} bytes", key.len())));
        }
        if self.block.is_full_for(key, value) {
            self.end_block()?;
        }
        if self.block.is_empty() {
            self.sparse.begin_block(self.block.last_key(), key).map_err(Error::internal)?;
        }
        self.block.push(key, value);
        self.filter.insert(hash(key));
        self.entries += 1;
        self.tombstones += u64::from(value.is_none());
        Ok(())
    }

    /// True if an entry of this key may come next.
    pub(super) fn is_next(&self, key: &[u8]) -> bool {
        self.block.is_next(key)
    }

    /// Entries so far.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// Writes what has come together, if it is enough for a write.
    pub(super) async fn write_out(&mut self) -> Result<()> {
        if self.file.is_full() { self.file.write_out().await } else { Ok(()) }
    }

    fn end_block(&mut self) -> Result<()> {
        self.block.finish(self.seq, self.sparse.ended_blocks(), &mut self.file.pending);
        self.sparse.end_block(self.file.bytes()).map_err(Error::internal)
    }

    /// Writes the rest and flushes. The run can be read; its file stays only if it is kept.
    pub(super) async fn finish(mut self) -> Result<(Rc<Run>, NewFile)> {
        assert!(self.entries > 0, "run {} is finished and has no entry", self.seq);
        if !self.block.is_empty() {
            self.end_block()?;
        }
        self.file.write_out().await?;
        let sparse: Sparse = self.sparse.finish();
        let (mapped, written) = (sparse.blocks_bytes(), self.file.bytes());
        assert!(mapped == written, "the map of run {} ends at {mapped}, its blocks at {written}", self.seq);
        let footer = Footer {
            seq: self.seq,
            entries: self.entries,
            tombstones: self.tombstones,
            filter: append_section(&mut self.file, self.filter.encode()).await?,
            sparse: append_section(&mut self.file, sparse.encode()).await?,
        };
        self.file.pending = footer.encode();
        self.file.seal().await?;
        let (fd, bytes) = (Rc::clone(self.file.fd()), self.file.bytes());
        let run = Run::new(&self.home, fd, bytes, footer, self.filter, sparse);
        Ok((Rc::new(run), self.file))
    }
}

/// Writes a part that is read whole, from the bytes of its parts.
async fn append_section(file: &mut NewFile, parts: impl Iterator<Item = Vec<u8>>) -> Result<Section> {
    let (offset, mut used) = (file.bytes(), 0);
    let mut crc = SectionCrc::default();
    let mut piece = Vec::new();
    for part in parts {
        used += part.len() as u64;
        piece.extend_from_slice(&part);
        while piece.len() >= SECTION_PIECE_BYTES {
            let rest = piece.split_off(SECTION_PIECE_BYTES);
            crc.add(&piece);
            file.pending = std::mem::replace(&mut piece, rest);
            file.write_out().await?;
        }
    }
    if !piece.is_empty() {
        piece.resize(piece.len().next_multiple_of(PAGE_BYTES), 0);
        crc.add(&piece);
        file.pending = piece;
        file.write_out().await?;
    }
    Ok(Section { offset, used, crc: crc.finish() })
}

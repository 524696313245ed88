//! The sources of a scan: a memtable or a run, entry by entry, in order.

use super::block::{Block, BlockCursor};
use super::memtable::MemtableCursor;
use super::run::Run;
use crate::error::Result;
use std::collections::VecDeque;
use std::rc::Rc;

/// Blocks that a scan reads ahead, at most; it begins with one and doubles.
const AHEAD_BLOCKS_MAX: u32 = 8;

/// The place that a step has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advance {
    /// To an entry.
    Entry,
    /// To a block that is not in memory: load it and try again.
    NeedsBlock,
    End,
}

/// One of the sources of a scan.
pub(super) enum Source {
    Memtable(MemtableCursor),
    Run(Box<RunCursor>),
}

impl Source {
    pub(super) fn advance(&mut self) -> Advance {
        match self {
            Self::Memtable(cursor) => {
                if cursor.advance() {
                    Advance::Entry
                } else {
                    Advance::End
                }
            }
            Self::Run(cursor) => cursor.advance(),
        }
    }

    /// Of the entry that the last step has led to.
    pub(super) fn key(&self) -> &[u8] {
        match self {
            Self::Memtable(cursor) => cursor.key(),
            Self::Run(cursor) => cursor.entry.key(),
        }
    }

    /// `None` is a tombstone.
    pub(super) fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Memtable(cursor) => cursor.value(),
            Self::Run(cursor) => cursor.entry.value(),
        }
    }

    /// Loads the block that the last step did not find.
    pub(super) async fn load(&mut self) -> Result<()> {
        match self {
            Self::Memtable(_) => Ok(()),
            Self::Run(cursor) => cursor.load().await,
        }
    }
}

/// Says if blocks go through the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// They do: somebody may ask for them again.
    Cached,
    /// They do not: all of the run is read once.
    Streaming,
}

/// Walks through a run.
pub(super) struct RunCursor {
    run: Rc<Run>,
    mode: Mode,
    entry: BlockCursor,
    /// Smaller keys of the first block are passed over.
    from: Option<Box<[u8]>>,
    next_block: u32,
    /// Blocks from `next_block` on that have been read.
    ahead: VecDeque<Rc<Block>>,
    ahead_blocks: u32,
}

impl RunCursor {
    /// Stands before the first key that is not smaller than `from`.
    pub(super) fn new(run: Rc<Run>, from: &[u8], mode: Mode) -> Self {
        let next_block = run.sparse().block_of(from);
        let ahead_blocks = if mode == Mode::Cached { 1 } else { u32::MAX };
        let from = Some(from.into());
        Self {
            run,
            mode,
            entry: BlockCursor::default(),
            from,
            next_block,
            ahead: VecDeque::new(),
            ahead_blocks,
        }
    }

    fn advance(&mut self) -> Advance {
        loop {
            if self.entry.advance() {
                return Advance::Entry;
            }
            if self.next_block >= self.run.sparse().blocks() {
                return Advance::End;
            }
            let Some(block) = self.take_block() else { return Advance::NeedsBlock };
            self.next_block += 1;
            match self.from.take() {
                None => self.entry.enter(block),
                Some(from) if self.entry.seek(block, &from) => return Advance::Entry,
                Some(_) => {}
            }
        }
    }

    fn take_block(&mut self) -> Option<Rc<Block>> {
        let block = self.ahead.pop_front();
        block.or_else(|| if self.mode == Mode::Cached { self.run.cached(self.next_block) } else { None })
    }

    async fn load(&mut self) -> Result<()> {
        let blocks = self.run.read(self.next_block, self.ahead_blocks).await?;
        if self.mode == Mode::Cached {
            self.ahead_blocks = (self.ahead_blocks * 2).min(AHEAD_BLOCKS_MAX);
            for (number, block) in (self.next_block..).zip(&blocks) {
                self.run.keep_cached(number, block);
            }
        }
        self.ahead = blocks.into();
        Ok(())
    }
}

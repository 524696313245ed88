//! The resident map of a run: for each block a key that separates it from the one before, and where it lies.
//!
//! The separator is the shortest prefix of the block's first key that is behind every key of the block before; that of
//! the first block is empty. All keys lie in one allocation.

use super::PAGE_BYTES;
use super::codec::{Input, common_prefix};

const WORDS_PER_PART: usize = 8 << 10;

/// Where a block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) offset: u64,
    pub(super) len: usize,
}

/// Collects the map while a run is written.
#[derive(Default)]
pub(super) struct SparseBuilder {
    keys: Vec<u8>,
    key_ends: Vec<u32>,
    page_ends: Vec<u32>,
}

impl SparseBuilder {
    /// Notes the separator of a block that begins with `first`, after one that ended with `last`.
    ///
    /// # Errors
    /// A run with 4 GiB of separators.
    pub(super) fn begin_block(&mut self, last: &[u8], first: &[u8]) -> Result<(), &'static str> {
        let (begun, ended) = (self.key_ends.len(), self.page_ends.len());
        assert!(begun == ended, "block {begun} of a map is begun, and {ended} have ended");
        if !self.key_ends.is_empty() {
            let len = first.len().min(common_prefix(last, first) + 1);
            self.keys.extend_from_slice(first.get(..len).unwrap_or(first));
        }
        self.key_ends.push(u32::try_from(self.keys.len()).map_err(|_| "too many blocks")?);
        Ok(())
    }

    /// Notes where the block that was begun ends; whole pages.
    ///
    /// # Errors
    /// A run of 16 TiB.
    pub(super) fn end_block(&mut self, end: u64) -> Result<(), &'static str> {
        let (begun, ended) = (self.key_ends.len(), self.page_ends.len());
        assert!(begun == ended + 1, "block {ended} of a map ends, and {begun} have begun");
        assert!(end.is_multiple_of(PAGE_BYTES as u64), "block {ended} of a map ends inside a page, at {end}");
        self.page_ends.push(u32::try_from(end / PAGE_BYTES as u64).map_err(|_| "too many pages")?);
        Ok(())
    }

    /// The number that the next block to be ended has.
    pub(super) fn ended_blocks(&self) -> u32 {
        self.page_ends.len() as u32
    }

    pub(super) fn finish(self) -> Sparse {
        Sparse { keys: self.keys.into(), key_ends: self.key_ends.into(), page_ends: self.page_ends.into() }
    }
}

/// The map of a finished run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sparse {
    keys: Box<[u8]>,
    key_ends: Box<[u32]>,
    page_ends: Box<[u32]>,
}

impl Sparse {
    pub(super) fn blocks(&self) -> u32 {
        self.page_ends.len() as u32
    }

    /// The only block that can hold a key, and the one where a scan from there starts.
    pub(super) fn block_of(&self, key: &[u8]) -> u32 {
        let (mut low, mut high) = (0, self.blocks());
        // The first separator is empty: it is not behind any key.
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            if self.separator(middle) <= key { low = middle } else { high = middle }
        }
        low
    }

    /// Every key of the block is at or behind this, and every key of the blocks before it is before it.
    pub(super) fn separator(&self, block: u32) -> &[u8] {
        let range = range_of(&self.key_ends, block);
        range.and_then(|(start, end)| self.keys.get(start as usize..end as usize)).unwrap_or_default()
    }

    /// `None` behind the last block.
    pub(super) fn span(&self, block: u32) -> Option<Span> {
        let (start, end) = range_of(&self.page_ends, block)?;
        let len = (end - start) as usize * PAGE_BYTES;
        Some(Span { offset: u64::from(start) * PAGE_BYTES as u64, len })
    }

    /// Bytes of all blocks.
    pub(super) fn blocks_bytes(&self) -> u64 {
        u64::from(self.page_ends.last().copied().unwrap_or_default()) * PAGE_BYTES as u64
    }

    /// Bytes of memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.keys.len() + self.key_ends.len() * 4 + self.page_ends.len() * 4
    }

    /// Its bytes, in parts of some KiB.
    pub(super) fn encode(&self) -> impl Iterator<Item = Vec<u8>> {
        let bytes = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let ends = self.key_ends.chunks(WORDS_PER_PART).chain(self.page_ends.chunks(WORDS_PER_PART));
        let head = bytes(&[self.blocks(), self.keys.len() as u32]);
        let keys = self.keys.chunks(WORDS_PER_PART * size_of::<u32>()).map(<[u8]>::to_vec);
        std::iter::once(head).chain(ends.map(bytes)).chain(keys)
    }

    /// `None` when it cannot be a map: ends must ascend, blocks be at most `block_bytes_max` long and keys in order.
    pub(super) fn decode(bytes: &[u8], block_bytes_max: usize) -> Option<Self> {
        let mut input = Input::new(bytes);
        let (blocks, key_bytes) = (input.u32()? as usize, input.u32()? as usize);
        let key_ends: Box<[u32]> = input.u32s(blocks)?.collect();
        let page_ends: Box<[u32]> = input.u32s(blocks)?.collect();
        let keys: Box<[u8]> = input.take(key_bytes)?.into();
        if input.left() > 0 || key_ends.first().is_some_and(|&end| end != 0) {
            return None;
        }
        let sparse = Self { keys, key_ends, page_ends };
        let last = sparse.key_ends.last().map_or(0, |&end| end as usize);
        let mut before: Option<&[u8]> = None;
        for block in 0..sparse.blocks() {
            range_of(&sparse.key_ends, block)?;
            let span = sparse.span(block)?;
            let key = sparse.separator(block);
            if span.len == 0 || span.len > block_bytes_max || before.is_some_and(|before| before >= key) {
                return None;
            }
            before = Some(key);
        }
        (last == sparse.keys.len()).then_some(sparse)
    }
}

/// The part between an end and the one before; `None` when there is none or they do not ascend.
fn range_of(ends: &[u32], at: u32) -> Option<(u32, u32)> {
    let end = *ends.get(at as usize)?;
    let start = at.checked_sub(1).and_then(|before| ends.get(before as usize)).copied().unwrap_or_default();
    (start <= end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const MAX: usize = 64 * PAGE_BYTES;

    /// A map of blocks of three keys each.
    fn map(keys: &BTreeSet<Vec<u8>>) -> (Sparse, Vec<Vec<Vec<u8>>>) {
        let keys: Vec<_> = keys.iter().cloned().collect();
        let blocks: Vec<_> = keys.chunks(3).map(<[_]>::to_vec).collect();
        let mut builder = SparseBuilder::default();
        let mut last = Vec::new();
        for (at, block) in blocks.iter().enumerate() {
            builder.begin_block(&last, &block[0]).unwrap();
            builder.end_block(((at + 1) * 2 * PAGE_BYTES) as u64).unwrap();
            last = block.last().unwrap().clone();
        }
        (builder.finish(), blocks)
    }

    proptest! {
        #[test]
        fn leads_to_the_block(
            keys in prop::collection::btree_set(prop::collection::vec(0u8..3, 0..6), 1..60),
            wanted in prop::collection::vec(0u8..3, 0..6),
        ) {
            let (sparse, blocks) = map(&keys);
            prop_assert_eq!(sparse.blocks() as usize, blocks.len());
            for (at, block) in blocks.iter().enumerate() {
                prop_assert!(block.iter().all(|key| sparse.block_of(key) as usize == at));
                let span = Span { offset: (at * 2 * PAGE_BYTES) as u64, len: 2 * PAGE_BYTES };
                prop_assert_eq!(sparse.span(at as u32), Some(span));
            }
            prop_assert_eq!(sparse.span(blocks.len() as u32), None);
            // A scan that starts in that block misses nothing.
            let at = sparse.block_of(&wanted) as usize;
            prop_assert!(blocks[..at].iter().flatten().all(|key| *key < wanted));
            let bytes: Vec<u8> = sparse.encode().flatten().collect();
            prop_assert_eq!(Sparse::decode(&bytes, MAX), Some(sparse));
        }

        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..60), blocks in 0u8..5, keys in 0u8..9) {
            let mut framed = vec![blocks, 0, 0, 0, keys, 0, 0, 0];
            framed.extend(bytes.iter().map(|byte| byte % 4));
            for bytes in [bytes, framed] {
                if let Some(sparse) = Sparse::decode(&bytes, MAX) {
                    prop_assert!(sparse.block_of(&[1]) <= sparse.blocks());
                    prop_assert!((0..sparse.blocks()).all(|block| sparse.span(block).is_some()));
                }
            }
        }
    }
}

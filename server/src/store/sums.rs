//! The block checksums of an object whose bytes come in parts of any size.

use super::BLOCK_BYTES;
use wire::cksum::{crc32c, crc32c_joined};

/// A CRC-32C for each block so far; the last block may still be open.
#[derive(Debug, Default)]
pub(super) struct BlockSums {
    crcs: Vec<u32>,
    /// Bytes of the open block; 0 when the last one is full.
    open_bytes: usize,
}

impl BlockSums {
    /// So many bytes belong to the block that comes next or is open.
    pub(super) fn room(&self) -> usize {
        BLOCK_BYTES - self.open_bytes
    }

    /// Adds bytes of one block, see [`BlockSums::room`].
    pub(super) fn add(&mut self, part: &[u8]) {
        let (len, room) = (part.len(), self.room());
        assert!(0 < len && len <= room, "{len} bytes are added to a block that lacks {room}");
        match self.crcs.last_mut().filter(|_| self.open_bytes > 0) {
            Some(open) => *open = crc32c_joined(*open, crc32c(part), part.len()),
            None => self.crcs.push(crc32c(part)),
        }
        self.open_bytes = (self.open_bytes + part.len()) % BLOCK_BYTES;
    }

    /// All of them, the object being complete.
    pub(super) fn finish(self) -> Vec<u32> {
        self.crcs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_of_any_size_give_the_sums_of_whole_blocks(parts in prop::collection::vec(1usize..100_000, 1..8)) {
            let bytes: Vec<u8> = (0..parts.iter().sum::<usize>()).map(|at| (at * 31 % 251) as u8).collect();
            let mut sums = BlockSums::default();
            let mut rest = &bytes[..];
            for part in parts {
                let (mut now, later) = rest.split_at(part);
                rest = later;
                while !now.is_empty() {
                    let (block, next) = now.split_at(sums.room().min(now.len()));
                    sums.add(block);
                    now = next;
                }
            }
            let whole: Vec<u32> = bytes.chunks(BLOCK_BYTES).map(crc32c).collect();
            prop_assert_eq!(sums.finish(), whole);
        }
    }
}

//! The last page of a run: what lies before it and how it is checked.

use super::codec::Input;
use super::{BLOCK_BYTES_MAX, PAGE_BYTES};
use wire::cksum::crc32c;

const MAGIC: [u8; 8] = *b"SLrun\0\0\x01";
const CRC_BYTES: usize = 4;

/// Sections are written and checked in pieces of this size.
pub(super) const SECTION_PIECE_BYTES: usize = BLOCK_BYTES_MAX;

/// The checksum of a section: that of the checksums of its pieces, so that a large one is never held as a whole.
#[derive(Default)]
pub(super) struct SectionCrc(Vec<u8>);

impl SectionCrc {
    /// Takes the next piece; all but the last have the full size.
    pub(super) fn add(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(&crc32c(piece).to_le_bytes());
    }

    pub(super) fn finish(&self) -> u32 {
        crc32c(&self.0)
    }
}

/// A part of a run that is read whole: whole pages, of which `used` bytes mean something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) offset: u64,
    pub(super) used: u64,
    /// Of all pages; see [`SectionCrc`].
    pub(super) crc: u32,
}

impl Section {
    /// Bytes of its pages.
    pub(super) fn padded(&self) -> u64 {
        self.used.next_multiple_of(PAGE_BYTES as u64)
    }
}

/// The facts that a run says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) seq: u64,
    /// Tombstones included.
    pub(super) entries: u64,
    pub(super) tombstones: u64,
    pub(super) filter: Section,
    pub(super) sparse: Section,
}

impl Footer {
    /// One page.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut page = MAGIC.to_vec();
        page.extend([self.seq, self.entries, self.tombstones].into_iter().flat_map(u64::to_le_bytes));
        for section in [self.filter, self.sparse] {
            page.extend_from_slice(&section.offset.to_le_bytes());
            page.extend_from_slice(&section.used.to_le_bytes());
            page.extend_from_slice(&section.crc.to_le_bytes());
        }
        page.resize(PAGE_BYTES - CRC_BYTES, 0);
        let crc = crc32c(&page);
        page.extend_from_slice(&crc.to_le_bytes());
        page
    }

    /// Reads the last page of a file of `file_bytes`. The sections must fill the file behind the blocks.
    ///
    /// # Errors
    /// The fault, in words.
    pub(super) fn decode(page: &[u8], file_bytes: u64) -> Result<Self, &'static str> {
        let (fields, crc) = page.split_last_chunk::<CRC_BYTES>().ok_or("it has no footer")?;
        if page.len() != PAGE_BYTES || crc32c(fields) != u32::from_le_bytes(*crc) {
            return Err("its footer does not match its checksum");
        }
        let mut input = Input::new(fields);
        if input.take(MAGIC.len()) != Some(&MAGIC) {
            return Err("it is no run, or one of another version");
        }
        let footer = Self::read(&mut input).ok_or("its footer is cut short")?;
        let in_order = |end: u64, section: &Section| {
            section.used > 0
                && section.used <= end
                && section.offset.checked_add(section.padded()) == Some(end)
        };
        let end = file_bytes.saturating_sub(PAGE_BYTES as u64);
        let fills = in_order(end, &footer.sparse) && in_order(footer.sparse.offset, &footer.filter);
        if !fills || footer.tombstones > footer.entries {
            return Err("its footer contradicts itself");
        }
        Ok(footer)
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        let mut footer =
            Self { seq: input.u64()?, entries: input.u64()?, tombstones: input.u64()?, ..Self::default() };
        for section in [&mut footer.filter, &mut footer.sparse] {
            *section = Section { offset: input.u64()?, used: input.u64()?, crc: input.u32()? };
        }
        Some(footer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn footer(blocks: u64, filter: u64, sparse: u64, entries: u64) -> (Footer, u64) {
        let filter = Section { offset: blocks * PAGE_BYTES as u64, used: filter, crc: 7 };
        let sparse = Section { offset: filter.offset + filter.padded(), used: sparse, crc: 8 };
        let bytes = sparse.offset + sparse.padded() + PAGE_BYTES as u64;
        (Footer { seq: 3, entries, tombstones: entries / 3, filter, sparse }, bytes)
    }

    proptest! {
        #[test]
        fn comes_back(blocks in 0u64..1 << 40, filter in 1u64..1 << 40, sparse in 1u64..1 << 40, entries: u64) {
            let (footer, bytes) = footer(blocks, filter, sparse, entries);
            prop_assert_eq!(Footer::decode(&footer.encode(), bytes), Ok(footer));
            prop_assert!(Footer::decode(&footer.encode(), bytes + PAGE_BYTES as u64).is_err());
        }

        #[test]
        fn any_flipped_bit_is_noticed(at in 0..PAGE_BYTES, bit in 0u8..8) {
            let (footer, bytes) = footer(5, 6000, 7000, 100);
            let mut page = footer.encode();
            page[at] ^= 1 << bit;
            prop_assert!(Footer::decode(&page, bytes).is_err());
        }

        /// With a right checksum: what is accepted lies inside the file.
        #[test]
        fn any_fields(
            at in 8usize..72,
            fields in prop::collection::vec(any::<u8>(), 1..9),
            bytes in prop_oneof![Just(28672u64), any::<u64>()],
        ) {
            let mut page = footer(1, 5000, 5000, 100).0.encode();
            page[at..at + fields.len()].copy_from_slice(&fields);
            let crc = crc32c(&page[..PAGE_BYTES - 4]).to_le_bytes();
            page[PAGE_BYTES - 4..].copy_from_slice(&crc);
            if let Ok(footer) = Footer::decode(&page, bytes) {
                prop_assert!(footer.filter.used <= bytes && footer.sparse.used <= bytes);
            }
        }

        #[test]
        fn any_bytes(page in prop::collection::vec(any::<u8>(), 0..5000), bytes: u64) {
            prop_assert!(Footer::decode(&page, bytes).is_err());
        }
    }
}

//! Where the bytes of an object are.

use super::BLOCK_BYTES;
use wire::cksum::crc32c;
use wire::lom::{BlockCrcs, ObjectMeta};
use wire::segment;

/// A plain file under the object's path, or a part of a lane's segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The file at [`super::Key::path`].
    File {
        /// Its block checksums are in a file of their own.
        has_sidecar: bool,
    },
    /// In a segment of the name's lane.
    Segment(Extent),
}

/// A small object in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The segment's number in its lane.
    pub(crate) segment: u64,
    /// Where the object's first byte is.
    pub(crate) offset: u64,
    /// Bytes of the record before it.
    pub(crate) head_bytes: u32,
    /// CRC-32C of each block; objects in segments have two at most.
    pub(crate) crcs: [u32; 2],
}

impl Extent {
    /// Bytes of the segment that an object of this size takes, its head and padding included.
    pub(crate) fn record_bytes(&self, size_bytes: u64) -> u64 {
        u64::from(self.head_bytes) + size_bytes + segment::object_padding(size_bytes) as u64
    }

    /// True if these are the object's bytes.
    pub(crate) fn matches(&self, bytes: &[u8]) -> bool {
        bytes.chunks(BLOCK_BYTES).zip(self.crcs).all(|(block, crc)| crc32c(block) == crc)
    }
}

impl Place {
    /// True if the object is a plain file.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self, Self::File { .. })
    }
}

/// Where the data of an object's record are.
pub(crate) fn extent_of(segment: u64, offset: u64, head_len: usize, meta: &ObjectMeta) -> Extent {
    let mut crcs = [0; 2];
    if let BlockCrcs::Inline(found) = &meta.block_crcs {
        crcs.iter_mut().zip(found).for_each(|(crc, found)| *crc = *found);
    }
    Extent { segment, offset: offset + head_len as u64, head_bytes: head_len as u32, crcs }
}

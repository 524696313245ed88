//! The stamp at the begin of every block, and what it says.
//!
//! | bytes  | field                                                |
//! |--------|------------------------------------------------------|
//! | 0..4   | magic `ALS1`                                         |
//! | 4..6   | percentages: compressible, shared                    |
//! | 6..8   | zero                                                 |
//! | 8..16  | hash of bucket and name; 0 in a shared block         |
//! | 16..24 | bytes of the object; 0 in a shared block             |
//! | 24..32 | version; 0 in a shared block                         |
//! | 32..36 | number of the loader that wrote it                   |
//! | 36..40 | number of the block in the object                    |
//! | 40..48 | seed                                                 |
//! | 48..52 | CRC-32C of the above                                 |
//!
//! Numbers are little-endian.

use crate::workload::random::scale;
use placement::mix;
use serde::Serialize;
use xxhash_rust::xxh64::Xxh64;

/// Length of a block.
pub const BLOCK_BYTES: usize = 4096;
/// Length of a stamp.
pub const STAMP_BYTES: usize = 52;
/// The first bytes of every stamp.
pub(super) const MAGIC: [u8; 4] = *b"ALS1";
const CRC_AT: usize = 48;

/// The settings that the bytes of an object are made from, apart from its own identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Recipe {
    /// Seed of the pool.
    pub seed: u64,
    /// Percentage of each block that compresses to nearly nothing.
    pub compress_pct: u8,
    /// Percentage of the blocks that all objects have in common; the first block of an object never is.
    pub dedupe_pct: u8,
}

impl Recipe {
    /// True when all objects have this block in common. The shares are kept exactly, not just on average.
    #[must_use]
    pub fn is_shared(&self, block: u32) -> bool {
        let up_to = |blocks: u32| u64::from(blocks) * u64::from(self.dedupe_pct) / 100;
        block > 0 && up_to(block) > up_to(block.saturating_sub(1))
    }
}

/// An object's identity, which every one of its stamps repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The recipe of its bytes.
    pub recipe: Recipe,
    /// [`name_hash`] of it.
    pub name_hash: u64,
    /// Bytes of the whole object.
    pub size_bytes: u64,
    /// Grows with every write of the name by the same loader; nanoseconds since 1970.
    pub version: u64,
    /// The number of the loader that wrote it.
    pub loader: u32,
}

impl Identity {
    /// The stamp of one of its blocks.
    #[must_use]
    pub fn stamp(&self, block: u32) -> Stamp {
        let identity = if self.recipe.is_shared(block) {
            Self { name_hash: 0, size_bytes: 0, version: 0, loader: 0, ..*self }
        } else {
            *self
        };
        Stamp { identity, block }
    }

    /// True when the object is too short for a stamp.
    #[must_use]
    pub fn is_tiny(&self) -> bool {
        self.size_bytes < STAMP_BYTES as u64
    }
}

/// A block's stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The object; all zero but for the recipe in a shared block.
    pub identity: Identity,
    /// The block's number in it.
    pub block: u32,
}

impl Stamp {
    /// True for a block that all objects have in common.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.identity.name_hash == 0
    }

    /// The one of `pages` pages of the pool that fills the block. It depends on the version, so that a block which is
    /// torn behind its stamp is found too.
    #[must_use]
    pub fn page(&self, pages: u64) -> u64 {
        let Identity { recipe, name_hash, version, loader, .. } = self.identity;
        let start = scale(mix(name_hash ^ mix(version ^ mix(u64::from(loader) ^ recipe.seed))), pages);
        start.wrapping_add(u64::from(self.block)).checked_rem(pages).unwrap_or(0)
    }

    /// The stamp as bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; STAMP_BYTES] {
        let mut out = [0; STAMP_BYTES];
        let Identity { recipe, name_hash, size_bytes, version, loader } = self.identity;
        put(&mut out, 0, &MAGIC);
        put(&mut out, 4, &[recipe.compress_pct, recipe.dedupe_pct]);
        put(&mut out, 8, &name_hash.to_le_bytes());
        put(&mut out, 16, &size_bytes.to_le_bytes());
        put(&mut out, 24, &version.to_le_bytes());
        put(&mut out, 32, &loader.to_le_bytes());
        put(&mut out, 36, &self.block.to_le_bytes());
        put(&mut out, 40, &recipe.seed.to_le_bytes());
        let crc = wire::cksum::crc32c(out.get(..CRC_AT).unwrap_or_default());
        put(&mut out, CRC_AT, &crc.to_le_bytes());
        out
    }

    /// Reads the stamp at the begin of a block; `None` when there is none, or a damaged one.
    #[must_use]
    pub fn decode(block: &[u8]) -> Option<Self> {
        let head: &[u8; STAMP_BYTES] = block.first_chunk()?;
        let crc = u32::from_le_bytes(field(head, CRC_AT)?);
        let has_magic = head.starts_with(&MAGIC);
        if !has_magic || crc != wire::cksum::crc32c(head.get(..CRC_AT)?) {
            return None;
        }
        Self::decode_unchecked(head).filter(Self::is_possible)
    }

    /// The fields as they are written, true or not.
    pub(super) fn decode_unchecked(head: &[u8]) -> Option<Self> {
        let [compress_pct, dedupe_pct] = field(head, 4)?;
        let recipe = Recipe { seed: u64::from_le_bytes(field(head, 40)?), compress_pct, dedupe_pct };
        let identity = Identity {
            recipe,
            name_hash: u64::from_le_bytes(field(head, 8)?),
            size_bytes: u64::from_le_bytes(field(head, 16)?),
            version: u64::from_le_bytes(field(head, 24)?),
            loader: u32::from_le_bytes(field(head, 32)?),
        };
        Some(Self { identity, block: u32::from_le_bytes(field(head, 36)?) })
    }

    /// The checksum that lies in the bytes of a stamp.
    pub(super) fn crc_field(head: &[u8]) -> Option<[u8; 4]> {
        field(head, CRC_AT)
    }

    fn is_possible(&self) -> bool {
        let Identity { recipe, size_bytes, .. } = self.identity;
        let has_size = self.is_shared() || size_bytes >= STAMP_BYTES as u64;
        recipe.compress_pct <= 100 && recipe.dedupe_pct <= 100 && has_size
    }
}

/// The hash by which stamps name an object; never 0. `bucket` is its URI.
#[must_use]
pub fn name_hash(bucket: &str, name: &str) -> u64 {
    let mut hasher = Xxh64::new(0);
    hasher.update(bucket.as_bytes());
    hasher.update(b"/");
    hasher.update(name.as_bytes());
    hasher.digest().max(1)
}

fn put(out: &mut [u8; STAMP_BYTES], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..at.saturating_add(bytes.len())) {
        place.copy_from_slice(bytes);
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

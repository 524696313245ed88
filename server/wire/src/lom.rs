//! An object's metadata as it lies on disk, in one extended attribute of the object's file.
//!
//! The bytes: `SLM1`, a version byte, the total length (u32), the fields, and the CRC-32 (IEEE) of all before it.
//! Numbers are little endian; texts and lists are prefixed with their length (u16). Every length has a bound that
//! both directions check, and nothing is read before the CRC has been verified, so that a decoder never acts on
//! damaged metadata.

use std::fmt;

use crate::api::custom::MAX_CUSTOM;
use crate::cksum::CksumType;
use crate::text;

mod apart;
pub(crate) mod reader;

pub use apart::{Apart, Stored};

use reader::Reader;

/// The most bytes of an encoded record. Ext4 gives all attributes of a file one block of 4 KiB together.
pub const MAX_ENCODED: usize = 3500;
/// The most bytes of an object's name.
pub const MAX_NAME: usize = 1024;
/// The most bytes of a checksum's value (SHA-512 in hexadecimal).
pub const MAX_CKSUM: usize = 128;

const MAGIC: [u8; 4] = *b"SLM1";
const VERSION: u8 = 1;
/// Magic, version, total length.
const HEAD: usize = 9;
const CRC: usize = 4;
const INLINE: u8 = 0;
const SIDECAR: u8 = 1;

// With its checksums in a file of their own, every object's metadata fits: each field at its limit.
const _: () =
    assert!(HEAD + 6 * 8 + 1 + 3 * 2 + MAX_NAME + MAX_CKSUM + MAX_CUSTOM + 1 + 16 + CRC <= MAX_ENCODED);

/// The CRC-32C of every block of the object's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockCrcs {
    /// Here, one per block in order; for objects of few blocks (see [`ObjectMeta::fits_inline`]).
    Inline(Vec<u32>),
    /// In a file of its own.
    Sidecar {
        /// Which file.
        id: u64,
        /// How many blocks.
        count: u32,
        /// CRC-32C of the file's content.
        crc_of_table: u32,
    },
}

/// An object's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Bytes of data.
    pub size: u64,
    /// Version as clients see it; 0 when the bucket has no versions.
    pub version: u64,
    /// Counts writes of this name, never shown: the greater of two records of one name is the newer.
    pub generation: u64,
    /// Last read, nanoseconds since 1970.
    pub atime_ns: i64,
    /// Last write, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Type of the whole-object checksum.
    pub cksum_type: CksumType,
    /// Its value in hexadecimal; empty for `none`.
    pub cksum_value: String,
    /// Custom metadata in order.
    pub custom: Vec<(String, String)>,
    /// The object's name, since the file's name may be a shortened or escaped one.
    pub name: String,
    /// The number of its bucket.
    pub bucket_id: u64,
    /// Checksums of its blocks.
    pub block_crcs: BlockCrcs,
}

/// Why metadata cannot be encoded or decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LomError {
    /// It does not begin with `SLM1`: not ours.
    BadMagic,
    /// A version that this program does not know.
    Version(u8),
    /// Fewer bytes than the record says, or a field reaches beyond the record.
    Truncated,
    /// More bytes than the record says, or than its fields take.
    Trailing,
    /// The CRC does not match: damaged.
    Crc,
    /// A field has a value that it cannot have.
    Malformed(&'static str),
    /// A field, or the whole record, is larger than allowed.
    TooLarge(&'static str),
}

impl fmt::Display for LomError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LomError::BadMagic => to.write_str("object metadata: bad magic"),
            LomError::Version(version) => write!(to, "object metadata: unknown version {version}"),
            LomError::Truncated => to.write_str("object metadata: truncated"),
            LomError::Trailing => to.write_str("object metadata: trailing bytes"),
            LomError::Crc => to.write_str("object metadata: CRC mismatch"),
            LomError::Malformed(field) => write!(to, "object metadata: malformed {field}"),
            LomError::TooLarge(field) => write!(to, "object metadata: {field} is too large"),
        }
    }
}

impl std::error::Error for LomError {}

impl ObjectMeta {
    /// Appends the encoded record.
    ///
    /// # Errors
    /// [`LomError::TooLarge`]; then `out` is as before.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), LomError> {
        let start = out.len();
        let result = self.encode_at(start, out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn encode_at(&self, start: usize, out: &mut Vec<u8>) -> Result<(), LomError> {
        let total = self.encoded_len()?;
        let total_u32 = u32::try_from(total).map_err(|_| LomError::TooLarge("record"))?;
        out.reserve(total);
        out.extend_from_slice(&MAGIC);
        out.push(VERSION);
        out.extend_from_slice(&total_u32.to_le_bytes());
        for number in [self.size, self.version, self.generation, self.bucket_id] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.atime_ns.to_le_bytes());
        out.extend_from_slice(&self.mtime_ns.to_le_bytes());
        out.push(self.cksum_type.code());
        put_text(out, &self.cksum_value)?;
        put_text(out, &self.name)?;
        put_len(out, self.custom.len())?;
        for (key, value) in &self.custom {
            put_text(out, key)?;
            put_text(out, value)?;
        }
        match &self.block_crcs {
            BlockCrcs::Inline(crcs) => {
                out.push(INLINE);
                put_len(out, crcs.len())?;
                crcs.iter().for_each(|crc| out.extend_from_slice(&crc.to_le_bytes()));
            }
            BlockCrcs::Sidecar { id, count, crc_of_table } => {
                out.push(SIDECAR);
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(&count.to_le_bytes());
                out.extend_from_slice(&crc_of_table.to_le_bytes());
            }
        }
        let record = out.get(start..).ok_or(LomError::Truncated)?;
        let crc = crc32fast::hash(record);
        out.extend_from_slice(&crc.to_le_bytes());
        Ok(())
    }

    /// The length of the encoded record.
    ///
    /// # Errors
    /// [`LomError::TooLarge`], exactly when [`ObjectMeta::encode`] would fail.
    pub fn encoded_len(&self) -> Result<usize, LomError> {
        let bound = |len: usize, most: usize, field| {
            if len > most { Err(LomError::TooLarge(field)) } else { Ok(len) }
        };
        let custom = crate::api::custom::encoded_size(&self.custom);
        let texts = bound(self.name.len(), MAX_NAME, "name")?
            + bound(self.cksum_value.len(), MAX_CKSUM, "checksum")?
            + bound(custom, MAX_CUSTOM, "custom metadata")?;
        let blocks = match &self.block_crcs {
            BlockCrcs::Inline(crcs) => 2 + bound(crcs.len(), MAX_ENCODED / 4, "block table")? * 4,
            BlockCrcs::Sidecar { .. } => 16,
        };
        // Six numbers, the checksum's type, three lengths (checksum, name, pairs), the kind of block table.
        let total = HEAD + 6 * 8 + 1 + 3 * 2 + texts + 1 + blocks + CRC;
        bound(total, MAX_ENCODED, "record")
    }

    /// True if the checksums of `blocks` blocks fit into a record of `bytes_max` besides all else, so that no sidecar is
    /// needed.
    #[must_use]
    pub fn fits_inline(&self, blocks: usize, bytes_max: usize) -> bool {
        let bare = ObjectMeta { block_crcs: BlockCrcs::Inline(Vec::new()), ..self.clone() };
        let table = blocks.saturating_mul(4);
        bare.encoded_len().is_ok_and(|len| len + table <= bytes_max.min(MAX_ENCODED))
    }

    /// The metadata in a file's attribute: a record, or its text, as TAR programs leave it on what they extract from an
    /// archive of ours.
    ///
    /// # Errors
    /// See [`LomError`].
    pub fn from_attribute(value: &[u8]) -> Result<Self, LomError> {
        match text::decode(value) {
            Some(bytes) if bytes.starts_with(&MAGIC) => Self::decode(&bytes),
            _ => Self::decode(value),
        }
    }

    /// Decodes a record. Never panics, whatever the bytes.
    ///
    /// # Errors
    /// See [`LomError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, LomError> {
        let mut body = Reader::new(verified_body(bytes)?);
        let [size, version, generation, bucket_id] = [body.u64()?, body.u64()?, body.u64()?, body.u64()?];
        let (atime_ns, mtime_ns) = (body.i64()?, body.i64()?);
        let cksum_type = CksumType::from_code(body.u8()?).ok_or(LomError::Malformed("checksum type"))?;
        let cksum_value = body.text(MAX_CKSUM, "checksum")?;
        let name = body.text(MAX_NAME, "name")?;
        let custom = read_custom(&mut body)?;
        let block_crcs = match body.u8()? {
            INLINE => BlockCrcs::Inline(body.numbers()?),
            SIDECAR => BlockCrcs::Sidecar { id: body.u64()?, count: body.u32()?, crc_of_table: body.u32()? },
            _ => return Err(LomError::Malformed("block table")),
        };
        body.finish()?;
        Ok(ObjectMeta {
            size,
            version,
            generation,
            atime_ns,
            mtime_ns,
            cksum_type,
            cksum_value,
            custom,
            name,
            bucket_id,
            block_crcs,
        })
    }
}

/// Checks the frame, and gives the fields between head and CRC.
fn verified_body(bytes: &[u8]) -> Result<&[u8], LomError> {
    let mut head = Reader::new(bytes);
    if head.take(4)? != MAGIC {
        return Err(LomError::BadMagic);
    }
    let version = head.u8()?;
    if version != VERSION {
        return Err(LomError::Version(version));
    }
    let total = usize::try_from(head.u32()?).map_err(|_| LomError::TooLarge("record"))?;
    if total > MAX_ENCODED {
        return Err(LomError::TooLarge("record"));
    }
    if bytes.len() > total && total >= HEAD + CRC {
        return Err(LomError::Trailing);
    }
    let covered = total.checked_sub(CRC).filter(|_| bytes.len() == total).ok_or(LomError::Truncated)?;
    let (record, crc) = bytes.split_at_checked(covered).ok_or(LomError::Truncated)?;
    if Reader::new(crc).u32()? != crc32fast::hash(record) {
        return Err(LomError::Crc);
    }
    record.get(HEAD..).ok_or(LomError::Truncated)
}

fn read_custom(body: &mut Reader<'_>) -> Result<Vec<(String, String)>, LomError> {
    let count = body.u16()?;
    let mut custom = Vec::new();
    let mut left = MAX_CUSTOM;
    for _ in 0..count {
        let key = body.text(MAX_CUSTOM, "custom metadata")?;
        let value = body.text(MAX_CUSTOM, "custom metadata")?;
        left = left.checked_sub(key.len() + value.len() + 4).ok_or(LomError::TooLarge("custom metadata"))?;
        custom.push((key, value));
    }
    Ok(custom)
}

fn put_len(out: &mut Vec<u8>, len: usize) -> Result<(), LomError> {
    let len = u16::try_from(len).map_err(|_| LomError::TooLarge("list"))?;
    out.extend_from_slice(&len.to_le_bytes());
    Ok(())
}

fn put_text(out: &mut Vec<u8>, text: &str) -> Result<(), LomError> {
    put_len(out, text.len())?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests;

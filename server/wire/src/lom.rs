//! An object's metadata as it lies on disk, in one extended attribute of the object's file.
//!
//! The bytes: `SLM2`, the total length (u16), the fields, and the CRC-32 (IEEE) of all before it. Numbers of fixed width
//! are little endian, the others and all lengths as in [`crate::varint`]. In this order:
//!
//! | field | bytes |
//! |---|---|
//! | what it is | [`ObjectKind`]: a code and what belongs to it |
//! | whose it is | the provider's code, with `0x80` for a namespace; the namespace's two texts; the bucket's name; the name; the bucket's number |
//! | the object | size; version; generation (clock, and the node in 8 bytes); mtime (ns, zigzag); atime less mtime (ns, zigzag) |
//! | its checksum | the type's code, with `0x80` for lower-case hexadecimal that is kept as bytes; the value |
//! | custom metadata | the number of pairs; the pairs |
//! | block checksums | 0, their number and 4 bytes each; or 1, and number and CRC-32C of a table in a file of its own (4 bytes each) |
//!
//! Every length has a bound that both directions check, and nothing is read before the CRC has been verified, so that a decoder
//! never acts on damaged metadata. A code that this program does not know is refused by its name.

use std::fmt;

use crate::api::bck::{Bck, MAX_BUCKET_NAME, Ns, Provider};
use crate::api::custom::MAX_CUSTOM;
use crate::cksum::CksumType;
use crate::{hex, text, varint};

mod apart;
mod generation;
mod kind;
pub(crate) mod reader;

pub use apart::{Apart, Stored};
pub use generation::Generation;
pub use kind::{ObjectKind, Slot};

use reader::Reader;

/// The most bytes of an encoded record.
pub const MAX_ENCODED: usize = 8 << 10;
/// The most bytes of a record that is an attribute; a longer one lies in a file ([`Apart`]). Ext4 gives all attributes of a file one
/// block of 4 KiB together.
pub const MAX_ATTRIBUTE: usize = 3500;
/// The most bytes of an object's name.
pub const MAX_NAME: usize = 4096;
/// The most bytes of a checksum's value (SHA-512 in hexadecimal).
pub const MAX_CKSUM: usize = 128;

/// The most bytes of each part of a namespace.
pub const MAX_NAMESPACE: usize = 32;

const MAGIC: [u8; 4] = *b"SLM2";
/// The first bytes of the formats before; a version followed in the fifth byte.
const MAGIC_BEFORE: [u8; 4] = *b"SLM1";
/// Magic, total length.
const HEAD: usize = 6;
const CRC: usize = 4;
const GENERATION: usize = varint::MAX_BYTES + 8;
const INLINE: u8 = 0;
const SIDECAR: u8 = 1;
const NAMESPACE: u8 = 0x80;
const PACKED: u8 = 0x80;

// Every object's metadata fits with each field at its limit, if its checksums lie in a file of their own.
const _: () = {
    let kind = 1 + GENERATION + varint::MAX_BYTES;
    let whose = 1 + 2 * (1 + MAX_NAMESPACE) + 1 + MAX_BUCKET_NAME + 2 + MAX_NAME + varint::MAX_BYTES;
    let object = 4 * varint::MAX_BYTES + GENERATION;
    // The bound of custom metadata counts four bytes for the lengths of each pair, which take no more.
    let rest = 1 + 2 + MAX_CKSUM + 2 + MAX_CUSTOM + 1 + 8;
    assert!(HEAD + kind + whose + object + rest + CRC <= MAX_ENCODED);
};

/// The CRC-32C of every block of the object's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockCrcs {
    /// Here, one per block in order; for objects of few blocks (see [`ObjectMeta::fits_inline`]).
    Inline(Vec<u32>),
    /// In a file of its own, named by the generation.
    Sidecar {
        /// The number of blocks.
        count: u32,
        /// CRC-32C of the file's content.
        crc_of_table: u32,
    },
}

/// An object's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The relation of the record to its name.
    pub kind: ObjectKind,
    /// Its bucket.
    pub bucket: Bck,
    /// The number of its bucket, which no other bucket ever has.
    pub bucket_id: u64,
    /// The object's name, since the file's name may be a shortened or escaped one.
    pub name: String,
    /// Bytes of data.
    pub size: u64,
    /// Version as clients see it; 0 when the bucket has no versions.
    pub version: u64,
    /// The greater of two records of one name is the newer.
    pub generation: Generation,
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
    /// Checksums of its blocks.
    pub block_crcs: BlockCrcs,
}

/// Why metadata cannot be encoded or decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LomError {
    /// It does not begin with `SLM2`: not ours.
    BadMagic,
    /// An earlier version, which this program does not read.
    Version(u8),
    /// A field has a code that this program does not know: a later version wrote it.
    Unknown(&'static str, u8),
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
            LomError::Unknown(field, code) => {
                write!(to, "object metadata: {field} {code} is not known to this version")
            }
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
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[0; HEAD - MAGIC.len()]);
        self.put_fields(out)?;
        put_blocks(out, &self.block_crcs)?;
        let total = (out.len() - start).saturating_add(CRC);
        let total_u16 = u16::try_from(total).ok().filter(|_| total <= MAX_ENCODED);
        let total_u16 = total_u16.ok_or(LomError::TooLarge("record"))?;
        if let Some(place) = out.get_mut(start + MAGIC.len()..start + HEAD) {
            place.copy_from_slice(&total_u16.to_le_bytes());
        }
        let crc = crc32fast::hash(out.get(start..).ok_or(LomError::Truncated)?);
        out.extend_from_slice(&crc.to_le_bytes());
        Ok(())
    }

    /// All fields but the block checksums.
    fn put_fields(&self, out: &mut Vec<u8>) -> Result<(), LomError> {
        self.kind.encode(out)?;
        put_bucket(out, &self.bucket)?;
        put_text(out, &self.name, MAX_NAME, "name")?;
        for number in [self.bucket_id, self.size, self.version] {
            varint::put(number, out);
        }
        put_generation(out, self.generation);
        varint::put(varint::zigzag(self.mtime_ns), out);
        varint::put(varint::zigzag(self.atime_ns.wrapping_sub(self.mtime_ns)), out);
        put_cksum(out, self.cksum_type, &self.cksum_value)?;
        if crate::api::custom::encoded_size(&self.custom) > MAX_CUSTOM {
            return Err(LomError::TooLarge("custom metadata"));
        }
        varint::put(self.custom.len() as u64, out);
        for (key, value) in &self.custom {
            put_text(out, key, MAX_CUSTOM, "custom metadata")?;
            put_text(out, value, MAX_CUSTOM, "custom metadata")?;
        }
        Ok(())
    }

    /// The length of the encoded record.
    ///
    /// # Errors
    /// The errors of [`ObjectMeta::encode`].
    pub fn encoded_len(&self) -> Result<usize, LomError> {
        let mut out = Vec::with_capacity(512);
        self.encode(&mut out).map(|()| out.len())
    }

    /// True if the checksums of `blocks` blocks fit into a record of `bytes_max` besides all else, so that no sidecar is
    /// needed.
    #[must_use]
    pub fn fits_inline(&self, blocks: usize, bytes_max: usize) -> bool {
        let mut out = Vec::with_capacity(512);
        if self.put_fields(&mut out).is_err() {
            return false;
        }
        out.push(INLINE);
        varint::put(blocks as u64, &mut out);
        let len = HEAD.saturating_add(out.len()).saturating_add(blocks.saturating_mul(4)).saturating_add(CRC);
        len <= bytes_max.min(MAX_ENCODED)
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
        let kind = ObjectKind::read(&mut body)?;
        let bucket = read_bucket(&mut body)?;
        let name = body.text(MAX_NAME, "name")?;
        let [bucket_id, size, version] = [body.number()?, body.number()?, body.number()?];
        let generation = body.generation()?;
        let mtime_ns = varint::unzigzag(body.number()?);
        let atime_ns = mtime_ns.wrapping_add(varint::unzigzag(body.number()?));
        let (cksum_type, cksum_value) = read_cksum(&mut body)?;
        let custom = read_custom(&mut body)?;
        let block_crcs = match body.u8()? {
            INLINE => BlockCrcs::Inline(body.crcs()?),
            SIDECAR => BlockCrcs::Sidecar { count: body.u32()?, crc_of_table: body.u32()? },
            code => return Err(LomError::Unknown("block table", code)),
        };
        body.finish()?;
        Ok(ObjectMeta {
            kind,
            bucket,
            bucket_id,
            name,
            size,
            version,
            generation,
            atime_ns,
            mtime_ns,
            cksum_type,
            cksum_value,
            custom,
            block_crcs,
        })
    }
}

/// Checks that a bucket is one that a path and an archive can name: its name is one part that needs no escape.
///
/// # Errors
/// [`LomError::Malformed`].
fn check_bucket(bucket: &Bck) -> Result<(), LomError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let is_plain = |text: &str, most: usize| text.len() <= most && text.bytes().all(allowed);
    let name = bucket.name.as_str();
    if !is_plain(name, MAX_BUCKET_NAME) || matches!(name, "" | "." | "..") {
        return Err(LomError::Malformed("bucket name"));
    }
    let Ns { uuid, name } = &bucket.namespace;
    let sound = is_plain(uuid, MAX_NAMESPACE) && is_plain(name, MAX_NAMESPACE);
    if sound { Ok(()) } else { Err(LomError::Malformed("namespace")) }
}

/// Checks the frame, and gives the fields between head and CRC.
fn verified_body(bytes: &[u8]) -> Result<&[u8], LomError> {
    let mut head = Reader::new(bytes);
    match head.take(MAGIC.len())? {
        magic if magic == MAGIC => {}
        magic if magic == MAGIC_BEFORE => return Err(LomError::Version(head.u8()?)),
        _ => return Err(LomError::BadMagic),
    }
    let total = usize::from(head.u16()?);
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

fn put_bucket(out: &mut Vec<u8>, bucket: &Bck) -> Result<(), LomError> {
    check_bucket(bucket)?;
    let global = bucket.namespace.is_global();
    out.push(bucket.provider.code() | if global { 0 } else { NAMESPACE });
    if !global {
        put_text(out, &bucket.namespace.uuid, MAX_NAMESPACE, "namespace")?;
        put_text(out, &bucket.namespace.name, MAX_NAMESPACE, "namespace")?;
    }
    put_text(out, &bucket.name, MAX_BUCKET_NAME, "bucket name")
}

fn read_bucket(body: &mut Reader<'_>) -> Result<Bck, LomError> {
    let code = body.u8()?;
    let provider = Provider::from_code(code & !NAMESPACE);
    let provider = provider.ok_or(LomError::Unknown("provider", code & !NAMESPACE))?;
    let mut namespace = Ns::default();
    if code & NAMESPACE != 0 {
        namespace.uuid = body.text(MAX_NAMESPACE, "namespace")?;
        namespace.name = body.text(MAX_NAMESPACE, "namespace")?;
        if namespace.is_global() {
            return Err(LomError::Malformed("namespace"));
        }
    }
    let bucket = Bck { name: body.text(MAX_BUCKET_NAME, "bucket name")?, provider, namespace };
    check_bucket(&bucket).map(|()| bucket)
}

fn put_cksum(out: &mut Vec<u8>, kind: CksumType, value: &str) -> Result<(), LomError> {
    if value.len() > MAX_CKSUM {
        return Err(LomError::TooLarge("checksum"));
    }
    let packed = hex::pack(value);
    out.push(kind.code() | if packed.is_some() { PACKED } else { 0 });
    let bytes = packed.as_deref().unwrap_or(value.as_bytes());
    varint::put(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
    Ok(())
}

fn read_cksum(body: &mut Reader<'_>) -> Result<(CksumType, String), LomError> {
    let code = body.u8()?;
    let kind =
        CksumType::from_code(code & !PACKED).ok_or(LomError::Unknown("checksum type", code & !PACKED))?;
    if code & PACKED != 0 {
        let packed = body.bytes(MAX_CKSUM / 2, "checksum")?;
        return if packed.is_empty() {
            Err(LomError::Malformed("checksum"))
        } else {
            Ok((kind, hex::unpack(packed)))
        };
    }
    let value = body.text(MAX_CKSUM, "checksum")?;
    // A value that can be packed is written so: there is one form only.
    if hex::pack(&value).is_some() { Err(LomError::Malformed("checksum")) } else { Ok((kind, value)) }
}

fn read_custom(body: &mut Reader<'_>) -> Result<Vec<(String, String)>, LomError> {
    let mut custom = Vec::new();
    let mut left = MAX_CUSTOM;
    for _ in 0..body.number()? {
        let key = body.text(MAX_CUSTOM, "custom metadata")?;
        let value = body.text(MAX_CUSTOM, "custom metadata")?;
        left = left.checked_sub(key.len() + value.len() + 4).ok_or(LomError::TooLarge("custom metadata"))?;
        custom.push((key, value));
    }
    Ok(custom)
}

fn put_blocks(out: &mut Vec<u8>, crcs: &BlockCrcs) -> Result<(), LomError> {
    match crcs {
        BlockCrcs::Inline(crcs) if crcs.len() > MAX_ENCODED / 4 => {
            return Err(LomError::TooLarge("block table"));
        }
        BlockCrcs::Inline(crcs) => {
            out.push(INLINE);
            varint::put(crcs.len() as u64, out);
            crcs.iter().for_each(|crc| out.extend_from_slice(&crc.to_le_bytes()));
        }
        BlockCrcs::Sidecar { count, crc_of_table } => {
            out.push(SIDECAR);
            out.extend_from_slice(&count.to_le_bytes());
            out.extend_from_slice(&crc_of_table.to_le_bytes());
        }
    }
    Ok(())
}

/// A clock, and the node in eight bytes.
pub(crate) fn put_generation(out: &mut Vec<u8>, generation: Generation) {
    varint::put(generation.clock, out);
    out.extend_from_slice(&generation.node.to_le_bytes());
}

/// A text with its length before it.
pub(crate) fn put_text(
    out: &mut Vec<u8>,
    text: &str,
    most: usize,
    field: &'static str,
) -> Result<(), LomError> {
    if text.len() > most {
        return Err(LomError::TooLarge(field));
    }
    varint::put(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests;

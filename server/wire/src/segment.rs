//! The records of a segment: a file of many small objects that is a valid TAR archive whenever it is durable.
//!
//! A segment is records one behind the other, each a multiple of 512 bytes; the first block of zeros ends it.
//!
//! | record    | as TAR sees it                                            | what we keep in it                      |
//! |-----------|-----------------------------------------------------------|-----------------------------------------|
//! | object    | extended header, header, data, zeros to the block's end   | [`ObjectMeta`] as an extended attribute |
//! | file      | extended header with a comment, the directory `%log/`     | [`ObjectMeta`] of a plain file          |
//! | deletions | extended header with a comment, the directory `%log/`     | many [`Deletion`]s                      |
//! | padding   | the same, or the directory alone                          | nothing                                 |
//!
//! So `tar -x` gives the objects back, with the attribute (`--xattrs`) that a plain file of ours carries, and says
//! nothing about the rest. Many readers stop at a *global* header with nothing behind it, or at many in a row; a
//! directory they take anywhere, as often as it comes, and `comment` is the one keyword that all ignore silently. Bytes
//! that are no text are written in base64: zeros in a fact make some readers drop all facts. GNU tar warns of a
//! *single* block of zeros at the end of a file, so a writer leaves none or more than one.
//!
//! All that belongs to an object is written exactly one way, and [`parse`] accepts nothing else: it decodes, encodes
//! again and compares. Checksums cover what a comparison cannot see (the attribute has its own CRC, every comment
//! of ours one too), so that no damaged head is believed. A member's name is for people; the name that counts lies in
//! the metadata. Programs that extract `a` cannot make `a/b`: an archive that is made for them has one of the two
//! [`Spelling::Escaped`].
//!
//! Every comment of ours names the format, 4: a record of another one is refused like one of another program.

use std::fmt;

use crate::cksum::crc32c;
use crate::lom::{BlockCrcs, Generation, LomError, ObjectMeta, Slot};

mod internal;
mod member;
mod object;
mod pax;
mod read;
mod ustar;

pub use internal::{delete_records, file_record, padding};
pub use member::{Spelling, is_readable, member_name};
pub use object::{archive_head, object_head, object_padding};
pub use read::parse;

/// TAR's unit: every record begins at a multiple of it.
pub const BLOCK_BYTES: usize = 512;
/// The most data of an object, in bytes, so that the length of any record fits 32 bits.
pub const MAX_DATA: u64 = 1 << 31;
/// The most bytes of a record other than an object's.
pub const MAX_INTERNAL: usize = 64 << 10;
/// The most bytes that one more deletion adds to a record, or that it takes as one of its own: bucket, generation, slot,
/// length, name and CRC as text, what stands before them, what fills up the last block, and two headers.
pub const MAX_DELETION: usize = (crate::text::text_len(10 + 18 + 29 + 2 + crate::lom::MAX_NAME + 4) + 64)
    .next_multiple_of(BLOCK_BYTES)
    + 2 * BLOCK_BYTES;
/// The most bytes before an object's data: two headers, and a name and attribute of the greatest length between.
pub const MAX_OBJECT_HEAD: usize = 16 << 10;

/// The data that one checksum of [`BlockCrcs`] covers, in bytes.
const CHECKED_BYTES: usize = 64 << 10;

/// One object deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// The number of its bucket.
    pub bucket_id: u64,
    /// When it was deleted: entries up to here are gone.
    pub generation: Generation,
    /// The entry of the name that was deleted.
    pub slot: Slot,
    /// Its name, at most [`crate::lom::MAX_NAME`] bytes.
    pub name: String,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An object whose data lies here.
    Object {
        /// Its metadata.
        meta: ObjectMeta,
        /// Bytes from the record's start to the data.
        head_len: usize,
    },
    /// The metadata of an object whose data is a plain file elsewhere.
    File(ObjectMeta),
    /// Objects deleted, one at least.
    Deletions(Vec<Deletion>),
    /// Nothing, to fill up a write.
    Padding,
    /// The segment has no more records.
    End,
}

/// A record and its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The content of the record.
    pub record: Record,
    /// All its bytes, with data and zeros behind the data; a multiple of [`BLOCK_BYTES`].
    pub len: usize,
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// More bytes are needed: at least so many from the record's start.
    NeedMore(usize),
    /// We did not write this, or it is damaged: what was found first.
    Damaged(&'static str),
    /// Sound metadata in which a field has a code that this program does not know: a later version wrote it.
    Unknown(&'static str, u8),
}

impl fmt::Display for ParseError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::NeedMore(bytes) => write!(to, "segment record: {bytes} bytes are needed"),
            ParseError::Damaged(what) => write!(to, "segment record: bad {what}"),
            ParseError::Unknown(field, code) => {
                write!(to, "segment record: {field} {code} is not known to this version")
            }
        }
    }
}

impl std::error::Error for ParseError {}

/// True if these are the object's data: the length and the CRC-32C of every 64 KiB. Never true for metadata whose
/// checksums lie in a file of their own, as those of a segment's objects do not.
#[must_use]
pub fn verify_data(meta: &ObjectMeta, data: &[u8]) -> bool {
    let BlockCrcs::Inline(crcs) = &meta.block_crcs else { return false };
    u64::try_from(data.len()) == Ok(meta.size)
        && data.len().div_ceil(CHECKED_BYTES) == crcs.len()
        && data.chunks(CHECKED_BYTES).zip(crcs).all(|(block, crc)| crc32c(block) == *crc)
}

/// Undoes what a failed encoder has appended.
fn whole_or_nothing(
    out: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), LomError>,
) -> Result<(), LomError> {
    let start = out.len();
    let result = encode(out);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Zero bytes from `len` to the next multiple of [`BLOCK_BYTES`].
fn to_block(len: usize) -> usize {
    len.wrapping_neg() % BLOCK_BYTES
}

/// Appends zeros, so that what has been appended since `start` is whole blocks.
fn fill_block(out: &mut Vec<u8>, start: usize) {
    let zeros = to_block(out.len().saturating_sub(start));
    out.resize(out.len().saturating_add(zeros), 0);
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

//! An object's record: what lies before and behind its data.

use std::ops::Range;

use super::member::{Spelling, below_bucket, short_name};
use super::ustar::{self, Kind};
use super::{BLOCK_BYTES, MAX_DATA, fill_block, pax, to_block, whole_or_nothing};
use crate::cksum::crc32c;
use crate::lom::{LomError, ObjectMeta};
use crate::text;

pub(super) const PATH: &str = "path";
/// The extended attribute of plain files too; here it is text.
pub(super) const ATTRIBUTE: &str = "SCHILY.xattr.user.straightline";
pub(super) const COMMENT: &str = "comment";
/// Begins an object's comment; the CRC follows.
pub(super) const OBJECT: &str = "straightline 4 object ";
const CRC: usize = 4;

/// Appends everything before an object's data; the data and [`object_padding`] zeros are to follow.
///
/// # Errors
/// The errors of the metadata, and [`LomError::TooLarge`] for more than [`MAX_DATA`] bytes of data; then `out` is as
/// before.
pub fn object_head(out: &mut Vec<u8>, meta: &ObjectMeta) -> Result<(), LomError> {
    if meta.size > MAX_DATA {
        return Err(LomError::TooLarge("data"));
    }
    archive_head(out, meta, Spelling::Readable)
}

/// The same for a TAR archive that is no segment: the data may be of any size.
///
/// # Errors
/// The errors of the metadata; then `out` is as before.
pub fn archive_head(out: &mut Vec<u8>, meta: &ObjectMeta, spelling: Spelling) -> Result<(), LomError> {
    whole_or_nothing(out, |out| put_head(out, meta, spelling))
}

/// Zero bytes behind `size` bytes of data.
#[must_use]
pub fn object_padding(size: u64) -> usize {
    // A multiple of 2^64 is one of a block too, so that only the last bits of the size count.
    to_block(size as usize)
}

fn put_head(out: &mut Vec<u8>, meta: &ObjectMeta, spelling: Spelling) -> Result<(), LomError> {
    let bucket = meta.bucket.path();
    let name = below_bucket(&meta.name, spelling);
    // TAR programs disagree about times before 1970. The exact one lies in the attribute.
    let mtime_ns = u64::try_from(meta.mtime_ns).unwrap_or(0);
    let mtime_s = mtime_ns / 1_000_000_000;

    let start = out.len();
    // The extended header's place: its size is not known yet.
    out.extend_from_slice(&[0; BLOCK_BYTES]);
    let facts = out.len();
    let path = put_path(out, &bucket, &name);
    put_mtime(out, mtime_ns);
    let fits_segment = meta.size <= MAX_DATA;
    if !fits_segment {
        // It may be one that a header does not hold.
        put_size(out, meta.size);
    }
    put_attribute(out, meta)?;
    if fits_segment {
        put_comment(out, facts);
    }
    let extended = ustar::extended((out.len() - facts) as u64, mtime_s);
    if let Some(place) = out.get_mut(start..facts) {
        place.copy_from_slice(&extended);
    }
    fill_block(out, start);
    let file = file_header(out.get(path).unwrap_or_default(), &bucket, meta, mtime_s)?;
    out.extend_from_slice(&file);
    Ok(())
}

fn file_header(
    path: &[u8],
    bucket: &str,
    meta: &ObjectMeta,
    mtime_s: u64,
) -> Result<[u8; BLOCK_BYTES], LomError> {
    if let Some(name) = ustar::split(path) {
        return Ok(ustar::header(Kind::File, meta.size, mtime_s, name));
    }
    // For a reader that knows no `path`: names that were cut could be the same.
    let short = [bucket, "/", &short_name(&meta.name)].concat();
    let name = ustar::split(short.as_bytes()).ok_or(LomError::Malformed("short name"))?;
    Ok(ustar::header(Kind::File, meta.size, mtime_s, name))
}

/// Says where the path is.
fn put_path(out: &mut Vec<u8>, bucket: &str, name: &str) -> Range<usize> {
    pax::begin(out, PATH, bucket.len() + 1 + name.len());
    let start = out.len();
    out.extend_from_slice(bucket.as_bytes());
    out.push(b'/');
    out.extend_from_slice(name.as_bytes());
    let end = out.len();
    pax::end(out);
    start..end
}

/// Seconds, and always nine digits of nanoseconds.
fn put_mtime(out: &mut Vec<u8>, mtime_ns: u64) {
    let mut fraction = *b".000000000";
    let mut rest = mtime_ns % 1_000_000_000;
    for digit in fraction.iter_mut().skip(1).rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let mut seconds = itoa::Buffer::new();
    let seconds = seconds.format(mtime_ns / 1_000_000_000).as_bytes();
    pax::begin(out, "mtime", seconds.len() + fraction.len());
    out.extend_from_slice(seconds);
    out.extend_from_slice(&fraction);
    pax::end(out);
}

fn put_size(out: &mut Vec<u8>, size: u64) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(size).as_bytes();
    pax::begin(out, "size", digits.len());
    out.extend_from_slice(digits);
    pax::end(out);
}

fn put_attribute(out: &mut Vec<u8>, meta: &ObjectMeta) -> Result<(), LomError> {
    let mut bytes = Vec::with_capacity(512);
    meta.encode(&mut bytes)?;
    pax::begin(out, ATTRIBUTE, text::text_len(bytes.len()));
    text::put(out, &bytes);
    pax::end(out);
    Ok(())
}

/// The last fact, since its CRC covers all of them since `facts`.
fn put_comment(out: &mut Vec<u8>, facts: usize) {
    pax::begin(out, COMMENT, OBJECT.len() + text::text_len(CRC));
    out.extend_from_slice(OBJECT.as_bytes());
    let crc = crc32c(out.get(facts..).unwrap_or_default());
    text::put(out, &crc.to_le_bytes());
    pax::end(out);
}

//! Reading records back. Damage is found by writing what was read once more, and comparing.

use super::object::{ATTRIBUTE, COMMENT, OBJECT, PATH};
use super::ustar::{self, Kind};
use super::{
    BLOCK_BYTES, MAX_INTERNAL, MAX_OBJECT_HEAD, ParseError, Parsed, Record, delete_records, file_record,
    internal, object_head, object_padding, padding, pax, to_block,
};
use crate::lom::{LomError, ObjectMeta};
use crate::text;

/// Reads the record at the start of `bytes`, which is a multiple of [`BLOCK_BYTES`] into the segment. Of an object
/// only the head must be there, at most [`MAX_OBJECT_HEAD`] bytes; [`super::verify_data`] is for the data.
///
/// # Errors
/// See [`ParseError`]. A record of another program is [`ParseError::Damaged`], even if TAR can read it.
pub fn parse(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let block: &[u8; BLOCK_BYTES] = bytes.first_chunk().ok_or(ParseError::NeedMore(BLOCK_BYTES))?;
    if block.iter().all(|byte| *byte == 0) {
        return Ok(Parsed { record: Record::End, len: BLOCK_BYTES });
    }
    let (kind, size) = ustar::read(block)?;
    match kind {
        Kind::Extended => parse_extended(bytes, size),
        Kind::Directory => parse_padding(block),
        Kind::File => Err(ParseError::Damaged("header type")),
    }
}

fn parse_extended(bytes: &[u8], facts_len: u64) -> Result<Parsed, ParseError> {
    // A file's or a directory's header follows the facts.
    let most = MAX_INTERNAL - 2 * BLOCK_BYTES;
    let size = usize::try_from(facts_len).ok().filter(|size| *size <= most);
    let size = size.ok_or(ParseError::Damaged("header size"))?;
    let len = BLOCK_BYTES + size + to_block(size) + BLOCK_BYTES;
    let record = bytes.get(..len).ok_or(ParseError::NeedMore(len))?;
    let facts = record.get(BLOCK_BYTES..BLOCK_BYTES + size).ok_or(ParseError::NeedMore(len))?;
    match pax::next(facts) {
        Some((key, comment, _)) if key == COMMENT.as_bytes() => parse_internal(record, comment),
        _ if len > MAX_OBJECT_HEAD => Err(ParseError::Damaged("header size")),
        _ => parse_object(record, facts),
    }
}

/// Extended header, facts, and the file's header.
fn parse_object(head: &[u8], facts: &[u8]) -> Result<Parsed, ParseError> {
    let (_, facts) = fact(facts, PATH)?;
    let (_, facts) = fact(facts, "mtime")?;
    let (attribute, facts) = fact(facts, ATTRIBUTE)?;
    let (comment, _) = fact(facts, COMMENT)?;
    // The CRC behind it is compared with the rest.
    if !comment.starts_with(OBJECT.as_bytes()) {
        return Err(ParseError::Damaged("comment"));
    }
    let attribute = text::decode(attribute).ok_or(ParseError::Damaged("text"))?;
    let meta = ObjectMeta::decode(&attribute).map_err(damaged)?;
    must_equal(head, |out| object_head(out, &meta))?;
    // The encoder has bounded the size.
    let data = usize::try_from(meta.size).map_err(|_| ParseError::Damaged("size"))?;
    let len = head.len() + data + object_padding(meta.size);
    Ok(Parsed { record: Record::Object { meta, head_len: head.len() }, len })
}

/// Extended header, the comment, and a directory's header.
fn parse_internal(bytes: &[u8], comment: &[u8]) -> Result<Parsed, ParseError> {
    let parsed = |record| Ok(Parsed { record, len: bytes.len() });
    if let Some(text) = comment.strip_prefix(internal::FILE.as_bytes()) {
        let meta = internal::read_file(text).map_err(damaged)?;
        must_equal(bytes, |out| file_record(out, &meta))?;
        return parsed(Record::File(meta));
    }
    if let Some(text) = comment.strip_prefix(internal::DELETIONS.as_bytes()) {
        let deletions = internal::read_deletions(text).map_err(damaged)?;
        must_equal(bytes, |out| delete_records(out, &deletions))?;
        return parsed(Record::Deletions(deletions));
    }
    if comment.starts_with(internal::FILLER.as_bytes()) {
        return parse_padding(bytes);
    }
    Err(ParseError::Damaged("comment"))
}

fn parse_padding(bytes: &[u8]) -> Result<Parsed, ParseError> {
    must_equal(bytes, |out| {
        padding(out, bytes.len());
        Ok(())
    })?;
    Ok(Parsed { record: Record::Padding, len: bytes.len() })
}

/// The value of the first fact, which must be of this key, and the facts behind it.
fn fact<'a>(facts: &'a [u8], key: &str) -> Result<(&'a [u8], &'a [u8]), ParseError> {
    match pax::next(facts) {
        Some((found, value, rest)) if found == key.as_bytes() => Ok((value, rest)),
        _ => Err(ParseError::Damaged("fact")),
    }
}

fn must_equal(
    bytes: &[u8],
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), LomError>,
) -> Result<(), ParseError> {
    let mut again = Vec::with_capacity(bytes.len());
    encode(&mut again).map_err(damaged)?;
    if again == bytes { Ok(()) } else { Err(ParseError::Damaged("head")) }
}

fn damaged(error: LomError) -> ParseError {
    ParseError::Damaged(match error {
        LomError::Unknown(field, code) => return ParseError::Unknown(field, code),
        LomError::BadMagic => "magic of metadata",
        LomError::Version(_) => "version of metadata",
        LomError::Truncated => "length of metadata",
        LomError::Trailing => "bytes behind metadata",
        LomError::Crc => "CRC",
        LomError::Malformed(field) | LomError::TooLarge(field) => field,
    })
}

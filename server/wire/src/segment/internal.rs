//! The records that are no object: metadata of plain files, deletions, padding.
//!
//! As TAR sees them, each is the directory [`LOG_DIR`] with a comment before it: readers take directories and comments
//! in any number and order, at an archive's end too. The comment is `straightline 4 <word> <text>`: bytes in base64, the
//! last four the CRC-32C of all before. One or two blocks of padding, too few for a comment, are the directory alone.

use super::object::COMMENT;
use super::ustar::{self, Kind};
use super::{BLOCK_BYTES, Deletion, MAX_INTERNAL, fill_block, pax, whole_or_nothing};
use crate::cksum::crc32c;
use crate::lom::reader::Reader;
use crate::lom::{LomError, MAX_NAME, ObjectMeta, Slot, put_generation, put_text};
use crate::{text, varint};

pub(super) const FILE: &str = "straightline 4 file ";
pub(super) const DELETIONS: &str = "straightline 4 deletions ";
pub(super) const FILLER: &str = "straightline 4 padding ";
/// No bucket has this name.
const LOG_DIR: &[u8] = b"%log/";
const CRC: usize = 4;
/// The two headers of a record.
const HEADERS: usize = 2 * BLOCK_BYTES;
/// The most bytes that a comment carries with its CRC: without headers, at most five digits, blank, key, equals sign,
/// words and newline.
const MAX_PAYLOAD: usize =
    text::bytes_in(MAX_INTERNAL - HEADERS - 5 - 1 - COMMENT.len() - 1 - DELETIONS.len() - 1);

/// Appends the record of an object whose data is a plain file.
///
/// # Errors
/// [`LomError::TooLarge`] from the metadata; then `out` is as before.
pub fn file_record(out: &mut Vec<u8>, meta: &ObjectMeta) -> Result<(), LomError> {
    let mut payload = Vec::with_capacity(512);
    meta.encode(&mut payload)?;
    put_payload(out, FILE, &mut payload);
    Ok(())
}

/// Appends as many records as the deletions need: none for none.
///
/// # Errors
/// [`LomError::TooLarge`] if a name is; then `out` is as before.
pub fn delete_records(out: &mut Vec<u8>, deletions: &[Deletion]) -> Result<(), LomError> {
    whole_or_nothing(out, |out| {
        let mut payload = Vec::new();
        for deletion in deletions {
            let before = payload.len();
            put_deletion(&mut payload, deletion)?;
            if payload.len() > MAX_PAYLOAD - CRC {
                let last = payload.split_off(before);
                put_payload(out, DELETIONS, &mut payload);
                payload = last;
            }
        }
        if !payload.is_empty() {
            put_payload(out, DELETIONS, &mut payload);
        }
        Ok(())
    })
}

/// Appends padding of exactly `len` bytes, a multiple of [`BLOCK_BYTES`] (else it is rounded up); more than one
/// record beyond [`MAX_INTERNAL`], and for two blocks.
pub fn padding(out: &mut Vec<u8>, len: usize) {
    let mut left = len.next_multiple_of(BLOCK_BYTES);
    while left > 0 {
        let record = if left > HEADERS { left.min(MAX_INTERNAL) } else { BLOCK_BYTES };
        if let Some(facts_len) = record.checked_sub(HEADERS) {
            put_filler(out, facts_len);
        }
        out.extend_from_slice(&directory());
        left -= record;
    }
}

/// A header and `len` bytes of facts, in whole blocks, that say nothing.
fn put_filler(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&ustar::extended(len as u64, 0));
    if let Some(value_len) = pax::value_len(COMMENT, len) {
        let end = out.len() + len;
        pax::begin(out, COMMENT, value_len);
        out.extend_from_slice(FILLER.as_bytes());
        out.resize(end - 1, b'.');
        pax::end(out);
    }
}

/// One record of `word` and the payload, which gets its CRC. The payload fits [`MAX_PAYLOAD`] with it.
fn put_payload(out: &mut Vec<u8>, word: &str, payload: &mut Vec<u8>) {
    let crc = crc32c(payload);
    payload.extend_from_slice(&crc.to_le_bytes());
    let start = out.len();
    out.extend_from_slice(&[0; BLOCK_BYTES]);
    pax::begin(out, COMMENT, word.len() + text::text_len(payload.len()));
    out.extend_from_slice(word.as_bytes());
    text::put(out, payload);
    pax::end(out);
    let header = ustar::extended((out.len() - start - BLOCK_BYTES) as u64, 0);
    if let Some(place) = out.get_mut(start..start + BLOCK_BYTES) {
        place.copy_from_slice(&header);
    }
    fill_block(out, start);
    out.extend_from_slice(&directory());
}

fn directory() -> [u8; BLOCK_BYTES] {
    ustar::header(Kind::Directory, 0, 0, [b"", LOG_DIR])
}

/// The bucket's number, generation, slot and name.
fn put_deletion(out: &mut Vec<u8>, deletion: &Deletion) -> Result<(), LomError> {
    varint::put(deletion.bucket_id, out);
    put_generation(out, deletion.generation);
    deletion.slot.put(out);
    put_text(out, &deletion.name, MAX_NAME, "name")
}

/// Undoes [`file_record`] from the payload's text on.
pub(super) fn read_file(text: &[u8]) -> Result<ObjectMeta, LomError> {
    ObjectMeta::decode(&verified(text)?)
}

/// Undoes one record of [`delete_records`] from the payload's text on.
pub(super) fn read_deletions(text: &[u8]) -> Result<Vec<Deletion>, LomError> {
    let payload = verified(text)?;
    let mut reader = Reader::new(&payload);
    let mut deletions = Vec::new();
    while !reader.rest().is_empty() {
        let (bucket_id, generation) = (reader.number()?, reader.generation()?);
        let slot = Slot::read(&mut reader)?;
        let name = reader.text(MAX_NAME, "name")?;
        deletions.push(Deletion { bucket_id, generation, slot, name });
    }
    if deletions.is_empty() { Err(LomError::Malformed("deletions")) } else { Ok(deletions) }
}

/// The payload without its CRC, which has been compared.
fn verified(text: &[u8]) -> Result<Vec<u8>, LomError> {
    let mut payload = text::decode(text).ok_or(LomError::Malformed("text"))?;
    let (covered, crc) = payload.split_last_chunk::<CRC>().ok_or(LomError::Truncated)?;
    if crc32c(covered) != u32::from_le_bytes(*crc) {
        return Err(LomError::Crc);
    }
    payload.truncate(covered.len());
    Ok(payload)
}

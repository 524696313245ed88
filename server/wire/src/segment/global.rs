//! The records that are no member of the archive: metadata of plain files, deletions, padding.
//!
//! Their comment is `straightline 2 <word> <digits>`: bytes in hexadecimal, the last four the CRC-32C of all before.

use super::object::COMMENT;
use super::ustar::{self, Kind};
use super::{BLOCK_BYTES, Deletion, MAX_GLOBAL, fill_block, hex, pax, whole_or_nothing};
use crate::cksum::crc32c;
use crate::lom::reader::Reader;
use crate::lom::{LomError, MAX_NAME, ObjectMeta};

pub(super) const FILE: &str = "straightline 2 file ";
pub(super) const DELETIONS: &str = "straightline 2 deletions ";
pub(super) const FILLER: &str = "straightline 2 padding ";
const NAME: &[u8] = b"pax_global_header";
const CRC: usize = 4;
/// The most bytes that a comment carries with its CRC: without header, at most five digits, blank, key, equals sign,
/// words and newline, and two digits a byte.
const MAX_PAYLOAD: usize = (MAX_GLOBAL - BLOCK_BYTES - 5 - 1 - COMMENT.len() - 1 - DELETIONS.len() - 1) / 2;

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
/// record beyond [`MAX_GLOBAL`].
pub fn padding(out: &mut Vec<u8>, len: usize) {
    let mut left = len.next_multiple_of(BLOCK_BYTES);
    while left > 0 {
        let record = left.min(MAX_GLOBAL);
        put_padding(out, record - BLOCK_BYTES);
        left -= record;
    }
}

/// One record with `len` bytes behind the header.
pub(super) fn put_padding(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&header(len));
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
    pax::begin(out, COMMENT, word.len() + payload.len() * 2);
    out.extend_from_slice(word.as_bytes());
    out.extend(hex::encode(payload));
    pax::end(out);
    let header = header(out.len() - start - BLOCK_BYTES);
    if let Some(place) = out.get_mut(start..start + BLOCK_BYTES) {
        place.copy_from_slice(&header);
    }
    fill_block(out, start);
}

fn header(len: usize) -> [u8; BLOCK_BYTES] {
    ustar::header(Kind::Global, len as u64, 0, NAME)
}

/// Bucket and generation (u64 each), and the name with its length (u16) before it.
fn put_deletion(out: &mut Vec<u8>, deletion: &Deletion) -> Result<(), LomError> {
    let name = deletion.name.as_bytes();
    let too_large = LomError::TooLarge("name");
    let name_len = u16::try_from(name.len()).ok().filter(|_| name.len() <= MAX_NAME).ok_or(too_large)?;
    out.extend_from_slice(&deletion.bucket_id.to_le_bytes());
    out.extend_from_slice(&deletion.generation.to_le_bytes());
    out.extend_from_slice(&name_len.to_le_bytes());
    out.extend_from_slice(name);
    Ok(())
}

/// Undoes [`file_record`] from the payload's digits on.
pub(super) fn read_file(digits: &[u8]) -> Result<ObjectMeta, LomError> {
    ObjectMeta::decode(&verified(digits)?)
}

/// Undoes one record of [`delete_records`] from the payload's digits on.
pub(super) fn read_deletions(digits: &[u8]) -> Result<Vec<Deletion>, LomError> {
    let payload = verified(digits)?;
    let mut reader = Reader::new(&payload);
    let mut deletions = Vec::new();
    while !reader.rest().is_empty() {
        let [bucket_id, generation] = [reader.u64()?, reader.u64()?];
        let name = reader.text(MAX_NAME, "name")?;
        deletions.push(Deletion { bucket_id, name, generation });
    }
    if deletions.is_empty() { Err(LomError::Malformed("deletions")) } else { Ok(deletions) }
}

/// The payload without its CRC, which has been compared.
fn verified(digits: &[u8]) -> Result<Vec<u8>, LomError> {
    let mut payload = hex::decode(digits).ok_or(LomError::Malformed("digits"))?;
    let (covered, crc) = payload.split_last_chunk::<CRC>().ok_or(LomError::Truncated)?;
    if crc32c(covered) != u32::from_le_bytes(*crc) {
        return Err(LomError::Crc);
    }
    payload.truncate(covered.len());
    Ok(payload)
}

//! An index entry's value: what listing and reading must know of an object without touching it.
//!
//! A few numbers as variable-length integers (seven bits a byte, low ones first), then texts with their lengths. The
//! name and the bucket are the key; the index guards the bytes with a CRC of its block, so none is repeated here.

use super::entry::Entry;
use super::place::{Extent, Place};
use crate::error::{Error, Result};
use std::cell::Cell;
use wire::cksum::CksumType;

const FORMAT: u8 = 1;
const FILE: u8 = 0;
const FILE_WITH_SIDECAR: u8 = 1;
const SEGMENT: u8 = 2;
/// The checksum's value is lower-case hexadecimal and is kept as bytes.
const PACKED: u8 = 0x80;

/// Appends the value of an entry.
pub(crate) fn encode(entry: &Entry, out: &mut Vec<u8>) {
    out.push(FORMAT);
    put_place(&entry.place, out);
    for number in [entry.size_bytes, entry.version, entry.generation, entry.mtime_ns as u64] {
        put_number(number, out);
    }
    put_number(entry.atime_ns.get() as u64, out);
    put_checksum(entry.cksum_type, &entry.cksum_value, out);
    put_number(entry.custom.len() as u64, out);
    for (key, value) in &entry.custom {
        put_bytes(key.as_bytes(), out);
        put_bytes(value.as_bytes(), out);
    }
}

/// The entry that a value stands for.
///
/// # Errors
/// `Corrupt` for bytes that [`encode`] does not write. Never panics, whatever the bytes.
pub(crate) fn decode(bytes: &[u8], mountpath: usize) -> Result<Entry> {
    let mut rest = bytes;
    let entry = read_entry(&mut rest, mountpath).filter(|_| rest.is_empty());
    entry.ok_or_else(|| Error::corrupt("an index entry is malformed"))
}

/// Only the size, for sums over many.
pub(crate) fn size_bytes(bytes: &[u8]) -> Result<u64> {
    let mut rest = bytes;
    let size = (take(&mut rest) == Some(FORMAT))
        .then(|| read_place(&mut rest).and_then(|_| number(&mut rest)))
        .flatten();
    size.ok_or_else(|| Error::corrupt("an index entry is malformed"))
}

fn read_entry(rest: &mut &[u8], mountpath: usize) -> Option<Entry> {
    if take(rest)? != FORMAT {
        return None;
    }
    let place = read_place(rest)?;
    let (size_bytes, version, generation) = (number(rest)?, number(rest)?, number(rest)?);
    let (mtime_ns, atime_ns) = (number(rest)? as i64, number(rest)? as i64);
    let (cksum_type, cksum_value) = read_checksum(rest)?;
    let mut custom = Vec::new();
    for _ in 0..number(rest)? {
        custom.push((text(rest)?, text(rest)?));
    }
    Some(Entry {
        size_bytes,
        version,
        generation,
        mtime_ns,
        atime_ns: Cell::new(atime_ns),
        cksum_type,
        cksum_value: cksum_value.into(),
        custom: custom.into_boxed_slice(),
        mountpath,
        place,
    })
}

fn put_place(place: &Place, out: &mut Vec<u8>) {
    match place {
        Place::File { has_sidecar: false } => out.push(FILE),
        Place::File { has_sidecar: true } => out.push(FILE_WITH_SIDECAR),
        Place::Segment(extent) => {
            out.push(SEGMENT);
            put_number(extent.segment, out);
            put_number(extent.offset, out);
            put_number(u64::from(extent.head_bytes), out);
            for crc in extent.crcs {
                out.extend_from_slice(&crc.to_le_bytes());
            }
        }
    }
}

fn read_place(rest: &mut &[u8]) -> Option<Place> {
    match take(rest)? {
        FILE => Some(Place::File { has_sidecar: false }),
        FILE_WITH_SIDECAR => Some(Place::File { has_sidecar: true }),
        SEGMENT => Some(Place::Segment(Extent {
            segment: number(rest)?,
            offset: number(rest)?,
            head_bytes: u32::try_from(number(rest)?).ok()?,
            crcs: [word(rest)?, word(rest)?],
        })),
        _ => None,
    }
}

fn put_checksum(kind: CksumType, value: &str, out: &mut Vec<u8>) {
    let packed = pack_hex(value);
    out.push(kind.code() | if packed.is_some() { PACKED } else { 0 });
    put_bytes(packed.as_deref().unwrap_or(value.as_bytes()), out);
}

fn read_checksum(rest: &mut &[u8]) -> Option<(CksumType, String)> {
    let head = take(rest)?;
    let kind = CksumType::from_code(head & !PACKED)?;
    let bytes = slice(rest)?;
    if head & PACKED == 0 {
        return Some((kind, str::from_utf8(bytes).ok()?.to_owned()));
    }
    let mut value = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            value.push(char::from_digit(u32::from(digit), 16)?);
        }
    }
    Some((kind, value))
}

/// The bytes that lower-case hexadecimal stands for.
fn pack_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| <&[u8; 2]>::try_from(pair).ok().and_then(|&[a, b]| Some(digit(a)? << 4 | digit(b)?)))
        .collect()
}

/// Appends a variable-length integer.
pub(crate) fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a variable-length integer off the front.
pub(crate) fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(rest)?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn slice<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let len = usize::try_from(number(rest)?).ok()?;
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    str::from_utf8(slice(rest)?).ok().map(str::to_owned)
}

fn word(rest: &mut &[u8]) -> Option<u32> {
    let (taken, left) = rest.split_first_chunk::<4>()?;
    *rest = left;
    Some(u32::from_le_bytes(*taken))
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (&first, left) = rest.split_first()?;
    *rest = left;
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn places() -> impl Strategy<Value = Place> {
        prop_oneof![
            any::<bool>().prop_map(|has_sidecar| Place::File { has_sidecar }),
            (any::<u64>(), any::<u64>(), any::<u32>(), any::<[u32; 2]>()).prop_map(
                |(segment, offset, head_bytes, crcs)| {
                    Place::Segment(Extent { segment, offset, head_bytes, crcs })
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn a_value_gives_its_entry_back(
            place in places(),
            numbers in any::<(u64, u64, u64, i64, i64)>(),
            cksum_value in "[0-9a-f]{16}|[0-9A-F]{8}|.{0,9}",
            custom in prop::collection::vec((".{0,9}", ".{0,40}"), 0..5),
        ) {
            let entry = Entry {
                size_bytes: numbers.0,
                version: numbers.1,
                generation: numbers.2,
                mtime_ns: numbers.3,
                atime_ns: Cell::new(numbers.4),
                cksum_type: CksumType::Md5,
                cksum_value: cksum_value.as_str().into(),
                custom: custom.into_boxed_slice(),
                mountpath: 3,
                place,
            };
            let mut bytes = Vec::new();
            encode(&entry, &mut bytes);
            prop_assert_eq!(size_bytes(&bytes).unwrap(), entry.size_bytes);
            let back = decode(&bytes, 3).unwrap();
            prop_assert_eq!(format!("{back:?}"), format!("{entry:?}"));
            for cut in 0..bytes.len() {
                prop_assert!(decode(&bytes[..cut], 3).is_err());
            }
        }

        #[test]
        fn strange_bytes_are_refused_not_feared(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (decode(&bytes, 0), size_bytes(&bytes));
        }
    }
}

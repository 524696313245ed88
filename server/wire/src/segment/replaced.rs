//! How [`Replaced`] is written: as words in an object's comment, as bytes in the other records.

use smallvec::SmallVec;

use super::Replaced;
use crate::lom::LomError;
use crate::lom::reader::Reader;

const NOTHING: u8 = 0;
const FILE: u8 = 1;
const SEGMENT: u8 = 2;

/// `nothing`, `file`, or `<segment, 16 hexadecimal digits> <bytes, decimal>`.
pub(super) fn words(replaced: Replaced) -> SmallVec<[u8; 32]> {
    match replaced {
        Replaced::Nothing => SmallVec::from_slice(b"nothing"),
        Replaced::File => SmallVec::from_slice(b"file"),
        Replaced::Segment { segment, bytes } => {
            let mut words = SmallVec::new();
            words.extend(hex(&segment.to_be_bytes()));
            words.push(b' ');
            words.extend_from_slice(itoa::Buffer::new().format(bytes).as_bytes());
            words
        }
    }
}

/// Undoes [`words`]; also takes a few spellings that it does not write.
pub(super) fn from_words(words: &str) -> Option<Replaced> {
    match words {
        "nothing" => Some(Replaced::Nothing),
        "file" => Some(Replaced::File),
        _ => {
            let (segment, bytes) = words.split_once(' ')?;
            Some(Replaced::Segment {
                segment: u64::from_str_radix(segment, 16).ok()?,
                bytes: bytes.parse().ok()?,
            })
        }
    }
}

/// Appends a byte that says which, then segment (u64) and bytes (u32) if they are there.
pub(super) fn put(out: &mut Vec<u8>, replaced: Replaced) {
    match replaced {
        Replaced::Nothing => out.push(NOTHING),
        Replaced::File => out.push(FILE),
        Replaced::Segment { segment, bytes } => {
            out.push(SEGMENT);
            out.extend_from_slice(&segment.to_le_bytes());
            out.extend_from_slice(&bytes.to_le_bytes());
        }
    }
}

/// Undoes [`put`].
pub(super) fn read(from: &mut Reader<'_>) -> Result<Replaced, LomError> {
    match from.u8()? {
        NOTHING => Ok(Replaced::Nothing),
        FILE => Ok(Replaced::File),
        SEGMENT => Ok(Replaced::Segment { segment: from.u64()?, bytes: from.u32()? }),
        _ => Err(LomError::Malformed("replaced")),
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    bytes.iter().flat_map(move |byte| [digit(byte >> 4), digit(byte & 15)])
}

/// Undoes [`hex`]; upper case too.
pub(super) fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| u8::try_from(nibble(*high)? * 16 + nibble(*low)?).ok());
    if rest.is_empty() { bytes.collect() } else { None }
}

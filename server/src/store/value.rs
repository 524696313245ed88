//! An index entry's value: what listing and reading must know of an object without touching it.
//!
//! A few numbers as in [`wire::varint`], then texts with their lengths. The name and the bucket are the key; the index guards the
//! bytes with a CRC of its block, so none is repeated here. What nearly all entries have in common is left out: that they are
//! whole objects, and that this node wrote them.

use super::entry::{Entry, require_served};
use super::place::{Extent, Place};
use crate::error::{Error, Result};
use std::cell::Cell;
use wire::cksum::CksumType;
use wire::hex;
use wire::lom::{Generation, ObjectKind};
pub(crate) use wire::varint::{put as put_number, take as number};

const FORMAT: u8 = 2;
const FILE: u8 = 0;
const FILE_WITH_SIDECAR: u8 = 1;
const SEGMENT: u8 = 2;
/// Beside the place: the node that wrote it follows.
const FOREIGN: u8 = 0x80;
/// Beside the place: the kind follows.
const NOT_WHOLE: u8 = 0x40;
/// The checksum's value is lower-case hexadecimal and is kept as bytes.
const PACKED: u8 = 0x80;

/// Whose index an entry is in: the entry leaves that out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whence {
    /// Index of the mountpath on the node.
    pub(crate) mountpath: usize,
    /// The node, as generations name it.
    pub(crate) node: u64,
}

/// Appends the value of an entry.
pub(crate) fn encode(entry: &Entry, whence: Whence, out: &mut Vec<u8>) {
    out.push(FORMAT);
    put_what(entry, whence, out);
    put_number(entry.size_bytes, out);
    put_number(entry.version, out);
    put_number(entry.generation.clock, out);
    put_number(entry.mtime_ns as u64, out);
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
/// `Corrupt` for bytes that [`encode`] does not write, `NotImplemented` for what is no whole object. Never panics, whatever the
/// bytes.
pub(crate) fn decode(bytes: &[u8], whence: Whence) -> Result<Entry> {
    let mut rest = bytes;
    let entry = read_entry(&mut rest, whence).filter(|_| rest.is_empty());
    let entry = entry.ok_or_else(|| Error::corrupt("an index entry is malformed"))?;
    require_served(entry.kind, || "an index entry".to_owned()).map(|()| entry)
}

/// Only the size, for sums over many.
pub(crate) fn size_bytes(bytes: &[u8]) -> Result<u64> {
    let mut rest = bytes;
    let size = (take(&mut rest) == Some(FORMAT))
        .then(|| read_what(&mut rest, 0).and_then(|_| number(&mut rest)))
        .flatten();
    size.ok_or_else(|| Error::corrupt("an index entry is malformed"))
}

fn read_entry(rest: &mut &[u8], whence: Whence) -> Option<Entry> {
    if take(rest)? != FORMAT {
        return None;
    }
    let (place, node, kind) = read_what(rest, whence.node)?;
    let (size_bytes, version) = (number(rest)?, number(rest)?);
    let generation = Generation { clock: number(rest)?, node };
    let (mtime_ns, atime_ns) = (number(rest)? as i64, number(rest)? as i64);
    let (cksum_type, cksum_value) = read_checksum(rest)?;
    let mut custom = Vec::new();
    for _ in 0..number(rest)? {
        custom.push((text(rest)?, text(rest)?));
    }
    Some(Entry {
        kind,
        size_bytes,
        version,
        generation,
        mtime_ns,
        atime_ns: Cell::new(atime_ns),
        cksum_type,
        cksum_value: cksum_value.into(),
        custom: custom.into_boxed_slice(),
        mountpath: whence.mountpath,
        place,
    })
}

/// Where it is, and what it is and who wrote it where that has to be said.
fn put_what(entry: &Entry, whence: Whence, out: &mut Vec<u8>) {
    let place = match &entry.place {
        Place::File { has_sidecar: false } => FILE,
        Place::File { has_sidecar: true } => FILE_WITH_SIDECAR,
        Place::Segment(_) => SEGMENT,
    };
    let foreign = entry.generation.node != whence.node;
    let not_whole = entry.kind != ObjectKind::Whole;
    out.push(place | if foreign { FOREIGN } else { 0 } | if not_whole { NOT_WHOLE } else { 0 });
    if foreign {
        out.extend_from_slice(&entry.generation.node.to_le_bytes());
    }
    if not_whole {
        let put = entry.kind.encode(out);
        assert!(put.is_ok(), "an entry is of a kind that makes no sense: {:?}", entry.kind);
    }
    if let Place::Segment(extent) = &entry.place {
        put_number(extent.segment, out);
        put_number(extent.offset, out);
        put_number(u64::from(extent.head_bytes), out);
        for crc in extent.crcs {
            out.extend_from_slice(&crc.to_le_bytes());
        }
    }
}

fn read_what(rest: &mut &[u8], own_node: u64) -> Option<(Place, u64, ObjectKind)> {
    let what = take(rest)?;
    let node = if what & FOREIGN == 0 { own_node } else { u64::from_le_bytes(array(rest)?) };
    let kind = if what & NOT_WHOLE == 0 { ObjectKind::Whole } else { ObjectKind::decode(rest).ok()? };
    let place = match what & !(FOREIGN | NOT_WHOLE) {
        FILE => Place::File { has_sidecar: false },
        FILE_WITH_SIDECAR => Place::File { has_sidecar: true },
        SEGMENT => Place::Segment(Extent {
            segment: number(rest)?,
            offset: number(rest)?,
            head_bytes: u32::try_from(number(rest)?).ok()?,
            crcs: [u32::from_le_bytes(array(rest)?), u32::from_le_bytes(array(rest)?)],
        }),
        _ => return None,
    };
    Some((place, node, kind))
}

fn put_checksum(kind: CksumType, value: &str, out: &mut Vec<u8>) {
    let packed = hex::pack(value);
    out.push(kind.code() | if packed.is_some() { PACKED } else { 0 });
    put_bytes(packed.as_deref().unwrap_or(value.as_bytes()), out);
}

fn read_checksum(rest: &mut &[u8]) -> Option<(CksumType, String)> {
    let head = take(rest)?;
    let kind = CksumType::from_code(head & !PACKED)?;
    let bytes = slice(rest)?;
    let value = if head & PACKED == 0 { str::from_utf8(bytes).ok()?.to_owned() } else { hex::unpack(bytes) };
    Some((kind, value))
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

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk::<N>()?;
    *rest = left;
    Some(*taken)
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

    fn kinds() -> impl Strategy<Value = ObjectKind> {
        let upload = Generation { clock: 5, node: 6 };
        prop_oneof![
            4 => Just(ObjectKind::Whole),
            1 => Just(ObjectKind::DeleteMarker),
            1 => (1..=u32::MAX).prop_map(move |number| ObjectKind::Part { upload, number }),
            1 => (1u8..9, 0u8..9).prop_map(|(data, parity)| ObjectKind::Slice { index: data - 1, data, parity }),
        ]
    }

    const WHENCE: Whence = Whence { mountpath: 3, node: 77 };

    proptest! {
        #[test]
        fn a_value_gives_its_entry_back(
            place in places(),
            kind in kinds(),
            node in prop_oneof![Just(WHENCE.node), any::<u64>()],
            numbers in any::<(u64, u64, u64, i64, i64)>(),
            cksum_value in "[0-9a-f]{16}|[0-9A-F]{8}|.{0,9}",
            custom in prop::collection::vec((".{0,9}", ".{0,40}"), 0..5),
        ) {
            let entry = Entry {
                kind,
                size_bytes: numbers.0,
                version: numbers.1,
                generation: Generation { clock: numbers.2, node },
                mtime_ns: numbers.3,
                atime_ns: Cell::new(numbers.4),
                cksum_type: CksumType::Md5,
                cksum_value: cksum_value.as_str().into(),
                custom: custom.into_boxed_slice(),
                mountpath: 3,
                place,
            };
            let mut bytes = Vec::new();
            encode(&entry, WHENCE, &mut bytes);
            prop_assert_eq!(size_bytes(&bytes).unwrap(), entry.size_bytes);
            let back = read_entry(&mut bytes.as_slice(), WHENCE).unwrap();
            prop_assert_eq!(format!("{back:?}"), format!("{entry:?}"));
            // Any other than a whole object is known, and not served.
            let decoded = decode(&bytes, WHENCE);
            prop_assert_eq!(decoded.is_ok(), kind == ObjectKind::Whole);
            prop_assert!(decoded.is_ok_and(|_| true) || decode(&bytes, WHENCE).unwrap_err().status() == 501);
            for cut in 0..bytes.len() {
                prop_assert!(decode(&bytes[..cut], WHENCE).is_err());
            }
        }

        #[test]
        fn strange_bytes_are_refused_not_feared(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (decode(&bytes, WHENCE), size_bytes(&bytes));
        }
    }
}

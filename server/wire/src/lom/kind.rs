//! The relation of a record or a file to its name, and the entry of the name that it makes.

use std::fmt;

use super::reader::Reader;
use super::{Generation, LomError, put_generation};
use crate::varint;

/// The relation of a record or a file to its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ObjectKind {
    /// All bytes of the object.
    #[default]
    Whole,
    /// A part of an upload that is not complete.
    Part {
        /// The upload.
        upload: Generation,
        /// The number of the part, from 1 on.
        number: u32,
    },
    /// An object whose bytes are those of its parts in their order.
    Composite {
        /// The upload that brought them.
        upload: Generation,
        /// The number of its last part; the first is 1.
        parts: u32,
    },
    /// One more copy of the object.
    Copy {
        /// 1 for the first one beside the object itself.
        number: u8,
    },
    /// A slice of an erasure-coded object.
    Slice {
        /// The number of the slice, from 0 on; slices of data come first.
        index: u8,
        /// Slices of data.
        data: u8,
        /// Slices of parity.
        parity: u8,
    },
    /// The name is deleted, and what it stood for stays as an older version.
    DeleteMarker,
}

/// The place of an entry in its name: the one that the name stands for, or one that lies beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The entry that the name stands for.
    #[default]
    Current,
    /// A version that it stood for, and that is kept.
    Older(Generation),
    /// A part of an upload.
    Part {
        /// The upload.
        upload: Generation,
        /// The number of the part, from 1 on.
        number: u32,
    },
}

const WHOLE: u8 = 0;
const PART: u8 = 1;
const COMPOSITE: u8 = 2;
const COPY: u8 = 3;
const SLICE: u8 = 4;
const DELETE_MARKER: u8 = 5;

const CURRENT: u8 = 0;
const OLDER: u8 = 1;
const UPLOADED: u8 = 2;

impl ObjectKind {
    /// The entry of its name that it makes.
    #[must_use]
    pub fn slot(self) -> Slot {
        match self {
            ObjectKind::Part { upload, number } => Slot::Part { upload, number },
            _ => Slot::Current,
        }
    }

    /// Appends its code and what belongs to it.
    ///
    /// # Errors
    /// [`LomError::Malformed`] for one that makes no sense, as a slice behind the last.
    pub fn encode(self, out: &mut Vec<u8>) -> Result<(), LomError> {
        self.check()?;
        match self {
            ObjectKind::Whole => out.push(WHOLE),
            ObjectKind::Part { upload, number } => put_of_upload(out, PART, upload, number),
            ObjectKind::Composite { upload, parts } => put_of_upload(out, COMPOSITE, upload, parts),
            ObjectKind::Copy { number } => out.extend_from_slice(&[COPY, number]),
            ObjectKind::Slice { index, data, parity } => out.extend_from_slice(&[SLICE, index, data, parity]),
            ObjectKind::DeleteMarker => out.push(DELETE_MARKER),
        }
        Ok(())
    }

    /// Takes what [`ObjectKind::encode`] wrote off the front.
    ///
    /// # Errors
    /// [`LomError::Unknown`] for a kind of a later version; see there for the others.
    pub fn decode(rest: &mut &[u8]) -> Result<Self, LomError> {
        let mut from = Reader::new(rest);
        let kind = Self::read(&mut from)?;
        *rest = from.rest();
        Ok(kind)
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, LomError> {
        let kind = match from.u8()? {
            WHOLE => ObjectKind::Whole,
            PART => ObjectKind::Part { upload: from.generation()?, number: from.small()? },
            COMPOSITE => ObjectKind::Composite { upload: from.generation()?, parts: from.small()? },
            COPY => ObjectKind::Copy { number: from.u8()? },
            SLICE => ObjectKind::Slice { index: from.u8()?, data: from.u8()?, parity: from.u8()? },
            DELETE_MARKER => ObjectKind::DeleteMarker,
            code => return Err(LomError::Unknown("kind", code)),
        };
        kind.check().map(|()| kind)
    }

    fn check(self) -> Result<(), LomError> {
        let sound = match self {
            ObjectKind::Whole | ObjectKind::DeleteMarker => true,
            ObjectKind::Part { number, .. } | ObjectKind::Composite { parts: number, .. } => number > 0,
            ObjectKind::Copy { number } => number > 0,
            ObjectKind::Slice { index, data, parity } => {
                data > 0 && u16::from(index) < u16::from(data) + u16::from(parity)
            }
        };
        if sound { Ok(()) } else { Err(LomError::Malformed("kind")) }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectKind::Whole => to.write_str("whole object"),
            ObjectKind::Part { number, .. } => write!(to, "part {number} of an upload"),
            ObjectKind::Composite { parts, .. } => write!(to, "composite of {parts} parts"),
            ObjectKind::Copy { number } => write!(to, "copy {number}"),
            ObjectKind::Slice { index, data, parity } => write!(to, "slice {index} of {data}+{parity}"),
            ObjectKind::DeleteMarker => to.write_str("delete marker"),
        }
    }
}

impl Slot {
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        match self {
            Slot::Current => out.push(CURRENT),
            Slot::Older(generation) => {
                out.push(OLDER);
                put_generation(out, generation);
            }
            Slot::Part { upload, number } => put_of_upload(out, UPLOADED, upload, number),
        }
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, LomError> {
        Ok(match from.u8()? {
            CURRENT => Slot::Current,
            OLDER => Slot::Older(from.generation()?),
            UPLOADED => Slot::Part { upload: from.generation()?, number: from.small()? },
            code => return Err(LomError::Unknown("slot", code)),
        })
    }
}

fn put_of_upload(out: &mut Vec<u8>, code: u8, upload: Generation, number: u32) {
    out.push(code);
    put_generation(out, upload);
    varint::put(u64::from(number), out);
}

//! An attribute that only says where the metadata are, for file systems whose attributes have too little room.
//!
//! The bytes: `SLMx`, the generation that names the file (clock and node, u64 each), which of its two files it is (u8), the CRC-32C of that file
//! (u32), and the CRC-32 (IEEE) of all before it. The file holds the record that would be the attribute.

use super::reader::Reader;
use super::{Generation, LomError, ObjectMeta};

const MAGIC: [u8; 4] = *b"SLMx";
const CRC: usize = 4;

/// Where metadata are that did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Apart {
    /// Names the file.
    pub generation: Generation,
    /// A change of metadata goes to the file that is not in use, 0 or 1.
    pub slot: u8,
    /// CRC-32C of the file.
    pub crc: u32,
}

/// The content of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The metadata.
    Here(Box<ObjectMeta>),
    /// Where they are.
    Apart(Apart),
}

impl Apart {
    /// The attribute.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.generation.clock.to_le_bytes());
        out.extend_from_slice(&self.generation.node.to_le_bytes());
        out.push(self.slot);
        out.extend_from_slice(&self.crc.to_le_bytes());
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, LomError> {
        let covered = bytes.len().checked_sub(CRC).ok_or(LomError::Truncated)?;
        let (record, crc) = bytes.split_at_checked(covered).ok_or(LomError::Truncated)?;
        if Reader::new(crc).u32()? != crc32fast::hash(record) {
            return Err(LomError::Crc);
        }
        let mut fields = Reader::new(record.get(MAGIC.len()..).ok_or(LomError::Truncated)?);
        let generation = Generation { clock: fields.u64()?, node: fields.u64()? };
        let apart = Self { generation, slot: fields.u8()?, crc: fields.u32()? };
        fields.finish()?;
        if apart.slot > 1 { Err(LomError::Malformed("slot")) } else { Ok(apart) }
    }
}

impl Stored {
    /// Decodes an attribute. Never panics, whatever the bytes.
    ///
    /// # Errors
    /// See [`LomError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, LomError> {
        if bytes.starts_with(&MAGIC) {
            return Apart::decode(bytes).map(Self::Apart);
        }
        ObjectMeta::from_attribute(bytes).map(|meta| Self::Here(Box::new(meta)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(clock: u64, node: u64, slot in 0u8..2, crc: u32, at: prop::sample::Index, bit in 0u8..8) {
            let apart = Apart { generation: Generation { clock, node }, slot, crc };
            let bytes = apart.encode();
            prop_assert_eq!(Stored::decode(&bytes), Ok(Stored::Apart(apart)));
            let mut damaged = bytes.clone();
            *at.get_mut(&mut damaged) ^= 1 << bit;
            prop_assert!(Stored::decode(&damaged).is_err());
            prop_assert!(Stored::decode(&bytes[..at.index(bytes.len())]).is_err());
        }
    }
}

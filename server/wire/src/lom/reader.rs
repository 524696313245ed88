//! A cursor over bytes that never reads beyond them.

use super::{Generation, LomError, MAX_ENCODED};
use crate::varint;

/// The bytes not read yet.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], LomError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(LomError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LomError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(LomError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, LomError> {
        self.array::<1>().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, LomError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, LomError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, LomError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A number of variable length.
    pub(crate) fn number(&mut self) -> Result<u64, LomError> {
        match varint::take(&mut self.rest) {
            Some(number) => Ok(number),
            None if self.rest.is_empty() => Err(LomError::Truncated),
            None => Err(LomError::Malformed("number")),
        }
    }

    /// One that fits into 32 bits.
    pub(super) fn small(&mut self) -> Result<u32, LomError> {
        u32::try_from(self.number()?).map_err(|_| LomError::Malformed("number"))
    }

    pub(crate) fn generation(&mut self) -> Result<Generation, LomError> {
        Ok(Generation { clock: self.number()?, node: self.u64()? })
    }

    /// At most `most` bytes, prefixed with their number.
    pub(crate) fn bytes(&mut self, most: usize, field: &'static str) -> Result<&'a [u8], LomError> {
        let len = usize::try_from(self.number()?).ok().filter(|len| *len <= most);
        self.take(len.ok_or(LomError::TooLarge(field))?)
    }

    /// A text of at most `most` bytes, prefixed with its length.
    pub(crate) fn text(&mut self, most: usize, field: &'static str) -> Result<String, LomError> {
        let bytes = self.bytes(most, field)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| LomError::Malformed(field))
    }

    /// A list of checksums, prefixed with their number.
    pub(super) fn crcs(&mut self) -> Result<Vec<u32>, LomError> {
        let count = usize::try_from(self.number()?).ok().filter(|count| *count <= MAX_ENCODED / 4);
        let bytes = self.take(count.ok_or(LomError::TooLarge("block table"))? * 4)?;
        let words = bytes.chunks_exact(4).filter_map(|word| word.try_into().ok());
        Ok(words.map(u32::from_le_bytes).collect())
    }

    /// The bytes that have not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// All must have been read.
    pub(crate) fn finish(self) -> Result<(), LomError> {
        if self.rest.is_empty() { Ok(()) } else { Err(LomError::Trailing) }
    }
}

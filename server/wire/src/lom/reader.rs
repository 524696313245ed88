//! A cursor over bytes that never reads beyond them.

use super::LomError;

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

    pub(crate) fn i64(&mut self) -> Result<i64, LomError> {
        self.array().map(i64::from_le_bytes)
    }

    /// A text of at most `most` bytes, prefixed with its length.
    pub(crate) fn text(&mut self, most: usize, field: &'static str) -> Result<String, LomError> {
        let len = usize::from(self.u16()?);
        if len > most {
            return Err(LomError::TooLarge(field));
        }
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| LomError::Malformed(field))
    }

    /// A list of numbers, prefixed with their count.
    pub(crate) fn numbers(&mut self) -> Result<Vec<u32>, LomError> {
        let bytes = usize::from(self.u16()?) * 4;
        let mut list = Reader::new(self.take(bytes)?);
        let mut numbers = Vec::with_capacity(bytes / 4);
        while !list.rest.is_empty() {
            numbers.push(list.u32()?);
        }
        Ok(numbers)
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// All must have been read.
    pub(crate) fn finish(self) -> Result<(), LomError> {
        if self.rest.is_empty() { Ok(()) } else { Err(LomError::Trailing) }
    }
}

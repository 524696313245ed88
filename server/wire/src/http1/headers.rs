//! The header fields of one message, borrowed from the receive buffer.

use httparse::{EMPTY_HEADER, Header};

/// Size of the fixed header table.
pub(super) const HEADERS_HARD_MAX: usize = 128;

/// The table that httparse fills.
pub(super) type HeaderTable<'b> = [Header<'b>; HEADERS_HARD_MAX];

/// An empty table.
pub(super) const fn empty_table<'b>() -> HeaderTable<'b> {
    [EMPTY_HEADER; HEADERS_HARD_MAX]
}

/// The header fields in the order they arrived, in a fixed table: no heap. Names compare without case.
/// Lookups are linear, which is faster than hashing for the dozen fields a real request has.
#[derive(Clone)]
pub struct Headers<'b> {
    table: HeaderTable<'b>,
    len: usize,
}

impl<'b> Headers<'b> {
    /// Wraps the first `len` entries of a table that httparse filled.
    pub(super) fn new(table: HeaderTable<'b>, len: usize) -> Self {
        Self { table, len }
    }

    fn filled(&self) -> &[Header<'b>] {
        self.table.get(..self.len).unwrap_or(&[])
    }

    /// The value of the first field called `name`, without the white space around it.
    pub fn get(&self, name: &str) -> Option<&'b [u8]> {
        self.filled().iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    }

    /// As [`Headers::get`], trimmed of spaces and tabs; `None` also when the value is not UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&'b str> {
        let text = std::str::from_utf8(self.get(name)?).ok()?;
        Some(text.trim_matches([' ', '\t']))
    }

    /// The values of every field called `name`, in order.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'b [u8]> + 's {
        self.filled()
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    }

    /// Every field as (name as sent, value), in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> {
        self.filled().iter().map(|header| (header.name, header.value))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there is no field at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl std::fmt::Debug for Headers<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pairs = self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value)));
        out.debug_map().entries(pairs).finish()
    }
}

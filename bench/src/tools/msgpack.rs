//! A page of a listing in MessagePack, read just far enough to count its names, or to see them.

/// What a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page<'a> {
    /// Entries with a name.
    pub(crate) names: u64,
    /// Where the next page begins; empty at the end.
    pub(crate) token: &'a str,
}

enum Item<'a> {
    Text(&'a [u8]),
    Array(u64),
    Map(u64),
    Other,
}

struct Reader<'a> {
    rest: &'a [u8],
}

/// Reads a page and shows each name to `see`; `None` for anything else, and for bytes behind it.
pub(crate) fn page(bytes: &[u8], mut see: impl FnMut(&str)) -> Option<Page<'_>> {
    let mut reader = Reader { rest: bytes };
    let mut page = Page { names: 0, token: "" };
    let Item::Map(fields) = reader.item()? else { return None };
    for _ in 0..fields {
        let Item::Text(field) = reader.item()? else { return None };
        match field {
            b"Entries" => page.names = reader.entries(&mut see)?,
            b"ContinuationToken" => page.token = reader.text()?,
            _ => reader.skip()?,
        }
    }
    reader.rest.is_empty().then_some(page)
}

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(bytes).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    /// A big-endian number.
    fn number(&mut self, bytes: u64) -> Option<u64> {
        Some(self.take(bytes)?.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    }

    /// A text, a container's head, or something else to its end.
    fn item(&mut self) -> Option<Item<'a>> {
        let lead = self.number(1)?;
        Some(match lead {
            0x80..=0x8f => Item::Map(lead & 15),
            0x90..=0x9f => Item::Array(lead & 15),
            0xa0..=0xbf => Item::Text(self.take(lead & 31)?),
            0xd9..=0xdb => {
                let bytes = self.number(1 << (lead - 0xd9))?;
                Item::Text(self.take(bytes)?)
            }
            0xdc | 0xdd => Item::Array(self.number(2 << (lead - 0xdc))?),
            0xde | 0xdf => Item::Map(self.number(2 << (lead - 0xde))?),
            0xc4..=0xc6 => {
                let bytes = self.number(1 << (lead - 0xc4))?;
                self.other(bytes)?
            }
            // Extensions: a byte of type before the content.
            0xc7..=0xc9 => {
                let bytes = self.number(1 << (lead - 0xc7))?;
                self.other(bytes + 1)?
            }
            0xd4..=0xd8 => self.other((1 << (lead - 0xd4)) + 1)?,
            0xca | 0xcb => self.other(4 << (lead - 0xca))?,
            0xcc..=0xcf => self.other(1 << (lead - 0xcc))?,
            0xd0..=0xd3 => self.other(1 << (lead - 0xd0))?,
            // The only lead without a meaning.
            0xc1 => return None,
            _ => Item::Other,
        })
    }

    fn other(&mut self, bytes: u64) -> Option<Item<'a>> {
        self.take(bytes).map(|_| Item::Other)
    }

    fn text(&mut self) -> Option<&'a str> {
        match self.item()? {
            Item::Text(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// Passes over one value and all that is in it.
    fn skip(&mut self) -> Option<()> {
        let mut left = 1_u64;
        while left > 0 {
            let inside = match self.item()? {
                Item::Array(items) => items,
                Item::Map(pairs) => pairs * 2,
                Item::Text(_) | Item::Other => 0,
            };
            left = (left - 1).checked_add(inside)?;
        }
        Some(())
    }

    /// Counts the entries; each must have a name.
    fn entries(&mut self, see: &mut impl FnMut(&str)) -> Option<u64> {
        let entries = match self.item()? {
            Item::Array(entries) => entries,
            Item::Other => 0,
            Item::Text(_) | Item::Map(_) => return None,
        };
        for _ in 0..entries {
            let Item::Map(fields) = self.item()? else { return None };
            let mut has_name = false;
            for _ in 0..fields {
                if let b"n" = self.text()?.as_bytes() {
                    let name = self.text()?;
                    has_name = !name.is_empty();
                    see(name);
                } else {
                    self.skip()?;
                }
            }
            if !has_name {
                return None;
            }
        }
        Some(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wire::api::lso_page::{LsoEntry, LsoPage};

    fn entry() -> impl Strategy<Value = LsoEntry> {
        (".{1,300}", ".{0,40}", any::<u64>(), any::<u16>()).prop_map(|(name, text, size, flags)| LsoEntry {
            name,
            checksum: text.clone(),
            version: text,
            size,
            flags,
            ..LsoEntry::default()
        })
    }

    proptest! {
        #[test]
        fn counts_what_the_server_writes(entries in prop::collection::vec(entry(), 0..40), token in ".{0,300}") {
            let whole = LsoPage { uuid: "u".to_owned(), continuation_token: token, entries, flags: 70_000 };
            let mut bytes = Vec::new();
            whole.write_msgpack(&mut bytes);
            let names = whole.entries.len() as u64;
            let mut seen = Vec::new();
            let read = page(&bytes, |name| seen.push(name.to_owned()));
            prop_assert_eq!(read, Some(Page { names, token: &whole.continuation_token }));
            prop_assert!(seen.iter().eq(whole.entries.iter().map(|entry| &entry.name)));
            prop_assert_eq!(page(bytes.get(..bytes.len() - 1).unwrap(), |_| ()), None);
            bytes.push(0);
            prop_assert_eq!(page(&bytes, |_| ()), None);
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = page(&bytes, |_| ());
        }

        #[test]
        fn any_value_is_passed_over(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader { rest: &bytes };
            if reader.skip().is_some() {
                prop_assert!(reader.rest.len() < bytes.len());
            }
        }
    }
}

//! A page of a listing in MessagePack, as far as a client must read it to see the names.

use serde::Deserialize;

/// The content of a page.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<'a> {
    #[serde(rename = "Entries", borrow)]
    entries: Option<Vec<Entry<'a>>>,
    /// Where the next page begins; empty at the end.
    #[serde(rename = "ContinuationToken")]
    pub(crate) token: &'a str,
}

#[derive(Debug, Deserialize)]
struct Entry<'a> {
    #[serde(rename = "n")]
    name: &'a str,
}

impl Page<'_> {
    /// The names, in order.
    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.as_deref().unwrap_or_default().iter().map(|entry| entry.name)
    }
}

/// Reads a page; what else its entries have is passed over.
pub(crate) fn page(bytes: &[u8]) -> Result<Page<'_>, String> {
    let page: Page<'_> =
        rmp_serde::from_slice(bytes).map_err(|e| format!("the answer is not a page: {e}"))?;
    if page.names().any(str::is_empty) {
        return Err("an entry of the page has no name".to_owned());
    }
    Ok(page)
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
        fn sees_what_the_server_writes(entries in prop::collection::vec(entry(), 0..40), token in ".{0,300}") {
            let whole = LsoPage { uuid: "u".to_owned(), continuation_token: token, entries, flags: 70_000 };
            let mut bytes = Vec::new();
            whole.write_msgpack(&mut bytes);
            let read = page(&bytes).unwrap();
            prop_assert_eq!(read.token, &whole.continuation_token);
            prop_assert!(read.names().eq(whole.entries.iter().map(|entry| entry.name.as_str())));
            prop_assert!(page(bytes.get(..bytes.len() - 1).unwrap()).is_err());
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = page(&bytes);
        }
    }
}

//! The list-objects exchange, as bytes: both the start-up listing and the timed LIST use it.

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Names only (bit 4), no virtual directories (bit 13).
const FLAGS: &str = "8208";
/// The same without the bit for names only.
const FLAGS_WITH_PROPS: &str = "8192";
/// Names, those of files in archives (bit 3) included.
const FLAGS_IN_ARCHIVES: &str = "8216";

#[derive(Serialize)]
struct Act<'a> {
    action: &'static str,
    name: &'static str,
    value: Request<'a>,
}

/// One page that is asked for.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Request<'a> {
    /// The listing's id, from its first page; empty before.
    pub uuid: &'a str,
    /// Where the page starts; empty for the first.
    pub continuation_token: &'a str,
    /// Only names that start so.
    pub prefix: &'a str,
    /// Most names; 0: the server's choice.
    pub pagesize: u64,
    props: &'static str,
    flags: &'static str,
}

impl<'a> Request<'a> {
    /// A page of names.
    #[must_use]
    pub fn new(prefix: &'a str, uuid: &'a str, continuation_token: &'a str, pagesize: u64) -> Self {
        Self { uuid, continuation_token, prefix, pagesize, props: "name", flags: FLAGS }
    }

    /// The same page with the files in archives, as `archive/path`.
    #[must_use]
    pub fn with_archives(self) -> Self {
        Self { flags: FLAGS_IN_ARCHIVES, ..self }
    }

    /// The same page with the sizes of its objects.
    #[must_use]
    pub fn with_sizes(self) -> Self {
        Self { props: "name,size", flags: FLAGS_WITH_PROPS, ..self }
    }

    /// The page of the same listing that starts at a token.
    #[must_use]
    pub fn at<'b>(&self, uuid: &'b str, continuation_token: &'b str) -> Request<'b>
    where
        'a: 'b,
    {
        Request { uuid, continuation_token, ..*self }
    }

    /// Appends the body of the request.
    pub fn write(self, out: &mut Vec<u8>) {
        // Text and numbers always serialise, and a vector takes everything.
        let _ = serde_json::to_writer(out, &Act { action: "list", name: "", value: self });
    }
}

/// The head and tail of a page, its entries only counted.
#[derive(Debug, Default, Deserialize)]
pub struct PageSummary<'a> {
    /// The listing's id.
    #[serde(borrow, default)]
    pub uuid: Cow<'a, str>,
    /// Where the next page starts; empty after the last.
    #[serde(borrow, default)]
    pub continuation_token: Cow<'a, str>,
    /// The number of entries.
    #[serde(default, rename = "entries", deserialize_with = "count")]
    pub names: u64,
}

/// A page with its names.
#[derive(Debug, Default, Deserialize)]
pub struct Page {
    /// The listing's id.
    #[serde(default)]
    pub uuid: String,
    /// Where the next page starts; empty after the last.
    #[serde(default)]
    pub continuation_token: String,
    /// The entries; null when there is none.
    #[serde(default)]
    pub entries: Option<Vec<Entry>>,
}

/// One name.
#[derive(Debug, Default, Deserialize)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// Bytes of the object, when they were asked for.
    #[serde(default, deserialize_with = "size")]
    pub size: u64,
}

/// AIStore writes sizes as text, others as numbers.
fn size<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Size<'a> {
        Number(u64),
        Text(#[serde(borrow)] Cow<'a, str>),
    }
    match Size::deserialize(from)? {
        Size::Number(bytes) => Ok(bytes),
        Size::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

/// Counts a list, or null, without keeping it.
fn count<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    struct Counter;
    impl<'de> Visitor<'de> for Counter {
        type Value = u64;

        fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
            to.write_str("a list of entries or null")
        }

        fn visit_unit<E>(self) -> Result<u64, E> {
            Ok(0)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<u64, A::Error> {
            let mut names = 0u64;
            while entries.next_element::<IgnoredAny>()?.is_some() {
                names = names.saturating_add(1);
            }
            Ok(names)
        }
    }
    from.deserialize_any(Counter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_shape_that_servers_read() {
        let mut out = Vec::new();
        Request::new("d/", "U", "t\"", 7).write(&mut out);
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["action"], "list");
        assert_eq!(json["value"]["continuation_token"], "t\"");
        assert_eq!(json["value"]["pagesize"], 7);
        assert_eq!(json["value"]["flags"], "8208");
        out.clear();
        Request::new("", "", "", 0).with_sizes().write(&mut out);
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&json["value"]["flags"], &json["value"]["props"]), (&"8192".into(), &"name,size".into()));
    }

    #[test]
    fn pages_are_counted_or_kept() {
        let text = r#"{"uuid":"Ls","continuation_token":"a\"b","entries":[{"name":"x","size":"5"},{"name":"y"}],"flags":0}"#;
        let summary: PageSummary<'_> = serde_json::from_str(text).unwrap();
        assert_eq!((summary.names, &*summary.continuation_token, &*summary.uuid), (2, "a\"b", "Ls"));
        let page: Page = serde_json::from_str(text).unwrap();
        let entries = page.entries.unwrap();
        assert_eq!(entries.last().unwrap().name, "y");
        assert_eq!(entries.iter().map(|entry| entry.size).collect::<Vec<_>>(), [5, 0]);
        let empty: PageSummary<'_> = serde_json::from_str(r#"{"uuid":"u","entries":null}"#).unwrap();
        assert_eq!(empty.names, 0);
    }
}

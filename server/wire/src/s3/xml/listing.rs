//! Pages of names (ListBucketResult), of both versions.

use super::reader::{Found, XmlError, boolean, number, read};
use super::writer::Writer;
use crate::http1::percent_decode;
use crate::s3::encode::push_path;
use crate::s3::time::{iso_from_unix_ms, unix_ms_from_iso};
use std::borrow::Cow;

/// An object in a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub key: String,
    /// Its bytes.
    pub size_bytes: u64,
    /// Its tag, with quotes as it was sent.
    pub etag: String,
    /// When it was last changed, in milliseconds since 1970; `None` when nobody says.
    pub modified_unix_ms: Option<i64>,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The objects, their names decoded.
    pub objects: Vec<Entry>,
    /// The beginning that names have in common up to a delimiter.
    pub prefixes: Vec<String>,
    /// Where the next page starts; empty after the last. For version 1 the last name, where the server names no marker.
    pub next: String,
}

/// One page of a listing whose names are only counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSummary {
    /// The number of names that it has.
    pub names: u64,
    /// Where the next page starts; empty after the last.
    pub next: String,
}

/// The facts that a page tells of itself.
#[derive(Default)]
struct About {
    is_truncated: bool,
    is_encoded: bool,
    token: String,
    marker: String,
}

impl About {
    fn take(&mut self, name: &str, text: &str) -> Result<(), XmlError> {
        match name {
            "IsTruncated" => self.is_truncated = boolean("IsTruncated", text)?,
            "EncodingType" => self.is_encoded = text.trim().eq_ignore_ascii_case("url"),
            "NextContinuationToken" => text.clone_into(&mut self.token),
            "NextMarker" => text.clone_into(&mut self.marker),
            _ => {}
        }
        Ok(())
    }

    /// Names are encoded as in forms, where they are.
    fn decoded(&self, name: String) -> Result<String, XmlError> {
        if !self.is_encoded {
            return Ok(name);
        }
        let decoded = percent_decode(&name.replace('+', " ")).map(Cow::into_owned);
        decoded.ok_or_else(|| XmlError::new(format!("the name {name:?} cannot be decoded")))
    }

    /// Where the next page starts; `last` is the last name of this one.
    fn next(self, last: Option<&str>) -> Result<String, XmlError> {
        if !self.is_truncated {
            return Ok(String::new());
        }
        if !self.token.is_empty() {
            return Ok(self.token);
        }
        let marker = self.decoded(self.marker.clone())?;
        match last {
            _ if !marker.is_empty() => Ok(marker),
            Some(last) if !last.is_empty() => Ok(last.to_owned()),
            _ => Err(XmlError::new("the listing goes on, but without a token")),
        }
    }
}

/// Reads a page of version 2, or of version 1.
///
/// # Errors
/// When it is none, a name cannot be decoded, or it goes on and does not say where.
pub fn read_page(bytes: &[u8]) -> Result<Page, XmlError> {
    let (mut about, mut page, mut is_version_2) = (About::default(), Page::default(), false);
    read(bytes, "ListBucketResult", &mut |path, found| {
        match (path, found, page.objects.last_mut()) {
            ("Contents", Found::Begin, _) => page.objects.push(Entry::default()),
            ("Contents/Key", Found::Text(text), Some(entry)) => text.clone_into(&mut entry.key),
            ("Contents/Size", Found::Text(text), Some(entry)) => entry.size_bytes = number("Size", text)?,
            ("Contents/ETag", Found::Text(text), Some(entry)) => text.trim().clone_into(&mut entry.etag),
            ("Contents/LastModified", Found::Text(text), Some(entry)) => {
                entry.modified_unix_ms = unix_ms_from_iso(text.trim());
            }
            ("CommonPrefixes/Prefix", Found::Text(text), _) => page.prefixes.push(text.to_owned()),
            (name, Found::Text(text), _) => {
                is_version_2 |= matches!(name, "KeyCount" | "NextContinuationToken");
                about.take(name, text)?;
            }
            (_, Found::Begin, _) => {}
        }
        Ok(())
    })?;
    for entry in &mut page.objects {
        if entry.key.is_empty() {
            return Err(XmlError::new("an object has no name"));
        }
        entry.key = about.decoded(std::mem::take(&mut entry.key))?;
    }
    for prefix in &mut page.prefixes {
        *prefix = about.decoded(std::mem::take(prefix))?;
    }
    let last = page.objects.last().filter(|_| !is_version_2).map(|entry| entry.key.as_str());
    page.next = about.next(last)?;
    Ok(page)
}

/// Counts a page of names of version 2.
///
/// # Errors
/// When it is none, or it goes on and does not say where.
pub fn count_page(bytes: &[u8]) -> Result<PageSummary, XmlError> {
    let (mut about, mut names) = (About::default(), 0u64);
    read(bytes, "ListBucketResult", &mut |path, found| {
        match found {
            Found::Begin => names = names.saturating_add(u64::from(path == "Contents")),
            Found::Text(text) => about.take(path, text)?,
        }
        Ok(())
    })?;
    Ok(PageSummary { names, next: about.next(None)? })
}

/// Where a page that is written starts, and where it goes on.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// Version 1.
    Marker {
        /// Names behind this one.
        marker: &'a str,
        /// The last name of the page, if there are more.
        next: Option<&'a str>,
    },
    /// Version 2.
    Token {
        /// As the client has sent it.
        token: Option<&'a str>,
        /// As the client has sent it.
        start_after: Option<&'a str>,
        /// For the next page, if there is one.
        next: Option<&'a str>,
    },
}

/// A page that is written: what was asked for, then its entries. Names are given as they are.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// The bucket.
    pub name: &'a str,
    /// Only names that begin so; may be empty.
    pub prefix: &'a str,
    /// Empty: none.
    pub delimiter: &'a str,
    /// Most entries.
    pub max_keys: u64,
    /// The client wants its names encoded: XML cannot hold all of them.
    pub is_encoded: bool,
    /// From where to where.
    pub place: Place<'a>,
    /// Whose objects they are, for clients that ask.
    pub owner_id: Option<&'a str>,
    /// The class that is named for each object.
    pub storage_class: &'a str,
}

impl Listing<'_> {
    /// The document.
    #[must_use]
    pub fn write(&self, objects: &[Entry], prefixes: &[String]) -> String {
        let mut out = Writer::answer("ListBucketResult");
        out.text("Name", self.name);
        self.write_name(&mut out, "Prefix", self.prefix);
        if !self.delimiter.is_empty() {
            self.write_name(&mut out, "Delimiter", self.delimiter);
        }
        out.value("MaxKeys", self.max_keys);
        if self.is_encoded {
            out.text("EncodingType", "url");
        }
        let entries = objects.len().saturating_add(prefixes.len());
        self.write_place(&mut out, entries);
        for entry in objects {
            out.within("Contents", |out| self.write_entry(out, entry));
        }
        for prefix in prefixes {
            out.within("CommonPrefixes", |out| self.write_name(out, "Prefix", prefix));
        }
        out.finish()
    }

    fn write_place(&self, out: &mut Writer, entries: usize) {
        match self.place {
            Place::Marker { marker, next } => {
                self.write_name(out, "Marker", marker);
                if let Some(next) = next {
                    self.write_name(out, "NextMarker", next);
                }
                out.value("IsTruncated", next.is_some());
            }
            Place::Token { token, start_after, next } => {
                out.value("KeyCount", entries).optional("ContinuationToken", token);
                if let Some(start_after) = start_after {
                    self.write_name(out, "StartAfter", start_after);
                }
                out.optional("NextContinuationToken", next).value("IsTruncated", next.is_some());
            }
        }
    }

    fn write_entry(&self, out: &mut Writer, entry: &Entry) {
        self.write_name(out, "Key", &entry.key);
        out.value("LastModified", iso_from_unix_ms(entry.modified_unix_ms.unwrap_or(0)));
        out.text("ETag", &entry.etag)
            .value("Size", entry.size_bytes)
            .text("StorageClass", self.storage_class);
        if let Some(owner_id) = self.owner_id {
            out.within("Owner", |out| {
                out.text("ID", owner_id).text("DisplayName", owner_id);
            });
        }
    }

    fn write_name(&self, out: &mut Writer, element: &str, name: &str) {
        if self.is_encoded {
            let mut encoded = String::with_capacity(name.len());
            push_path(&mut encoded, name);
            out.text(element, &encoded);
        } else {
            out.text(element, name);
        }
    }
}

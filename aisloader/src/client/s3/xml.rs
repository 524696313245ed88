//! The documents of S3, each as one function from or to bytes.
//!
//! A document comes from a server, so it may be anything: its length is bounded, entities other than XML's own are
//! errors, and what is not looked at is passed over.

use quick_xml::de::from_str;
use quick_xml::escape::escape;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;

/// A longer document is not read: a page of 1,000 names of 1,024 bytes, all escaped, has a third of that.
pub const DOCUMENT_BYTES_MAX: usize = 16 << 20;
/// Characters of a server's text that are shown.
const TEXT_CHARS_MAX: usize = 300;

/// A document that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmlError(String);

impl fmt::Display for XmlError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for XmlError {}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The names, decoded, and the sizes of their objects in bytes.
    pub objects: Vec<(String, u64)>,
    /// Where the next page starts; empty after the last.
    pub next: String,
}

/// One page of a listing whose names are only counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSummary {
    /// How many names it has.
    pub names: u64,
    /// Where the next page starts; empty after the last.
    pub next: String,
}

/// What a server says about a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ErrorText {
    /// One word, such as `SlowDown`.
    pub code: String,
    /// A sentence.
    pub message: String,
    /// The bucket's region, where the request was signed for another.
    pub region: String,
    /// The address to go to, in redirects.
    pub endpoint: String,
    /// The name that it is about, in answers about several.
    pub key: String,
}

impl fmt::Display for ErrorText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| text.chars().take(TEXT_CHARS_MAX).collect::<String>();
        write!(out, "{}: {}", shown(&self.code), shown(self.message.trim()))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listing<T> {
    #[serde(default)]
    is_truncated: bool,
    #[serde(default)]
    next_continuation_token: String,
    #[serde(default)]
    encoding_type: String,
    #[serde(default = "Vec::new")]
    contents: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    key: String,
    #[serde(default)]
    size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Started {
    upload_id: String,
}

#[derive(Deserialize)]
struct Deleted {
    #[serde(default, rename = "Error")]
    errors: Vec<ErrorText>,
}

/// Documents by the name of their root.
#[derive(Deserialize)]
enum Document<T> {
    ListBucketResult(Listing<T>),
    InitiateMultipartUploadResult(Started),
    CompleteMultipartUploadResult(IgnoredAny),
    DeleteResult(Deleted),
    Error(ErrorText),
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<Document<T>, XmlError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(XmlError(format!("a document of {} bytes is too long", bytes.len())));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| XmlError("it is not UTF-8".to_owned()))?;
    from_str(text).map_err(|e| XmlError(e.to_string().chars().take(TEXT_CHARS_MAX).collect()))
}

/// What to say about a document with another root than the one that was asked for.
fn other<T>(document: Document<T>, wanted: &str) -> XmlError {
    match document {
        Document::Error(error) => XmlError(error.to_string()),
        _ => XmlError(format!("it is no {wanted}")),
    }
}

fn listing<T: DeserializeOwned>(bytes: &[u8]) -> Result<Listing<T>, XmlError> {
    let listing = match read(bytes)? {
        Document::ListBucketResult(listing) => listing,
        document => return Err(other(document, "ListBucketResult")),
    };
    if listing.is_truncated && listing.next_continuation_token.is_empty() {
        return Err(XmlError("the listing goes on, but without a token".to_owned()));
    }
    Ok(listing)
}

impl<T> Listing<T> {
    fn next(&mut self) -> String {
        if self.is_truncated { std::mem::take(&mut self.next_continuation_token) } else { String::new() }
    }
}

/// Reads a page of names.
///
/// # Errors
/// When it is none, or a name cannot be decoded.
pub fn read_page(bytes: &[u8]) -> Result<Page, XmlError> {
    let mut listing = listing::<Named>(bytes)?;
    let next = listing.next();
    let is_encoded = listing.encoding_type.eq_ignore_ascii_case("url");
    let objects = listing.contents.into_iter().map(|Named { key, size }| {
        let name = if is_encoded { decode(&key)? } else { key };
        Ok((name, size))
    });
    Ok(Page { objects: objects.collect::<Result<_, _>>()?, next })
}

/// Names in listings are encoded as in forms.
fn decode(name: &str) -> Result<String, XmlError> {
    let spaced = name.replace('+', " ");
    let decoded = wire::http1::percent_decode(&spaced).map(Cow::into_owned);
    decoded.ok_or_else(|| XmlError(format!("the name {name:?} cannot be decoded")))
}

/// Counts a page of names.
///
/// # Errors
/// When it is none.
pub fn count_page(bytes: &[u8]) -> Result<PageSummary, XmlError> {
    let mut listing = listing::<IgnoredAny>(bytes)?;
    Ok(PageSummary { names: listing.contents.len() as u64, next: listing.next() })
}

/// What the body of a failed answer says; `None` when it is no such document.
#[must_use]
pub fn read_error(bytes: &[u8]) -> Option<ErrorText> {
    match read::<IgnoredAny>(bytes) {
        Ok(Document::Error(error)) => Some(error),
        _ => None,
    }
}

/// The id of a multipart upload that has begun.
///
/// # Errors
/// When the document does not give it.
pub fn read_upload_id(bytes: &[u8]) -> Result<String, XmlError> {
    match read::<IgnoredAny>(bytes)? {
        Document::InitiateMultipartUploadResult(started) if !started.upload_id.is_empty() => {
            Ok(started.upload_id)
        }
        document => Err(other(document, "InitiateMultipartUploadResult with an UploadId")),
    }
}

/// Whether a multipart upload is complete: servers begin that answer with status 200 before they know.
///
/// # Errors
/// What the server says instead.
pub fn read_completion(bytes: &[u8]) -> Result<(), XmlError> {
    match read::<IgnoredAny>(bytes)? {
        Document::CompleteMultipartUploadResult(_) => Ok(()),
        document => Err(other(document, "CompleteMultipartUploadResult")),
    }
}

/// The names that could not be deleted, and why.
///
/// # Errors
/// When the document does not tell.
pub fn read_deletion(bytes: &[u8]) -> Result<Vec<ErrorText>, XmlError> {
    match read::<IgnoredAny>(bytes)? {
        Document::DeleteResult(deleted) => Ok(deleted.errors),
        document => Err(other(document, "DeleteResult")),
    }
}

/// The body that completes a multipart upload of parts with these tags, in order.
#[must_use]
pub fn completion(etags: &[String]) -> String {
    let mut out = String::from("<CompleteMultipartUpload>");
    for (number, etag) in (1u32..).zip(etags) {
        // Writing to a string cannot fail.
        let _ = write!(out, "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", escape(etag));
    }
    out.push_str("</CompleteMultipartUpload>");
    out
}

/// The body that deletes these names, at most 1,000, and is answered with failures only.
#[must_use]
pub fn deletion(names: &[&str]) -> String {
    let mut out = String::from("<Delete><Quiet>true</Quiet>");
    for name in names {
        // Writing to a string cannot fail.
        let _ = write!(out, "<Object><Key>{}</Key></Object>", escape(*name));
    }
    out.push_str("</Delete>");
    out
}

/// The body that makes a bucket in a region; empty for the first region, which takes none.
#[must_use]
pub fn creation(region: &str) -> String {
    if region == "us-east-1" {
        return String::new();
    }
    let region = escape(region);
    format!(
        "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
    )
}

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;

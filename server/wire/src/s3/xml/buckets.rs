//! Buckets: the list of them, and what is asked about one.

use super::reader::{Found, XmlError, read};
use super::writer::Writer;
use crate::s3::time::{iso_from_unix_ms, unix_ms_from_iso};

/// The region that has no name in documents.
const FIRST_REGION: &str = "us-east-1";

/// A bucket in the list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub created_unix_ms: i64,
}

/// The list of an owner's buckets (ListAllMyBucketsResult).
#[must_use]
pub fn write_buckets(owner_id: &str, buckets: &[Bucket]) -> String {
    let mut out = Writer::answer("ListAllMyBucketsResult");
    out.within("Owner", |out| {
        out.text("ID", owner_id).text("DisplayName", owner_id);
    });
    out.within("Buckets", |out| {
        for bucket in buckets {
            out.within("Bucket", |out| {
                out.text("Name", &bucket.name)
                    .value("CreationDate", iso_from_unix_ms(bucket.created_unix_ms));
            });
        }
    });
    out.finish()
}

/// Reads a list of buckets; a time that is none is 1970.
///
/// # Errors
/// When it is none.
pub fn read_buckets(bytes: &[u8]) -> Result<Vec<Bucket>, XmlError> {
    let mut buckets: Vec<Bucket> = Vec::new();
    read(bytes, "ListAllMyBucketsResult", &mut |path, found| {
        match (path, found, buckets.last_mut()) {
            ("Buckets/Bucket", Found::Begin, _) => buckets.push(Bucket::default()),
            ("Buckets/Bucket/Name", Found::Text(text), Some(bucket)) => text.clone_into(&mut bucket.name),
            ("Buckets/Bucket/CreationDate", Found::Text(text), Some(bucket)) => {
                bucket.created_unix_ms = unix_ms_from_iso(text.trim()).unwrap_or(0);
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(buckets)
}

/// The body that makes a bucket in a region; empty for the first region, which takes none.
#[must_use]
pub fn creation(region: &str) -> String {
    if region == FIRST_REGION {
        return String::new();
    }
    let mut out = Writer::plain("CreateBucketConfiguration");
    out.text("LocationConstraint", region);
    out.finish()
}

/// The region that a bucket is to be made in; `None` when the body, which may be empty, names none.
///
/// # Errors
/// When it is another document.
pub fn read_creation(bytes: &[u8]) -> Result<Option<String>, XmlError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let mut region = None;
    read(bytes, "CreateBucketConfiguration", &mut |path, found| {
        if let ("LocationConstraint", Found::Text(text)) = (path, found) {
            region = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        }
        Ok(())
    })?;
    Ok(region)
}

/// Where a bucket is (`?location`).
#[must_use]
pub fn write_location(region: &str) -> String {
    let text = if region == FIRST_REGION { "" } else { region };
    let mut out = Writer::answer("LocationConstraint");
    out.bare(text);
    out.finish()
}

/// The answer to `?versioning` of a bucket for which none was ever asked.
#[must_use]
pub fn write_versioning() -> String {
    Writer::answer("VersioningConfiguration").finish()
}

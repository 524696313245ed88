//! Uploads in parts, and copies.

use super::listing::Entry;
use super::reader::{Found, XmlError, number, read};
use super::writer::Writer;
use crate::s3::time::iso_from_unix_ms;

/// Parts of one upload.
const PARTS_MAX: u32 = 10_000;
const CHECKSUM: &str = "Checksum";

/// A part as a client names it when an upload is complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1 on.
    pub number: u32,
    /// Its tag, without quotes: clients send it either way.
    pub etag: String,
    /// Its checksums, by the name of the algorithm in small letters: `crc32`, and the text.
    pub checksums: Vec<(String, String)>,
}

/// The answer to the begin of an upload.
#[must_use]
pub fn write_upload_id(bucket: &str, key: &str, upload_id: &str) -> String {
    let mut out = Writer::answer("InitiateMultipartUploadResult");
    out.text("Bucket", bucket).text("Key", key).text("UploadId", upload_id);
    out.finish()
}

/// The id of a multipart upload that has begun.
///
/// # Errors
/// When the document does not give it.
pub fn read_upload_id(bytes: &[u8]) -> Result<String, XmlError> {
    let mut id = String::new();
    read(bytes, "InitiateMultipartUploadResult", &mut |path, found| {
        if let ("UploadId", Found::Text(text)) = (path, found) {
            text.trim().clone_into(&mut id);
        }
        Ok(())
    })?;
    if id.is_empty() {
        return Err(XmlError::new("it is no InitiateMultipartUploadResult with an UploadId"));
    }
    Ok(id)
}

/// The body that completes a multipart upload of parts with these tags, in order.
#[must_use]
pub fn completion(etags: &[String]) -> String {
    let mut out = Writer::plain("CompleteMultipartUpload");
    for (number, etag) in (1u32..).zip(etags) {
        out.within("Part", |out| {
            out.value("PartNumber", number).text("ETag", etag);
        });
    }
    out.finish()
}

/// The parts of a completion, in the order in which the client names them.
///
/// # Errors
/// When it is none, names no part or more than 10,000, or a part has no number from 1 to 10,000 or no tag.
pub fn read_completed_parts(bytes: &[u8]) -> Result<Vec<Part>, XmlError> {
    let mut parts: Vec<Part> = Vec::new();
    read(bytes, "CompleteMultipartUpload", &mut |path, found| {
        if path == "Part" && matches!(found, Found::Begin) && parts.len() >= PARTS_MAX as usize {
            return Err(XmlError::new("there are more than 10000 parts"));
        }
        match (path, found, parts.last_mut()) {
            ("Part", Found::Begin, _) => parts.push(Part::default()),
            ("Part/PartNumber", Found::Text(text), Some(part)) => part.number = number("PartNumber", text)?,
            ("Part/ETag", Found::Text(text), Some(part)) => {
                text.trim().trim_matches('"').clone_into(&mut part.etag);
            }
            (path, Found::Text(text), Some(part)) => {
                if let Some(algorithm) =
                    path.strip_prefix("Part/").and_then(|name| name.strip_prefix(CHECKSUM))
                {
                    part.checksums.push((algorithm.to_ascii_lowercase(), text.trim().to_owned()));
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    let is_whole = |part: &Part| (1..=PARTS_MAX).contains(&part.number) && !part.etag.is_empty();
    if parts.is_empty() || !parts.iter().all(is_whole) {
        return Err(XmlError::new("a part has no number or no tag, or there is none"));
    }
    Ok(parts)
}

/// The answer to a completion; `etag` with its quotes.
#[must_use]
pub fn write_completion(
    location: &str,
    bucket: &str,
    key: &str,
    etag: &str,
    checksums: &[(&str, &str)],
) -> String {
    let mut out = Writer::answer("CompleteMultipartUploadResult");
    out.text("Location", location).text("Bucket", bucket).text("Key", key).text("ETag", etag);
    write_checksums(&mut out, checksums);
    out.finish()
}

/// The end of a multipart upload: servers begin that answer with status 200 before they know.
///
/// # Errors
/// The failure that the server tells of instead.
pub fn read_completion(bytes: &[u8]) -> Result<(), XmlError> {
    read(bytes, "CompleteMultipartUploadResult", &mut |_, _| Ok(()))
}

/// The answer to a copy; of an object, or with `is_part` of a part. `etag` with its quotes.
#[must_use]
pub fn write_copied(is_part: bool, etag: &str, modified_unix_ms: i64, checksums: &[(&str, &str)]) -> String {
    let mut out = Writer::answer(if is_part { "CopyPartResult" } else { "CopyObjectResult" });
    out.value("LastModified", iso_from_unix_ms(modified_unix_ms)).text("ETag", etag);
    write_checksums(&mut out, checksums);
    out.finish()
}

/// Checksums by S3's name of the algorithm, `CRC32` and so on.
fn write_checksums(out: &mut Writer, checksums: &[(&str, &str)]) {
    for (algorithm, text) in checksums {
        out.text(&format!("{CHECKSUM}{algorithm}"), text);
    }
}

/// A page of the parts of an upload (ListPartsResult).
#[derive(Clone, Copy, Debug)]
pub struct PartLines<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The object's name.
    pub key: &'a str,
    /// The upload.
    pub upload_id: &'a str,
    /// Parts behind this number.
    pub marker: u32,
    /// Most parts.
    pub max_parts: u32,
    /// The last number of the page, if there are more.
    pub next: Option<u32>,
}

impl PartLines<'_> {
    /// The document; of each part its number, and tag, bytes and time of an [`Entry`].
    #[must_use]
    pub fn write(&self, parts: &[(u32, Entry)]) -> String {
        let mut out = Writer::answer("ListPartsResult");
        out.text("Bucket", self.bucket).text("Key", self.key).text("UploadId", self.upload_id);
        out.value("PartNumberMarker", self.marker);
        if let Some(next) = self.next {
            out.value("NextPartNumberMarker", next);
        }
        out.value("MaxParts", self.max_parts).value("IsTruncated", self.next.is_some());
        for (number, entry) in parts {
            out.within("Part", |out| {
                out.value("PartNumber", number).text("ETag", &entry.etag).value("Size", entry.size_bytes);
                out.value("LastModified", iso_from_unix_ms(entry.modified_unix_ms.unwrap_or(0)));
            });
        }
        out.finish()
    }
}

/// A page of the uploads of a bucket (ListMultipartUploadsResult).
#[derive(Clone, Copy, Debug)]
pub struct UploadLines<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// Only names that begin so.
    pub prefix: &'a str,
    /// Uploads behind this name, and of it those behind this id.
    pub marker: (&'a str, &'a str),
    /// Most uploads.
    pub max_uploads: u32,
    /// Name and id of the last one of the page, if there are more.
    pub next: Option<(&'a str, &'a str)>,
}

impl UploadLines<'_> {
    /// The document; of each upload the object's name, the id, and when it began in milliseconds since 1970.
    #[must_use]
    pub fn write(&self, uploads: &[(&str, &str, i64)]) -> String {
        let mut out = Writer::answer("ListMultipartUploadsResult");
        out.text("Bucket", self.bucket).text("Prefix", self.prefix);
        out.text("KeyMarker", self.marker.0).text("UploadIdMarker", self.marker.1);
        if let Some((key, id)) = self.next {
            out.text("NextKeyMarker", key).text("NextUploadIdMarker", id);
        }
        out.value("MaxUploads", self.max_uploads).value("IsTruncated", self.next.is_some());
        for (key, id, begun_unix_ms) in uploads {
            out.within("Upload", |out| {
                out.text("Key", key)
                    .text("UploadId", id)
                    .value("Initiated", iso_from_unix_ms(*begun_unix_ms));
            });
        }
        out.finish()
    }
}

//! The memory of one worker, used again for every operation.

use crate::recorder::phases::Marks;
use wire::http1::Headers;

/// The memory in which a worker makes requests and keeps answers.
pub(crate) struct Room {
    /// The request's head, its body when that is small, and where answers are received.
    pub(crate) link: link::Room,
    /// The request's target.
    pub(crate) target: String,
    /// Bodies that are kept: pages of names, texts of errors.
    pub(crate) kept: Vec<u8>,
    /// Headers of the answer that are kept.
    pub(crate) facts: Facts,
    /// Instants of the operation, when it is traced.
    pub(crate) marks: Marks,
}

/// Headers that outlive the receive buffer.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) location: String,
    /// The tag of what was written.
    pub(crate) etag: String,
    /// Where S3 keeps the bucket.
    pub(crate) bucket_region: String,
    pub(crate) cksum_type: String,
    pub(crate) cksum_value: String,
    pub(crate) content_range: String,
}

impl Facts {
    pub(crate) fn read(&mut self, headers: &Headers<'_>) {
        for (field, name) in [
            (&mut self.location, "Location"),
            (&mut self.etag, "ETag"),
            (&mut self.bucket_region, "x-amz-bucket-region"),
            (&mut self.cksum_type, "Ais-Checksum-Type"),
            (&mut self.cksum_value, "Ais-Checksum-Value"),
            (&mut self.content_range, "Content-Range"),
        ] {
            field.clear();
            field.push_str(headers.get_str(name).unwrap_or_default());
        }
    }
}

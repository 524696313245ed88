//! The documents of S3, each as a function from or to bytes, for both sides.
//!
//! A document comes from a socket, so it may be anything: its length, depth and number of entries are bounded, entities
//! other than XML's own are errors, and what is not looked at is passed over. White space in names is kept: ` a` and `a` are
//! two objects.

mod buckets;
mod deletion;
mod failure;
mod listing;
mod multipart;
mod reader;
mod writer;

pub use buckets::{
    Bucket, creation, read_buckets, read_creation, write_buckets, write_location, write_versioning,
};
pub use deletion::{Deletion, deletion, read_delete_result, read_deletion, write_delete_result};
pub use failure::{ErrorText, read_error, write_error};
pub use listing::{Entry, Listing, Page, PageSummary, Place, count_page, read_page};
pub use multipart::{
    Part, PartLines, UploadLines, completion, read_completed_parts, read_completion, read_upload_id,
    write_completion, write_copied, write_upload_id,
};
pub use reader::{DOCUMENT_BYTES_MAX, XmlError};

#[cfg(test)]
mod tests;

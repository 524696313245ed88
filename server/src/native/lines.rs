//! Lines of a listing the way AIStore's clients read them.

use crate::cluster::BucketView;
use crate::error::Result;
use crate::object::{Line, Lines};
use crate::shard::Shard;
use crate::store::{BucketRef, EncodedEntry, Entry};
use std::sync::Arc;
use wire::api::custom;
use wire::api::lso::{LsoMsg, LsoProps};
use wire::api::lso_page::{LsoEntry, entry_flag};
use wire::api::timefmt::{HTTP_DATE, RFC822, format_nanos};

/// Bytes for the texts of a usual line, with little and with much asked for: in a share or the page, and in the answer.
const TEXTS_BYTES_PLAIN: usize = 192;
const TEXTS_BYTES: usize = 704;

/// The fields that a message asks for of each object.
#[derive(Clone)]
pub(super) struct LsoLines {
    bucket: Arc<BucketView>,
    props: LsoProps,
    /// Only a name and perhaps a size are wanted, for which an entry need not be decoded.
    is_plain: bool,
    time_format: Arc<str>,
}

impl LsoLines {
    pub(super) fn new(bucket: &Arc<BucketView>, message: &LsoMsg) -> Self {
        let props = message.wanted();
        let time_format = if message.time_format.is_empty() { RFC822 } else { &message.time_format };
        Self {
            bucket: Arc::clone(bucket),
            is_plain: props.is_within(LsoProps::NAME | LsoProps::SIZE),
            props,
            time_format: time_format.into(),
        }
    }

    fn details(&self, shard: &Shard, name: String, entry: &Entry) -> LsoEntry {
        let mut line = LsoEntry { flags: entry_flag::CACHED, ..LsoEntry::default() };
        let has = |prop| self.props.has(prop);
        if has(LsoProps::SIZE) {
            line.size = entry.size_bytes;
        }
        if has(LsoProps::CHECKSUM) {
            line.checksum = entry.cksum_value.to_string();
        }
        if has(LsoProps::VERSION) && self.bucket.props.versioning.enabled {
            line.version = entry.version.to_string();
        }
        if has(LsoProps::ATIME) {
            line.atime = format_nanos(entry.atime_ns.get(), &self.time_format);
        }
        if has(LsoProps::COPIES) {
            line.copies = 1;
        }
        if has(LsoProps::LOCATION) {
            line.location = location(shard, &self.bucket.bucket, &name, entry);
        }
        let mut pairs = if has(LsoProps::CUSTOM) { entry.custom.to_vec() } else { Vec::new() };
        if has(LsoProps::LAST_MODIFIED) {
            pairs.push(("last-modified".to_owned(), format_nanos(entry.mtime_ns, HTTP_DATE)));
        }
        if has(LsoProps::ETAG) {
            pairs.push(("ETag".to_owned(), entry.etag()));
        }
        line.custom = custom::to_list_text(&pairs);
        line.name = name;
        line
    }
}

impl Lines for LsoLines {
    type Line = LsoEntry;

    fn prefix(&self, prefix: &str) -> LsoEntry {
        LsoEntry { name: prefix.to_owned(), flags: entry_flag::DIR, ..LsoEntry::default() }
    }

    fn object(&self, shard: &Shard, name: &str, entry: EncodedEntry<'_>) -> Result<LsoEntry> {
        if !self.is_plain {
            return Ok(self.details(shard, name.to_owned(), &entry.decode()?));
        }
        let mut line = LsoEntry { name: name.to_owned(), flags: entry_flag::CACHED, ..LsoEntry::default() };
        if self.props.has(LsoProps::SIZE) {
            line.size = entry.size_bytes()?;
        }
        Ok(line)
    }

    fn line_bytes(&self) -> usize {
        size_of::<LsoEntry>()
    }

    fn texts_bytes(&self) -> usize {
        if self.is_plain { TEXTS_BYTES_PLAIN } else { TEXTS_BYTES }
    }
}

impl Line for LsoEntry {
    fn name(&self) -> &str {
        &self.name
    }

    fn text_bytes(&self) -> usize {
        let texts = [&self.name, &self.checksum, &self.atime, &self.version, &self.location, &self.custom];
        texts.into_iter().map(String::len).sum()
    }
}

/// `t[ID]:<path of the file>`, as AIStore gives it; of a small object, the path of the segment that holds it.
pub(super) fn location(shard: &Shard, bucket: &Arc<BucketRef>, name: &str, entry: &Entry) -> String {
    let mountpath = shard.node.mountpaths.get(entry.mountpath);
    let root = mountpath.map(|mountpath| mountpath.path.display().to_string()).unwrap_or_default();
    let path = shard.store.key(bucket, name, entry).map(|key| key.location(entry)).unwrap_or_default();
    format!("{}:{root}/{path}", shard.node.target_name())
}

//! What each kind of operation asks a server for: its request, and what becomes of the answer.

use super::body::Sink;
use super::check::Check;
use super::core::Core;
use super::exchange::Outgoing;
use super::multipart::Upload;
use super::put_body::PutBody;
use crate::client::listing::Request;
use crate::settings::Config;
use crate::workload::OpKind;
use crate::workload::archive::split;
use crate::workload::names::{push_path_encoded, push_query_encoded};
use crate::workload::range::ByteRange;
use std::fmt::Write as _;
use wire::http1::{HeadWriter, Method};

/// A smaller body goes out with the head even to a server that may redirect it: a second exchange would cost more.
const ASK_BYTES_MIN: u64 = 64 << 10;

/// A request, complete but for its target, which lies in `Room::target`.
pub(super) enum Call {
    /// Read an object, or a part of it.
    Get(Option<ByteRange>),
    /// Ask for an object's properties.
    Head,
    /// Delete an object.
    Delete,
    /// Write one.
    Put(PutBody),
    /// Write one in parts.
    Multipart(Box<Upload>),
    /// Read a page of names.
    List {
        /// The listing's id.
        uuid: String,
        /// Where the page starts.
        token: String,
    },
}

impl Call {
    /// The kind that statistics count it as.
    pub(super) fn kind(&self) -> OpKind {
        match self {
            Self::Get(_) => OpKind::Get,
            Self::Head => OpKind::Head,
            Self::Delete => OpKind::Delete,
            Self::Put(_) => OpKind::Put,
            Self::Multipart(_) => OpKind::Mpu,
            Self::List { .. } => OpKind::List,
        }
    }

    /// The method, as text and as the parser of the answer needs it.
    pub(super) fn method(&self) -> (&'static str, Method) {
        match self {
            Self::Get(_) | Self::List { .. } => ("GET", Method::Get),
            Self::Head => ("HEAD", Method::Head),
            Self::Delete => ("DELETE", Method::Delete),
            Self::Put(_) => ("PUT", Method::Put),
            Self::Multipart(upload) => upload.method(),
        }
    }

    /// Writes path and query; `name` is the object's.
    pub(super) fn write_target(&self, core: &Core, name: &str, target: &mut String) {
        let bucket = &core.run.config.bucket;
        target.clear();
        target.push_str(if matches!(self, Self::List { .. }) { "/v1/buckets/" } else { "/v1/objects/" });
        target.push_str(&bucket.name);
        let member = member_of(core, name);
        if !matches!(self, Self::List { .. }) {
            target.push('/');
            push_path_encoded(target, member.map_or(name, |(shard, _)| shard));
        }
        target.push_str("?provider=");
        target.push_str(bucket.provider);
        if let (Self::Get(_), Some((_, path))) = (self, member) {
            target.push_str("&archpath=");
            push_query_encoded(target, path);
        }
        if matches!(self, Self::Put(_)) {
            target.push_str("&skip_vc=true");
        }
        if let (Self::Put(_) | Self::Delete, Some(direct)) = (self, &core.run.direct) {
            // Targets take writes only from requests that a gateway has redirected; this is how those look.
            // Writing to a string cannot fail.
            let _ = write!(target, "&pid={}&utm={}", direct.primary_id, unix_ns());
        }
    }

    /// Writes the head, and the body where that is small.
    pub(super) fn write_head(
        &self,
        core: &Core,
        head: &mut Vec<u8>,
        target: &str,
        host: &str,
        is_asked: bool,
    ) {
        head.clear();
        let mut body = Vec::new();
        let mut writer = HeadWriter::request(head, self.method().0, target, host);
        if let Some(authorization) = &core.authorization {
            writer.header("Authorization", authorization);
        }
        match self {
            Self::Get(Some(range)) => {
                // Writing to a string cannot fail.
                let mut text = String::with_capacity(48);
                let _ = write!(text, "{range}");
                writer.header("Range", &text);
            }
            // A multipart PUT is made over S3 only: the configuration sees to that.
            Self::Get(None) | Self::Head | Self::Delete | Self::Multipart(_) => {}
            Self::List { uuid, token } => {
                let config = &core.run.config;
                body.reserve(256);
                Request::new(&config.subdir_prefix(), uuid, token, config.list_page_names).write(&mut body);
                writer.header("Content-Type", "application/json").content_length(body.len() as u64);
            }
            Self::Put(object) => {
                if let Some((cksum_type, value)) = &object.cksum {
                    writer
                        .header("Ais-Checksum-Type", cksum_type.as_str())
                        .header("Ais-Checksum-Value", value);
                }
                if is_asked {
                    writer.header("Expect", "100-continue");
                }
                writer.content_length(object.size_bytes);
            }
        }
        writer.finish();
        head.extend_from_slice(&body);
    }

    /// True for a body so large that a server which might redirect is asked first.
    pub(super) fn is_worth_asking(&self) -> bool {
        matches!(self, Self::Put(body) if body.size_bytes >= ASK_BYTES_MIN)
    }

    /// What is written, as a whole.
    pub(super) fn object(&self) -> Option<&PutBody> {
        match self {
            Self::Put(body) => Some(body),
            Self::Multipart(upload) => Some(&upload.object),
            Self::Get(_) | Self::Head | Self::Delete | Self::List { .. } => None,
        }
    }

    /// What follows the head.
    pub(super) fn outgoing(&self, is_asked: bool) -> Outgoing<'_> {
        match self {
            Self::Put(body) => Outgoing::Object { body, is_asked },
            Self::Multipart(upload) => match upload.part() {
                Some(body) => Outgoing::Object { body, is_asked: false },
                None => Outgoing::Head,
            },
            Self::Get(_) | Self::Head | Self::Delete | Self::List { .. } => Outgoing::Head,
        }
    }

    /// What becomes of the answer's body.
    pub(super) fn sink<'a>(&self, config: &Config, check: &'a mut Check, kept: &'a mut Vec<u8>) -> Sink<'a> {
        match self {
            Self::Get(_) if config.is_dropped => Sink::Drop,
            Self::Get(_) => check.sink(),
            Self::List { .. } | Self::Multipart(_) => Sink::Collect(kept),
            Self::Head | Self::Delete | Self::Put(_) => Sink::Discard,
        }
    }
}

/// The shard and the path in it, when the run reads files in shards and this is one.
fn member_of<'n>(core: &Core, name: &'n str) -> Option<(&'n str, &'n str)> {
    if core.run.config.archives.is_read { split(name) } else { None }
}

/// The object that holds what is called `name`: the shard of a file, or what has the name itself.
pub(super) fn object_of<'n>(core: &Core, name: &'n str) -> &'n str {
    member_of(core, name).map_or(name, |(shard, _)| shard)
}

fn unix_ns() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_nanos())
}

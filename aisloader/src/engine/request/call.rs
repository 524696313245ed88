//! The request of each kind of operation, and the fate of its answer.

use super::check::Check;
use super::exchange::Outgoing;
use super::put_body::PutBody;
use super::sink::Sink;
use super::upload::Upload;
use crate::settings::Config;
use crate::workload::OpKind;
use crate::workload::archive::split;
use crate::workload::range::ByteRange;
use wire::http1::Method;

/// A smaller body goes out with the head even to a server that may redirect it: a second exchange would cost more.
const ASK_BYTES_MIN: u64 = 64 << 10;

/// A request, complete but for its target, which lies in `Room::target`.
pub(crate) enum Call {
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
    pub(crate) fn kind(&self) -> OpKind {
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
    pub(crate) fn method(&self) -> (&'static str, Method) {
        match self {
            Self::Get(_) | Self::List { .. } => ("GET", Method::Get),
            Self::Head => ("HEAD", Method::Head),
            Self::Delete => ("DELETE", Method::Delete),
            Self::Put(_) => ("PUT", Method::Put),
            Self::Multipart(upload) => upload.method(),
        }
    }

    /// True for a body so large that a server which might redirect is asked first.
    pub(crate) fn is_worth_asking(&self) -> bool {
        matches!(self, Self::Put(body) if body.size_bytes >= ASK_BYTES_MIN)
    }

    /// The object that is written, as a whole.
    pub(crate) fn object(&self) -> Option<&PutBody> {
        match self {
            Self::Put(body) => Some(body),
            Self::Multipart(upload) => Some(&upload.object),
            Self::Get(_) | Self::Head | Self::Delete | Self::List { .. } => None,
        }
    }

    /// The body behind the head.
    pub(crate) fn outgoing(&self, is_asked: bool) -> Outgoing<'_> {
        match self {
            Self::Put(body) => Outgoing::Object { body, is_asked },
            Self::Multipart(upload) => match upload.part() {
                Some(body) => Outgoing::Object { body, is_asked: false },
                None => Outgoing::Head,
            },
            Self::Get(_) | Self::Head | Self::Delete | Self::List { .. } => Outgoing::Head,
        }
    }

    /// The fate of the answer's body.
    pub(crate) fn sink<'a>(&self, config: &Config, check: &'a mut Check, kept: &'a mut Vec<u8>) -> Sink<'a> {
        match self {
            Self::Get(_) if config.is_dropped => Sink::Drop,
            Self::Get(_) => check.sink(),
            Self::List { .. } | Self::Multipart(_) => Sink::Collect(kept),
            Self::Head | Self::Delete | Self::Put(_) => Sink::Discard,
        }
    }
}

/// The shard and the path in it, when the run reads files in shards and this is one.
pub(crate) fn member_of<'n>(config: &Config, name: &'n str) -> Option<(&'n str, &'n str)> {
    if config.archives.is_read { split(name) } else { None }
}

/// The object that holds what is called `name`: the shard of a file, or what has the name itself.
pub(crate) fn object_of<'n>(config: &Config, name: &'n str) -> &'n str {
    member_of(config, name).map_or(name, |(shard, _)| shard)
}

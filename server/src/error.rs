//! The one error type: what went wrong, on whose side, and in words.
//!
//! One table maps a kind to its HTTP status and AIStore type name; façades read it and add nothing of their own.

use std::fmt;
use std::io;

/// The kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    BadRequest,
    BucketMissing,
    BucketExists,
    ObjectMissing,
    NotFound,
    /// The bucket's access rights forbid it.
    AccessDenied,
    MethodNotAllowed,
    Timeout,
    Conflict,
    PreconditionFailed,
    TooLarge,
    BadChecksum,
    /// The bytes on disk do not match their checksum.
    Corrupt,
    Io,
    Internal,
    NotImplemented,
    /// Try again later: a queue or the memory budget is full.
    Busy,
    /// Try again later: the index that would tell is being made anew.
    Rebuilding,
    ShuttingDown,
    /// A job was stopped; its record says so.
    Aborted,
    NoSpace,
    /// The connection itself failed; there is nobody to answer.
    Disconnected,
}

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Client,
    Disk,
    Internal,
}

/// The most of a text that is told: what it quotes may be as long as a message can be.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// The begin of a text, as much of it as is told.
pub(crate) fn clip(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or(text)
}

/// An error on its way to an answer.
#[derive(Clone, Debug)]
pub(crate) struct Error {
    pub(crate) kind: Kind,
    pub(crate) source: Source,
    pub(crate) text: String,
}

/// Result with [`Error`].
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Kind {
    /// (HTTP status, AIStore's type name, may the client try again).
    fn row(self) -> (u16, &'static str, bool) {
        match self {
            Self::BadRequest => (400, "", false),
            Self::BucketMissing => (404, "ErrBckNotFound", false),
            Self::BucketExists => (409, "ErrBucketAlreadyExists", false),
            Self::ObjectMissing => (404, "ErrNotFound", false),
            Self::NotFound => (404, "ErrNotFound", false),
            Self::AccessDenied => (403, "ErrBucketAccessDenied", false),
            Self::MethodNotAllowed => (405, "", false),
            Self::Timeout => (408, "", true),
            Self::Conflict => (409, "ErrBusy", true),
            Self::PreconditionFailed => (412, "", false),
            Self::TooLarge => (413, "", false),
            Self::BadChecksum => (500, "ErrBadCksum", false),
            Self::Corrupt => (500, "ErrBadCksum", false),
            Self::Io => (500, "ErrIO", false),
            Self::Internal => (500, "", false),
            Self::NotImplemented => (501, "ErrUnsupp", false),
            Self::Busy | Self::Rebuilding => (503, "ErrBusy", true),
            Self::ShuttingDown => (503, "", true),
            Self::Aborted => (409, "ErrAborted", false),
            Self::NoSpace => (507, "ErrCapacityExceeded", false),
            Self::Disconnected => (499, "", true),
        }
    }
}

impl Error {
    pub(crate) fn client(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, source: Source::Client, text: text.into() }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::client(Kind::BadRequest, text)
    }

    pub(crate) fn internal(text: impl Into<String>) -> Self {
        Self { kind: Kind::Internal, source: Source::Internal, text: text.into() }
    }

    pub(crate) fn busy(text: impl Into<String>) -> Self {
        Self { kind: Kind::Busy, source: Source::Internal, text: text.into() }
    }

    pub(crate) fn not_implemented(what: impl fmt::Display) -> Self {
        Self::client(Kind::NotImplemented, format!("{what} is not implemented"))
    }

    pub(crate) fn bucket_missing(bucket: &str) -> Self {
        Self::client(Kind::BucketMissing, format!("bucket \"ais://{bucket}\" does not exist"))
    }

    pub(crate) fn bucket_exists(bucket: &str) -> Self {
        Self::client(Kind::BucketExists, format!("bucket \"ais://{bucket}\" already exists"))
    }

    /// `what` completes "bucket does not allow …".
    pub(crate) fn access_denied(bucket: &str, what: &str) -> Self {
        Self::client(Kind::AccessDenied, format!("bucket \"ais://{bucket}\" does not allow {what}"))
    }

    /// The conditions of a request do not hold.
    pub(crate) fn precondition_failed() -> Self {
        Self::client(Kind::PreconditionFailed, "precondition failed")
    }

    pub(crate) fn object_missing(bucket: &str, name: &str) -> Self {
        Self::client(Kind::ObjectMissing, format!("ais://{bucket}/{name} does not exist"))
    }

    pub(crate) fn corrupt(text: impl Into<String>) -> Self {
        Self { kind: Kind::Corrupt, source: Source::Disk, text: text.into() }
    }

    /// An error of the file system, told apart by what the caller can do about it.
    pub(crate) fn disk(doing: &str, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::NoSpace,
            _ => Kind::Io,
        };
        Self { kind, source: Source::Disk, text: format!("{doing}: {error}") }
    }

    /// An error of the client's connection.
    pub(crate) fn socket(error: &io::Error) -> Self {
        // A deadline cancels the operation in flight; see `shard::watch`.
        let canceled = error.raw_os_error() == Some(rustix::io::Errno::CANCELED.raw_os_error());
        if canceled {
            return Self::client(Kind::Timeout, "the client took too long to send or to receive");
        }
        Self::client(Kind::Disconnected, format!("connection: {error}"))
    }

    pub(crate) fn status(&self) -> u16 {
        self.kind.row().0
    }

    /// AIStore's `tcode`; empty for plain errors.
    pub(crate) fn tcode(&self) -> &'static str {
        self.kind.row().1
    }

    pub(crate) fn may_retry(&self) -> bool {
        self.kind.row().2
    }
}

impl From<lsm::Error> for Error {
    fn from(error: lsm::Error) -> Self {
        match error {
            lsm::Error::Corrupt(text) => Self::corrupt(text),
            lsm::Error::Io { doing, error } => Self::disk(&doing, &error),
            lsm::Error::Internal(text) => Self::internal(text),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_clipped_between_characters() {
        assert_eq!(clip("short"), "short");
        let long = format!("x{}", "é".repeat(TEXT_BYTES_MAX));
        assert!(long.starts_with(clip(&long)) && clip(&long).len() == TEXT_BYTES_MAX - 1);
    }

    #[test]
    fn errors_of_an_index_say_the_same_here() {
        let io = |kind| lsm::Error::Io { doing: "write the index".to_owned(), error: io::Error::from(kind) };
        let cases = [
            (lsm::Error::Corrupt("a block".to_owned()), Kind::Corrupt, Source::Disk),
            (lsm::Error::Internal("a gate is gone".to_owned()), Kind::Internal, Source::Internal),
            (io(io::ErrorKind::StorageFull), Kind::NoSpace, Source::Disk),
            (io(io::ErrorKind::QuotaExceeded), Kind::NoSpace, Source::Disk),
            (io(io::ErrorKind::PermissionDenied), Kind::Io, Source::Disk),
        ];
        for (index, kind, source) in cases {
            let text = index.to_string();
            let error = Error::from(index);
            assert_eq!((error.kind, error.source, error.text), (kind, source, text));
        }
    }
}

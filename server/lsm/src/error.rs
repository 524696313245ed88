//! What can go wrong with an index.

use std::fmt;
use std::io;

/// An error of an index, told apart by what the caller can do about it.
#[derive(Debug)]
pub enum Error {
    /// What lies on the disk is not what was written; in words. [`LaneIndex::reset`](crate::LaneIndex::reset), and put in
    /// everything anew.
    Corrupt(String),
    /// The file system has refused something.
    Io {
        /// What was to be done.
        doing: String,
        /// Why it was not. `StorageFull` is an error like any other here: the call may be tried again.
        error: io::Error,
    },
    /// Not the disk's fault: something is larger than an index takes, or the index contradicts itself; in words.
    Internal(String),
}

/// Result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(super) fn corrupt(text: impl Into<String>) -> Self {
        Self::Corrupt(text.into())
    }

    pub(super) fn disk(doing: impl Into<String>, error: io::Error) -> Self {
        Self::Io { doing: doing.into(), error }
    }

    pub(super) fn internal(text: impl Into<String>) -> Self {
        Self::Internal(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(text) | Self::Internal(text) => f.write_str(text),
            Self::Io { doing, error } => write!(f, "{doing}: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            Self::Corrupt(_) | Self::Internal(_) => None,
        }
    }
}

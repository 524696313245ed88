//! The errors of an index.

use rustix::io::Errno;
use std::fmt;
use std::io;

/// An error of an index, told apart by what the caller can do about it.
#[derive(Debug)]
pub enum Error {
    /// The bytes on the disk are not those that were written, or cannot be read; in words.
    /// [`LaneIndex::reset`](crate::LaneIndex::reset), and put in everything anew.
    Corrupt(String),
    /// The file system has refused something.
    Io {
        /// The step that was to be done.
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

    /// An error of reading. What the disk cannot give back is as lost as what does not match its checksum.
    pub(super) fn unread(doing: impl Into<String>, error: io::Error) -> Self {
        let doing = doing.into();
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::IO | Errno::UCLEAN | Errno::BADMSG) => Self::Corrupt(format!("{doing}: {error}")),
            _ => Self::Io { doing, error },
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_lost_and_what_was_given_up_is_not() {
        let read = |errno: Errno| Error::unread("read the index", errno.into());
        assert!(matches!(read(Errno::IO), Error::Corrupt(text) if text.starts_with("read the index: ")));
        for errno in [Errno::CANCELED, Errno::NOMEM, Errno::AGAIN, Errno::ACCESS] {
            assert!(matches!(read(errno), Error::Io { .. }), "{errno}");
        }
        assert!(matches!(Error::disk("write the index", Errno::IO.into()), Error::Io { .. }));
    }
}

//! Why an operation failed.

use crate::content::DamageKind;
use link::LinkError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of a failure; statistics are kept by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// No connection could be made.
    Connect,
    /// There is no TLS with the server, or no more.
    Tls,
    /// The connection ended before the answer was complete.
    Closed,
    /// The operation took longer than `-timeout`.
    Timeout,
    /// The run was over and the operation did not end in the time it was still given.
    Unfinished,
    /// The answer had this status.
    Status(u16),
    /// The answer could not be understood.
    Protocol,
    /// The bytes do not have the checksum that the answer states.
    Checksum,
    /// The bytes are not those that were written.
    Content(DamageKind),
    /// The answer is not the part of the object that was asked for.
    Range,
    /// Too many redirects, or one that leads nowhere.
    Redirect,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => out.write_str("connect"),
            Self::Tls => out.write_str("tls"),
            Self::Closed => out.write_str("closed"),
            Self::Timeout => out.write_str("timeout"),
            Self::Unfinished => out.write_str("unfinished"),
            Self::Status(status) => write!(out, "status-{status}"),
            Self::Protocol => out.write_str("protocol"),
            Self::Checksum => out.write_str("checksum"),
            Self::Content(damage) => write!(out, "content-{}", damage.label()),
            Self::Range => out.write_str("range"),
            Self::Redirect => out.write_str("redirect"),
        }
    }
}

impl ErrorKind {
    /// True when an answer came that is not what was written: the worst that a store can do.
    #[must_use]
    pub fn is_damage(self) -> bool {
        matches!(self, Self::Checksum | Self::Content(_))
    }
}

/// A failed operation.
#[derive(Clone, Debug)]
pub struct OpError {
    /// The kind.
    pub kind: ErrorKind,
    /// A description for people.
    pub text: String,
}

impl OpError {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    pub(crate) fn protocol(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, text)
    }

    /// True when the peer cannot be talked to at all; a worker then waits a little before it tries again.
    #[must_use]
    pub fn is_transport(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Connect
                | ErrorKind::Tls
                | ErrorKind::Closed
                | ErrorKind::Protocol
                | ErrorKind::Redirect
        )
    }
}

impl From<LinkError> for OpError {
    fn from(error: LinkError) -> Self {
        let kind = match error.kind {
            // The loader sets no bound on connections, so it is never told to wait.
            link::ErrorKind::Connect | link::ErrorKind::Busy => ErrorKind::Connect,
            link::ErrorKind::Tls => ErrorKind::Tls,
            link::ErrorKind::Closed => ErrorKind::Closed,
            link::ErrorKind::Timeout => ErrorKind::Timeout,
            // Its bodies are made in memory, so no source ever fails.
            link::ErrorKind::Protocol | link::ErrorKind::Source => ErrorKind::Protocol,
        };
        Self { kind, text: error.text }
    }
}

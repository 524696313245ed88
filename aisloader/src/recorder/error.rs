//! Why an operation failed.

use crate::content::DamageKind;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;

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
    /// True when not a byte of the answer had come. On a kept connection it only means that the peer had closed it.
    pub is_before_answer: bool,
}

impl OpError {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), is_before_answer: false }
    }

    pub(crate) fn protocol(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, text)
    }

    /// The connection broke.
    pub(crate) fn broken(error: &io::Error, is_before_answer: bool) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable => ErrorKind::Connect,
            io::ErrorKind::TimedOut if is_before_answer => ErrorKind::Connect,
            _ => ErrorKind::Closed,
        };
        Self { kind, text: error.to_string(), is_before_answer }
    }

    /// The peer ended the connection in good order, but too early.
    pub(crate) fn ended(is_before_answer: bool) -> Self {
        let text =
            if is_before_answer { "closed without an answer" } else { "closed in the middle of an answer" };
        Self { kind: ErrorKind::Closed, text: text.to_owned(), is_before_answer }
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

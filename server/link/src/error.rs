//! Why an exchange failed.

use std::fmt;
use std::io;

/// The kind of a failure: who is to do what about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No connection could be made.
    Connect,
    /// There is no TLS with the peer, or no more.
    Tls,
    /// The connection ended before the answer was complete.
    Closed,
    /// The time for the exchange was over, or the peer had moved no byte for too long.
    Timeout,
    /// The answer could not be understood.
    Protocol,
    /// All connections to the peer are in use, and as many wait for one as may.
    Busy,
    /// Our side of the body could not be read.
    Source,
}

/// A failed exchange. Its connection is of no use any more.
#[derive(Clone, Debug)]
pub struct LinkError {
    /// The kind.
    pub kind: ErrorKind,
    /// A text for people.
    pub text: String,
    /// True when not a byte of the answer had come. On a kept connection it only means that the peer had closed it.
    pub is_before_answer: bool,
}

impl LinkError {
    /// A failure of a kind.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), is_before_answer: false }
    }

    /// An answer that is none.
    pub fn protocol(text: impl Into<String>) -> Self {
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
}

impl fmt::Display for LinkError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl std::error::Error for LinkError {}

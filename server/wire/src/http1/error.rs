//! The bounds of a message head, and the form in which a refusal is reported.

use super::headers::{HEAD_BYTES_HARD_MAX, HEADERS_HARD_MAX};

/// Bounds on a message head. They hold for an unfinished head too, so a peer cannot make a node buffer more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadLimits {
    /// Most bytes of start line, header lines and the closing empty line together. A receive buffer of
    /// exactly this size is enough: a head that fills it without ending is refused, not waited for. Values above 65 535 mean 65 535.
    pub head_bytes_max: usize,
    /// Most header lines. Values above 128 mean 128, the size of the fixed table.
    pub headers_max: usize,
    /// Most bytes of the request target (the part between the two spaces of the request line).
    pub uri_bytes_max: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head_bytes_max: 24 << 10, headers_max: 100, uri_bytes_max: 14 << 10 }
    }
}

impl HeadLimits {
    /// The limits that apply to what follows the first `lead` bytes, within the hard bounds.
    pub(super) fn effective(&self, lead: usize) -> Self {
        Self {
            head_bytes_max: self.head_bytes_max.min(HEAD_BYTES_HARD_MAX).saturating_sub(lead),
            headers_max: self.headers_max.min(HEADERS_HARD_MAX),
            uri_bytes_max: self.uri_bytes_max,
        }
    }
}

/// Why a message was refused. The connection is not usable afterwards: where the next message starts is
/// unknown. A client that reads a response sees the same codes; there they only name the kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadError {
    /// HTTP status to answer with: 400, 414, 417, 431, 501 or 505.
    pub status: u16,
    /// The fault, for the answer's text and the log. Never holds bytes of the peer.
    pub what: &'static str,
}

impl HeadError {
    /// A refusal with status 400.
    pub(super) const fn bad(what: &'static str) -> Self {
        Self { status: 400, what }
    }

    pub(super) const TOO_MANY_HEADERS: Self = Self { status: 431, what: "too many headers" };
    pub(super) const HEAD_TOO_LARGE: Self = Self { status: 431, what: "head too large" };
    pub(super) const URI_TOO_LONG: Self = Self { status: 414, what: "request target too long" };
    pub(super) const VERSION: Self = Self { status: 505, what: "HTTP version not supported" };
}

impl std::fmt::Display for HeadError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} ({})", self.what, self.status)
    }
}

impl std::error::Error for HeadError {}

//! A server's answer to a request that it does not take.

use std::borrow::Cow;
use std::fmt;

/// A refusal in S3's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// S3's word for it, such as `SignatureDoesNotMatch`.
    pub code: &'static str,
    /// A sentence for people. It holds no secret.
    pub what: Cow<'static, str>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, what: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, what: what.into() }
    }

    /// The request is known, but it may not be.
    pub(crate) fn denied(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(403, "AccessDenied", what)
    }

    /// The header that carries the signature is not one.
    pub(crate) fn malformed(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "AuthorizationHeaderMalformed", what)
    }

    /// The part of the query that carries the signature is not one.
    pub(crate) fn bad_query(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "AuthorizationQueryParametersError", what)
    }

    /// The signature is another one than the request has.
    pub(crate) fn mismatch() -> Self {
        Self::new(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        )
    }

    /// The body is shorter or longer than it says.
    pub(crate) fn incomplete(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "IncompleteBody", what)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {} ({})", self.code, self.what, self.status)
    }
}

impl std::error::Error for Refusal {}

//! The header fields that decide where a message ends and what happens to its connection.

use httparse::Header;

use super::error::HeadError;

/// The way in which the body of a message is delimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// No body.
    Empty,
    /// Exactly this many bytes, as Content-Length says; may be 0.
    Length(u64),
    /// Chunked transfer coding; see [`super::ChunkedDecoder`].
    Chunked,
    /// Up to the end of the connection. Responses only.
    UntilClose,
}

/// The findings of one pass over the headers. Counts rather than flags, because repetition is a fault.
#[derive(Default)]
pub(super) struct Facts<'b> {
    content_length: Option<&'b [u8]>,
    content_lengths: usize,
    transfer_encodings: usize,
    chunked_seen: bool,
    /// The refusal of a Transfer-Encoding other than one `chunked`.
    coding_fault: Option<HeadError>,
    /// The value of the last Host.
    pub(super) host: Option<&'b [u8]>,
    pub(super) hosts: usize,
    connection_close: bool,
    connection_keep_alive: bool,
    pub(super) expect_continue: bool,
    pub(super) expect_other: bool,
}

impl<'b> Facts<'b> {
    /// Collects the facts in one pass.
    pub(super) fn collect(headers: &[Header<'b>]) -> Self {
        let mut facts = Self::default();
        for Header { name, value } in headers {
            // The length first: it rules out almost every header without comparing text.
            match name.len() {
                4 if name.eq_ignore_ascii_case("host") => {
                    facts.hosts = facts.hosts.saturating_add(1);
                    facts.host = Some(value);
                }
                6 if name.eq_ignore_ascii_case("expect") => {
                    let known = value.eq_ignore_ascii_case(b"100-continue");
                    facts.expect_continue |= known;
                    facts.expect_other |= !known;
                }
                10 if name.eq_ignore_ascii_case("connection") => facts.add_connection(value),
                14 if name.eq_ignore_ascii_case("content-length") => {
                    facts.content_lengths = facts.content_lengths.saturating_add(1);
                    facts.content_length = Some(value);
                }
                17 if name.eq_ignore_ascii_case("transfer-encoding") => facts.add_codings(value),
                _ => {}
            }
        }
        facts
    }

    fn add_connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(trim_ows) {
            self.connection_close |= option.eq_ignore_ascii_case(b"close");
            self.connection_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn add_codings(&mut self, value: &[u8]) {
        for coding in value.split(|byte| *byte == b',').map(trim_ows) {
            self.transfer_encodings = self.transfer_encodings.saturating_add(1);
            let fault = if !is_token(coding) {
                HeadError::bad("bad transfer coding")
            } else if self.chunked_seen {
                HeadError::bad("transfer coding after chunked")
            } else if coding.eq_ignore_ascii_case(b"chunked") {
                self.chunked_seen = true;
                continue;
            } else {
                HeadError { status: 501, what: "unknown transfer coding" }
            };
            // Ambiguity (400) outranks inability (501).
            if self.coding_fault.is_none() || fault.status == 400 {
                self.coding_fault = Some(fault);
            }
        }
    }

    /// The framing that the headers state, or `None` when they state none. Anything two parsers could read
    /// differently is refused.
    pub(super) fn framing(&self, minor_version: u8) -> Result<Option<Framing>, HeadError> {
        match (self.content_lengths, self.transfer_encodings) {
            (0, 0) => Ok(None),
            (1, 0) => {
                let length = self.content_length.and_then(parse_length);
                length.map(Framing::Length).map(Some).ok_or(HeadError::bad("bad content length"))
            }
            (_, 0) => Err(HeadError::bad("more than one content length")),
            (0, _) if minor_version == 0 => Err(HeadError::bad("transfer coding on HTTP/1.0")),
            (0, _) => self.coding_fault.map_or(Ok(Some(Framing::Chunked)), Err),
            (_, _) => Err(HeadError::bad("both content length and transfer coding")),
        }
    }

    /// True if the connection may carry another message after this one.
    pub(super) fn keep_alive(&self, minor_version: u8) -> bool {
        !self.connection_close && (minor_version >= 1 || self.connection_keep_alive)
    }
}

/// Digits only, at most `i64::MAX`: object sizes are signed in the native API, and the spare bit keeps
/// later additions of lengths from overflowing.
fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    let length = value.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte.wrapping_sub(b'0')))?;
        sum.checked_mul(10)?.checked_add(digit)
    })?;
    (length <= i64::MAX.unsigned_abs()).then_some(length)
}

/// Cuts the spaces and tabs at both ends.
pub(super) fn trim_ows(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// True for a byte of an RFC 9110 token.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_plain_digits() {
        assert_eq!(parse_length(b"0"), Some(0));
        assert_eq!(parse_length(b"007"), Some(7));
        assert_eq!(parse_length(b"9223372036854775807"), Some(9_223_372_036_854_775_807));
        for bad in
            [&b""[..], b"9223372036854775808", b"18446744073709551616", b"+1", b"-1", b"1 2", b"1,1", b"0x1"]
        {
            assert_eq!(parse_length(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn white_space_is_cut_at_both_ends() {
        assert_eq!(trim_ows(b" \ta b\t "), b"a b");
        assert_eq!(trim_ows(b" \t "), b"");
    }
}

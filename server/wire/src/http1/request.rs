//! Request heads.

use super::error::{HeadError, HeadLimits};
use super::facts::{Facts, Framing};
use super::headers::{Headers, empty_table};
use super::lines::{self, Verdict};
use super::method::Method;
use super::target;

/// A complete, unambiguous request head, borrowed from the receive buffer.
#[derive(Clone, Debug)]
pub struct RequestHead<'b> {
    /// The method.
    pub method: Method,
    /// The method as sent, for `Method::Other` and for logs.
    pub method_text: &'b str,
    /// The request target as sent. Starts with `/` or `http`, or is `*` (OPTIONS only).
    pub target: &'b str,
    /// The header fields.
    pub headers: Headers<'b>,
    /// How the body is delimited; never `UntilClose`.
    pub framing: Framing,
    /// Whether the client wants the connection kept after the response.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
    /// Bytes of the head: the offset in the buffer where the body starts.
    pub head_bytes: usize,
    /// 0 or 1, of HTTP/1.x.
    pub minor_version: u8,
}

impl<'b> RequestHead<'b> {
    /// The path, still percent-encoded, without scheme and authority: `/v1/objects/b/o`.
    pub fn path(&self) -> &'b str {
        target::path_and_query(self.target).0
    }

    /// What follows the first `?`, still percent-encoded; empty when there is none.
    pub fn query(&self) -> &'b str {
        target::path_and_query(self.target).1
    }
}

/// Parses the request head at the start of `bytes`. One empty line before it is tolerated (RFC 9112
/// section 2.2: some clients end a body with a stray line).
///
/// `Ok(None)` means that more bytes are needed; call again with the same bytes and more. The answer for a
/// whole head never depends on how it was split.
///
/// # Errors
/// [`HeadError`] as soon as no further byte could make the head acceptable.
pub fn parse_request<'b>(bytes: &'b [u8], limits: &HeadLimits) -> Result<Option<RequestHead<'b>>, HeadError> {
    let (lead, head) = match bytes {
        [b'\r', b'\n', rest @ ..] => (2_usize, rest),
        _ => (0, bytes),
    };
    // Half of a leading empty line: the scan below would have to treat it specially.
    if head == b"\r" && lead == 0 {
        return Ok(None);
    }
    let rest_limits = HeadLimits { head_bytes_max: limits.head_bytes_max.saturating_sub(lead), ..*limits };
    let scan = lines::scan_request(head, &rest_limits);
    let head = head.get(..scan.usable).unwrap_or(head);
    let mut table = empty_table();
    let slots = table.get_mut(..limits.headers_max_effective()).unwrap_or_default();
    let mut parsed = httparse::Request::new(slots);
    let status = parsed.parse(head).map_err(|error| lines::refusal(error, version_text(head)))?;
    match scan.verdict {
        Verdict::Complete => {}
        Verdict::Incomplete => return Ok(None),
        Verdict::Refused(error) => return Err(error),
    }
    let (true, Some(method_text), Some(target), Some(minor_version)) =
        (status == httparse::Status::Complete(scan.usable), parsed.method, parsed.path, parsed.version)
    else {
        return Err(HeadError::bad("bad head"));
    };
    let count = parsed.headers.len();
    let head_bytes = lead.saturating_add(scan.usable);
    finish(method_text, target, minor_version, Headers::new(table, count), head_bytes).map(Some)
}

/// Judges what the header fields mean.
fn finish<'b>(
    method_text: &'b str,
    target: &'b str,
    minor_version: u8,
    headers: Headers<'b>,
    head_bytes: usize,
) -> Result<RequestHead<'b>, HeadError> {
    let method = Method::from_text(method_text);
    if !target::is_valid(target, method == Method::Options) {
        return Err(HeadError::bad("bad request target"));
    }
    let facts = Facts::collect(&headers);
    match (facts.hosts, facts.host) {
        (0, _) if minor_version == 0 => {}
        (0, _) => return Err(HeadError::bad("no host")),
        (1, Some(host)) if target::is_authority(host) => {}
        (1, _) => return Err(HeadError::bad("bad host")),
        (_, _) => return Err(HeadError::bad("more than one host")),
    }
    let framing = facts.framing(minor_version)?.unwrap_or(Framing::Empty);
    // HTTP/1.0 has no expectations; a server must ignore them there (RFC 9110 section 10.1.1).
    if facts.expect_other && minor_version >= 1 {
        return Err(HeadError { status: 417, what: "unknown expectation" });
    }
    Ok(RequestHead {
        method,
        method_text,
        target,
        framing,
        keep_alive: facts.keep_alive(minor_version),
        expect_continue: facts.expect_continue && minor_version >= 1,
        headers,
        head_bytes,
        minor_version,
    })
}

/// What follows the second space of the request line.
fn version_text(head: &[u8]) -> &[u8] {
    head.splitn(3, |byte| *byte == b' ').nth(2).unwrap_or_default()
}

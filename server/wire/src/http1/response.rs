//! Response heads, as a client reads them.

use super::error::{HeadError, HeadLimits};
use super::facts::{Facts, Framing};
use super::headers::{Headers, empty_table};
use super::lines::{self, Verdict};
use super::method::Method;

/// A complete, unambiguous response head, borrowed from the receive buffer.
#[derive(Clone, Debug)]
pub struct ResponseHead<'b> {
    /// Status code, 100 to 999.
    pub status: u16,
    /// The header fields. For a response without body a Content-Length here says what GET would send.
    pub headers: Headers<'b>,
    /// How the body is delimited.
    pub framing: Framing,
    /// Whether the connection may carry another request; never with `Framing::UntilClose`.
    pub keep_alive: bool,
    /// Bytes of the head: the offset in the buffer where the body starts.
    pub head_bytes: usize,
}

/// Parses the response head at the start of `bytes`, the answer to a request with `request_method`.
///
/// `Ok(None)` means that more bytes are needed. An interim response (status 1xx) is returned like any other:
/// the caller goes on with the bytes after it. `limits.uri_bytes_max` plays no part.
///
/// # Errors
/// [`HeadError`] as soon as no further byte could make the head acceptable. The statuses are those a server
/// would use for the same fault in a request.
pub fn parse_response<'b>(
    bytes: &'b [u8],
    limits: &HeadLimits,
    request_method: Method,
) -> Result<Option<ResponseHead<'b>>, HeadError> {
    // httparse would skip any number of empty lines; after a response there is never one.
    if let [b'\r' | b'\n', ..] = bytes {
        return Err(HeadError::bad("empty start line"));
    }
    let scan = lines::scan_head(bytes, limits);
    let head = bytes.get(..scan.usable).unwrap_or(bytes);
    let mut table = empty_table();
    let slots = table.get_mut(..limits.headers_max_effective()).unwrap_or_default();
    let mut parsed = httparse::Response::new(slots);
    let parse_status = parsed.parse(head).map_err(|error| lines::refusal(error, head))?;
    match scan.verdict {
        Verdict::Complete => {}
        Verdict::Incomplete => return Ok(None),
        Verdict::Refused(error) => return Err(error),
    }
    let (true, Some(status), Some(minor_version)) =
        (parse_status == httparse::Status::Complete(scan.usable), parsed.code, parsed.version)
    else {
        return Err(HeadError::bad("bad head"));
    };
    if status < 100 {
        return Err(HeadError::bad("bad status code"));
    }
    let count = parsed.headers.len();
    let headers = Headers::new(table, count);
    let facts = Facts::collect(&headers);
    // The headers are judged even where there is no body: a peer that contradicts itself is not trusted.
    let stated = facts.framing(minor_version)?;
    let bodyless = request_method == Method::Head || matches!(status, 100..=199 | 204 | 304);
    let framing = if bodyless { Framing::Empty } else { stated.unwrap_or(Framing::UntilClose) };
    let keep_alive = framing != Framing::UntilClose && facts.keep_alive(minor_version);
    Ok(Some(ResponseHead { status, headers, framing, keep_alive, head_bytes: scan.usable }))
}

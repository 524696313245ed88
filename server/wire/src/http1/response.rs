//! Response heads, as a client reads them.

use super::error::{HeadError, HeadLimits};
use super::facts::{Facts, Framing};
use super::headers::{Headers, slots};
use super::lines::{self, Verdict};
use super::method::Method;

/// A complete, unambiguous response head, borrowed from the receive buffer.
#[derive(Clone, Debug)]
pub struct ResponseHead<'b> {
    /// Status code, 100 to 999.
    pub status: u16,
    /// The header fields. For a response without body a Content-Length here says what GET would send.
    pub headers: Headers<'b>,
    /// The way in which the body is delimited.
    pub framing: Framing,
    /// True if the connection may carry another request; never with `Framing::UntilClose`.
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
    let limits = limits.effective(0);
    let scan = lines::scan_head(bytes, &limits);
    let head = bytes.get(..scan.usable).unwrap_or(bytes);
    let mut slots = slots();
    let slots = slots.get_mut(..limits.headers_max).unwrap_or_default();
    let mut parsed = httparse::Response::new(&mut []);
    let parse_status = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut parsed, head, slots)
        .map_err(|error| lines::refusal(error, head))?;
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
    let facts = Facts::collect(parsed.headers);
    // The headers are judged even where there is no body: a peer that contradicts itself is not trusted.
    let stated = facts.framing(minor_version)?;
    let bodyless = request_method == Method::Head || matches!(status, 100..=199 | 204 | 304);
    let framing = if bodyless { Framing::Empty } else { stated.unwrap_or(Framing::UntilClose) };
    let keep_alive = framing != Framing::UntilClose && facts.keep_alive(minor_version);
    let headers = Headers::locate(head, parsed.headers).ok_or(HeadError::HEAD_TOO_LARGE)?;
    Ok(Some(ResponseHead { status, headers, framing, keep_alive, head_bytes: scan.usable }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, method: Method) -> Result<Option<ResponseHead<'_>>, u16> {
        parse_response(text.as_bytes(), &HeadLimits::default(), method).map_err(|error| error.status)
    }

    #[test]
    fn framings() {
        let cases = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Method::Get, Framing::Length(3), true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Method::Head, Framing::Empty, true),
            ("HTTP/1.1 204 No Content\r\n\r\n", Method::Put, Framing::Empty, true),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", Method::Get, Framing::Empty, true),
            ("HTTP/1.1 100 Continue\r\n\r\n", Method::Put, Framing::Empty, true),
            ("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", Method::Get, Framing::Chunked, true),
            ("HTTP/1.1 200 OK\r\n\r\n", Method::Get, Framing::UntilClose, false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", Method::Get, Framing::Length(3), false),
            (
                "HTTP/1.1 500 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                Method::Get,
                Framing::Length(0),
                false,
            ),
        ];
        for (text, method, framing, keep_alive) in cases {
            let head = parse(text, method).unwrap().unwrap();
            assert_eq!((head.framing, head.keep_alive), (framing, keep_alive), "{text}");
            assert_eq!(head.head_bytes, text.len());
        }
        let head = parse("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Method::Head).unwrap().unwrap();
        assert_eq!((head.status, head.headers.get_str("content-length")), (200, Some("3")));
    }

    #[test]
    fn refusals() {
        let cases = [
            ("\r\nHTTP/1.1 200 OK\r\n\r\n", 400),
            ("HTTP/1.1 200 OK\n\n", 400),
            ("HTTP/1.1 200 OK\r\nA: b\n\r\n", 400),
            ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", 400),
            ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", 400),
            ("HTTP/1.1 2x0 OK\r\n\r\n", 400),
            ("HTTP/1.1 099 No\r\n\r\n", 400),
            ("HTTP/2.0 200 OK\r\n\r\n", 505),
            ("HTTQ/1.1 200 OK\r\n\r\n", 400),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", 400),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ];
        for (text, status) in cases {
            assert_eq!(parse(text, Method::Get).unwrap_err(), status, "{text}");
        }
    }
}

//! Request heads.

use super::error::{HeadError, HeadLimits};
use super::facts::{Facts, Framing};
use super::headers::{Headers, slots};
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
    /// The way in which the body is delimited; never `UntilClose`.
    pub framing: Framing,
    /// True if the client wants the connection kept after the response.
    pub keep_alive: bool,
    /// True if the client waits for `100 Continue` before it sends the body.
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

    /// The text after the first `?`, still percent-encoded; empty when there is none.
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
    let limits = limits.effective(lead);
    let scan = lines::scan_request(head, &limits);
    let head = head.get(..scan.usable).unwrap_or(head);
    let mut slots = slots();
    let slots = slots.get_mut(..limits.headers_max).unwrap_or_default();
    let mut parsed = httparse::Request::new(&mut []);
    let status = parsed
        .parse_with_uninit_headers(head, slots)
        .map_err(|error| lines::refusal(error, version_text(head)))?;
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
    let method = Method::from_text(method_text);
    if !target::is_valid(target, method == Method::Options) {
        return Err(HeadError::bad("bad request target"));
    }
    let facts = Facts::collect(parsed.headers);
    check_host(&facts, minor_version)?;
    let framing = facts.framing(minor_version)?.unwrap_or(Framing::Empty);
    // HTTP/1.0 has no expectations; a server must ignore them there (RFC 9110 section 10.1.1).
    if facts.expect_other && minor_version >= 1 {
        return Err(HeadError { status: 417, what: "unknown expectation" });
    }
    Ok(Some(RequestHead {
        method,
        method_text,
        target,
        headers: Headers::locate(head, parsed.headers).ok_or(HeadError::HEAD_TOO_LARGE)?,
        framing,
        keep_alive: facts.keep_alive(minor_version),
        expect_continue: facts.expect_continue && minor_version >= 1,
        head_bytes: lead.saturating_add(scan.usable),
        minor_version,
    }))
}

/// One well-formed Host; HTTP/1.0 may do without.
fn check_host(facts: &Facts<'_>, minor_version: u8) -> Result<(), HeadError> {
    match (facts.hosts, facts.host) {
        (0, _) if minor_version == 0 => Ok(()),
        (0, _) => Err(HeadError::bad("no host")),
        (1, Some(host)) if target::is_authority(host) => Ok(()),
        (1, _) => Err(HeadError::bad("bad host")),
        (_, _) => Err(HeadError::bad("more than one host")),
    }
}

/// The text after the second space of the request line.
fn version_text(head: &[u8]) -> &[u8] {
    head.splitn(3, |byte| *byte == b' ').nth(2).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<RequestHead<'_>>, HeadError> {
        parse_request(text.as_bytes(), &HeadLimits::default())
    }

    #[test]
    fn a_put() {
        let text = "PUT /v1/objects/b/o%20x?provider=ais HTTP/1.1\r\nHost: h:51081\r\nContent-Length: 5\r\n\
                    Expect: 100-Continue\r\nx-a:  one \r\nX-A: two\r\n\r\nhello";
        let head = parse(text).unwrap().unwrap();
        assert_eq!((head.method, head.method_text), (Method::Put, "PUT"));
        assert_eq!((head.path(), head.query()), ("/v1/objects/b/o%20x", "provider=ais"));
        assert_eq!(head.framing, Framing::Length(5));
        assert!(head.keep_alive && head.expect_continue);
        assert_eq!(&text[head.head_bytes..], "hello");
        assert_eq!(head.minor_version, 1);
        assert_eq!(head.headers.get("CONTENT-length"), Some(&b"5"[..]));
        assert_eq!(head.headers.get_str("x-a"), Some("one"));
        assert_eq!(head.headers.all("x-a").collect::<Vec<_>>(), [b"one", b"two"]);
        assert_eq!(head.headers.get("absent"), None);
        assert_eq!((head.headers.len(), head.headers.iter().count()), (5, 5));
    }

    #[test]
    fn keep_alive() {
        let cases = [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: foo, CLOSE\r\n", false),
            ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
            ("1.1", "Connection: closed\r\n", true),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
        ];
        for (version, fields, expected) in cases {
            let text = format!("GET / HTTP/{version}\r\nHost: h\r\n{fields}\r\n");
            assert_eq!(parse(&text).unwrap().unwrap().keep_alive, expected, "{version} {fields}");
        }
    }

    #[test]
    fn accepted_oddities() {
        assert_eq!(parse("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap().unwrap().head_bytes, 29);
        assert_eq!(parse("GET / HTTP/1.0\r\n\r\n").unwrap().unwrap().framing, Framing::Empty);
        assert_eq!(parse("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").unwrap().unwrap().path(), "*");
        let odd =
            parse("brew /pot HTTP/1.1\r\nhost:h\r\nTransfer-Encoding: Chunked\r\n\r\n").unwrap().unwrap();
        assert_eq!((odd.method, odd.method_text, odd.framing), (Method::Other, "brew", Framing::Chunked));
        assert!(!parse("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").unwrap().unwrap().expect_continue);
        assert!(parse("GET / HTTP/1.0\r\nExpect: tea\r\n\r\n").unwrap().is_some());
        let empty = parse("GET / HTTP/1.1\r\nHost: h\r\nX-Empty:\r\nX-Utf: \u{fc}\r\n\r\n").unwrap().unwrap();
        assert_eq!(empty.headers.get_str("x-empty"), Some(""));
        assert_eq!(empty.headers.get_str("x-utf"), Some("\u{fc}"));
    }

    #[test]
    fn limits_hold_for_unfinished_heads() {
        let limits = HeadLimits { head_bytes_max: 200, headers_max: 3, uri_bytes_max: 50 };
        let status = |text: &str| {
            parse_request(text.as_bytes(), &limits).map_err(|error| error.status).map(|head| head.is_some())
        };
        let target = |len: usize| format!("GET /{}", "a".repeat(len - 1));
        assert_eq!(status(&target(50)), Ok(false));
        assert_eq!(status(&format!("{} HTTP/1.1\r\nHost: h\r\n\r\n", target(50))), Ok(true));
        assert_eq!(status(&target(51)), Err(414));
        let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: h\r\n{}", "a: b\r\n".repeat(count - 1));
        assert_eq!(status(&fields(3)), Ok(false));
        assert_eq!(status(&format!("{}\r\n", fields(3))), Ok(true));
        assert_eq!(status(&fields(4)), Err(431));
        assert_eq!(status(&format!("{}x", fields(3))), Err(431));
        let sized = |len: usize| {
            let start = "GET / HTTP/1.1\r\nHost: h\r\nx: ";
            format!("{start}{}\r\n\r\n", "y".repeat(len - start.len() - 4))
        };
        assert_eq!(status(&sized(200)), Ok(true));
        assert_eq!(status(&sized(201)), Err(431));
        assert_eq!(status(&sized(204)[..199]), Ok(false));
        // A full buffer that has not ended cannot be waited for, with or without a leading empty line.
        assert_eq!(status(&sized(204)[..200]), Err(431));
        assert_eq!(status(&format!("\r\n{}", &sized(204)[..198])), Err(431));
        // More headers than the table are never accepted, whatever the limit says.
        let wide = HeadLimits { headers_max: 1000, head_bytes_max: 1 << 20, ..limits };
        let text = format!("{}\r\n", fields(128));
        assert!(parse_request(text.as_bytes(), &wide).unwrap().is_some());
        let text = format!("{}\r\n", fields(129));
        assert_eq!(parse_request(text.as_bytes(), &wide).unwrap_err().status, 431);
    }
}

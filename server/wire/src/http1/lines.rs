//! Where a head ends, and the rules about lines and sizes that httparse does not have.

use memchr::{memchr, memchr_iter};

use super::error::{HeadError, HeadLimits};

const BAD_LINE_END: HeadError = HeadError::bad("bad line end");

/// The verdict of the line rules on the bytes received so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// The head ends at `Scan::usable`.
    Complete,
    /// No rule is broken and the head has not ended.
    Incomplete,
    /// A rule is broken at `Scan::usable`.
    Refused(HeadError),
}

/// A verdict and the bytes before it. httparse then judges exactly those, and its refusal goes first: so
/// the answer is always the leftmost fault, however the bytes were split into reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Scan {
    pub(super) usable: usize,
    pub(super) verdict: Verdict,
}

impl Scan {
    fn refused(usable: usize, error: HeadError) -> Self {
        Self { usable, verdict: Verdict::Refused(error) }
    }
}

/// Scans a request: the target bound, then the rules for every head. `bytes` starts at the request line, and
/// `limits` are effective ones.
pub(super) fn scan_request(bytes: &[u8], limits: &HeadLimits) -> Scan {
    let window = bytes.get(..limits.head_bytes_max).unwrap_or(bytes);
    match target_overflow(window, limits.uri_bytes_max) {
        Some(usable) => Scan::refused(usable, HeadError::URI_TOO_LONG),
        None => scan_head(bytes, limits),
    }
}

/// The offset at which the target outgrows its bound, complete or not.
fn target_overflow(window: &[u8], uri_bytes_max: usize) -> Option<usize> {
    // The common case costs two compares: a window this short cannot hold so long a target.
    if window.len() <= uri_bytes_max {
        return None;
    }
    let line = memchr(b'\n', window).and_then(|end| window.get(..end)).unwrap_or(window);
    let target_at = memchr(b' ', line)?.saturating_add(1);
    let rest = line.get(target_at..)?;
    let target_len = memchr(b' ', rest).unwrap_or(rest.len());
    (target_len > uri_bytes_max).then(|| target_at.saturating_add(uri_bytes_max))
}

/// Scans any head: lines end in CR LF only, header count and total size are bounded.
pub(super) fn scan_head(bytes: &[u8], limits: &HeadLimits) -> Scan {
    let window = bytes.get(..limits.head_bytes_max).unwrap_or(bytes);
    let mut line_at = 0_usize;
    // The number of header lines that may still begin. None before the end of the start line.
    let mut headers_left = None;
    for line_feed_at in memchr_iter(b'\n', window) {
        let line = window.get(line_at..line_feed_at).unwrap_or_default();
        if headers_left == Some(0) && begins_header(line) {
            return Scan::refused(line_at, HeadError::TOO_MANY_HEADERS);
        }
        let next_at = line_feed_at.saturating_add(1);
        match (line, headers_left) {
            ([b'\r'], None) => return Scan::refused(0, HeadError::bad("empty start line")),
            ([b'\r'], Some(_)) => return Scan { usable: next_at, verdict: Verdict::Complete },
            ([b'\r', ..], _) => return Scan::refused(line_at, BAD_LINE_END),
            ([.., b'\r'], None) => headers_left = Some(limits.headers_max),
            ([.., b'\r'], Some(left)) => headers_left = Some(left.saturating_sub(1)),
            (_, _) => {
                return Scan::refused(line_feed_at, HeadError::bad("line feed without carriage return"));
            }
        }
        line_at = next_at;
    }
    // One header too many shows in its first byte.
    if headers_left == Some(0) && begins_header(window.get(line_at..).unwrap_or_default()) {
        return Scan::refused(line_at, HeadError::TOO_MANY_HEADERS);
    }
    if bytes.len() >= limits.head_bytes_max {
        return Scan::refused(window.len(), HeadError::HEAD_TOO_LARGE);
    }
    Scan { usable: window.len(), verdict: Verdict::Incomplete }
}

/// True when this line, finished or not, can only be a header: a carriage return may still end the head.
fn begins_header(line: &[u8]) -> bool {
    line.first().is_some_and(|byte| *byte != b'\r')
}

/// The refusal for a fault that httparse found. `version_text` is what stands where the version should.
pub(super) fn refusal(error: httparse::Error, version_text: &[u8]) -> HeadError {
    match error {
        httparse::Error::HeaderName => HeadError::bad("bad header name"),
        httparse::Error::HeaderValue => HeadError::bad("bad header value"),
        httparse::Error::NewLine => BAD_LINE_END,
        httparse::Error::Status => HeadError::bad("bad status code"),
        httparse::Error::Token => HeadError::bad("bad start line"),
        httparse::Error::TooManyHeaders => HeadError::TOO_MANY_HEADERS,
        httparse::Error::Version if is_other_version(version_text) => HeadError::VERSION,
        httparse::Error::Version => HeadError::bad("bad HTTP version"),
    }
}

/// True for a version that is well formed as far as it goes and is neither 1.0 nor 1.1.
fn is_other_version(text: &[u8]) -> bool {
    match text.strip_prefix(b"HTTP/") {
        Some([b'1', b'.', minor, ..]) => minor.is_ascii_digit(),
        Some([b'1', ..]) => false,
        Some([major, ..]) => major.is_ascii_digit(),
        Some([]) | None => false,
    }
}

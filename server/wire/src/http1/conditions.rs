//! Conditional requests (RFC 9110 section 13).

use super::date::parse_http_date;
use super::facts::trim_ows;
use super::headers::Headers;
use super::method::Method;

/// The properties of the stored object that conditions are compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Validators<'a> {
    /// The entity tag without quotes; a strong one. `None` when the object has none.
    pub etag: Option<&'a str>,
    /// Last modification, seconds since 1970.
    pub modified_unix_s: i64,
}

/// The outcome of a request's conditions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Precondition {
    /// Do as asked.
    Proceed,
    /// Answer 304.
    NotModified,
    /// Answer 412.
    Failed,
    /// Do as asked but send the whole object: If-Range names another version.
    IgnoreRange,
}

/// True if there is any header that [`Conditions`] would be read from.
pub fn is_conditional(headers: &Headers<'_>) -> bool {
    headers.iter().any(|(name, _)| name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("if-")))
}

/// The conditions of a request. They outlive its head: a change is judged where its name is held, after its body has come.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Conditions {
    if_match: Option<Vec<Tag>>,
    if_none_match: Option<Vec<Tag>>,
    /// Seconds since 1970, like the next one.
    if_modified_since: Option<i64>,
    if_unmodified_since: Option<i64>,
    /// A request for a range, and the version that it must be of.
    if_range: Option<IfRange>,
}

/// The version that a range is asked of.
#[derive(Clone, PartialEq, Eq, Debug)]
struct IfRange {
    tag: Option<Tag>,
    /// A date holds no quote and may have been taken for a bare tag, so it is tried in every other case.
    date_unix_s: Option<i64>,
}

impl Conditions {
    /// Reads the conditional headers. Dates that do not parse count as absent.
    pub fn parse(headers: &Headers<'_>) -> Self {
        let list = |name| {
            let is_there = headers.get(name).is_some();
            is_there.then(|| headers.all(name).flat_map(tags).collect())
        };
        let has_range = headers.get("range").is_some();
        let if_range = headers.get("if-range").filter(|_| has_range).map(|value| IfRange {
            tag: next_tag(trim_ows(value)).filter(|(_, after)| after.is_empty()).map(|(tag, _)| tag),
            date_unix_s: header_date(headers, "if-range"),
        });
        Self {
            if_match: list("if-match"),
            if_none_match: list("if-none-match"),
            if_modified_since: header_date(headers, "if-modified-since"),
            if_unmodified_since: header_date(headers, "if-unmodified-since"),
            if_range,
        }
    }

    /// Judges in the order of RFC 9110 section 13.2.2. `v` is looked at only when the object `exists`. A request that would
    /// be answered 404 has no conditions to fail, so for an object that is not there only methods that can make one are
    /// judged.
    pub fn judge(&self, method: Method, v: &Validators<'_>, exists: bool) -> Precondition {
        let creates = matches!(method, Method::Put | Method::Post | Method::Patch | Method::Other);
        if !exists && !creates {
            return Precondition::Proceed;
        }
        let reads = matches!(method, Method::Get | Method::Head);
        let modified_after = |date: Option<i64>| date.filter(|_| exists).map(|date| v.modified_unix_s > date);
        if let Some(tags) = &self.if_match {
            if !exists || !any_matches(tags, v, Comparison::Strong) {
                return Precondition::Failed;
            }
        } else if modified_after(self.if_unmodified_since) == Some(true) {
            return Precondition::Failed;
        }
        if let Some(tags) = &self.if_none_match {
            if exists && any_matches(tags, v, Comparison::Weak) {
                return if reads { Precondition::NotModified } else { Precondition::Failed };
            }
        } else if reads && modified_after(self.if_modified_since) == Some(false) {
            return Precondition::NotModified;
        }
        if method == Method::Get && self.if_range.as_ref().is_some_and(|wanted| !wanted.holds(v)) {
            return Precondition::IgnoreRange;
        }
        Precondition::Proceed
    }
}

impl IfRange {
    /// Tags compare strongly, dates exactly.
    fn holds(&self, v: &Validators<'_>) -> bool {
        match &self.tag {
            Some(Tag::Strong(text)) if v.etag.map(str::as_bytes) == Some(text) => true,
            _ => self.date_unix_s == Some(v.modified_unix_s),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// A weak tag equals nothing.
    Strong,
    /// A weak tag equals the strong one with the same text.
    Weak,
}

/// One member of a list of entity tags, without quotes.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Tag {
    Any,
    Strong(Box<[u8]>),
    Weak(Box<[u8]>),
}

fn any_matches(tags: &[Tag], v: &Validators<'_>, comparison: Comparison) -> bool {
    let etag = v.etag.map(str::as_bytes);
    tags.iter().any(|tag| match tag {
        Tag::Any => true,
        Tag::Strong(text) => etag == Some(text),
        Tag::Weak(text) => comparison == Comparison::Weak && etag == Some(text),
    })
}

/// The tags of one field value. Ends at the first thing that is no tag.
fn tags(mut rest: &[u8]) -> impl Iterator<Item = Tag> {
    std::iter::from_fn(move || {
        while let [b' ' | b'\t' | b',', after @ ..] = rest {
            rest = after;
        }
        let (tag, after) = next_tag(rest)?;
        rest = after;
        Some(tag)
    })
}

/// The tag at the start of `text` and what follows it.
fn next_tag(text: &[u8]) -> Option<(Tag, &[u8])> {
    let (weak, quoted) = match text.strip_prefix(b"W/\"") {
        Some(after) => (true, Some(after)),
        None => (false, text.strip_prefix(b"\"")),
    };
    if let Some(quoted) = quoted {
        // A quoted tag may hold a comma, so the list cannot simply be split.
        let (tag, after) = quoted.split_at_checked(memchr::memchr(b'"', quoted)?)?;
        let after = after.strip_prefix(b"\"").unwrap_or(after);
        return Some((if weak { Tag::Weak(tag.into()) } else { Tag::Strong(tag.into()) }, after));
    }
    // Scripts often forget the quotes. Taking the bare text as a tag errs on the safe side: a write that was
    // meant to be conditional stays so.
    let end = memchr::memchr(b',', text).unwrap_or(text.len());
    let (bare, after) = text.split_at_checked(end)?;
    match trim_ows(bare) {
        b"" => None,
        b"*" => Some((Tag::Any, after)),
        bare => Some((Tag::Strong(bare.into()), after)),
    }
}

fn header_date(headers: &Headers<'_>, name: &str) -> Option<i64> {
    parse_http_date(headers.get_str(name)?)
}

#[cfg(test)]
mod tests {
    use super::Precondition::{Failed, IgnoreRange, NotModified, Proceed};
    use super::*;
    use crate::http1::{HeadLimits, parse_request};

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn judge(method: &str, fields: &str, etag: Option<&str>, exists: bool) -> Precondition {
        let fields: String = fields
            .replace("BEFORE", BEFORE)
            .replace("SAME", SAME)
            .replace("AFTER", AFTER)
            .lines()
            .map(|line| format!("{}\r\n", line.trim()))
            .collect();
        let text = format!("{method} / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let head = parse_request(text.as_bytes(), &HeadLimits::default()).unwrap().unwrap();
        let validators = Validators { etag, modified_unix_s: 784_111_777 };
        Conditions::parse(&head.headers).judge(head.method, &validators, exists)
    }

    #[test]
    fn existing_object() {
        let cases = [
            ("GET", "", Proceed),
            ("GET", "If-Match: \"v1\"", Proceed),
            ("GET", "If-Match: \"v0\", \"v1\"", Proceed),
            ("GET", "If-Match: \"v0\"\nIf-Match: \"v1\"", Proceed),
            ("GET", "If-Match: v1", Proceed),
            ("GET", "If-Match: *", Proceed),
            ("GET", "If-Match: W/\"v1\"", Failed),
            ("GET", "If-Match: \"v0\"", Failed),
            ("PUT", "If-Match: \"v0\"", Failed),
            ("PUT", "If-Match:", Failed),
            ("PUT", "If-Match: \"v1", Failed),
            ("DELETE", "If-Match: \"v0\"", Failed),
            ("GET", "If-None-Match: \"v1\"", NotModified),
            ("HEAD", "If-None-Match: W/\"v1\"", NotModified),
            ("GET", "If-None-Match: \"a,b\", W/\"v1\"", NotModified),
            ("GET", "If-None-Match: *", NotModified),
            ("GET", "If-None-Match: \"v0\"", Proceed),
            ("PUT", "If-None-Match: *", Failed),
            ("PUT", "If-None-Match: \"v1\"", Failed),
            ("PUT", "If-None-Match: \"v0\"", Proceed),
            ("GET", "If-Modified-Since: BEFORE", Proceed),
            ("GET", "If-Modified-Since: SAME", NotModified),
            ("HEAD", "If-Modified-Since: AFTER", NotModified),
            ("PUT", "If-Modified-Since: AFTER", Proceed),
            ("GET", "If-Modified-Since: yesterday", Proceed),
            ("GET", "If-Unmodified-Since: BEFORE", Failed),
            ("PUT", "If-Unmodified-Since: BEFORE", Failed),
            ("GET", "If-Unmodified-Since: SAME", Proceed),
            ("GET", "If-Unmodified-Since: never", Proceed),
            // An entity tag outranks the date of the same kind.
            ("GET", "If-Match: \"v1\"\nIf-Unmodified-Since: BEFORE", Proceed),
            ("GET", "If-None-Match: \"v0\"\nIf-Modified-Since: AFTER", Proceed),
            // The first pair outranks the second.
            ("GET", "If-Match: \"v0\"\nIf-None-Match: \"v1\"", Failed),
            ("GET", "If-Match: \"v1\"\nIf-None-Match: \"v1\"", NotModified),
            ("GET", "Range: bytes=0-1\nIf-Range: \"v1\"", Proceed),
            ("GET", "Range: bytes=0-1\nIf-Range: v1", Proceed),
            ("GET", "Range: bytes=0-1\nIf-Range: \"v0\"", IgnoreRange),
            ("GET", "Range: bytes=0-1\nIf-Range: W/\"v1\"", IgnoreRange),
            ("GET", "Range: bytes=0-1\nIf-Range: \"v0\", \"v1\"", IgnoreRange),
            ("GET", "Range: bytes=0-1\nIf-Range: *", IgnoreRange),
            ("GET", "Range: bytes=0-1\nIf-Range: SAME", Proceed),
            ("GET", "Range: bytes=0-1\nIf-Range: AFTER", IgnoreRange),
            ("GET", "Range: bytes=0-1\nIf-Range:", IgnoreRange),
            ("GET", "If-Range: \"v0\"", Proceed),
            ("HEAD", "Range: bytes=0-1\nIf-Range: \"v0\"", Proceed),
            ("GET", "Range: bytes=0-1\nIf-Range: \"v0\"\nIf-None-Match: \"v1\"", NotModified),
        ];
        for (method, fields, expected) in cases {
            assert_eq!(judge(method, fields, Some("v1"), true), expected, "{method} {fields}");
        }
    }

    #[test]
    fn object_without_tag() {
        assert_eq!(judge("PUT", "If-Match: *", None, true), Proceed);
        assert_eq!(judge("PUT", "If-Match: \"\"", None, true), Failed);
        assert_eq!(judge("PUT", "If-None-Match: *", None, true), Failed);
        assert_eq!(judge("PUT", "If-None-Match: \"x\"", None, true), Proceed);
    }

    #[test]
    fn missing_object() {
        let cases = [
            ("PUT", "If-None-Match: *", Proceed),
            ("PUT", "If-Match: *", Failed),
            ("PUT", "If-Match: \"v1\"", Failed),
            ("PUT", "If-Unmodified-Since: BEFORE", Proceed),
            ("GET", "If-Match: *", Proceed),
            ("GET", "If-None-Match: *", Proceed),
            ("DELETE", "If-Match: *", Proceed),
        ];
        for (method, fields, expected) in cases {
            assert_eq!(judge(method, fields, Some("v1"), false), expected, "{method} {fields}");
        }
    }
}

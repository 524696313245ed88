//! The query string, parsed once.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use smallvec::SmallVec;

use super::num::parse_bool;

/// The most parameters that one request may have.
pub const MAX_PARAMS: usize = 100;

/// Why a query string is refused (400).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// More than [`MAX_PARAMS`].
    TooMany,
    /// A name or value that is not UTF-8 once decoded.
    NotUtf8,
}

impl std::fmt::Display for QueryError {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            QueryError::TooMany => write!(to, "too many query parameters (the limit is {MAX_PARAMS})"),
            QueryError::NotUtf8 => to.write_str("query parameter is not valid UTF-8"),
        }
    }
}

impl std::error::Error for QueryError {}

/// The decoded parameters in order. A request has a handful, so a list beats a map; most hold no escapes and are
/// borrowed from the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query<'a> {
    pairs: SmallVec<[(Cow<'a, str>, Cow<'a, str>); 2]>,
}

impl<'a> Query<'a> {
    /// Parses what follows the `?`. A key without `=` has the empty value; `+` is a space; `X-Amz-*` is skipped,
    /// as it belongs to signatures.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn parse(raw: &'a str) -> Result<Self, QueryError> {
        let mut pairs = SmallVec::new();
        for part in raw.split('&').filter(|part| !part.is_empty()) {
            if pairs.len() == MAX_PARAMS {
                return Err(QueryError::TooMany);
            }
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let key = decode(key)?;
            if key.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("x-amz-")) {
                continue;
            }
            pairs.push((key, decode(value)?));
        }
        Ok(Query { pairs })
    }

    /// The first value of a parameter; empty when it was given without one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref())
    }

    /// The first value of a parameter, empty when absent.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }

    /// True if the parameter is there, with whatever value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A boolean parameter: false when absent, empty or not a boolean word (see [`parse_bool`]).
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(parse_bool).unwrap_or(false)
    }

    /// An integer parameter; `None` when absent or empty.
    ///
    /// # Errors
    /// A text for the client that names the parameter.
    pub fn int(&self, name: &str) -> Result<Option<i64>, String> {
        match self.text(name) {
            "" => Ok(None),
            text => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => {
                    Err(format!("invalid value {text:?} of query parameter {name:?}: expected an integer"))
                }
            },
        }
    }

    /// All parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

/// Undoes `%XX` and `+`. A `%` without two digits stands for itself.
fn decode(text: &str) -> Result<Cow<'_, str>, QueryError> {
    if memchr::memchr2(b'%', b'+', text.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(text));
    }
    let spaced: Vec<u8> = text.bytes().map(|b| if b == b'+' { b' ' } else { b }).collect();
    let decoded = String::from_utf8(percent_decode(&spaced).collect());
    decoded.map(Cow::Owned).map_err(|_| QueryError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_flags_and_integers() {
        let q = Query::parse(
            "provider=ais&skip_vc=True&uploads&bck_to=ais%2F%40%23%2Fdst%2F&a=b+c&n=5&n=6&bad=x&off=no",
        )
        .unwrap();
        assert_eq!(q.get("provider"), Some("ais"));
        assert_eq!(q.get("bck_to"), Some("ais/@#/dst/"));
        assert_eq!((q.get("uploads"), q.get("uploadId")), (Some(""), None));
        assert_eq!((q.text("a"), q.text("none")), ("b c", ""));
        assert!(
            q.flag("skip_vc") && !q.flag("uploads") && !q.flag("bad") && !q.flag("off") && !q.flag("zzz")
        );
        assert_eq!((q.int("n"), q.int("zzz")), (Ok(Some(5)), Ok(None)));
        assert!(q.int("bad").unwrap_err().contains("\"bad\""));
    }

    #[test]
    fn signatures_are_skipped_and_escapes_are_forgiven() {
        let q = Query::parse("X-Amz-Date=1&x-amz-signature=2&&a=100%&=v").unwrap();
        assert_eq!(q.iter().collect::<Vec<_>>(), [("a", "100%"), ("", "v")]);
        assert!(Query::parse("").unwrap().is_empty());
        assert_eq!(Query::parse("a=%ff"), Err(QueryError::NotUtf8));
    }

    #[test]
    fn at_most_a_hundred() {
        let many = |n: usize| vec!["k=v"; n].join("&");
        assert!(Query::parse(&many(100)).is_ok());
        assert_eq!(Query::parse(&many(101)), Err(QueryError::TooMany));
    }

    proptest! {
        #[test]
        fn never_panics(raw in "\\PC{0,80}") {
            let _ = Query::parse(&raw);
        }

        #[test]
        fn encoded_values_come_back(value in "\\PC{0,30}") {
            let encoded = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
            let raw = format!("k={encoded}");
            let q = Query::parse(&raw).unwrap();
            prop_assert_eq!(q.get("k"), Some(value.as_str()));
        }
    }
}

//! Percent-encoding and query strings.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything but RFC 3986's unreserved characters and the path separator.
const PATH_ESCAPES: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Decodes `%XX` escapes. `None` when an escape is cut short or not hexadecimal, or when the result is not
/// UTF-8: such a name could not be written back the way it came. `+` stays `+`, as in paths.
pub fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'%', text.as_bytes()).is_none() {
        return Some(Cow::Borrowed(text));
    }
    // The first piece precedes every `%`.
    let escapes_ok = text.split('%').skip(1).all(|after| {
        after.as_bytes().first_chunk::<2>().is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if escapes_ok { percent_decode_str(text).decode_utf8().ok() } else { None }
}

/// Encodes a path; `/` stays, everything else outside the unreserved characters is escaped.
pub fn percent_encode_path(path: &str) -> String {
    utf8_percent_encode(path, &PATH_ESCAPES).to_string()
}

/// The pairs of a query string in order, decoded, `+` meaning a space. A key may stand without `=`; its
/// value is then empty. Text that does not decode is given as it stands rather than dropped, so that a
/// mistyped parameter is refused by whoever reads it and not silently ignored.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode_form(key), decode_form(value))
    })
}

fn decode_form(text: &str) -> Cow<'_, str> {
    if !text.contains(['+', '%']) {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    match percent_decode(&spaced) {
        Some(decoded) => Cow::Owned(decoded.into_owned()),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding() {
        assert_eq!(percent_decode("a%20b+c").as_deref(), Some("a b+c"));
        assert!(matches!(percent_decode("plain"), Some(Cow::Borrowed("plain"))));
        assert_eq!(percent_decode("%C3%BC").as_deref(), Some("ü"));
        for bad in ["%", "%4", "%zz", "%+1", "a%2", "%ff", "%%20", "%é"] {
            assert_eq!(percent_decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn pairs() {
        let pairs: Vec<_> = query_pairs("a=1&b&&c=x+y%2Bz&=v&d=%zz+&e=a=b").collect();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_ref(), v.as_ref())).collect();
        let expected = [("a", "1"), ("b", ""), ("c", "x y+z"), ("", "v"), ("d", "%zz+"), ("e", "a=b")];
        assert_eq!(pairs, expected);
        assert_eq!(query_pairs("").count(), 0);
    }

    #[test]
    fn encoding_keeps_slashes_only() {
        assert_eq!(percent_encode_path("/a b/ü?#%+~_.-"), "/a%20b/%C3%BC%3F%23%25%2B~_.-");
    }

    proptest::proptest! {
        #[test]
        fn encode_then_decode(text in ".*") {
            let encoded = percent_encode_path(&text);
            proptest::prop_assert!(encoded.is_ascii());
            let decoded = percent_decode(&encoded);
            proptest::prop_assert_eq!(decoded.as_deref(), Some(text.as_str()));
        }

        #[test]
        fn decoding_never_panics(text in "[%+&=a-fA-F0-9\u{e9}]*") {
            let _ = percent_decode(&text);
            proptest::prop_assert!(query_pairs(&text).count() <= text.len());
        }
    }
}

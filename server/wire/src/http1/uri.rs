//! Percent-encoding and query strings.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything but RFC 3986's unreserved characters and the path separator.
const PATH_ESCAPES: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Decodes `%XX` escapes. `None` when an escape is cut short or not hexadecimal, or when the result is not
/// UTF-8: such a name could not be written back the way it came. `+` stays `+`, as in paths.
pub fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
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

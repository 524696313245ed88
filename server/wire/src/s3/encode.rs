//! Percent-encoding in the one form that signatures allow.

use std::fmt::Write as _;

/// Bytes that stand for themselves, in paths and in queries.
pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Appends a path; `/` stays, everything else outside the unreserved characters is escaped. Nothing is normalised:
/// to S3, `a//b` and `a/../b` are names like any other.
pub fn push_path(out: &mut String, path: &str) {
    push(out, path, |byte| is_unreserved(byte) || byte == b'/');
}

/// Appends a name or a value of a query: as a path, with `/` escaped too.
pub fn push_component(out: &mut String, text: &str) {
    push(out, text, is_unreserved);
}

fn push(out: &mut String, text: &str, is_kept: impl Fn(u8) -> bool) {
    if text.bytes().all(&is_kept) {
        out.push_str(text);
        return;
    }
    for byte in text.bytes() {
        if is_kept(byte) {
            out.push(char::from(byte));
        } else {
            push_escape(out, byte);
        }
    }
}

/// Appends a byte as its escape.
pub(super) fn push_escape(out: &mut String, byte: u8) {
    // Writing to a string cannot fail.
    let _ = write!(out, "%{byte:02X}");
}

/// The query of these pairs without its `?`: encoded, and sorted by encoded name and value.
#[must_use]
pub fn query(pairs: &[(&str, &str)]) -> String {
    let encoded = |text: &str| {
        let mut out = String::with_capacity(text.len());
        push_component(&mut out, text);
        out
    };
    let mut all: Vec<_> = pairs.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
    all.sort();
    let mut out = String::new();
    for (name, value) in all {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(&name);
        out.push('=');
        out.push_str(&value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> String {
        let mut out = String::new();
        push_path(&mut out, text);
        out
    }

    #[test]
    fn known_encodings() {
        assert_eq!(path("/test$file.text"), "/test%24file.text");
        assert_eq!(path("/a b//c/../é+=&?#%"), "/a%20b//c/../%C3%A9%2B%3D%26%3F%23%25");
        assert_eq!(query(&[("prefix", "J/K"), ("max-keys", "2")]), "max-keys=2&prefix=J%2FK");
        assert_eq!(query(&[("uploads", "")]), "uploads=");
        assert_eq!(query(&[]), "");
        // The order is that of the encoded bytes: `%C3%A9` comes before `a`.
        assert_eq!(query(&[("a", "1"), ("é", "2"), ("A", "3")]), "%C3%A9=2&A=3&a=1");
    }

    proptest! {
        #[test]
        fn paths_round_trip_and_hold_only_what_may_stand(text in "\\PC{0,40}") {
            let encoded = path(&text);
            prop_assert!(encoded.bytes().all(|b| is_unreserved(b) || b"/%".contains(&b)));
            prop_assert_eq!(crate::http1::percent_decode(&encoded).unwrap(), text.as_str());
            prop_assert_eq!(encoded, crate::http1::percent_encode_path(&text));
        }

        #[test]
        fn queries_round_trip_whatever_their_order(pairs in prop::collection::vec((".{0,8}", ".{0,8}"), 0..6)) {
            let pairs: Vec<(&str, &str)> =
                pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).filter(|(n, _)| !n.is_empty()).collect();
            let text = query(&pairs);
            let mut reversed = pairs.clone();
            reversed.reverse();
            prop_assert_eq!(query(&reversed), text.as_str());
            let mut got: Vec<(String, String)> = crate::http1::query_pairs(&text)
                .map(|(n, v)| (n.into_owned(), v.into_owned()))
                .collect();
            let mut want: Vec<(String, String)> =
                pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            got.sort();
            want.sort();
            prop_assert_eq!(got, want);
        }
    }
}

//! Custom metadata of an object: pairs of text, in headers `Ais-Custom-Md: key=value`.

use std::fmt::Write as _;

/// The most bytes of all keys and values together, each pair counted with four bytes more. More would not fit
/// beside the rest of an object's metadata in one extended attribute, and is refused when it is set.
pub const MAX_CUSTOM: usize = 2048;

/// The pairs in the order in which they were set; keys are unique.
pub type CustomMd = Vec<(String, String)>;

/// Reads one header value, split at the first `=`.
///
/// # Errors
/// A text for the client.
pub fn parse_header(value: &str) -> Result<(String, String), String> {
    let Some((key, value)) = value.split_once('=') else {
        return Err(format!("invalid custom metadata {value:?}: expected key=value"));
    };
    let (key, value) = (key.trim(), value.trim());
    check_pair(key, value)?;
    Ok((key.to_owned(), value.to_owned()))
}

/// The header values for these pairs.
pub fn header_values(pairs: &[(String, String)]) -> impl Iterator<Item = String> + '_ {
    pairs.iter().map(|(key, value)| format!("{key}={value}"))
}

/// A key without `=`, and nothing that would end a header line in either.
fn check_pair(key: &str, value: &str) -> Result<(), String> {
    let refuse = |why: &str| Err(format!("invalid custom metadata key {key:?}: {why}"));
    if key.is_empty() {
        return refuse("it is empty");
    }
    if key.contains('=') {
        return refuse("it contains '='");
    }
    if key.chars().chain(value.chars()).any(char::is_control) {
        return refuse("it or its value contains a control character");
    }
    Ok(())
}

/// Checks all pairs: their characters, that keys are unique, and the total size.
///
/// # Errors
/// A text for the client.
pub fn validate(pairs: &[(String, String)]) -> Result<(), String> {
    for (at, (key, value)) in pairs.iter().enumerate() {
        check_pair(key, value)?;
        if pairs.iter().take(at).any(|(earlier, _)| earlier == key) {
            return Err(format!("custom metadata key {key:?} is given twice"));
        }
    }
    let size = encoded_size(pairs);
    if size > MAX_CUSTOM {
        return Err(format!("custom metadata is too large: {size} bytes, the limit is {MAX_CUSTOM}"));
    }
    Ok(())
}

/// The size that counts against [`MAX_CUSTOM`].
#[must_use]
pub fn encoded_size(pairs: &[(String, String)]) -> usize {
    pairs.iter().map(|(key, value)| key.len() + value.len() + 4).sum()
}

/// The value of a key.
#[must_use]
pub fn get<'a>(pairs: &'a [(String, String)], key: &str) -> Option<&'a str> {
    pairs.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
}

/// Sets pairs: replaces the values of keys that are there, appends the others.
pub fn merge(pairs: &mut CustomMd, new: impl IntoIterator<Item = (String, String)>) {
    for (key, value) in new {
        match pairs.iter_mut().find(|(k, _)| *k == key) {
            Some((_, old)) => *old = value,
            None => pairs.push((key, value)),
        }
    }
}

/// The form in listings: Go's print of a map, `map[k:v k2:v2]`, sorted by key; empty when there are no pairs.
#[must_use]
pub fn to_list_text(pairs: &[(String, String)]) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let mut sorted: Vec<&(String, String)> = pairs.iter().collect();
    sorted.sort();
    let mut out = String::from("map[");
    for (at, (key, value)) in sorted.into_iter().enumerate() {
        let space = if at == 0 { "" } else { " " };
        // Writing to a String does not fail.
        let _infallible = write!(out, "{space}{key}:{value}");
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(of: &[(&str, &str)]) -> CustomMd {
        of.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn headers() {
        assert_eq!(parse_header("k=v=w"), Ok(("k".into(), "v=w".into())));
        assert_eq!(parse_header("k="), Ok(("k".into(), String::new())));
        for bad in ["", "k", "=v", "k\u{1}=v", "k=v\r\nX: y"] {
            assert!(parse_header(bad).is_err(), "{bad:?}");
        }
        assert_eq!(header_values(&pairs(&[("a", "1"), ("b", "2")])).collect::<Vec<_>>(), ["a=1", "b=2"]);
    }

    #[test]
    fn merging_and_limits() {
        let mut md = pairs(&[("a", "1"), ("b", "2")]);
        merge(&mut md, pairs(&[("b", "3"), ("c", "4")]));
        assert_eq!(md, pairs(&[("a", "1"), ("b", "3"), ("c", "4")]));
        assert_eq!((get(&md, "b"), get(&md, "z")), (Some("3"), None));
        assert_eq!(validate(&md), Ok(()));
        assert!(validate(&pairs(&[("a", "1"), ("a", "2")])).unwrap_err().contains("twice"));
        assert_eq!(validate(&pairs(&[("a", &"x".repeat(MAX_CUSTOM - 5))])), Ok(()));
        assert!(validate(&pairs(&[("a", &"x".repeat(MAX_CUSTOM - 4))])).unwrap_err().contains("too large"));
    }

    #[test]
    fn listings() {
        assert_eq!(to_list_text(&pairs(&[("b", "2"), ("a", "1")])), "map[a:1 b:2]");
        assert_eq!(to_list_text(&[]), "");
    }

    proptest! {
        #[test]
        fn never_panics(text in "(?s).{0,40}") {
            if let Ok(pair) = parse_header(&text) {
                prop_assert_eq!(validate(&[pair]), Ok(()));
            }
        }
    }
}

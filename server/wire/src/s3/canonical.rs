//! The canonical form of a request, which both sides sign: the client's texts have it already, a server makes it anew.

use super::refusal::Refusal;
use crate::http1::{Headers, RequestHead};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Headers that a signature may name.
const SIGNED_HEADERS_MAX: usize = 100;

/// The part of the query that is not signed.
pub(super) const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// The hash of a request's canonical form; `signed_headers` in the order of its signature.
///
/// # Errors
/// `AccessDenied` when the signature leaves out what it must be about: the host, and every header of `x-amz-`.
pub fn hash(head: &RequestHead<'_>, signed_headers: &str, payload_hash: &str) -> Result<[u8; 32], Refusal> {
    check_signed(&head.headers, signed_headers)?;
    let mut hasher = Sha256::new();
    hasher.update(head.method_text);
    hasher.update("\n");
    hasher.update(path(head.path()).as_ref());
    hasher.update("\n");
    hasher.update(query(head.query()));
    hasher.update("\n");
    for name in signed_headers.split(';') {
        hasher.update(name);
        hasher.update(":");
        push_values(&head.headers, name, &mut hasher);
        hasher.update("\n");
    }
    hasher.update("\n");
    hasher.update(signed_headers);
    hasher.update("\n");
    hasher.update(payload_hash);
    Ok(hasher.finalize().into())
}

fn check_signed(headers: &Headers<'_>, signed_headers: &str) -> Result<(), Refusal> {
    let names: Vec<&str> = signed_headers.split(';').take(SIGNED_HEADERS_MAX.saturating_add(1)).collect();
    let is_name =
        |name: &&str| !name.is_empty() && !name.bytes().any(|byte| byte.is_ascii_uppercase() || byte <= b' ');
    if names.len() > SIGNED_HEADERS_MAX || !names.iter().all(is_name) {
        return Err(Refusal::malformed("The list of signed headers is not in small letters, or too long."));
    }
    if !names.contains(&"host") {
        return Err(Refusal::denied("The header host must be signed."));
    }
    let is_signed = |name: &str| names.iter().any(|signed| signed.eq_ignore_ascii_case(name));
    let is_amazons = |name: &str| name.get(..6).is_some_and(|begin| begin.eq_ignore_ascii_case("x-amz-"));
    match headers.iter().find(|(name, _)| is_amazons(name) && !is_signed(name)) {
        None => Ok(()),
        Some((name, _)) => Err(Refusal::denied(format!(
            "There were headers present in the request which were not signed: {name}"
        ))),
    }
}

/// The values of a header, joined by commas, without white space at their ends and with one space for several.
fn push_values(headers: &Headers<'_>, name: &str, hasher: &mut Sha256) {
    for (at, value) in headers.all(name).enumerate() {
        if at > 0 {
            hasher.update(",");
        }
        let words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        for (at, word) in words.enumerate() {
            if at > 0 {
                hasher.update(" ");
            }
            hasher.update(word);
        }
    }
}

/// A path as it is signed: escapes stay as they were sent, and what should have been escaped is.
pub(super) fn path(sent: &str) -> Cow<'_, str> {
    escaped(if sent.is_empty() { "/" } else { sent }, |byte| byte == b'/')
}

/// A query as it is signed: sorted, with a `=` in every pair, without its signature.
#[must_use]
pub fn query(sent: &str) -> String {
    let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = sent
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(name, _)| *name != SIGNATURE_PARAMETER)
        .map(|(name, value)| (escaped(name, |_| false), escaped(value, |_| false)))
        .collect();
    pairs.sort();
    let mut out = String::with_capacity(sent.len());
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(&name);
        out.push('=');
        out.push_str(&value);
    }
    out
}

/// Escapes what is neither unreserved nor escaped. A plus sign means a space, as in forms.
fn escaped(sent: &str, is_kept: impl Fn(u8) -> bool) -> Cow<'_, str> {
    let stays = |byte: u8| super::encode::is_unreserved(byte) || byte == b'%' || is_kept(byte);
    if sent.bytes().all(stays) {
        return Cow::Borrowed(sent);
    }
    let mut out = String::with_capacity(sent.len().saturating_add(16));
    for byte in sent.bytes() {
        match byte {
            b'+' if !is_kept(b'/') => out.push_str("%20"),
            byte if stays(byte) => out.push(char::from(byte)),
            byte => super::encode::push_escape(&mut out, byte),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_as_they_were_sent() {
        for same in ["/", "/a//b/../c/.", "/a%20b%2Fc%2f", "/~a-b_c."] {
            assert_eq!(path(same), same);
        }
        assert_eq!(path(""), "/");
        assert_eq!(path("/a(b)+c!"), "/a%28b%29%2Bc%21");
    }

    #[test]
    fn queries_are_sorted_and_complete() {
        for (sent, want) in [
            ("", ""),
            ("uploads", "uploads="),
            ("b=2&a=1&&a", "a=&a=1&b=2"),
            ("x=a+b/c%2B", "x=a%20b%2Fc%2B"),
            ("a=1&X-Amz-Signature=ff&A=2", "A=2&a=1"),
        ] {
            assert_eq!(query(sent), want);
        }
    }
}

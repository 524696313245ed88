//! The request target: its forms, its characters, and the Host header that goes with it.

/// True for a target this server can serve: `/path?query`, `http://authority/path?query`, or `*` where
/// the caller says that it may stand (OPTIONS).
pub(super) fn is_valid(target: &str, asterisk_allowed: bool) -> bool {
    if target == "*" {
        return asterisk_allowed;
    }
    // It does not stop at the first bad byte, so that the compiler checks sixteen at a time.
    if !target.bytes().fold(true, |ok, byte| ok & is_target_byte(byte)) {
        return false;
    }
    match split_absolute(target) {
        Some((authority, _)) => is_authority(authority.as_bytes()),
        None => target.starts_with('/'),
    }
}

/// The characters that a target may hold. Like the reference server we let through text that a careful
/// client would have escaped (UTF-8, `{}`, `|`), as curl does not escape it. Not `#`: a fragment never
/// belongs on the wire, and parsers differ on whether it ends the path.
fn is_target_byte(byte: u8) -> bool {
    !matches!(byte, 0..=b' ' | 0x7f | b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`')
}

/// Splits an absolute-form target into authority and the rest (from the first `/` or `?`).
fn split_absolute(target: &str) -> Option<(&str, &str)> {
    // Nearly every target starts so, and looking for a scheme in it would be a search through all of it.
    if target.starts_with('/') {
        return None;
    }
    let (scheme, after) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let end = after.find(['/', '?']).unwrap_or(after.len());
    after.split_at_checked(end)
}

/// The raw path and the raw query of a valid target.
pub(super) fn path_and_query(target: &str) -> (&str, &str) {
    let origin_form = match split_absolute(target) {
        Some((_, rest)) => rest,
        None => target,
    };
    match origin_form.split_once('?').unwrap_or((origin_form, "")) {
        ("", query) => ("/", query),
        both => both,
    }
}

/// True for `host`, `host:port`, `[v6]` or `[v6]:port`. No user name: it has no meaning here and is a known
/// way to disguise a host.
pub(super) fn is_authority(text: &[u8]) -> bool {
    let (host_ok, port) = match text.strip_prefix(b"[") {
        Some(rest) => {
            let Some(close) = rest.iter().position(|byte| *byte == b']') else { return false };
            let Some((address, after)) = rest.split_at_checked(close) else { return false };
            let address_ok = address.iter().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(byte));
            (address_ok && address.contains(&b':'), after.strip_prefix(b"]").unwrap_or(after))
        }
        None => {
            let end = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
            let Some((name, after)) = text.split_at_checked(end) else { return false };
            (!name.is_empty() && name.iter().copied().all(is_name_byte), after)
        }
    };
    host_ok && is_port_suffix(port)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Nothing, or a colon and a port number.
fn is_port_suffix(text: &[u8]) -> bool {
    match text.split_first() {
        None => true,
        Some((b':', digits)) => {
            let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u16>().ok());
            number.is_some() && digits.iter().all(u8::is_ascii_digit)
        }
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for good in ["/", "/a?b", "http://h/x", "HTTPS://h:80", "http://[::1]:8080?x", "//double", "/ü{}|"] {
            assert!(is_valid(good, false), "{good}");
        }
        let bad = [
            "",
            "a",
            "*",
            "h:80",
            "ftp://h/",
            "http:///x",
            "http://u@h/",
            "/a#b",
            "/a\\b",
            "/a\"b",
            "?a",
            "http://h:x/",
        ];
        for bad in bad {
            assert!(!is_valid(bad, false), "{bad}");
        }
        assert!(is_valid("*", true));
    }

    #[test]
    fn splits_path_and_query() {
        assert_eq!(path_and_query("/a/b?c=d?e"), ("/a/b", "c=d?e"));
        assert_eq!(path_and_query("/a?"), ("/a", ""));
        assert_eq!(path_and_query("http://h"), ("/", ""));
        assert_eq!(path_and_query("http://h?q"), ("/", "q"));
        assert_eq!(path_and_query("http://h:1/p?q"), ("/p", "q"));
        // A URL inside the path or the query is not a scheme.
        assert_eq!(path_and_query("/a?u=http://h/x"), ("/a", "u=http://h/x"));
        assert_eq!(path_and_query("/http://h/x"), ("/http://h/x", ""));
    }

    #[test]
    fn authorities() {
        for good in ["h", "h:1", "a_b.c-d~:65535", "[::1]", "[fe80::1]:80", "127.0.0.1:51080"] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for bad in
            ["", ":80", "h:", "h:65536", "h:+1", "h:1:2", "[::1", "[]", "[::1]x", "h/x", "u@h", "a,b", "a b"]
        {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }
}

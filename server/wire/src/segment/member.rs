//! The name of an object as a member of the archive: `<bucket>/<object>` where a file system and a TAR program can
//! take it as it is, else `<bucket>/%ob/<escaped>`. The bucket is [`Bck::path`](crate::api::bck::Bck::path): its name, for those of
//! this cluster.
//!
//! Escaped, `%` and control characters are written as `%` and two hexadecimal digits, and so is all of a part `.` or
//! `..`; an empty part is `%2F`. Directories carry a trailing `%`, so that `a` and `a/b` can both be extracted, and a part
//! over 240 bytes is continued in directories that end in `%+`. A name too long for a path is `%~` and its SHA-256.
//! No two names share an escaped form, and no name written plainly has `%ob` as its first part.

use std::borrow::Cow;

use crate::cksum::{CksumType, Hasher};

const ESCAPED: &str = "%ob/";
const ESCAPED_DIR: &str = "%ob";
const DIR: &str = "%";
const CONTINUED: &str = "%+/";
const DIGEST: &str = "%~";
/// The limit of file systems.
const PART_BYTES_MAX: usize = 255;
/// Leaves room for [`CONTINUED`].
const PIECE_BYTES_MAX: usize = 240;
/// Half of what a system call takes: the directory that an archive is extracted into comes before it.
const PATH_BYTES_MAX: usize = 2048;

/// The spelling of a member's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// The object's own name, where that is possible.
    Readable,
    /// Escaped in any case.
    Escaped,
}

/// The member's name.
#[must_use]
pub fn member_name(bucket: &str, object: &str, spelling: Spelling) -> String {
    [bucket, "/", &below_bucket(object, spelling)].concat()
}

/// The path below the bucket.
pub(super) fn below_bucket(object: &str, spelling: Spelling) -> Cow<'_, str> {
    if spelling == Spelling::Readable && is_readable(object) {
        Cow::Borrowed(object)
    } else {
        Cow::Owned(escape(object))
    }
}

/// A name that fits any header and that no other object has.
pub(super) fn short_name(object: &str) -> String {
    let mut digest = Hasher::new(CksumType::Sha256);
    digest.update(object.as_bytes());
    [ESCAPED, DIGEST, &digest.finish()].concat()
}

/// True if a member may have the object's own name.
#[must_use]
pub fn is_readable(object: &str) -> bool {
    let part_is_plain = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= PART_BYTES_MAX;
    object.len() <= PATH_BYTES_MAX
        && object.split('/').all(part_is_plain)
        && object.split('/').next() != Some(ESCAPED_DIR)
        && !object.chars().any(char::is_control)
}

fn escape(object: &str) -> String {
    let mut path = String::with_capacity(ESCAPED.len() + object.len() + 16);
    path.push_str(ESCAPED);
    let mut parts = object.split('/').peekable();
    while let Some(part) = parts.next() {
        match part {
            "" => path.push_str("%2F"),
            "." => path.push_str("%2E"),
            ".." => path.push_str("%2E%2E"),
            _ => escape_part(part, &mut path),
        }
        if parts.peek().is_some() {
            path.push_str(DIR);
            path.push('/');
        }
    }
    if path.len() > PATH_BYTES_MAX { short_name(object) } else { path }
}

fn escape_part(part: &str, path: &mut String) {
    let mut room = PIECE_BYTES_MAX;
    for c in part.chars() {
        let escaped = c == '%' || c.is_control();
        let needed = if escaped { c.len_utf8() * 3 } else { c.len_utf8() };
        if needed > room {
            path.push_str(CONTINUED);
            room = PIECE_BYTES_MAX;
        }
        room -= needed;
        if escaped { escape_char(c, path) } else { path.push(c) }
    }
}

fn escape_char(c: char, path: &mut String) {
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        path.push('%');
        for nibble in [byte >> 4, byte & 15] {
            path.extend(char::from_digit(u32::from(nibble), 16).map(|digit| digit.to_ascii_uppercase()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn readable(name: &str) -> String {
        member_name("b", name, Spelling::Readable)
    }

    #[test]
    fn names_stay_as_they_are_where_they_can() {
        for name in
            ["o", "a/b.tar", "ü ñ/\u{1F600}", "%", "a%/b", "%obx", "a/%ob/b", "~/x", "-rf", "...", "a\\b"]
        {
            assert_eq!(readable(name), format!("b/{name}"));
        }
        let part = "p".repeat(PART_BYTES_MAX);
        assert_eq!(readable(&part), format!("b/{part}"));
    }

    #[test]
    fn names_are_escaped_where_they_must() {
        for (name, want) in [
            ("", "%2F"),
            ("/", "%2F%/%2F"),
            ("a//b/", "a%/%2F%/b%/%2F"),
            ("./..", "%2E%/%2E%2E"),
            ("a\nb%", "a%0Ab%25"),
            ("a\n/b", "a%0A%/b"),
            ("\u{85}", "%C2%85"),
            ("%ob", "%25ob"),
            ("%ob/x", "%25ob%/x"),
            ("%~x\n", "%25~x%0A"),
        ] {
            assert_eq!(readable(name), format!("b/%ob/{want}"));
        }
        let long = readable(&"ü".repeat(130));
        assert_eq!(long, format!("b/%ob/{}%+/{}", "ü".repeat(120), "ü".repeat(10)));
    }

    #[test]
    fn any_name_can_be_escaped() {
        for (name, want) in [("a", "a"), ("a/b", "a%/b"), ("a%", "a%25")] {
            assert_eq!(member_name("b", name, Spelling::Escaped), format!("b/%ob/{want}"));
        }
        for name in ["/".repeat(1024), "\n".repeat(1024), "%\n".repeat(512), "a/".repeat(2048)] {
            let member = readable(&name);
            let digest = member.strip_prefix("b/%ob/%~").unwrap();
            assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
        assert_ne!(readable(&"/".repeat(1024)), readable(&"/".repeat(1023)));
    }

    #[test]
    fn no_two_short_names_share_a_member() {
        let letters = ["a", "%", "/", ".", "+", "2", "5", "E", "\u{1}", "%ob", "%+"];
        let mut names = vec![String::new()];
        for _ in 0..4 {
            let longer: Vec<String> =
                names.iter().flat_map(|name| letters.map(|letter| format!("{name}{letter}"))).collect();
            names.extend(longer);
        }
        let mut seen = HashMap::new();
        for name in names {
            for spelling in [Spelling::Readable, Spelling::Escaped] {
                let other = seen.insert(member_name("b", &name, spelling), name.clone());
                assert!(other.is_none_or(|other| other == name), "{name}");
            }
        }
        // None is a directory on the way to another, if all are escaped.
        for member in seen.keys().filter(|member| member.starts_with("b/%ob/")) {
            let above = member.match_indices('/').filter_map(|(at, _)| member.get(..at));
            assert!(above.into_iter().all(|dir| !seen.contains_key(dir)), "{member}");
        }
    }

    proptest! {
        #[test]
        fn members_are_safe(name in "[a%./+2é\n\u{1F600}]{0,300}") {
            let member = readable(&name);
            prop_assert!(!member.chars().any(char::is_control) && member.len() < 4096);
            for part in member.split('/') {
                prop_assert!(!matches!(part, "" | "." | "..") && part.len() <= PART_BYTES_MAX);
            }
        }

        /// Undoes the escape by its description, not by the code.
        #[test]
        fn escape_can_be_undone(name in "[a%./+2é\n]{0,60}|(a|%|b/){200,240}") {
            let escaped = escape(&name);
            let mut bytes = Vec::new();
            let parts: Vec<&str> = escaped.strip_prefix("%ob/").unwrap().split('/').collect();
            for (at, part) in parts.iter().enumerate() {
                let (part, behind) = match part.strip_suffix("%+") {
                    Some(begun) => (begun, ""),
                    None if at + 1 == parts.len() => (*part, ""),
                    None => (part.strip_suffix('%').unwrap(), "/"),
                };
                let mut pieces = part.split('%');
                bytes.extend_from_slice(pieces.next().unwrap().as_bytes());
                for piece in pieces.filter(|_| part != "%2F") {
                    bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
                    bytes.extend_from_slice(&piece.as_bytes()[2..]);
                }
                bytes.extend_from_slice(behind.as_bytes());
            }
            prop_assert_eq!(bytes, name.into_bytes());
        }
    }
}

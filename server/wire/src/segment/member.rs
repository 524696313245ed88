//! The name of an object as a member of the archive: `<bucket>/<object>` where a file system and a TAR program can
//! take it as it is, else `<bucket>/%ob/<escaped>`.
//!
//! Escaped, `%` and control characters are written as `%` and two hexadecimal digits, and so is all of a part `.` or
//! `..`; `%` alone stands for an empty part, and a part over 240 bytes is continued in directories that end in `%+`. No
//! two names share an escaped form, and no name written plainly has `%ob` as its first part.

use std::borrow::Cow;

use crate::lom::LomError;

const ESCAPED: &str = "%ob";
const CONTINUED: &str = "%+/";
/// What file systems allow.
const PART_BYTES_MAX: usize = 255;
/// Leaves room for [`CONTINUED`].
const PIECE_BYTES_MAX: usize = 240;
const BUCKET_BYTES_MAX: usize = 64;

/// The member's name.
#[must_use]
pub fn member_name(bucket: &str, object: &str) -> String {
    [bucket, "/", &below_bucket(object)].concat()
}

/// A bucket's name is one part that needs no escape.
pub(super) fn check_bucket(bucket: &str) -> Result<(), LomError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let sound = (1..=BUCKET_BYTES_MAX).contains(&bucket.len())
        && bucket.bytes().all(allowed)
        && !matches!(bucket, "." | "..");
    if sound { Ok(()) } else { Err(LomError::Malformed("bucket name")) }
}

/// What follows the bucket and a slash.
pub(super) fn below_bucket(object: &str) -> Cow<'_, str> {
    if is_plain(object) { Cow::Borrowed(object) } else { Cow::Owned(escape(object)) }
}

fn is_plain(object: &str) -> bool {
    let part_is_plain = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= PART_BYTES_MAX;
    object.split('/').all(part_is_plain)
        && object.split('/').next() != Some(ESCAPED)
        && !object.chars().any(char::is_control)
}

fn escape(object: &str) -> String {
    let mut path = String::with_capacity(ESCAPED.len() + object.len() + 16);
    path.push_str(ESCAPED);
    for part in object.split('/') {
        path.push('/');
        match part {
            "" => path.push('%'),
            "." => path.push_str("%2E"),
            ".." => path.push_str("%2E%2E"),
            _ => escape_part(part, &mut path),
        }
    }
    path
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

    #[test]
    fn names_stay_as_they_are_where_they_can() {
        for name in
            ["o", "a/b.tar", "ü ñ/\u{1F600}", "%", "a%/b", "%obx", "a/%ob/b", "~/x", "-rf", "...", "a\\b"]
        {
            assert_eq!(member_name("b", name), format!("b/{name}"));
        }
        let part = "p".repeat(PART_BYTES_MAX);
        assert_eq!(member_name("b", &part), format!("b/{part}"));
    }

    #[test]
    fn names_are_escaped_where_they_must() {
        for (name, want) in [
            ("", "%"),
            ("/", "%/%"),
            ("a//b/", "a/%/b/%"),
            ("./..", "%2E/%2E%2E"),
            ("a\nb%", "a%0Ab%25"),
            ("\u{85}", "%C2%85"),
            ("%ob", "%25ob"),
            ("%ob/x", "%25ob/x"),
        ] {
            assert_eq!(member_name("b", name), format!("b/%ob/{want}"));
        }
        let long = member_name("b", &"ü".repeat(130));
        assert_eq!(long, format!("b/%ob/{}%+/{}", "ü".repeat(120), "ü".repeat(10)));
    }

    #[test]
    fn buckets_are_one_plain_part() {
        for good in ["b", ".sys-inventory", "A-1_.x", &"b".repeat(64)] {
            assert_eq!(check_bucket(good), Ok(()));
        }
        for bad in ["", ".", "..", "a/b", "a b", "ü", "%ob", "a\n", &"b".repeat(65)] {
            assert!(check_bucket(bad).is_err(), "{bad}");
        }
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
            let other = seen.insert(member_name("b", &name), name.clone());
            assert!(other.is_none_or(|other| other == name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn members_are_safe(name in "[a%./+2é\n\u{1F600}]{0,300}") {
            let member = member_name("b", &name);
            prop_assert!(!member.chars().any(char::is_control) && member.len() < 4096);
            for part in member.split('/') {
                prop_assert!(!matches!(part, "" | "." | "..") && part.len() <= PART_BYTES_MAX);
            }
        }

        /// Undoes the escape by its description, not by the code.
        #[test]
        fn escape_can_be_undone(name in "[a%./+2é\n]{0,60}|(a|%|\u{1}|b/){200,340}") {
            let escaped = escape(&name);
            let mut bytes = Vec::new();
            for (at, part) in escaped.strip_prefix("%ob/").unwrap().replace("%+/", "").split('/').enumerate() {
                bytes.extend_from_slice(if at > 0 { b"/" } else { b"" });
                let mut pieces = part.split('%');
                bytes.extend_from_slice(pieces.next().unwrap().as_bytes());
                for piece in pieces.filter(|_| part != "%") {
                    bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
                    bytes.extend_from_slice(&piece.as_bytes()[2..]);
                }
            }
            prop_assert_eq!(bytes, name.into_bytes());
        }
    }
}

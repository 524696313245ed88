//! Object names as paths that a person can read and that cannot collide or escape.
//!
//! `train/cat.jpg` becomes `train%/cat.jpg`: every directory carries a trailing `%`, so that the objects `a` and `a/b`
//! coexist as the file `a` and the directory `a%`. A literal `%` is written `%25`, so a bare `%` only ever ends a name.
//! A part that a file system cannot hold is escaped (`.`, `..`, an empty one), and a part over 240 bytes is continued
//! in directories that end in `%+`. The mapping is one to one; [`decode`] is its inverse.
//!
//! A path has a largest length too. A name whose path would come near it (one of hundreds of slashes or `%`) has the
//! SHA-256 of the name for its path; the name itself is in the file's metadata.

use wire::cksum::{CksumType, Hasher};

const PART_BYTES_MAX: usize = 240;
/// Half of what a system call takes: a mountpath and a bucket come before it.
const PATH_BYTES_MAX: usize = 2048;
const DIR: &str = "%";
const CONTINUED: &str = "%+";
const DIGEST: &str = "%~";

/// The path of an object beneath its bucket's directory.
pub(crate) fn encode(name: &str) -> String {
    let path = encode_parts(name);
    if path.len() <= PATH_BYTES_MAX {
        return path;
    }
    let mut digest = Hasher::new(CksumType::Sha256);
    digest.update(name.as_bytes());
    format!("{DIGEST}{}", digest.finish())
}

/// True if a path does not say which object it is of: the file's metadata does, and [`encode`] proves it.
pub(crate) fn is_digest(path: &str) -> bool {
    path.starts_with(DIGEST)
}

fn encode_parts(name: &str) -> String {
    let mut path = String::with_capacity(name.len() + 16);
    let mut parts = name.split('/').peekable();
    while let Some(part) = parts.next() {
        encode_part(part, &mut path);
        if parts.peek().is_some() {
            path.push_str(DIR);
            path.push('/');
        }
    }
    path
}

fn encode_part(part: &str, path: &mut String) {
    match part {
        "" => return path.push_str("%2F"),
        "." => return path.push_str("%2E"),
        ".." => return path.push_str("%2E%2E"),
        _ => {}
    }
    let mut room = PART_BYTES_MAX;
    for c in part.chars() {
        let needed = if c == '%' { 3 } else { c.len_utf8() };
        if needed > room {
            path.push_str(CONTINUED);
            path.push('/');
            room = PART_BYTES_MAX;
        }
        room -= needed;
        if c == '%' { path.push_str("%25") } else { path.push(c) }
    }
}

/// The name of the object at a path, or `None` for a path that no object has.
pub(crate) fn decode(path: &str) -> Option<String> {
    let mut name = String::with_capacity(path.len());
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            decode_part(part, &mut name)?;
        } else if let Some(begun) = part.strip_suffix(CONTINUED) {
            decode_part(begun, &mut name)?;
        } else {
            decode_part(part.strip_suffix(DIR)?, &mut name)?;
            name.push('/');
        }
    }
    Some(name)
}

fn decode_part(part: &str, name: &mut String) -> Option<()> {
    let mut pieces = part.split('%');
    name.push_str(pieces.next()?);
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2)?;
        match code {
            "25" => name.push('%'),
            "2E" => name.push('.'),
            // Stands for an empty part.
            "2F" => {}
            _ => return None,
        }
        name.push_str(rest);
    }
    Some(())
}

/// The directory part of a path, empty for a file directly beneath the bucket.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn paths_stay_readable() {
        assert_eq!(encode("train/0001/cat.jpg"), "train%/0001%/cat.jpg");
        assert_eq!(encode("plain.tar"), "plain.tar");
        assert_eq!(encode("100%"), "100%25");
    }

    #[test]
    fn names_that_look_alike_stay_apart() {
        let names = [
            "a", "a/b", "a/", "/a", "a//b", "a/./b", "a/../b", ".", "..", "%", "a%", "a%/b", "%2F", "/",
            "//", "%+", "a%+/b",
        ];
        let paths: HashSet<String> = names.iter().map(|n| encode(n)).collect();
        assert_eq!(paths.len(), names.len());
    }

    #[test]
    fn no_name_is_too_long_for_a_path() {
        let longest =
            ["/".repeat(4096), "%".repeat(1024), "é".repeat(512), "a/".repeat(512), "x".repeat(1024)];
        let paths: Vec<String> = longest.iter().map(|name| encode(name)).collect();
        assert!(paths.iter().all(|path| path.len() <= PATH_BYTES_MAX));
        assert_eq!(
            paths.iter().map(|path| is_digest(path)).collect::<Vec<_>>(),
            [true, true, false, false, false]
        );
        assert!(paths.iter().filter(|path| is_digest(path)).all(|path| decode(path).is_none()));
        assert!(!is_digest(&encode("%~x")) && encode(&"/".repeat(1023)) != paths[0]);
    }

    proptest! {
        #[test]
        fn one_to_one_and_legal(name in "[a%./+é2F\u{1F600}]{1,400}") {
            let path = encode(&name);
            prop_assert_eq!(decode(&path), Some(name));
            for part in path.split('/') {
                prop_assert!(!part.is_empty() && part != "." && part != ".." && part.len() <= 255);
            }
        }

        #[test]
        fn decode_never_panics(path in ".{0,300}") {
            let _ = decode(&path);
        }
    }
}

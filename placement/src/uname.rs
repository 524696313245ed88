//! Fully qualified names: `<provider>/<namespace>/<bucket>/<object>`, the bytes that placement hashes.

use xxhash_rust::xxh64::{Xxh64, xxh64};

use crate::hrw::SEED;

/// A bucket's namespace; both parts are empty for the global one, which is written `@#`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NsRef<'a> {
    /// The id of the remote cluster, empty for this one.
    pub uuid: &'a str,
    /// The name inside that cluster, empty for its default.
    pub name: &'a str,
}

/// A bucket by its parts, borrowed from wherever the caller keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BckRef<'a> {
    /// The canonical provider name: `ais`, `aws`, `gcp`, `azure` or `oci`.
    pub provider: &'a str,
    /// The namespace.
    pub ns: NsRef<'a>,
    /// The bucket's own name.
    pub name: &'a str,
}

/// A parsed uname; `object` is empty when it names a bucket (`ais/@#/dst/`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Uname<'a> {
    /// The bucket.
    pub bck: BckRef<'a>,
    /// The object's name, which may contain slashes.
    pub object: &'a str,
}

impl<'a> BckRef<'a> {
    /// A bucket of provider `ais` in the global namespace.
    #[must_use]
    pub fn ais(name: &'a str) -> Self {
        BckRef { provider: "ais", ns: NsRef::default(), name }
    }
}

impl<'a> NsRef<'a> {
    /// Reads `@uuid#name`, `@uuid`, `#name` or nothing (global), as in the query parameter `namespace`.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        let rest = text.strip_prefix('@').unwrap_or(text);
        match rest.split_once('#') {
            Some((uuid, name)) => NsRef { uuid, name },
            None => NsRef { uuid: rest, name: "" },
        }
    }
}

impl<'a> Uname<'a> {
    /// Reads an object's uname (`ais/@#/dst/dir/o`) or a bucket's (`ais/@#/dst/`, the last slash optional).
    /// `None` when the provider, the namespace or the bucket is missing.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (provider, rest) = text.split_once('/')?;
        let (ns, rest) = rest.split_once('/')?;
        let (name, object) = rest.split_once('/').unwrap_or((rest, ""));
        if provider.is_empty() || name.is_empty() || !ns.starts_with('@') {
            return None;
        }
        Some(Uname { bck: BckRef { provider, ns: NsRef::parse(ns), name }, object })
    }
}

/// The pieces of a uname in order; one list, so that writing and hashing cannot drift apart.
fn pieces<'a>(bck: BckRef<'a>, object: &'a str) -> [&'a str; 9] {
    [bck.provider, "/@", bck.ns.uuid, "#", bck.ns.name, "/", bck.name, "/", object]
}

/// Appends the uname of `object` in `bck`; with an empty object, the bucket's own (it ends with a slash).
pub fn write_uname(out: &mut Vec<u8>, bck: BckRef<'_>, object: &str) {
    for piece in pieces(bck, object) {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// The placement digest of an object, without building its uname in memory.
#[must_use]
pub fn uname_digest(bck: BckRef<'_>, object: &str) -> u64 {
    // Most names hash twice as fast in one piece.
    let mut whole = [0; SHORT_BYTES];
    let mut len = 0;
    for piece in pieces(bck, object) {
        let Some(room) = whole.get_mut(len..len + piece.len()) else { return long_digest(bck, object) };
        room.copy_from_slice(piece.as_bytes());
        len += piece.len();
    }
    xxh64(whole.get(..len).unwrap_or_default(), SEED)
}

/// Unames up to this size are put together before they are hashed.
const SHORT_BYTES: usize = 192;

fn long_digest(bck: BckRef<'_>, object: &str) -> u64 {
    let mut hash = Xxh64::new(SEED);
    for piece in pieces(bck, object) {
        hash.update(piece.as_bytes());
    }
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hrw::digest;
    use proptest::prelude::*;

    fn written(bck: BckRef<'_>, object: &str) -> String {
        let mut out = Vec::new();
        write_uname(&mut out, bck, object);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn global_namespace_is_at_hash() {
        assert_eq!(written(BckRef::ais("dst"), "dir/o"), "ais/@#/dst/dir/o");
        assert_eq!(written(BckRef::ais("dst"), ""), "ais/@#/dst/");
        let remote = BckRef { ns: NsRef { uuid: "U", name: "n" }, ..BckRef::ais("b") };
        assert_eq!(written(remote, "o"), "ais/@U#n/b/o");
    }

    #[test]
    fn parses_buckets_and_objects() {
        let got = Uname::parse("ais/@#/dst/dir/o").unwrap();
        assert_eq!((got.bck, got.object), (BckRef::ais("dst"), "dir/o"));
        assert_eq!(Uname::parse("ais/@#/dst/").unwrap().object, "");
        assert_eq!(Uname::parse("ais/@#/dst").unwrap().bck.name, "dst");
        assert_eq!(Uname::parse("ais/@U#n/b/").unwrap().bck.ns, NsRef { uuid: "U", name: "n" });
        for bad in ["", "ais", "ais/", "ais/@#", "ais/@#/", "/@#/b/o", "ais/dst/o", "ais//b/o"] {
            assert_eq!(Uname::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn namespaces_in_queries() {
        assert_eq!(NsRef::parse(""), NsRef::default());
        assert_eq!(NsRef::parse("@#"), NsRef::default());
        assert_eq!(NsRef::parse("@U"), NsRef { uuid: "U", name: "" });
        assert_eq!(NsRef::parse("#n"), NsRef { uuid: "", name: "n" });
    }

    proptest! {
        #[test]
        fn parse_undoes_write(bucket in "[a-zA-Z0-9._-]{1,20}", object in "\\PC{0,120}", uuid in "[A-Za-z0-9]{0,9}") {
            let bck = BckRef { ns: NsRef { uuid: &uuid, name: "" }, ..BckRef::ais(&bucket) };
            let text = written(bck, &object);
            prop_assert_eq!(Uname::parse(&text), Some(Uname { bck, object: &object }));
            prop_assert_eq!(uname_digest(bck, &object), digest(text.as_bytes()));
        }

        #[test]
        fn parse_never_panics(text in "\\PC{0,60}") {
            let _ = Uname::parse(&text);
        }
    }
}

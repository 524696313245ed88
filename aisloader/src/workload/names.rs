//! Names of buckets and objects.

use placement::{BckRef, NsRef};
use serde::Serialize;

/// A bucket and its provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BucketName {
    /// Canonical provider: `ais`, `aws`, `gcp`, `azure` or `oci`.
    pub provider: &'static str,
    /// The bucket's own name.
    pub name: String,
}

/// Spellings of a provider, its canonical name, and its scheme in URIs.
const PROVIDERS: [(&str, &str, &str); 9] = [
    ("ais", "ais", "ais"),
    ("aws", "aws", "s3"),
    ("s3", "aws", "s3"),
    ("gcp", "gcp", "gs"),
    ("gs", "gcp", "gs"),
    ("azure", "azure", "az"),
    ("az", "azure", "az"),
    ("oci", "oci", "oc"),
    ("oc", "oci", "oc"),
];

impl BucketName {
    /// Reads a plain name or `provider://name`.
    ///
    /// # Errors
    /// The text is no such name; the error says why.
    pub fn parse(text: &str, default_provider: &str) -> Result<Self, String> {
        let (scheme, name) = text.split_once("://").unwrap_or((default_provider, text));
        let known = PROVIDERS.iter().find(|(spelling, _, _)| *spelling == scheme);
        let Some((_, provider, _)) = known else { return Err(format!("unknown provider {scheme:?}")) };
        let name = name.trim_end_matches('/');
        if name.starts_with(['@', '#']) {
            return Err("namespaces are not in this version yet".to_owned());
        }
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || name.contains("..") || !name.chars().all(is_allowed) {
            return Err(
                "a bucket name has 1 to 64 letters, digits, dashes, underscores and single dots".to_owned()
            );
        }
        Ok(Self { provider, name: name.to_owned() })
    }

    /// True for AIStore's own provider.
    #[must_use]
    pub fn is_ais(&self) -> bool {
        self.provider == "ais"
    }

    /// `provider://name` as people write it.
    #[must_use]
    pub fn uri(&self) -> String {
        let scheme = PROVIDERS.iter().find(|(_, provider, _)| *provider == self.provider);
        format!("{}://{}", scheme.map_or(self.provider, |(_, _, scheme)| scheme), self.name)
    }

    /// The bucket as placement takes it.
    #[must_use]
    pub fn as_placement(&self) -> BckRef<'_> {
        BckRef { provider: self.provider, ns: NsRef::default(), name: &self.name }
    }
}

/// Many names in little memory: one text and the ends of the names in it.
#[derive(Clone, Debug, Default)]
pub struct NameList {
    text: String,
    ends: Vec<usize>,
    /// Sizes in bytes, where they are kept: as many as names, or fewer.
    sizes: Vec<u64>,
}

impl NameList {
    /// Adds a name.
    pub fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends.push(self.text.len());
    }

    /// Adds a name and the size of its object. Sizes are kept for all names of a list or for none.
    pub fn push_sized(&mut self, name: &str, size_bytes: u64) {
        self.push(name);
        self.sizes.push(size_bytes);
    }

    /// The size of the object at a place; `None`: not kept.
    #[must_use]
    pub fn size_bytes(&self, index: u64) -> Option<u64> {
        self.sizes.get(usize::try_from(index).ok()?).copied()
    }

    /// Keeps only the names for which `is_kept` holds, in their order.
    pub fn retain(&mut self, is_kept: impl Fn(&str) -> bool) {
        let mut kept = Self::default();
        for at in 0..self.len() {
            match (self.get(at).filter(|name| is_kept(name)), self.size_bytes(at)) {
                (Some(name), Some(size_bytes)) => kept.push_sized(name, size_bytes),
                (Some(name), None) => kept.push(name),
                (None, _) => {}
            }
        }
        *self = kept;
    }

    /// The name at a place.
    #[must_use]
    pub fn get(&self, index: u64) -> Option<&str> {
        let index = usize::try_from(index).ok()?;
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.text.get(start..end)
    }

    /// The number of names.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ends.len() as u64
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// Appends `name` as it stands in a request path. The usual name needs no escape and is copied as it is.
pub fn push_path_encoded(out: &mut String, name: &str) {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'/');
    if name.bytes().all(is_plain) {
        out.push_str(name);
    } else {
        out.push_str(&wire::http1::percent_encode_path(name));
    }
}

/// Appends `value` as it stands in a query.
pub fn push_query_encoded(out: &mut String, value: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |four: u8| char::from(HEX.get(usize::from(four)).copied().unwrap_or(b'0'));
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(digit(byte >> 4));
            out.push(digit(byte & 15));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets() {
        let table = [
            ("b", "ais", Ok(("ais", "ais://b"))),
            ("ais://b", "aws", Ok(("ais", "ais://b"))),
            ("b", "s3", Ok(("aws", "s3://b"))),
            ("gs://x.y-z_1/", "ais", Ok(("gcp", "gs://x.y-z_1"))),
            ("ftp://b", "ais", Err(())),
            ("ais://", "ais", Err(())),
            ("ais://a/b", "ais", Err(())),
            ("ais://@u#n/b", "ais", Err(())),
            ("a..b", "ais", Err(())),
        ];
        for (text, provider, want) in table {
            let got = BucketName::parse(text, provider);
            assert_eq!(got.is_ok(), want.is_ok(), "{text}");
            if let (Ok(bucket), Ok((provider, uri))) = (got, want) {
                assert_eq!((bucket.provider, bucket.uri().as_str()), (provider, uri));
            }
        }
    }

    #[test]
    fn lists_of_names() {
        let mut names = NameList::default();
        assert!(names.is_empty() && names.get(0).is_none());
        for name in ["a", "", "long/er", "é"] {
            names.push(name);
        }
        let all: Vec<&str> = (0..names.len()).filter_map(|i| names.get(i)).collect();
        assert_eq!(all, ["a", "", "long/er", "é"]);
        assert_eq!(names.get(4), None);
        assert_eq!(names.size_bytes(0), None);
        let mut sized = NameList::default();
        sized.push_sized("a", 7);
        assert_eq!((sized.get(0), sized.size_bytes(0), sized.size_bytes(1)), (Some("a"), Some(7), None));
        sized.retain(|name| name == "a");
        assert_eq!((sized.len(), sized.size_bytes(0)), (1, Some(7)));
        names.retain(|name| name.len() < 3);
        assert_eq!((names.len(), names.get(0), names.get(2)), (3, Some("a"), Some("é")));
    }

    #[test]
    fn paths_are_escaped_when_they_must_be() {
        let mut out = String::from("/");
        push_path_encoded(&mut out, "a/b-1.2_~");
        push_path_encoded(&mut out, " ?#%é");
        assert_eq!(out, "/a/b-1.2_~%20%3F%23%25%C3%A9");
        out.clear();
        push_query_encoded(&mut out, "a/b-1.2_~&=+ é");
        assert_eq!(out, "a/b-1.2_~%26%3D%2B%20%C3%A9");
    }
}

//! Buckets on the wire, and the rules for the names of buckets and objects.

use std::fmt;

use placement::{BckRef, NsRef, Uname};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::num::null_is_default;

/// The most bytes in the name of an object. AIStore takes some more, S3 takes 1,024.
pub const MAX_OBJECT_NAME: usize = 4096;
/// The most bytes in the name of a bucket.
pub const MAX_BUCKET_NAME: usize = 64;

/// Who keeps a bucket's objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// This cluster, or another AIStore cluster.
    #[default]
    Ais,
    /// Amazon S3.
    Aws,
    /// Google Cloud Storage.
    Gcp,
    /// Azure Blob Storage.
    Azure,
    /// Oracle Cloud Infrastructure.
    Oci,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ais, Self::Aws, Self::Gcp, Self::Azure, Self::Oci];

    /// Reads a canonical name, an alias or a scheme (`s3`, `gs`, `az`, `oc`); empty is `ais`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "ais" => Some(Provider::Ais),
            "aws" | "s3" => Some(Provider::Aws),
            "gcp" | "gs" => Some(Provider::Gcp),
            "azure" | "az" => Some(Provider::Azure),
            "oci" | "oc" => Some(Provider::Oci),
            _ => None,
        }
    }

    /// The canonical name, used in JSON and unames.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Provider::Ais => "ais",
            Provider::Aws => "aws",
            Provider::Gcp => "gcp",
            Provider::Azure => "azure",
            Provider::Oci => "oci",
        }
    }

    /// Its number in metadata on disk, which never changes.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Provider::Ais => 0,
            Provider::Aws => 1,
            Provider::Gcp => 2,
            Provider::Azure => 3,
            Provider::Oci => 4,
        }
    }

    /// Undoes [`Provider::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.code() == code)
    }

    /// The scheme, used in messages (`s3://b`).
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Provider::Ais => "ais",
            Provider::Aws => "s3",
            Provider::Gcp => "gs",
            Provider::Azure => "az",
            Provider::Oci => "oc",
        }
    }
}

/// A namespace; global when both parts are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ns {
    /// The id of the remote cluster.
    #[serde(default, deserialize_with = "null_is_default")]
    pub uuid: String,
    /// The name.
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
}

impl Ns {
    /// Reads the query parameter `namespace` (`@uuid#name`; empty is global).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let ns = NsRef::parse(text);
        Ns { uuid: ns.uuid.to_owned(), name: ns.name.to_owned() }
    }

    /// True if this is the global namespace.
    #[must_use]
    pub fn is_global(&self) -> bool {
        self.uuid.is_empty() && self.name.is_empty()
    }
}

/// A bucket. With an empty name it means "any" or "none"; then an `ais` provider is written as empty, which is
/// what Go's clients take for an absent bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bck {
    /// The bucket's own name.
    pub name: String,
    /// Who keeps it.
    pub provider: Provider,
    /// Its namespace.
    pub namespace: Ns,
}

impl Bck {
    /// A bucket of this cluster.
    #[must_use]
    pub fn ais(name: &str) -> Self {
        Bck::new(Provider::Ais, name)
    }

    /// A bucket in the global namespace.
    #[must_use]
    pub fn new(provider: Provider, name: &str) -> Self {
        Bck { name: name.to_owned(), provider, namespace: Ns::default() }
    }

    /// The parts that placement hashes.
    #[must_use]
    pub fn as_bck_ref(&self) -> BckRef<'_> {
        BckRef {
            provider: self.provider.as_str(),
            ns: NsRef { uuid: &self.namespace.uuid, name: &self.namespace.name },
            name: &self.name,
        }
    }

    /// The placement digest of an object in this bucket.
    #[must_use]
    pub fn digest(&self, object: &str) -> u64 {
        placement::uname_digest(self.as_bck_ref(), object)
    }

    /// A path of one to three parts that no other bucket has: `name` in the global namespace of `ais`, else
    /// `@provider/name` or `@provider/@uuid#namespace/name`. No bucket's name begins with `@`.
    #[must_use]
    pub fn path(&self) -> String {
        if self.provider == Provider::Ais && self.namespace.is_global() {
            return self.name.clone();
        }
        self.full_path()
    }

    /// The same with the provider in any case.
    #[must_use]
    pub fn full_path(&self) -> String {
        let (provider, Ns { uuid, name }) = (self.provider.as_str(), &self.namespace);
        if self.namespace.is_global() {
            return format!("@{provider}/{}", self.name);
        }
        format!("@{provider}/@{uuid}#{name}/{}", self.name)
    }

    /// Reads a bucket's or an object's uname (`bck_to`, `object_to`); the object is empty for a bucket.
    ///
    /// # Errors
    /// A text for the client.
    pub fn parse_uname(uname: &str) -> Result<(Self, &str), String> {
        let parsed = Uname::parse(uname).ok_or_else(|| format!("invalid uname {uname:?}"))?;
        let BckRef { provider, ns, name } = parsed.bck;
        let provider = Provider::parse(provider).ok_or_else(|| format!("invalid provider in {uname:?}"))?;
        let namespace = Ns { uuid: ns.uuid.to_owned(), name: ns.name.to_owned() };
        Ok((Bck { name: name.to_owned(), provider, namespace }, parsed.object))
    }
}

impl fmt::Display for Bck {
    /// `ais://name`, `s3://name`, `ais://@uuid#ns/name`: the form that clients search error texts for.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}://", self.provider.scheme())?;
        if !self.namespace.is_global() {
            write!(to, "@{}#{}/", self.namespace.uuid, self.namespace.name)?;
        }
        to.write_str(&self.name)
    }
}

impl Serialize for Bck {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let absent = self.name.is_empty() && self.provider == Provider::Ais;
        let mut fields = to.serialize_struct("Bck", 3)?;
        fields.serialize_field("name", &self.name)?;
        fields.serialize_field("provider", if absent { "" } else { self.provider.as_str() })?;
        fields.serialize_field("namespace", &self.namespace)?;
        fields.end()
    }
}

impl<'de> Deserialize<'de> for Bck {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(default, deserialize_with = "null_is_default")]
            name: String,
            #[serde(default, deserialize_with = "null_is_default")]
            provider: String,
            #[serde(default, deserialize_with = "null_is_default")]
            namespace: Ns,
        }
        let Raw { name, provider, namespace } = Raw::deserialize(from)?;
        let known = Provider::parse(&provider);
        let provider = known.ok_or_else(|| D::Error::custom(format!("unknown provider {provider:?}")))?;
        Ok(Bck { name, provider, namespace })
    }
}

/// Checks the name of a bucket: 1 to 64 of `A-Z a-z 0-9 - _ .`, no `..`, no leading `.` (the system's own).
///
/// # Errors
/// A text for the client.
pub fn validate_bucket_name(name: &str) -> Result<(), String> {
    let refuse = |why: &str| Err(format!("bucket name {name:?} is invalid: {why}"));
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() {
        return Err("bucket name is missing".to_owned());
    }
    if name.len() > MAX_BUCKET_NAME {
        return refuse("it has more than 64 characters");
    }
    if !name.bytes().all(allowed) {
        return refuse("it may only contain letters, digits, '-', '_' and '.'");
    }
    if name.starts_with('.') {
        return refuse("a leading '.' is reserved");
    }
    if name.contains("..") {
        return refuse("it contains '..'");
    }
    Ok(())
}

/// Checks the name of an object: 1 to 4096 bytes, no NUL, no `.` or `..` between slashes, no leading `~/`, and
/// a trailing slash only when allowed (HEAD).
///
/// # Errors
/// A text for the client.
pub fn validate_object_name(name: &str, allow_trailing_slash: bool) -> Result<(), String> {
    let shown: String = name.chars().take(80).collect();
    let refuse = |why: &str| Err(format!("object name {shown:?} is invalid: {why}"));
    if name.is_empty() {
        return Err("object name is missing".to_owned());
    }
    if name.len() > MAX_OBJECT_NAME {
        return refuse("it has more than 4096 bytes");
    }
    if name.contains('\0') {
        return refuse("it contains a NUL byte");
    }
    if name.starts_with("~/") {
        return refuse("it begins with '~/'");
    }
    if name.split('/').any(|part| part == "." || part == "..") {
        return refuse("it has '.' or '..' as a path component");
    }
    if name.ends_with('/') && !allow_trailing_slash {
        return refuse("it ends with '/'");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn buckets_in_json() {
        let want = json!({"name": "b", "provider": "aws", "namespace": {"uuid": "", "name": ""}});
        assert_eq!(serde_json::to_value(Bck::new(Provider::Aws, "b")).unwrap(), want);
        for text in [
            r#"{"name":"b","provider":"s3","namespace":null}"#,
            r#"{"name":"b","provider":"aws"}"#,
            r#"{"name":"b","provider":"aws","namespace":{"uuid":null,"name":""},"props":{}}"#,
        ] {
            assert_eq!(serde_json::from_str::<Bck>(text).unwrap(), Bck::new(Provider::Aws, "b"));
        }
        assert!(serde_json::from_str::<Bck>(r#"{"provider":"ftp"}"#).is_err());
        let none = json!({"name": "", "provider": "", "namespace": {"uuid": "", "name": ""}});
        assert_eq!(serde_json::to_value(Bck::default()).unwrap(), none);
    }

    #[test]
    fn buckets_in_messages_and_unames() {
        assert_eq!(Bck::ais("b").to_string(), "ais://b");
        assert_eq!(Bck::new(Provider::Azure, "b").to_string(), "az://b");
        let remote = Bck { namespace: Ns::parse("@U#n"), ..Bck::ais("b") };
        assert_eq!((remote.path(), Bck::ais("b").path()), ("@ais/@U#n/b".to_owned(), "b".to_owned()));
        assert_eq!(Bck::new(Provider::Aws, "b").path(), "@aws/b");
        assert_eq!(Bck::ais("b").full_path(), "@ais/b");
        assert!(Provider::ALL.into_iter().all(|p| Provider::from_code(p.code()) == Some(p)));
        assert_eq!(remote.to_string(), "ais://@U#n/b");
        assert_eq!(Bck::parse_uname("ais/@U#n/b/d/o"), Ok((remote, "d/o")));
        assert_eq!(Bck::parse_uname("ais/@#/dst/"), Ok((Bck::ais("dst"), "")));
        assert!(Bck::parse_uname("ftp/@#/dst/").is_err() && Bck::parse_uname("dst").is_err());
        assert_eq!(Bck::ais("b").digest("o"), placement::digest(b"ais/@#/b/o"));
    }

    #[test]
    fn bucket_names() {
        for good in ["b", "A-1_.x", &"b".repeat(64)] {
            assert_eq!(validate_bucket_name(good), Ok(()));
        }
        for bad in ["", "a b", "a/b", ".sys", "a..b", "ü", &"b".repeat(65)] {
            assert!(validate_bucket_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn object_names() {
        for good in ["o", "a/b", "a//b", "..a", "a..", "a/~/b", "ü ñ", "...", &"o".repeat(4096)] {
            assert_eq!(validate_object_name(good, false), Ok(()), "{good}");
        }
        for bad in ["", "a/", "..", ".", "a/../b", "a/./b", "../a", "a/..", "~/a", "a\0b", &"o".repeat(4097)]
        {
            assert!(validate_object_name(bad, false).is_err(), "{bad}");
        }
        assert_eq!(validate_object_name("a/", true), Ok(()));
        assert!(validate_object_name("a/../", true).is_err());
    }
}

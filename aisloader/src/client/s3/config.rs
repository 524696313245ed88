//! `-s3endpoint` and its companions.

use super::credentials::{Credentials, Lookup};
use crate::flags::{FlagError, Parsed};
use crate::workload::names::BucketName;
use serde::{Serialize, Serializer};
use std::sync::Arc;
use wire::cksum::CksumType;
use wire::s3::Endpoint;

const REGION_DEFAULT: &str = "us-east-1";
/// Flags that mean nothing to an S3 server, or that name another server.
const EXCLUDED: [&str; 14] = [
    "ip",
    "port",
    "direct",
    "randomproxy",
    "tokenfile",
    "bprops",
    "verifyhash",
    "cksum-type",
    "arch.format",
    "arch.prefix",
    "arch.num-files",
    "arch.minsize",
    "arch.pct",
    "arch.list",
];
/// Companions of `-s3endpoint`.
const COMPANIONS: [&str; 4] = ["s3profile", "s3-use-path-style", "s3region", "s3-payload"];

/// The way in which a run talks to S3.
#[derive(Clone, Debug, Serialize)]
pub struct S3Config {
    /// Where the bucket is.
    pub endpoint: Endpoint,
    /// The region that requests are signed for.
    pub region: String,
    /// Whose requests they are.
    #[serde(serialize_with = "redacted")]
    pub credentials: Arc<Credentials>,
    /// Payloads are hashed and their hashes signed.
    pub is_payload_signed: bool,
}

impl S3Config {
    /// From the flags; `None` when the run is not about S3.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn from_flags(
        flags: &Parsed,
        bucket: &BucketName,
        lookup: &Lookup<'_>,
    ) -> Result<Option<Self>, FlagError> {
        let url = flags.text("s3endpoint").trim();
        if url.is_empty() {
            return match COMPANIONS.into_iter().find(|name| flags.is_given(name)) {
                Some(name) => refuse(format!("-{name} needs -s3endpoint")),
                None => Ok(None),
            };
        }
        if let Some(name) = EXCLUDED.into_iter().find(|name| is_asked(flags, name)) {
            return refuse(format!("-s3endpoint and -{name} exclude each other"));
        }
        if bucket.provider != "aws" {
            return refuse(format!("-s3endpoint needs a bucket of S3, not {}", bucket.uri()));
        }
        let endpoint = Endpoint::parse(url, &bucket.name, flags.boolean("s3-use-path-style"))
            .map_err(|why| FlagError(format!("-s3endpoint: {url:?}: {why}")))?;
        let profile = Some(flags.text("s3profile")).filter(|name| !name.is_empty());
        let found = Lookup { profile, ..*lookup }.find().map_err(FlagError)?;
        let region = match flags.text("s3region") {
            "" => found.region.unwrap_or_else(|| REGION_DEFAULT.to_owned()),
            given => given.to_owned(),
        };
        if !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return refuse(format!("-s3region: {region:?} is no name of a region"));
        }
        Ok(Some(Self {
            endpoint,
            region,
            credentials: found.credentials,
            is_payload_signed: payload(flags)?,
        }))
    }

    /// The checksum that is computed for PUT.
    #[must_use]
    pub fn payload_cksum(&self) -> CksumType {
        if self.is_payload_signed { CksumType::Sha256 } else { CksumType::None }
    }
}

/// A flag that is given, and not with a value that switches it off.
fn is_asked(flags: &Parsed, name: &str) -> bool {
    flags.is_given(name) && !matches!(flags.text(name), "false" | "none")
}

fn payload(flags: &Parsed) -> Result<bool, FlagError> {
    match flags.text("s3-payload") {
        "unsigned" => Ok(false),
        "signed" => Ok(true),
        other => refuse(format!("-s3-payload: {other:?} is not signed or unsigned")),
    }
}

fn redacted<S: Serializer>(credentials: &Arc<Credentials>, to: S) -> Result<S::Ok, S::Error> {
    credentials.serialize(to)
}

fn refuse<T>(why: String) -> Result<T, FlagError> {
    Err(FlagError(why))
}

#[cfg(test)]
mod tests {
    use crate::client::s3::Lookup;
    use crate::flags::{FlagError, Parsed};
    use crate::settings::Config;
    use std::io;

    /// A run's configuration, with keys in the environment unless `is_keyless`.
    fn config(line: &str, is_keyless: bool) -> Result<Config, FlagError> {
        let variable = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" if !is_keyless => Some("AKID".to_owned()),
            "AWS_SECRET_ACCESS_KEY" if !is_keyless => Some("VERYSECRET".to_owned()),
            "AWS_REGION" => Some("eu-1".to_owned()),
            "AIS_SKIP_VERIFY_CRT" => Some("true".to_owned()),
            _ => None,
        };
        let read = |_: &std::path::Path| Err(io::Error::from(io::ErrorKind::NotFound));
        let lookup = Lookup { profile: None, variable: &variable, read: &read };
        let flags = Parsed::parse(&line.split_whitespace().collect::<Vec<_>>())?;
        Config::with_lookup(&flags, Some("http://not-this-one:1"), 1, &lookup)
    }

    #[test]
    fn an_endpoint_makes_a_run_about_s3() {
        let run = config("-s3endpoint=http://h:9000 -bucket=b -s3-use-path-style", false).unwrap();
        let s3 = run.s3.unwrap();
        assert_eq!((run.gateway.as_str(), run.bucket.uri().as_str()), ("h:9000", "s3://b"));
        assert_eq!((s3.region.as_str(), s3.is_payload_signed), ("eu-1", false));
        assert_eq!(run.cksum.as_str(), "none");
        let other = config("-s3endpoint=h -bucket=s3://b -s3region=us-2 -s3-payload=signed", false).unwrap();
        assert_eq!((other.gateway.as_str(), other.cksum.as_str()), ("b.h:80", "sha256"));
        assert_eq!(other.s3.unwrap().region, "us-2");
        let secure = config("-s3endpoint=https://h -bucket=b", false);
        assert_eq!(secure.unwrap().gateway, "https://b.h:443");
        assert!(config("-bucket=b -cleanup=true -provider=ais", true).unwrap().s3.is_none());
    }

    #[test]
    fn broken_rules_are_named() {
        let table = [
            ("-s3endpoint=h -bucket=ais://b -cleanup=false", "not ais://b"),
            ("-s3endpoint=h -bucket=b -ip=x", "-s3endpoint and -ip exclude"),
            ("-s3endpoint=h -bucket=b -port=1", "-s3endpoint and -port exclude"),
            ("-s3endpoint=h -bucket=b -direct", "-s3endpoint and -direct exclude"),
            ("-s3endpoint=h -bucket=b -arch.pct=5 -pctput=5", "-s3endpoint and -arch.pct exclude"),
            ("-s3endpoint=h -bucket=b -randomproxy", "-s3endpoint and -randomproxy exclude"),
            ("-s3endpoint=h -bucket=b -verifyhash", "-s3endpoint and -verifyhash exclude"),
            ("-s3endpoint=h -bucket=b -verify=checksum", "-s3endpoint excludes -verifyhash"),
            ("-s3endpoint=h -bucket=b -cksum-type=md5", "-s3endpoint and -cksum-type exclude"),
            ("-s3endpoint=h -bucket=b -s3-payload=half", "-s3-payload: \"half\""),
            ("-s3endpoint=h -bucket=b -s3region=a/b", "-s3region: \"a/b\""),
            (
                "-bucket=b -cleanup=false -pctput=9 -pctmultipart=9 -multipart-chunks=2",
                "-pctmultipart=9 needs -s3endpoint",
            ),
            (
                "-s3endpoint=h -bucket=b -pctput=9 -pctmultipart=9",
                "-multipart-chunks within 1 and 10000, not 0",
            ),
            ("-s3endpoint=h -bucket=b -pctmultipart=9 -multipart-chunks=2", "-pctput is 0"),
            ("-s3endpoint=h -bucket=b -multipart-chunks=2", "-multipart-chunks=2 without -pctmultipart"),
            ("-bucket=s3://b -s3region=a", "-s3region needs -s3endpoint"),
        ];
        for (line, want) in table {
            let error = config(line, false).unwrap_err();
            assert!(error.0.contains(want), "{line}: {error}");
        }
        assert!(config("-s3endpoint=h -bucket=b", true).unwrap_err().0.contains("no S3 credentials"));
    }

    #[test]
    fn what_is_printed_has_no_keys() {
        let run = config("-s3endpoint=h -bucket=b", false).unwrap();
        for text in [serde_json::to_string(&run).unwrap(), format!("{run:?}")] {
            assert!(!text.contains("VERYSECRET") && !text.contains("AKID"), "{text}");
            assert!(text.contains("redacted; from the environment"), "{text}");
        }
    }
}

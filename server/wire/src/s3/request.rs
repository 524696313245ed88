//! Where requests go and what their heads look like.

use super::encode::{push_path, query};
use super::payload::EMPTY_SHA256;
use super::sign::{Signable, Signer};
use super::time::AmzTime;
use crate::http1::HeadWriter;
use serde::Serialize;
use std::net::IpAddr;

/// A bucket behind an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// Where to connect to: `host:port`, or with TLS `https://host:port`.
    pub address: String,
    /// The value of the Host header, which is signed: without the port that every client leaves out.
    pub host: String,
    /// The bucket stands in the path (`/bucket/name`), not in the host's name.
    pub is_path_style: bool,
    /// The bucket.
    pub bucket: String,
}

impl Endpoint {
    /// Reads `http://host[:port]` or `https://host[:port]`. An address has no names before it, so it makes the style that of paths.
    ///
    /// # Errors
    /// A text about the fault.
    pub fn parse(url: &str, bucket: &str, is_path_style: bool) -> Result<Self, String> {
        let secure = url.strip_prefix("https://");
        let usual_port = if secure.is_some() { 443 } else { 80 };
        let rest = secure.or_else(|| url.strip_prefix("http://")).unwrap_or(url).trim_end_matches('/');
        if rest.is_empty()
            || !rest.bytes().all(|byte| byte.is_ascii_graphic())
            || rest.contains(['/', '?', '#', '@'])
        {
            return Err("it is not http://host:port or https://host:port, without a path".to_owned());
        }
        let (host, port) = split_port(rest, usual_port).ok_or("its port is not a number up to 65535")?;
        let is_address = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
        let is_path_style = is_path_style || is_address;
        let host = if is_path_style { host.to_owned() } else { format!("{bucket}.{host}") };
        let scheme = if secure.is_some() { "https://" } else { "" };
        Ok(Self {
            address: format!("{scheme}{host}:{port}"),
            host: if port == usual_port { host } else { format!("{host}:{port}") },
            is_path_style,
            bucket: bucket.to_owned(),
        })
    }

    /// Writes the target of an object, without a query.
    pub fn push_object(&self, out: &mut String, name: &str) {
        self.push_base(out);
        out.push('/');
        push_path(out, name);
    }

    /// Writes the target of the bucket.
    pub fn push_bucket(&self, out: &mut String, pairs: &[(&str, &str)]) {
        self.push_base(out);
        if !self.is_path_style {
            out.push('/');
        }
        push_query(out, pairs);
    }

    fn push_base(&self, out: &mut String) {
        if self.is_path_style {
            out.push('/');
            push_path(out, &self.bucket);
        }
    }
}

fn split_port(rest: &str, usual: u16) -> Option<(&str, u16)> {
    match rest.rsplit_once(':') {
        // A colon inside of brackets belongs to an IPv6 address.
        Some((host, port)) if !port.contains(']') => Some((host, port.parse().ok()?)),
        _ => Some((rest, usual)),
    }
}

/// Writes a query behind a path.
pub fn push_query(out: &mut String, pairs: &[(&str, &str)]) {
    if !pairs.is_empty() {
        out.push('?');
        out.push_str(&query(pairs));
    }
}

/// The pairs that ask for a page of names. The names come encoded, because XML cannot hold all of them.
#[must_use]
pub fn list_query(prefix: &str, token: &str, page_names: u64) -> Vec<(&'static str, String)> {
    let mut pairs = vec![("encoding-type", "url".to_owned()), ("list-type", "2".to_owned())];
    if !prefix.is_empty() {
        pairs.push(("prefix", prefix.to_owned()));
    }
    if !token.is_empty() {
        pairs.push(("continuation-token", token.to_owned()));
    }
    if page_names > 0 {
        pairs.push(("max-keys", page_names.to_string()));
    }
    pairs
}

/// A request's head but for its signature.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// `GET` and so on.
    pub method: &'a str,
    /// Path and query, as [`Endpoint`] and [`push_query`] write them.
    pub target: &'a str,
    /// The Host header.
    pub host: &'a str,
    /// SHA-256 of the payload in hexadecimal, or [`super::UNSIGNED_PAYLOAD`].
    pub payload_hash: &'a str,
    /// Bytes of the payload; `None` when the method has none.
    pub content_bytes: Option<u64>,
    /// Headers that need no signature.
    pub extra: &'a [(&'a str, &'a str)],
}

impl<'a> Head<'a> {
    /// A request without a payload.
    #[must_use]
    pub fn bare(method: &'a str, target: &'a str, host: &'a str) -> Self {
        Self { method, target, host, payload_hash: EMPTY_SHA256, content_bytes: None, extra: &[] }
    }

    /// Appends the signed head.
    pub fn write(&self, out: &mut Vec<u8>, signer: &Signer, at: &AmzTime) {
        let token = signer.keys().session_token.as_deref();
        let headers = [
            ("host", self.host),
            ("x-amz-content-sha256", self.payload_hash),
            ("x-amz-date", at.as_str()),
            ("x-amz-security-token", token.unwrap_or_default()),
        ];
        let signed = if token.is_some() { headers.as_slice() } else { headers.get(..3).unwrap_or_default() };
        let authorization = signer.authorization(
            &Signable {
                method: self.method,
                target: self.target,
                headers: signed,
                payload_hash: self.payload_hash,
            },
            at,
        );
        let mut writer = HeadWriter::request(out, self.method, self.target, self.host);
        // The first one is Host, which is there already.
        for (name, value) in signed.iter().skip(1).chain(self.extra) {
            writer.header(name, value);
        }
        writer.header("Authorization", &authorization);
        if let Some(bytes) = self.content_bytes {
            writer.content_length(bytes);
        }
        writer.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::Keys;

    fn endpoint(url: &str, is_path_style: bool) -> Endpoint {
        Endpoint::parse(url, "b", is_path_style).unwrap()
    }

    #[test]
    fn both_styles() {
        let table = [
            ("http://h:9000", true, "h:9000", "h:9000", "/b/x%20y", "/b?a=1"),
            ("http://h:9000/", false, "b.h:9000", "b.h:9000", "/x%20y", "/?a=1"),
            (
                "http://s3.amazonaws.com",
                false,
                "b.s3.amazonaws.com:80",
                "b.s3.amazonaws.com",
                "/x%20y",
                "/?a=1",
            ),
            ("h", true, "h:80", "h", "/b/x%20y", "/b?a=1"),
            ("http://127.0.0.1:9000", false, "127.0.0.1:9000", "127.0.0.1:9000", "/b/x%20y", "/b?a=1"),
            ("http://[::1]:9000", false, "[::1]:9000", "[::1]:9000", "/b/x%20y", "/b?a=1"),
            ("http://[::1]", false, "[::1]:80", "[::1]", "/b/x%20y", "/b?a=1"),
            (
                "https://s3.amazonaws.com",
                false,
                "https://b.s3.amazonaws.com:443",
                "b.s3.amazonaws.com",
                "/x%20y",
                "/?a=1",
            ),
            ("https://h:443/", true, "https://h:443", "h", "/b/x%20y", "/b?a=1"),
            ("https://h:80", true, "https://h:80", "h:80", "/b/x%20y", "/b?a=1"),
            ("https://[::1]:9000", false, "https://[::1]:9000", "[::1]:9000", "/b/x%20y", "/b?a=1"),
        ];
        for (url, is_path_style, address, host, object, bucket) in table {
            let endpoint = endpoint(url, is_path_style);
            assert_eq!((endpoint.address.as_str(), endpoint.host.as_str()), (address, host), "{url}");
            let (mut of_object, mut of_bucket) = (String::new(), String::new());
            endpoint.push_object(&mut of_object, "x y");
            endpoint.push_bucket(&mut of_bucket, &[("a", "1")]);
            assert_eq!((of_object.as_str(), of_bucket.as_str()), (object, bucket), "{url}");
        }
    }

    #[test]
    fn wrong_endpoints_say_what_is_wrong() {
        let table = [
            ("https://h/path", "without a path"),
            ("https://", "https://host:port"),
            ("http://h/path", "without a path"),
            ("http://", "http://host:port"),
            ("http://u@h", "http://host:port"),
            ("http://h:99999", "port"),
            ("http://h h", "http://host:port"),
        ];
        for (url, want) in table {
            let error = Endpoint::parse(url, "b", true).unwrap_err();
            assert!(error.contains(want), "{url}: {error}");
        }
    }

    #[test]
    fn heads_hold_what_they_sign() {
        let written = |token: Option<String>| {
            let signer = Signer::new(
                Keys { access_key_id: "AK".into(), secret_access_key: "secret".into(), session_token: token },
                "r",
            );
            let mut out = Vec::new();
            let bare = Head::bare("PUT", "/b/x?uploads=", "h:1");
            Head { content_bytes: Some(7), extra: &[("Range", "bytes=0-1")], ..bare }.write(
                &mut out,
                &signer,
                &AmzTime::from_unix_s(0),
            );
            String::from_utf8(out).unwrap()
        };
        let plain = written(None);
        assert!(plain.starts_with("PUT /b/x?uploads= HTTP/1.1\r\nHost: h:1\r\nx-amz-content-sha256: e3b0"));
        assert!(plain.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="));
        assert!(plain.contains("Range: bytes=0-1\r\n") && plain.ends_with("Content-Length: 7\r\n\r\n"));
        assert!(!plain.contains("security-token"));
        let with_token = written(Some("tok".to_owned()));
        assert!(with_token.contains("x-amz-security-token: tok\r\n"));
        assert!(with_token.contains("x-amz-date;x-amz-security-token, "));
    }

    #[test]
    fn pages_are_asked_for() {
        let all = list_query("d/", "t+=", 9);
        let pairs: Vec<(&str, &str)> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut out = String::new();
        push_query(&mut out, &pairs);
        assert_eq!(out, "?continuation-token=t%2B%3D&encoding-type=url&list-type=2&max-keys=9&prefix=d%2F");
        assert_eq!(list_query("", "", 0).len(), 2);
    }
}

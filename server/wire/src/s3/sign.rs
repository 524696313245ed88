//! AWS Signature Version 4: the client's side.

use super::encode::{push_component, query};
use super::key::{ALGORITHM, Keys, SCOPE_END, SERVICE, SigningKey};
use super::payload::UNSIGNED_PAYLOAD;
use super::time::AmzTime;
use crate::hex;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::fmt::Write as _;

/// A request that is signed. All texts are in the canonical form already: the path and the query encoded, the query and the
/// headers sorted, the headers' names in small letters and their values trimmed.
#[derive(Clone, Copy, Debug)]
pub struct Signable<'a> {
    /// `GET` and so on.
    pub method: &'a str,
    /// The path and, behind `?`, the query.
    pub target: &'a str,
    /// Names and values; `host` and all `x-amz-*` headers of the request must be among them.
    pub headers: &'a [(&'a str, &'a str)],
    /// SHA-256 of the payload in hexadecimal, or what [`super::Payload`] reads.
    pub payload_hash: &'a str,
}

/// Writes the canonical request into `out` piece by piece.
fn canonical_request(request: &Signable<'_>, out: &mut impl FnMut(&str)) {
    let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
    for text in [request.method, "\n", path, "\n", query, "\n"] {
        out(text);
    }
    for (name, value) in request.headers {
        for text in [name, ":", value, "\n"] {
            out(text);
        }
    }
    out("\n");
    signed_headers(request, out);
    out("\n");
    out(request.payload_hash);
}

/// Writes the names of the headers.
fn signed_headers(request: &Signable<'_>, out: &mut impl FnMut(&str)) {
    for (at, (name, _)) in request.headers.iter().enumerate() {
        if at > 0 {
            out(";");
        }
        out(name);
    }
}

/// Signs requests of one identity in one region. The key is made once a day.
pub struct Signer {
    keys: Keys,
    region: String,
    key_of_day: RefCell<Option<SigningKey>>,
}

impl Signer {
    /// A signer; nothing is computed yet.
    #[must_use]
    pub fn new(keys: Keys, region: &str) -> Self {
        Self { keys, region: region.to_owned(), key_of_day: RefCell::new(None) }
    }

    /// Whose requests are signed.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The value of the Authorization header.
    #[must_use]
    pub fn authorization(&self, request: &Signable<'_>, at: &AmzTime) -> String {
        let signature = self.signature(request, at);
        let mut out = String::with_capacity(256);
        let id = &self.keys.access_key_id;
        // Writing to a string cannot fail.
        let _ = write!(out, "{ALGORITHM} Credential={id}/{}, SignedHeaders=", self.scope(at));
        signed_headers(request, &mut |text| out.push_str(text));
        out.push_str(", Signature=");
        hex::push(&mut out, &signature);
        out
    }

    /// The signature itself, for [`super::ChunkWriter`] too.
    #[must_use]
    pub fn signature(&self, request: &Signable<'_>, at: &AmzTime) -> [u8; 32] {
        let mut hasher = Sha256::new();
        canonical_request(request, &mut |text| hasher.update(text));
        let mut to_sign = String::with_capacity(192);
        // Writing to a string cannot fail.
        let _ = write!(to_sign, "{ALGORITHM}\n{}\n{}\n", at.as_str(), self.scope(at));
        hex::push(&mut to_sign, &hasher.finalize());
        self.with_key(at.day(), |key| key.sign(&to_sign))
    }

    /// The target, made of a path in canonical form and the pairs of a query, with a signature that is valid for so many
    /// seconds: whoever has it may make this request of `host`.
    #[must_use]
    pub fn presign(
        &self,
        method: &str,
        path: &str,
        pairs: &[(&str, &str)],
        host: &str,
        expires_s: u32,
        at: &AmzTime,
    ) -> String {
        let (credential, expires) =
            (format!("{}/{}", self.keys.access_key_id, self.scope(at)), expires_s.to_string());
        let mut all = pairs.to_vec();
        all.extend([
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", at.as_str()),
            ("X-Amz-Expires", &expires),
            ("X-Amz-SignedHeaders", "host"),
        ]);
        all.extend(self.keys.session_token.as_deref().map(|token| ("X-Amz-Security-Token", token)));
        let mut target = format!("{path}?{}", query(&all));
        let request =
            Signable { method, target: &target, headers: &[("host", host)], payload_hash: UNSIGNED_PAYLOAD };
        let signature = self.signature(&request, at);
        target.push('&');
        push_component(&mut target, super::canonical::SIGNATURE_PARAMETER);
        target.push('=');
        hex::push(&mut target, &signature);
        target
    }

    /// The key of a day, for signing chunks.
    #[must_use]
    pub fn key(&self, at: &AmzTime) -> SigningKey {
        self.with_key(at.day(), SigningKey::clone)
    }

    fn scope(&self, at: &AmzTime) -> String {
        format!("{}/{}/{SERVICE}/{SCOPE_END}", at.day(), self.region)
    }

    fn with_key<T>(&self, day: &str, act: impl FnOnce(&SigningKey) -> T) -> T {
        let mut kept = self.key_of_day.borrow_mut();
        let is_of_day = kept.as_ref().is_some_and(|key| key.day() == day);
        let key = kept.take().filter(|_| is_of_day);
        let key = key.unwrap_or_else(|| SigningKey::new(&self.keys.secret_access_key, day, &self.region));
        act(kept.insert(key))
    }
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;

//! AWS Signature Version 4 in the Authorization header.

use super::credentials::Credentials;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Arc;
use time::OffsetDateTime;

/// What stands for the payload's hash when it is not computed.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
/// SHA-256 of nothing.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "s3";
/// Bytes of `YYYYMMDD`.
const DAY_BYTES: usize = 8;
/// The last second of the year 9999.
const LAST_UNIX_S: i64 = 253_402_300_799;

/// A time as signatures write it: `20130524T000000Z`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmzTime(String);

impl AmzTime {
    /// From seconds since 1970; times that have no such form become the nearest that has.
    #[must_use]
    pub fn from_unix_s(unix_s: i64) -> Self {
        let at = OffsetDateTime::from_unix_timestamp(unix_s.clamp(0, LAST_UNIX_S))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let ((year, month, day), (hour, minute, second)) = (at.to_calendar_date(), at.to_hms());
        let month = u8::from(month);
        Self(format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"))
    }

    /// The present, by the machine's clock.
    #[must_use]
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self::from_unix_s(since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX)))
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn day(&self) -> &str {
        self.0.get(..DAY_BYTES).unwrap_or_default()
    }
}

/// What is signed. All texts are in the canonical form already: the path and the query encoded, the query and the
/// headers sorted, the headers' names in small letters and their values trimmed.
#[derive(Clone, Copy, Debug)]
pub struct Signable<'a> {
    /// `GET` and so on.
    pub method: &'a str,
    /// The path and, behind `?`, the query.
    pub target: &'a str,
    /// Names and values; `host` and all `x-amz-*` headers of the request must be among them.
    pub headers: &'a [(&'a str, &'a str)],
    /// SHA-256 of the payload in hexadecimal, or [`UNSIGNED_PAYLOAD`].
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

type Keyed = Hmac<Sha256>;

fn keyed(key: &[u8]) -> Keyed {
    // HMAC takes keys of every length; the error is only in the trait.
    Keyed::new_from_slice(key).unwrap_or_else(|_| Keyed::new(&Default::default()))
}

fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    keyed(key).chain_update(text).finalize().into_bytes().into()
}

/// The key of one day, region and service.
#[must_use]
pub fn signing_key(secret: &str, day: &str, region: &str, service: &str) -> [u8; 32] {
    let dated = hmac(format!("AWS4{secret}").as_bytes(), day);
    hmac(&hmac(&hmac(&dated, region), service), "aws4_request")
}

/// Appends bytes as small hexadecimal digits.
fn push_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(64);
    push_hex(&mut out, &Sha256::digest(bytes));
    out
}

/// Signs requests of one identity in one region. The key is made once a day, and kept as the state of a hash that has
/// taken it in already.
pub struct Signer {
    credentials: Arc<Credentials>,
    region: String,
    key_of_day: RefCell<Option<(String, Keyed)>>,
}

impl Signer {
    /// A signer; nothing is computed yet.
    #[must_use]
    pub fn new(credentials: Arc<Credentials>, region: &str) -> Self {
        Self { credentials, region: region.to_owned(), key_of_day: RefCell::new(None) }
    }

    /// Whose requests are signed.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The value of the Authorization header.
    #[must_use]
    pub fn authorization(&self, request: &Signable<'_>, at: &AmzTime) -> String {
        let mut hasher = Sha256::new();
        canonical_request(request, &mut |text| hasher.update(text));
        let mut to_sign = String::with_capacity(192);
        // Writing to a string cannot fail.
        let _ = write!(to_sign, "{ALGORITHM}\n{}\n{}\n", at.as_str(), self.scope(at));
        push_hex(&mut to_sign, &hasher.finalize());
        let signature = self.key(at.day()).chain_update(&to_sign).finalize().into_bytes();
        let mut out = String::with_capacity(256);
        let id = &self.credentials.access_key_id;
        let _ = write!(out, "{ALGORITHM} Credential={id}/{}, SignedHeaders=", self.scope(at));
        signed_headers(request, &mut |text| out.push_str(text));
        out.push_str(", Signature=");
        push_hex(&mut out, &signature);
        out
    }

    fn scope(&self, at: &AmzTime) -> String {
        format!("{}/{}/{SERVICE}/aws4_request", at.day(), self.region)
    }

    fn key(&self, day: &str) -> Keyed {
        let mut kept = self.key_of_day.borrow_mut();
        match &*kept {
            Some((known, key)) if known == day => key.clone(),
            _ => {
                let key = keyed(&signing_key(self.credentials.secret(), day, &self.region, SERVICE));
                *kept = Some((day.to_owned(), key.clone()));
                key
            }
        }
    }
}

#[cfg(test)]
#[path = "sigv4_tests.rs"]
mod tests;

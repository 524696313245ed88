//! Keys: those of an identity, and those of a day that are made of them.

use crate::hex;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub(super) const SERVICE: &str = "s3";
pub(super) const SCOPE_END: &str = "aws4_request";

type Keyed = Hmac<Sha256>;

/// Keys of an identity. The secret ones are never shown.
#[derive(Clone)]
pub struct Keys {
    /// The public part; it travels in every request.
    pub access_key_id: String,
    /// The secret part.
    pub secret_access_key: String,
    /// The token that goes along with keys that were lent; `None`: they were not.
    pub session_token: Option<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Keys(redacted)")
    }
}

fn keyed(key: &[u8]) -> Keyed {
    // HMAC takes keys of every length; the error is only in the trait.
    Keyed::new_from_slice(key).unwrap_or_else(|_| Keyed::new(&Default::default()))
}

fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    keyed(key).chain_update(text).finalize().into_bytes().into()
}

/// The key of one day, region and service.
fn derive(secret: &str, day: &str, region: &str, service: &str) -> [u8; 32] {
    let dated = hmac(format!("AWS4{secret}").as_bytes(), day);
    hmac(&hmac(&hmac(&dated, region), service), SCOPE_END)
}

/// The key that requests of one day, in one region, are signed with, kept as the state of a hash that has taken it in
/// already. Making one takes five hashes, so whoever signs or verifies often keeps it.
#[derive(Clone)]
pub struct SigningKey {
    day: String,
    region: String,
    keyed: Keyed,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SigningKey({}, redacted)", self.scope())
    }
}

impl SigningKey {
    /// The key of a secret for a day (`YYYYMMDD`) and a region.
    #[must_use]
    pub fn new(secret: &str, day: &str, region: &str) -> Self {
        let keyed = keyed(&derive(secret, day, region, SERVICE));
        Self { day: day.to_owned(), region: region.to_owned(), keyed }
    }

    /// Its day.
    #[must_use]
    pub fn day(&self) -> &str {
        &self.day
    }

    /// Its region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The credential that is named beside the signature.
    pub(super) fn scope(&self) -> String {
        format!("{}/{}/{SERVICE}/{SCOPE_END}", self.day, self.region)
    }

    pub(super) fn sign(&self, text: &str) -> [u8; 32] {
        self.keyed.clone().chain_update(text).finalize().into_bytes().into()
    }

    /// Compares in a time that does not depend on where the two differ.
    pub(super) fn is_signature(&self, text: &str, signature: &[u8; 32]) -> bool {
        self.keyed.clone().chain_update(text).verify_slice(signature).is_ok()
    }
}

/// A hash from its hexadecimal digits, small ones or capitals.
pub(super) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let mut value = 0u32;
        for digit in pair {
            value = value.checked_mul(16)?.checked_add(char::from(*digit).to_digit(16)?)?;
        }
        *byte = u8::try_from(value).ok()?;
    }
    Some(out)
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(64);
    hex::push(&mut out, &Sha256::digest(bytes));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_signing_key() {
        let key = derive("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215", "us-east-1", "iam");
        let mut text = String::new();
        hex::push(&mut text, &key);
        assert_eq!(text, "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d");
        assert_eq!(from_hex(&text.to_uppercase()), Some(key));
    }

    #[test]
    fn secrets_are_not_shown() {
        let keys = Keys { access_key_id: "ID".into(), secret_access_key: "VERY".into(), session_token: None };
        let key = SigningKey::new("VERY", "20120215", "r");
        let text = format!("{keys:?} {key:?}");
        assert!(!text.contains("VERY") && text.contains("20120215/r/s3/aws4_request"), "{text}");
        for bad in ["", "zz", &"é".repeat(32), &"+f".repeat(32)] {
            assert_eq!(from_hex(bad), None);
        }
    }
}

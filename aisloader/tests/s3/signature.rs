//! The server's side of a signature, written from its specification and from nothing of the loader's: the request is
//! taken apart, decoded, put together again in canonical form, and signed.

use sha2::{Digest, Sha256};

pub(crate) const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub(crate) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(crate) const REGION: &str = "eu-test-1";

/// HMAC by its definition (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = if key.len() > 64 { Sha256::digest(key).to_vec() } else { key.to_vec() };
    block.resize(64, 0);
    let pad = |with: u8| block.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = Sha256::digest([pad(0x36), text.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
        out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
    }
    out
}

pub(crate) fn encode(bytes: &[u8], keeps_slash: bool) -> String {
    let mut out = String::new();
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte))
            }
            b'/' if keeps_slash => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

pub(crate) fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

/// The fault of a request, as S3's error code.
pub(crate) fn check(head: &str, body: &[u8]) -> Result<(), &'static str> {
    let authorization = header(head, "authorization").ok_or("AccessDenied")?;
    let fields = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("AuthorizationHeaderMalformed")?;
    let field = |name: &str| fields.split(", ").find_map(|part| part.strip_prefix(name)).unwrap_or_default();
    let at = header(head, "x-amz-date").ok_or("AccessDenied")?;
    let scope = format!("{}/{REGION}/s3/aws4_request", &at[..8]);
    if field("Credential=") != format!("{ACCESS_KEY}/{scope}") {
        return Err("AuthorizationHeaderMalformed");
    }
    let payload_hash = header(head, "x-amz-content-sha256").ok_or("MissingSecurityHeader")?;
    if payload_hash != "UNSIGNED-PAYLOAD" && payload_hash != hex(&Sha256::digest(body)) {
        return Err("XAmzContentSHA256Mismatch");
    }
    let names: Vec<&str> = field("SignedHeaders=").split(';').collect();
    let must =
        head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_lowercase());
    if must
        .filter(|name| name == "host" || name.starts_with("x-amz-"))
        .any(|name| !names.contains(&name.as_str()))
    {
        return Err("HeadersNotSigned");
    }
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{at}\n{scope}\n{}",
        hex(&Sha256::digest(canonical(head, &names, payload_hash).as_bytes()))
    );
    let mut key = hmac(format!("AWS4{SECRET_KEY}").as_bytes(), &at.as_bytes()[..8]);
    for part in [REGION, "s3", "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    let signature = hex(&hmac(&key, to_sign.as_bytes()));
    if field("Signature=") == signature { Ok(()) } else { Err("SignatureDoesNotMatch") }
}

fn canonical(head: &str, names: &[&str], payload_hash: &str) -> String {
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encode(&decode(name), false), encode(&decode(value), false)))
        .collect();
    pairs.sort();
    let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let headers: String =
        names.iter().map(|name| format!("{name}:{}\n", header(head, name).unwrap_or_default())).collect();
    let path = encode(&decode(path), true);
    format!("{method}\n{path}\n{}\n{headers}\n{}\n{payload_hash}", query.join("&"), names.join(";"))
}

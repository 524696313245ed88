//! Requests as they come off a socket: AWS's published examples, and what the client's side of this crate signs.

use super::*;
use crate::http1::{HeadLimits, parse_request};
use crate::s3::{EMPTY_SHA256, Head, Keys, Signer};
use proptest::prelude::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const NOW: i64 = 1_369_353_600;

fn signer(token: Option<&str>) -> Signer {
    let keys = Keys {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_access_key: SECRET.into(),
        session_token: token.map(str::to_owned),
    };
    Signer::new(keys, "us-east-1")
}

fn key() -> SigningKey {
    SigningKey::new(SECRET, "20130524", "us-east-1")
}

/// Verifies a head; the code when it is refused.
fn judge(head: &str, now_unix_s: i64) -> Result<(), &'static str> {
    let head = parse_request(head.as_bytes(), &HeadLimits::default()).unwrap().unwrap();
    let claim = Claim::of(&head).map_err(|refusal| refusal.code)?.ok_or("anonymous")?;
    assert_eq!(claim.access_key_id, "AKIAIOSFODNN7EXAMPLE");
    claim.verify(&head, &key(), now_unix_s).map(|_| ()).map_err(|refusal| refusal.code)
}

/// A published example: the lines of its head but for the authorization.
fn published(lines: &[&str], signed: &str, signature: &str) -> String {
    let (first, rest) = lines.split_first().unwrap();
    let rest: String = rest.iter().map(|line| format!("{line}\r\n")).collect();
    format!(
        "{first} HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\n{rest}x-amz-date: 20130524T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders={signed},Signature={signature}\r\n\r\n"
    )
}

#[test]
fn the_published_examples() {
    let empty = format!("x-amz-content-sha256: {EMPTY_SHA256}");
    let plain = "host;x-amz-content-sha256;x-amz-date";
    let table = [
        published(
            &["GET /test.txt", "Range:   bytes=0-9 ", &empty],
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        published(
            &[
                "PUT /test$file.text",
                "Date: Fri, 24 May 2013 00:00:00 GMT",
                "x-amz-storage-class: REDUCED_REDUNDANCY",
                "x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
                "Content-Length: 21",
            ],
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        published(
            &["GET /?lifecycle", &empty],
            plain,
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        published(
            &["GET /?prefix=J&max-keys=2", &empty],
            plain,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ];
    for head in &table {
        assert_eq!(judge(head, NOW), Ok(()), "{head}");
        assert_eq!(judge(head, NOW + 15 * 60), Ok(()));
        assert_eq!(judge(head, NOW + 15 * 60 + 1), Err("RequestTimeTooSkewed"));
        assert_eq!(judge(head, NOW - 15 * 60 - 1), Err("RequestTimeTooSkewed"));
        assert_eq!(
            judge(&head.replace("HTTP/1.1\r\nHost: e", "HTTP/1.1\r\nHost: f"), NOW),
            Err("SignatureDoesNotMatch")
        );
    }
}

#[test]
fn a_presigned_url() {
    let target = signer(None).presign(
        "GET",
        "/test.txt",
        &[],
        "examplebucket.s3.amazonaws.com",
        86_400,
        &AmzTime::from_unix_s(NOW),
    );
    assert!(target.ends_with("aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"));
    let head =
        |target: &str| format!("GET {target} HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\n\r\n");
    let good = head(&target);
    assert_eq!(judge(&good, NOW + 86_400), Ok(()));
    assert_eq!(judge(&good, NOW + 86_401), Err("AccessDenied"));
    assert_eq!(judge(&good, NOW - 15 * 60 - 1), Err("AccessDenied"));
    for (from, to, want) in [
        ("Expires=86400", "Expires=604801", "AuthorizationQueryParametersError"),
        ("Expires=86400", "Expires=-1", "AuthorizationQueryParametersError"),
        ("Expires=86400", "Expires=86401", "SignatureDoesNotMatch"),
        ("20130524T000000Z", "20130525T000000Z", "AuthorizationQueryParametersError"),
        ("20130524T000000Z", "now", "AuthorizationQueryParametersError"),
        ("AWS4-HMAC-SHA256", "AWS5", "AuthorizationQueryParametersError"),
        ("Signature=a", "Signature=b", "SignatureDoesNotMatch"),
        ("Signature=a", "Signature=x", "SignatureDoesNotMatch"),
        ("GET /", "PUT /", "SignatureDoesNotMatch"),
        ("test.txt", "text.txt", "SignatureDoesNotMatch"),
        ("\r\n\r\n", "\r\nx-amz-acl: public-read\r\n\r\n", "AccessDenied"),
        ("\r\n\r\n", "\r\nAuthorization: AWS4-HMAC-SHA256 x\r\n\r\n", "InvalidArgument"),
        ("%2Fs3%2F", "%2Fec2%2F", "AuthorizationQueryParametersError"),
        ("SignedHeaders=host", "SignedHeaders=date", "AccessDenied"),
    ] {
        assert_eq!(judge(&good.replacen(from, to, 1), NOW), Err(want), "{from} -> {to}");
    }
}

#[test]
fn claims_that_are_none() {
    let with = |line: &str| judge(&format!("GET / HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n"), NOW);
    let scope = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
    assert_eq!(with("A: b"), Err("anonymous"));
    assert_eq!(with("Authorization: AWS AK:c2ln"), Err("InvalidRequest"));
    assert_eq!(with("Authorization: Bearer x"), Err("InvalidRequest"));
    assert_eq!(with("Authorization: AWS4-HMAC-SHA256 x"), Err("AuthorizationHeaderMalformed"));
    assert_eq!(
        with("Authorization: AWS4-HMAC-SHA256 Credential=a/b/s3/aws4_request"),
        Err("AuthorizationHeaderMalformed")
    );
    let full = |signed: &str, date: &str, hash: &str| {
        with(&format!(
            "x-amz-date: {date}\r\nx-amz-content-sha256: {hash}\r\nAuthorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={signed}, Signature={EMPTY_SHA256}"
        ))
    };
    let all = "host;x-amz-content-sha256;x-amz-date";
    let day = "20130524T000000Z";
    assert_eq!(full(all, day, EMPTY_SHA256), Err("SignatureDoesNotMatch"));
    assert_eq!(full("host", day, EMPTY_SHA256), Err("AccessDenied"));
    assert_eq!(full("", day, EMPTY_SHA256), Err("AuthorizationHeaderMalformed"));
    assert_eq!(full("Host", day, EMPTY_SHA256), Err("AuthorizationHeaderMalformed"));
    assert_eq!(full(all, "20130525T000000Z", EMPTY_SHA256), Err("AuthorizationHeaderMalformed"));
    assert_eq!(full(all, "yesterday", EMPTY_SHA256), Err("AccessDenied"));
    assert_eq!(full(all, day, "abc"), Err("InvalidArgument"));
}

#[test]
fn ids_may_hold_slashes() {
    let scope = Scope::parse(Cow::Borrowed("a/b/20130524/r/s3/aws4_request")).unwrap();
    assert_eq!(
        (scope.access_key_id.as_ref(), scope.day.as_ref(), scope.region.as_ref()),
        ("a/b", "20130524", "r")
    );
}

proptest! {
    /// The server's side takes everything that the client's side signs, and nothing in which a byte is another one.
    #[test]
    fn both_sides_agree(
        name in "[ -~é]{0,12}", prefix in "\\PC{0,8}", token in proptest::option::of("[!-~]{1,9}"), is_presigned in any::<bool>(),
        at in any::<prop::sample::Index>(), flip in 1u8..127,
    ) {
        let signer = signer(token.as_deref());
        let time = AmzTime::from_unix_s(NOW);
        let mut path = String::from("/b/");
        crate::s3::encode::push_path(&mut path, &name);
        let pairs = [("prefix", prefix.as_str()), ("uploads", "")];
        let mut bytes = Vec::new();
        if is_presigned {
            let target = signer.presign("GET", &path, &pairs, "h:1", 60, &time);
            bytes.extend_from_slice(format!("GET {target} HTTP/1.1\r\nHost: h:1\r\n\r\n").as_bytes());
        } else {
            crate::s3::push_query(&mut path, &pairs);
            Head::bare("GET", &path, "h:1").write(&mut bytes, &signer, &time);
        }
        let text = String::from_utf8(bytes).unwrap();
        prop_assert_eq!(judge(&text, NOW), Ok(()));
        let mut changed = text.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] ^= flip;
        if let Ok(Some(head)) = parse_request(&changed, &HeadLimits::default()) {
            // Another id has another secret.
            let is_taken = |claim: &Claim<'_>| {
                claim.access_key_id == "AKIAIOSFODNN7EXAMPLE" && claim.verify(&head, &key(), NOW).is_ok()
            };
            let is_taken = Claim::of(&head).is_ok_and(|claim| claim.is_some_and(|claim| is_taken(&claim)));
            // A change that is taken is one of case, of white space, of HTTP's version, or of a sign between parameters.
            let said = |text: &[u8]| {
                let text = String::from_utf8_lossy(text).to_ascii_lowercase().replace("http/1.0", "http/1.1");
                text.replace([' ', '\t', '&', '='], "")
            };
            let is_same = said(&changed) == said(text.as_bytes());
            prop_assert!(is_same || !is_taken, "{}", String::from_utf8_lossy(&changed));
        }
    }
}

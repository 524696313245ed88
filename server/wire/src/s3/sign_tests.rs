//! The examples that AWS publishes for the Authorization header, and what must hold for every request.

use super::*;
use crate::s3::{EMPTY_SHA256, sha256_hex};
use proptest::prelude::*;

const HOST: &str = "examplebucket.s3.amazonaws.com";
const TIME: &str = "20130524T000000Z";

fn signer(region: &str) -> Signer {
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let keys = Keys {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_access_key: secret.into(),
        session_token: None,
    };
    Signer::new(keys, region)
}

fn time() -> AmzTime {
    AmzTime::from_unix_s(1_369_353_600)
}

/// The signature of a published example; `extra` are headers beside those that every request has.
fn signature(method: &str, target: &str, extra: &[(&str, &str)], payload_hash: &str) -> String {
    let mut headers = vec![("host", HOST), ("x-amz-content-sha256", payload_hash), ("x-amz-date", TIME)];
    headers.extend(extra);
    headers.sort_unstable();
    let text = signer("us-east-1")
        .authorization(&Signable { method, target, headers: &headers, payload_hash }, &time());
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let begin = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders={}, Signature=",
        names.join(";")
    );
    text.strip_prefix(&begin).unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn get_object() {
    assert_eq!(
        signature("GET", "/test.txt", &[("range", "bytes=0-9")], EMPTY_SHA256),
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    );
}

#[test]
fn put_object() {
    let extra = [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
    let hash = sha256_hex(b"Welcome to Amazon S3.");
    assert_eq!(hash, "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
    assert_eq!(
        signature("PUT", "/test%24file.text", &extra, &hash),
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    );
}

#[test]
fn get_bucket_lifecycle() {
    assert_eq!(
        signature("GET", "/?lifecycle=", &[], EMPTY_SHA256),
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    );
}

#[test]
fn list_objects() {
    assert_eq!(
        signature("GET", "/?max-keys=2&prefix=J", &[], EMPTY_SHA256),
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    );
}

#[test]
fn the_canonical_request_of_get_object() {
    let headers = [
        ("host", HOST),
        ("range", "bytes=0-9"),
        ("x-amz-content-sha256", EMPTY_SHA256),
        ("x-amz-date", TIME),
    ];
    let request =
        Signable { method: "GET", target: "/test.txt", headers: &headers, payload_hash: EMPTY_SHA256 };
    let mut text = String::new();
    canonical_request(&request, &mut |part| text.push_str(part));
    assert_eq!(
        sha256_hex(text.as_bytes()),
        "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972"
    );
}

#[test]
fn a_presigned_url() {
    let target = signer("us-east-1").presign("GET", "/test.txt", &[], HOST, 86_400, &time());
    assert_eq!(
        target,
        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    );
}

#[test]
fn the_key_changes_with_the_day() {
    let sign = |signer: &Signer, at: &AmzTime| {
        let headers = [("host", HOST)];
        let request = Signable { method: "GET", target: "/", headers: &headers, payload_hash: EMPTY_SHA256 };
        signer.authorization(&request, at)
    };
    let kept = signer("r");
    for day in [0, 0, 1, 0, 2] {
        let at = AmzTime::from_unix_s(1_369_353_600 + day * 86_400);
        assert_eq!(sign(&kept, &at), sign(&signer("r"), &at));
    }
    assert_ne!(sign(&kept, &time()), sign(&signer("q"), &time()));
}

proptest! {
    #[test]
    fn every_part_of_a_request_is_signed(
        target in "/[a-z0-9%]{0,12}(\\?[a-z]{1,4}=[a-z0-9]{0,4})?", value in "[ -~]{0,20}", flip in 0usize..4
    ) {
        let sign = |method: &str, target: &str, value: &str, payload_hash: &str| {
            let headers = [("host", HOST), ("x-amz-date", value)];
            signer("r").authorization(&Signable { method, target, headers: &headers, payload_hash }, &time())
        };
        let plain = sign("GET", &target, &value, EMPTY_SHA256);
        let changed = match flip {
            0 => sign("PUT", &target, &value, EMPTY_SHA256),
            1 => sign("GET", &format!("{target}x"), &value, EMPTY_SHA256),
            2 => sign("GET", &target, &format!("{value}x"), EMPTY_SHA256),
            _ => sign("GET", &target, &value, UNSIGNED_PAYLOAD),
        };
        prop_assert_ne!(plain, changed);
    }
}

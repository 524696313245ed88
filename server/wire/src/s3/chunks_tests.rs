use super::*;
use crate::s3::{AmzTime, ChunkWriter, Keys, Signable, Signer, SigningKey};
use proptest::prelude::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const SIGNED: Payload = Payload::Chunks { is_signed: true, has_trailer: false };
const SIGNED_TRAILER: Payload = Payload::Chunks { is_signed: true, has_trailer: true };
const UNSIGNED: Payload = Payload::Chunks { is_signed: false, has_trailer: true };

fn seal(last: &str) -> Seal {
    let key = SigningKey::new(SECRET, "20130524", "us-east-1");
    let scope = key.scope();
    Seal { key, at: AmzTime::parse("20130524T000000Z").unwrap(), scope, last: from_hex(last).unwrap() }
}

/// Payload, and trailers once the body has ended; pieces are of so many bytes.
type Decoded = (Vec<u8>, Option<Vec<(String, String)>>);

fn decode(mut decoder: AwsChunked, bytes: &[u8], piece: usize) -> Result<Decoded, Refusal> {
    let (mut payload, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let window = &bytes[at..at.saturating_add(piece).min(bytes.len())];
        match decoder.decode(window)? {
            ChunkStep::Data { skip, len } => {
                assert!(len > 0);
                payload.extend_from_slice(&window[skip..skip + len]);
                at += skip + len;
            }
            ChunkStep::NeedMore { consumed } => {
                assert_eq!(consumed, window.len());
                at += consumed;
            }
            ChunkStep::End { consumed } => {
                assert_eq!(decoder.decode(b"more"), Ok(ChunkStep::End { consumed: 0 }));
                assert_eq!(at + consumed, bytes.len());
                return Ok((payload, Some(decoder.trailers().to_vec())));
            }
        }
    }
    // The end may lie exactly at the end of what has come.
    let end = decoder.decode(b"")? == ChunkStep::End { consumed: 0 };
    Ok((payload, end.then(|| decoder.trailers().to_vec())))
}

/// AWS's example: 65 KiB of `a`.
fn published(signatures: [&str; 3], end: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (signature, len) in signatures.into_iter().zip([65536usize, 1024]) {
        out.extend_from_slice(format!("{len:x};chunk-signature={signature}\r\n").as_bytes());
        out.extend(std::iter::repeat_n(b'a', len));
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("0;chunk-signature={}\r\n{end}\r\n", signatures[2]).as_bytes());
    out
}

const CHUNKS: [&str; 3] = [
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
];
const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
const TRAILER_CHUNKS: [&str; 3] = [
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
];
const TRAILER_SEED: &str = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
const TRAILER: &str = "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n";

#[test]
fn the_published_examples() {
    let all = vec![b'a'; 66560];
    for piece in [1, 7, 1000, usize::MAX / 2] {
        let decoder = AwsChunked::new(SIGNED, Some(seal(SEED)), Some(66560)).unwrap();
        let (payload, trailers) = decode(decoder, &published(CHUNKS, ""), piece).unwrap();
        assert!(payload == all && trailers == Some(vec![]));
        let decoder = AwsChunked::new(SIGNED_TRAILER, Some(seal(TRAILER_SEED)), Some(66560)).unwrap();
        let (payload, trailers) = decode(decoder, &published(TRAILER_CHUNKS, TRAILER), piece).unwrap();
        assert!(payload == all);
        assert_eq!(trailers, Some(vec![("x-amz-checksum-crc32c".to_owned(), "sOO8/Q==".to_owned())]));
    }
}

#[test]
fn changes_are_found() {
    let judge = |payload, seed, bytes: &[u8], decoded_bytes| {
        let decoder = AwsChunked::new(payload, Some(seal(seed)), decoded_bytes).unwrap();
        decode(decoder, bytes, 4096).map(|(_, trailers)| trailers.is_some()).map_err(|refusal| refusal.code)
    };
    let good = published(CHUNKS, "");
    assert_eq!(judge(SIGNED, SEED, &good, None), Ok(true));
    assert_eq!(judge(SIGNED, TRAILER_SEED, &good, None), Err("SignatureDoesNotMatch"));
    assert_eq!(judge(SIGNED, SEED, &good, Some(66559)), Err("IncompleteBody"));
    assert_eq!(judge(SIGNED, SEED, &good, Some(66561)), Err("IncompleteBody"));
    assert_eq!(judge(SIGNED, SEED, &good[..good.len() - 1], None), Ok(false), "not the end");
    let mut changed = good.clone();
    changed[66000] = b'b';
    assert_eq!(judge(SIGNED, SEED, &changed, None), Err("SignatureDoesNotMatch"));
    // A body that is cut at the end of a chunk, and ended there by somebody else.
    let cut = [&good[..65536 + 90], b"0;chunk-signature=", CHUNKS[2].as_bytes(), b"\r\n\r\n"].concat();
    assert_eq!(judge(SIGNED, SEED, &cut, None), Err("SignatureDoesNotMatch"));
    let trailers = |text: &str| judge(SIGNED_TRAILER, TRAILER_SEED, &published(TRAILER_CHUNKS, text), None);
    assert_eq!(trailers(TRAILER), Ok(true));
    assert_eq!(trailers(&TRAILER.replace("sOO8", "sOO9")), Err("SignatureDoesNotMatch"));
    assert_eq!(trailers(""), Err("MalformedTrailerError"));
    assert_eq!(trailers(&format!("{TRAILER}a:b\r\n")), Err("MalformedTrailerError"));
    assert_eq!(trailers("ab\r\n"), Err("MalformedTrailerError"));
    assert_eq!(judge(SIGNED, SEED, &published(CHUNKS, "a:b\r\n"), None), Err("InvalidRequest"));
}

#[test]
fn unsigned_chunks() {
    let judge = |text: &str| {
        let outcome = decode(AwsChunked::new(UNSIGNED, None, None).unwrap(), text.as_bytes(), 3);
        outcome.map_err(|refusal| refusal.code)
    };
    let (payload, trailers) =
        judge("5\r\nhello\r\n1\r\n!\r\n0\r\nX-Amz-Checksum-CRC32: AAAAAA== \r\n\r\n").unwrap();
    assert_eq!(payload, b"hello!");
    assert_eq!(trailers.unwrap(), [("x-amz-checksum-crc32".to_owned(), "AAAAAA==".to_owned())]);
    assert_eq!(judge("0\r\n\r\n").unwrap(), (vec![], Some(vec![])));
    for bad in [
        "\r\n",
        "5\nhello",
        "5\r\nhello!\r\n",
        "+5\r\n",
        "ffffffffffffffff\r\n",
        "00000000000000001\r\n",
        ";\r\n",
    ] {
        assert_eq!(judge(bad), Err("InvalidRequest"), "{bad:?}");
    }
    assert_eq!(judge(&"1".repeat(2000)), Err("InvalidRequest"));
    let many = format!("0\r\n{}", "a:b\r\n".repeat(TRAILERS_MAX + 1));
    assert_eq!(judge(&many), Err("MalformedTrailerError"));
    assert!(AwsChunked::new(SIGNED, None, None).is_err(), "signed chunks need a seal");
    assert!(AwsChunked::new(Payload::Unsigned, None, None).is_err());
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 0..5),
        trailer in proptest::option::of("[a-z0-9=/+]{0,20}"), is_signed in any::<bool>(), piece in 1usize..90,
        at in any::<prop::sample::Index>(), flip in 1u8..=255,
    ) {
        let keys = Keys { access_key_id: "A".into(), secret_access_key: SECRET.into(), session_token: None };
        let signer = Signer::new(keys, "us-east-1");
        let time = AmzTime::parse("20130524T000000Z").unwrap();
        let headers = [("host", "h")];
        let request = Signable { method: "PUT", target: "/b/x", headers: &headers, payload_hash: "STREAMING" };
        let mut writer = if is_signed { ChunkWriter::signed(&signer, &request, &time) } else { ChunkWriter::unsigned() };
        let trailers: Vec<(String, String)> = trailer.iter().map(|value| ("x-t".to_owned(), value.clone())).collect();
        let mut body = Vec::new();
        for chunk in &chunks {
            writer.write_head(&mut body, chunk);
            body.extend_from_slice(chunk);
            body.extend_from_slice(b"\r\n");
        }
        writer.write_end(&mut body, &trailers);
        let payload = Payload::Chunks { is_signed, has_trailer: trailer.is_some() };
        let decoder = || {
            let mut last = seal(SEED);
            last.last = signer.signature(&request, &time);
            AwsChunked::new(payload, Some(last), None).unwrap()
        };
        let got = decode(decoder(), &body, piece);
        prop_assert_eq!(got, Ok((chunks.concat(), Some(trailers.clone()))));
        // Nothing in a signed body can be changed; capitals in digits and names mean nothing.
        let mut changed = body.clone();
        let at = at.index(changed.len());
        changed[at] ^= flip;
        let got = decode(decoder(), &changed, piece);
        prop_assert!(
            !is_signed || got.is_err() || got.as_ref().is_ok_and(|(_, trailers)| trailers.is_none()) || changed.eq_ignore_ascii_case(&body)
        );
    }

    #[test]
    fn splitting_changes_nothing(text in "[0-2a;:x \r\n]{0,60}", piece in 1usize..20) {
        let decode = |piece| decode_loosely(text.as_bytes(), piece);
        prop_assert_eq!(decode(piece), decode(usize::MAX / 2));
    }
}

/// As [`decode`], for bodies with anything behind their end.
fn decode_loosely(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Option<usize>), Refusal> {
    let mut decoder = AwsChunked::new(UNSIGNED, None, None).unwrap();
    let (mut payload, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let window = &bytes[at..at.saturating_add(piece).min(bytes.len())];
        match decoder.decode(window)? {
            ChunkStep::Data { skip, len } => {
                payload.extend_from_slice(&window[skip..skip + len]);
                at += skip + len;
            }
            ChunkStep::NeedMore { consumed } => at += consumed,
            ChunkStep::End { consumed } => return Ok((payload, Some(at + consumed))),
        }
    }
    Ok((payload, None))
}

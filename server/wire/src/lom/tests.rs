//! Round trips, limits, and damage.

use super::*;
use proptest::prelude::*;

fn sample() -> ObjectMeta {
    ObjectMeta {
        size: 300_000,
        version: 2,
        generation: 7,
        atime_ns: -1,
        mtime_ns: 1_767_225_600_000_000_000,
        cksum_type: CksumType::Xxhash2,
        cksum_value: "ef46db3751d8e999".into(),
        custom: vec![("ETag".into(), "\"x\"".into()), ("k".into(), String::new())],
        name: "dir/ü.tar".into(),
        bucket_id: 9,
        block_crcs: BlockCrcs::Inline(vec![1, u32::MAX, 0]),
    }
}

fn encoded(meta: &ObjectMeta) -> Vec<u8> {
    let mut out = Vec::new();
    meta.encode(&mut out).unwrap();
    out
}

/// Replaces the CRC by the right one, as an adversary or a bug in a writer would.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let covered = bytes.len() - CRC;
    let crc = crc32fast::hash(&bytes[..covered]);
    bytes[covered..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn the_format_does_not_change() {
    let meta = ObjectMeta {
        size: 1,
        version: 2,
        generation: 3,
        atime_ns: 5,
        mtime_ns: 6,
        cksum_type: CksumType::Crc32c,
        cksum_value: "c".into(),
        custom: vec![("k".into(), "v".into())],
        name: "n".into(),
        bucket_id: 4,
        block_crcs: BlockCrcs::Inline(vec![0x0403_0201]),
    };
    let mut want = b"SLM1\x01".to_vec();
    want.extend_from_slice(&83u32.to_le_bytes());
    for n in 1..=6u64 {
        want.extend_from_slice(&n.to_le_bytes());
    }
    want.extend_from_slice(b"\x04\x01\0c\x01\0n\x01\0\x01\0k\x01\0v\0\x01\0\x01\x02\x03\x04");
    want.extend_from_slice(&[0; 4]);
    let want = resealed(want);
    assert_eq!(encoded(&meta), want);
}

#[test]
fn every_single_bit_counts() {
    for meta in [
        sample(),
        ObjectMeta { block_crcs: BlockCrcs::Sidecar { id: 1, count: 2, crc_of_table: 3 }, ..sample() },
    ] {
        let bytes = encoded(&meta);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(ObjectMeta::decode(&damaged).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let bytes = encoded(&sample());
    let with = |at: usize, value: u8| {
        let mut changed = bytes.clone();
        changed[at] = value;
        ObjectMeta::decode(&changed)
    };
    assert_eq!(with(0, b'X'), Err(LomError::BadMagic));
    assert_eq!(with(4, 9), Err(LomError::Version(9)));
    assert_eq!(with(20, 9), Err(LomError::Crc));
    assert_eq!(with(7, 9), Err(LomError::TooLarge("record")));
    for len in 0..bytes.len() {
        assert_eq!(ObjectMeta::decode(&bytes[..len]), Err(LomError::Truncated), "{len}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(ObjectMeta::decode(&longer), Err(LomError::Trailing));
    assert_eq!(ObjectMeta::decode(b"<xml/>"), Err(LomError::BadMagic));
}

#[test]
fn limits_hold_in_both_directions() {
    let too_large = |meta: ObjectMeta, field| {
        let mut out = b"before".to_vec();
        assert_eq!(meta.encode(&mut out), Err(LomError::TooLarge(field)));
        assert_eq!(out, b"before");
    };
    too_large(ObjectMeta { name: "n".repeat(MAX_NAME + 1), ..sample() }, "name");
    too_large(ObjectMeta { cksum_value: "c".repeat(MAX_CKSUM + 1), ..sample() }, "checksum");
    too_large(
        ObjectMeta { custom: vec![("k".into(), "v".repeat(MAX_CUSTOM))], ..sample() },
        "custom metadata",
    );
    too_large(ObjectMeta { block_crcs: BlockCrcs::Inline(vec![0; MAX_ENCODED]), ..sample() }, "block table");
    too_large(ObjectMeta { block_crcs: BlockCrcs::Inline(vec![0; MAX_ENCODED / 4]), ..sample() }, "record");

    // The largest of everything still fits with a sidecar.
    let largest = ObjectMeta {
        name: "n".repeat(MAX_NAME),
        cksum_value: "c".repeat(MAX_CKSUM),
        custom: vec![("k".into(), "v".repeat(MAX_CUSTOM - 5))],
        block_crcs: BlockCrcs::Sidecar { id: u64::MAX, count: u32::MAX, crc_of_table: 0 },
        ..sample()
    };
    assert_eq!(ObjectMeta::decode(&encoded(&largest)), Ok(largest));
}

#[test]
fn fits_inline_is_exact() {
    let meta = sample();
    let most = (0..1000).rev().find(|n| meta.fits_inline(*n, MAX_ENCODED)).unwrap();
    let with = |n: usize| ObjectMeta { block_crcs: BlockCrcs::Inline(vec![5; n]), ..sample() };
    assert!(with(most).encoded_len().is_ok() && with(most + 1).encoded_len().is_err());
    assert!(most > 800);
    // In an attribute that has less room.
    let most = (0..1000).rev().find(|n| meta.fits_inline(*n, 900)).unwrap();
    assert!((897..=900).contains(&with(most).encoded_len().unwrap()));
    assert!(!meta.fits_inline(0, 50) && !meta.fits_inline(1000, usize::MAX));
}

fn meta() -> impl Strategy<Value = ObjectMeta> {
    let crcs =
        prop_oneof![
            prop::collection::vec(any::<u32>(), 0..100).prop_map(BlockCrcs::Inline),
            (any::<u64>(), any::<u32>(), any::<u32>())
                .prop_map(|(id, count, crc_of_table)| BlockCrcs::Sidecar { id, count, crc_of_table }),
        ];
    let numbers = (any::<[u64; 4]>(), any::<[i64; 2]>(), 0u8..7);
    let texts = ("\\PC{0,60}", "[0-9a-f]{0,128}", prop::collection::vec(("\\PC{1,20}", "\\PC{0,40}"), 0..6));
    (numbers, texts, crcs).prop_map(|((u, i, kind), (name, cksum_value, custom), block_crcs)| ObjectMeta {
        size: u[0],
        version: u[1],
        generation: u[2],
        bucket_id: u[3],
        atime_ns: i[0],
        mtime_ns: i[1],
        cksum_type: CksumType::from_code(kind).unwrap(),
        cksum_value,
        custom,
        name,
        block_crcs,
    })
}

proptest! {
    #[test]
    fn decode_undoes_encode(meta in meta()) {
        let bytes = encoded(&meta);
        prop_assert_eq!(meta.encoded_len(), Ok(bytes.len()));
        prop_assert_eq!(ObjectMeta::decode(&bytes), Ok(meta.clone()));
        let mut text = Vec::new();
        text::put(&mut text, &bytes);
        prop_assert_eq!(ObjectMeta::from_attribute(&bytes), Ok(meta.clone()));
        prop_assert_eq!(ObjectMeta::from_attribute(&text), Ok(meta));
    }

    #[test]
    fn a_flipped_bit_is_noticed(meta in meta(), bit: prop::sample::Index, as_text: bool) {
        let mut bytes = encoded(&meta);
        if as_text {
            bytes.clear();
            text::put(&mut bytes, &encoded(&meta));
        }
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(ObjectMeta::from_attribute(&bytes).is_err());
    }

    /// Valid frames around arbitrary fields: the bounds of the fields, not the CRC, must protect.
    #[test]
    fn sealed_garbage_never_panics(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = b"SLM1\x01".to_vec();
        bytes.extend_from_slice(&((HEAD + body.len() + CRC) as u32).to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(&[0; CRC]);
        let bytes = resealed(bytes);
        if let Ok(meta) = ObjectMeta::decode(&bytes) {
            prop_assert_eq!(encoded(&meta), bytes);
        }
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(ObjectMeta::decode(&bytes).is_err() && ObjectMeta::from_attribute(&bytes).is_err());
    }
}

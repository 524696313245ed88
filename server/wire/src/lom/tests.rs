//! Round trips, limits, and damage.

use super::*;
use proptest::prelude::*;

fn sample() -> ObjectMeta {
    ObjectMeta {
        kind: ObjectKind::Whole,
        bucket: Bck::ais("train"),
        size: 300_000,
        version: 2,
        generation: Generation { clock: 7, node: 70 },
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
        kind: ObjectKind::Whole,
        bucket: Bck::ais("b"),
        bucket_id: 4,
        name: "n".into(),
        size: 300,
        version: 2,
        generation: Generation { clock: 3, node: 0x0102 },
        mtime_ns: 6,
        atime_ns: 5,
        cksum_type: CksumType::Crc32c,
        cksum_value: "c".into(),
        custom: vec![("k".into(), "v".into())],
        block_crcs: BlockCrcs::Inline(vec![0x0403_0201]),
    };
    let mut want = b"SLM2\x30\0".to_vec();
    want.extend_from_slice(b"\0\0\x01b\x01n\x04\xac\x02\x02\x03\x02\x01\0\0\0\0\0\0\x0c\x01");
    want.extend_from_slice(b"\x04\x01c\x01\x01k\x01v\0\x01\x01\x02\x03\x04");
    want.extend_from_slice(&[0; 4]);
    want[4] = want.len() as u8;
    let want = resealed(want);
    assert_eq!(encoded(&meta), want);

    // The other kinds, buckets, checksums and block tables.
    let fields = |meta: ObjectMeta| encoded(&meta)[HEAD..].to_vec();
    let upload = Generation { clock: 1, node: 2 };
    for (kind, bytes) in [
        (ObjectKind::Part { upload, number: 300 }, &b"\x01\x01\x02\0\0\0\0\0\0\0\xac\x02"[..]),
        (ObjectKind::Composite { upload, parts: 1 }, b"\x02\x01\x02\0\0\0\0\0\0\0\x01"),
        (ObjectKind::Copy { number: 1 }, b"\x03\x01"),
        (ObjectKind::Slice { index: 5, data: 4, parity: 2 }, b"\x04\x05\x04\x02"),
        (ObjectKind::DeleteMarker, b"\x05"),
    ] {
        assert!(fields(ObjectMeta { kind, ..meta.clone() }).starts_with(bytes), "{kind:?}");
    }
    let bucket = Bck { namespace: Ns::parse("@U#n"), ..Bck::new(Provider::Azure, "b") };
    assert!(fields(ObjectMeta { bucket, ..meta.clone() }).starts_with(b"\0\x83\x01U\x01n\x01b\x01n"));
    let packed = fields(ObjectMeta { cksum_value: "0aff".into(), ..meta.clone() });
    assert!(packed.windows(4).any(|bytes| bytes == b"\x84\x02\x0a\xff"));
    let sidecar = fields(ObjectMeta { block_crcs: BlockCrcs::Sidecar { count: 1, crc_of_table: 2 }, ..meta });
    assert_eq!(&sidecar[sidecar.len() - CRC - 9..sidecar.len() - CRC], b"\x01\x01\0\0\0\x02\0\0\0");
}

#[test]
fn what_a_later_version_wrote_is_refused_by_name() {
    let bytes = encoded(&sample());
    let with = |at: usize, value: u8| {
        let mut changed = bytes.clone();
        changed[at] = value;
        ObjectMeta::decode(&resealed(changed))
    };
    assert_eq!(with(HEAD, 9), Err(LomError::Unknown("kind", 9)));
    assert_eq!(with(HEAD + 1, 0x45), Err(LomError::Unknown("provider", 0x45)));
    let text = with(HEAD, 9).unwrap_err().to_string();
    assert_eq!(text, "object metadata: kind 9 is not known to this version");
}

#[test]
fn kinds_and_buckets_that_make_no_sense_are_refused() {
    let upload = Generation::default();
    for kind in [
        ObjectKind::Part { upload, number: 0 },
        ObjectKind::Composite { upload, parts: 0 },
        ObjectKind::Copy { number: 0 },
        ObjectKind::Slice { index: 0, data: 0, parity: 2 },
        ObjectKind::Slice { index: 6, data: 4, parity: 2 },
    ] {
        let refused = ObjectMeta { kind, ..sample() }.encode(&mut Vec::new());
        assert_eq!(refused, Err(LomError::Malformed("kind")), "{kind:?}");
    }
    for good in ["b", ".sys-inventory", "A-1_.x", &"b".repeat(64)] {
        assert_eq!(check_bucket(&Bck::ais(good)), Ok(()));
    }
    for bad in ["", ".", "..", "a/b", "a b", "ü", "%ob", "@aws", "a\n", &"b".repeat(65)] {
        assert_eq!(check_bucket(&Bck::ais(bad)), Err(LomError::Malformed("bucket name")), "{bad}");
    }
    for (uuid, name) in [("a/b", ""), ("", ".#."), ("", "a b"), (&"u".repeat(33), "")] {
        let namespace = Ns { uuid: uuid.into(), name: name.into() };
        let bucket = Bck { namespace, ..Bck::ais("b") };
        assert_eq!(check_bucket(&bucket), Err(LomError::Malformed("namespace")), "{uuid} {name}");
    }
}

#[test]
fn every_single_bit_counts() {
    for meta in
        [sample(), ObjectMeta { block_crcs: BlockCrcs::Sidecar { count: 2, crc_of_table: 3 }, ..sample() }]
    {
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
    assert_eq!(with(3, b'1'), Err(LomError::Version(bytes[4])));
    assert_eq!(with(20, 9), Err(LomError::Crc));
    assert_eq!(with(5, 0xff), Err(LomError::TooLarge("record")));
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
    let most = Generation { clock: u64::MAX, node: u64::MAX };
    let namespace = Ns { uuid: "u".repeat(MAX_NAMESPACE), name: "n".repeat(MAX_NAMESPACE) };
    let largest = ObjectMeta {
        kind: ObjectKind::Part { upload: most, number: u32::MAX },
        bucket: Bck { namespace, ..Bck::new(Provider::Oci, &"b".repeat(MAX_BUCKET_NAME)) },
        bucket_id: u64::MAX,
        size: u64::MAX,
        version: u64::MAX,
        generation: most,
        atime_ns: i64::MIN,
        mtime_ns: i64::MAX,
        name: "n".repeat(MAX_NAME),
        cksum_value: "-".repeat(MAX_CKSUM),
        custom: vec![("k".into(), "v".repeat(MAX_CUSTOM - 5))],
        block_crcs: BlockCrcs::Sidecar { count: u32::MAX, crc_of_table: 0 },
        ..sample()
    };
    assert_eq!(ObjectMeta::decode(&encoded(&largest)), Ok(largest));
}

#[test]
fn fits_inline_is_exact() {
    let meta = sample();
    let most = (0..3000).rev().find(|n| meta.fits_inline(*n, MAX_ENCODED)).unwrap();
    let with = |n: usize| ObjectMeta { block_crcs: BlockCrcs::Inline(vec![5; n]), ..sample() };
    assert!(with(most).encoded_len().is_ok() && with(most + 1).encoded_len().is_err());
    assert!(most > 800);
    // In an attribute that has less room.
    let most = (0..1000).rev().find(|n| meta.fits_inline(*n, 900)).unwrap();
    assert!((897..=900).contains(&with(most).encoded_len().unwrap()));
    assert!(!meta.fits_inline(0, 50) && !meta.fits_inline(3000, usize::MAX));
}

fn generation() -> impl Strategy<Value = Generation> {
    any::<(u64, u64)>().prop_map(|(clock, node)| Generation { clock, node })
}

fn kind() -> impl Strategy<Value = ObjectKind> {
    prop_oneof![
        3 => Just(ObjectKind::Whole),
        1 => Just(ObjectKind::DeleteMarker),
        1 => (generation(), 1..=u32::MAX).prop_map(|(upload, number)| ObjectKind::Part { upload, number }),
        1 => (generation(), 1..=u32::MAX).prop_map(|(upload, parts)| ObjectKind::Composite { upload, parts }),
        1 => (1..=u8::MAX).prop_map(|number| ObjectKind::Copy { number }),
        1 => (1..=u8::MAX, any::<u8>(), any::<u8>()).prop_map(|(data, parity, index)| {
            let slices = u16::from(data) + u16::from(parity);
            ObjectKind::Slice { index: (u16::from(index) % slices) as u8, data, parity }
        }),
    ]
}

fn bucket() -> impl Strategy<Value = Bck> {
    (prop::sample::select(Provider::ALL.to_vec()), "[a-zA-Z0-9_-]{1,64}", "(@[a-z0-9]{1,32}#[a-z.]{0,32})?")
        .prop_map(|(provider, name, ns)| Bck { name, provider, namespace: Ns::parse(&ns) })
}

fn meta() -> impl Strategy<Value = ObjectMeta> {
    let crcs = prop_oneof![
        prop::collection::vec(any::<u32>(), 0..100).prop_map(BlockCrcs::Inline),
        any::<(u32, u32)>().prop_map(|(count, crc_of_table)| BlockCrcs::Sidecar { count, crc_of_table }),
    ];
    let numbers = (any::<[u64; 3]>(), generation(), any::<[i64; 2]>(), 0u8..7);
    let texts = (
        "\\PC{0,60}",
        "[0-9a-f]{0,128}|[0-9A-F]{8}|\\PC{0,9}",
        prop::collection::vec(("\\PC{1,20}", "\\PC{0,40}"), 0..6),
    );
    (kind(), bucket(), numbers, texts, crcs).prop_map(
        |(kind, bucket, (u, generation, i, cksum), (name, cksum_value, custom), block_crcs)| ObjectMeta {
            kind,
            bucket,
            size: u[0],
            version: u[1],
            generation,
            bucket_id: u[2],
            atime_ns: i[0],
            mtime_ns: i[1],
            cksum_type: CksumType::from_code(cksum).unwrap(),
            cksum_value,
            custom,
            name,
            block_crcs,
        },
    )
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
        let mut bytes = b"SLM2".to_vec();
        bytes.extend_from_slice(&((HEAD + body.len() + CRC) as u16).to_le_bytes());
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

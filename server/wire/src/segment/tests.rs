//! Round trips, limits, damage, and the exact bytes.

use super::*;
use crate::cksum::CksumType;
use crate::lom::{MAX_CKSUM, MAX_ENCODED, MAX_NAME};
use proptest::prelude::*;

fn sample(data: &[u8]) -> ObjectMeta {
    ObjectMeta {
        size: data.len() as u64,
        version: 2,
        generation: 7,
        atime_ns: -1,
        mtime_ns: 1_767_225_600_000_000_001,
        cksum_type: CksumType::Xxhash2,
        cksum_value: "ef46db3751d8e999".into(),
        custom: vec![("k".into(), "v".into())],
        name: "dir/ü.tar".into(),
        bucket_id: 9,
        block_crcs: BlockCrcs::Inline(data.chunks(CHECKED_BYTES).map(crc32c).collect()),
    }
}

const SOME_SEGMENT: Replaced = Replaced::Segment { segment: 42, bytes: 5632 };

fn object(bucket: &str, meta: &ObjectMeta, replaced: Replaced, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    object_head(&mut out, bucket, meta, replaced).unwrap();
    out.extend_from_slice(data);
    out.resize(out.len() + object_padding(meta.size), 0);
    out
}

fn deletion(name: &str) -> Deletion {
    Deletion { bucket_id: 3, name: name.into(), generation: 8, replaced: Replaced::File }
}

/// All records up to the end.
fn parse_all(mut bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let Parsed { record, len } = parse(bytes).unwrap();
        assert!(len % BLOCK_BYTES == 0 && len > 0);
        if record == Record::End {
            return records;
        }
        records.push(record);
        bytes = &bytes[len..];
    }
    records
}

/// `bytes` is one record's head: no change of one byte is believed.
fn every_byte_counts(head: &[u8]) {
    assert!(parse(head).is_ok());
    for at in 0..head.len() {
        for change in [1, 0x20, 0x80, 0xff, head[at]] {
            let mut damaged = head.to_vec();
            damaged[at] ^= change;
            if damaged != head {
                assert!(matches!(parse(&damaged), Err(ParseError::Damaged(_))), "byte {at} ^ {change:#x}");
            }
        }
    }
}

#[test]
fn the_format_does_not_change() {
    let meta = ObjectMeta { custom: vec![], ..sample(b"hello") };
    let record = object("train", &meta, SOME_SEGMENT, b"hello");
    assert_eq!(record.len(), 2048);
    let mut lom = Vec::new();
    meta.encode(&mut lom).unwrap();
    let mut facts = b"25 path=train/dir/\xc3\xbc.tar\n30 mtime=1767225600.000000001\n".to_vec();
    facts.extend_from_slice(format!("{} SCHILY.xattr.user.straightline=", lom.len() + 36).as_bytes());
    facts.extend_from_slice(&lom);
    facts.extend_from_slice(b"\n64 comment=straightline replaces 000000000000002a 5632 ");
    facts.extend_from_slice(format!("{:08x}\n", crc32c(&facts)).as_bytes());
    assert_eq!(&record[512..512 + facts.len()], facts);
    assert!(record[512 + facts.len()..1024].iter().all(|byte| *byte == 0));

    let fields = |block: &[u8]| -> Vec<String> {
        let texts = block.split(|byte| *byte == 0);
        texts.map(|text| String::from_utf8(text.to_vec()).unwrap()).collect()
    };
    assert_eq!(fields(&record[..10]), ["PaxHeader", ""]);
    let sum: u32 = record[..512].iter().map(|byte| u32::from(*byte)).sum::<u32>()
        - record[148..156].iter().map(|byte| u32::from(*byte)).sum::<u32>()
        + 8 * 32;
    let size = format!("{:011o}", facts.len());
    let sum = format!("{sum:06o}");
    assert_eq!(fields(&record[124..157]), [size.as_str(), "15125334400", &sum, " x"]);
    let file = &record[1024..1536];
    assert_eq!(fields(&file[..17]), ["train/dir/__.tar", ""]);
    let numbers = ["0000644", "0000000", "0000000", "00000000005", "15125334400", ""];
    assert_eq!(fields(&file[100..148]), numbers);
    assert_eq!((file[156], &file[257..265]), (b'0', &b"ustar\x0000"[..]));
    for unused in [&file[17..100], &file[157..257], &file[265..]] {
        assert!(unused.iter().all(|byte| *byte == 0));
    }
    assert_eq!(&record[1536..1541], b"hello");
}

#[test]
fn the_other_records_do_not_change() {
    let mut out = Vec::new();
    delete_records(&mut out, &[Deletion { replaced: SOME_SEGMENT, ..deletion("n") }]).unwrap();
    let mut payload = Vec::new();
    payload.extend_from_slice(&3u64.to_le_bytes());
    payload.extend_from_slice(&8u64.to_le_bytes());
    payload.extend_from_slice(b"\x02\x2a\0\0\0\0\0\0\0\0\x16\0\0\x01\0n");
    let crc = crc32c(&payload);
    payload.extend_from_slice(&crc.to_le_bytes());
    let digits: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
    let facts = format!("108 comment=straightline deletions {digits}\n");
    assert_eq!((facts.len(), out.len()), (108, 1024));
    assert_eq!(&out[512..512 + facts.len()], facts.as_bytes());
    assert_eq!((&out[..18], out[156]), (&b"pax_global_header\0"[..], b'g'));

    out.clear();
    let meta = sample(b"x");
    file_record(&mut out, &meta, Replaced::Nothing).unwrap();
    let mut payload = vec![0];
    meta.encode(&mut payload).unwrap();
    let crc = crc32c(&payload);
    payload.extend_from_slice(&crc.to_le_bytes());
    let digits: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
    let fact = format!("comment=straightline file {digits}\n");
    assert_eq!(&out[512..512 + 4 + fact.len()], format!("{} {fact}", fact.len() + 4).as_bytes());
}

#[test]
fn a_sequence_reads_back() {
    let data = vec![7; 70_000];
    let (small, large) = (sample(b""), sample(&data));
    let deletions = vec![deletion("a"), deletion("ü/b")];
    let mut segment = object("b", &small, Replaced::Nothing, b"");
    let head_len = segment.len();
    file_record(&mut segment, &large, Replaced::File).unwrap();
    segment.extend(object("b2", &large, SOME_SEGMENT, &data));
    delete_records(&mut segment, &deletions).unwrap();
    padding(&mut segment, 512);
    padding(&mut segment, 8192);
    let want = [
        Record::Object { meta: small, replaced: Replaced::Nothing, head_len },
        Record::File { meta: large.clone(), replaced: Replaced::File },
        Record::Object { meta: large, replaced: SOME_SEGMENT, head_len },
        Record::Deletions(deletions),
        Record::Padding,
        Record::Padding,
    ];
    assert_eq!(parse_all(&segment), want);
    segment.resize(segment.len() + 4096, 0);
    assert_eq!(parse_all(&segment), want);
    assert_eq!(parse(&[0; 512]), Ok(Parsed { record: Record::End, len: 512 }));
}

#[test]
fn no_byte_of_a_head_is_believed_when_it_is_wrong() {
    for name in ["dir/ü.tar", "../x\n", &"n".repeat(300)] {
        for replaced in [Replaced::Nothing, Replaced::File, SOME_SEGMENT] {
            let mut head = Vec::new();
            let meta = ObjectMeta { name: name.into(), ..sample(b"data") };
            object_head(&mut head, "bucket", &meta, replaced).unwrap();
            every_byte_counts(&head);
        }
    }
    let mut record = Vec::new();
    file_record(&mut record, &sample(b"x"), SOME_SEGMENT).unwrap();
    every_byte_counts(&record);
    record.clear();
    delete_records(&mut record, &[deletion("a"), deletion("b")]).unwrap();
    every_byte_counts(&record);
    for len in [512, 1024] {
        record.clear();
        padding(&mut record, len);
        every_byte_counts(&record);
    }
}

/// The words of a comment have spellings that read alike: only one of them is ours, whatever its CRC.
#[test]
fn other_spellings_are_refused() {
    let record = object("b", &sample(b""), SOME_SEGMENT, b"");
    let begin = record.windows(9).position(|bytes| bytes == b"00000002a").unwrap() - 7;
    let digits = record[begin..].iter().position(|byte| *byte == b'\n').unwrap() + begin - 8;
    for (from, to) in
        [(&b"000000000000002a"[..], b"000000000000002A"), (b"000000000000002a", b"+00000000000002a")]
    {
        let mut other = record.clone();
        assert_eq!(&other[begin..begin + 16], from);
        other[begin..begin + 16].copy_from_slice(to);
        let crc = format!("{:08x}", crc32c(&other[512..digits]));
        other[digits..digits + 8].copy_from_slice(crc.as_bytes());
        assert_eq!(parse(&other), Err(ParseError::Damaged("head")));
    }
}

#[test]
fn records_of_others_are_refused() {
    let head = object("b", &sample(b""), Replaced::Nothing, b"");
    let file_alone = &head[head.len() - BLOCK_BYTES..];
    assert_eq!(parse(file_alone), Err(ParseError::Damaged("header type")));
    assert_eq!(parse(&[1; 512]), Err(ParseError::Damaged("header checksum")));
    let global = |facts: &[u8]| {
        let mut out =
            ustar::header(ustar::Kind::Global, facts.len() as u64, 0, b"pax_global_header").to_vec();
        out.extend_from_slice(facts);
        fill_block(&mut out, 0);
        parse(&out)
    };
    assert_eq!(global(b"20 comment=some git\n"), Err(ParseError::Damaged("comment")));
    assert_eq!(global(b"14 path=a/b/c\n"), Err(ParseError::Damaged("fact")));
    assert_eq!(global(b"30 comment=straightline file \n"), Err(ParseError::Damaged("length of metadata")));
    assert_eq!(global(b"31 comment=straightline file 0\n"), Err(ParseError::Damaged("digits")));
    // No deletions, with the CRC of nothing.
    assert_eq!(
        global(b"43 comment=straightline deletions 00000000\n"),
        Err(ParseError::Damaged("deletions"))
    );
    for (kind, size) in
        [(ustar::Kind::Extended, 8193), (ustar::Kind::Extended, 8192 - 1023), (ustar::Kind::Global, u64::MAX)]
    {
        let header = ustar::header(kind, size, 0, b"PaxHeader");
        assert_eq!(parse(&header), Err(ParseError::Damaged("header size")), "{size}");
    }
}

#[test]
fn a_short_record_says_what_it_needs() {
    let data = [5; 100];
    let mut deletions = Vec::new();
    delete_records(&mut deletions, &[deletion("a")]).unwrap();
    let object = object("b", &sample(&data), SOME_SEGMENT, &data);
    for (record, needed) in [(&object, object.len() - 512), (&deletions, deletions.len())] {
        let want = parse(record).unwrap();
        for len in 0..needed {
            let need = if len < BLOCK_BYTES { BLOCK_BYTES } else { needed };
            assert_eq!(parse(&record[..len]), Err(ParseError::NeedMore(need)), "{len}");
        }
        assert_eq!(parse(&record[..needed]), Ok(want));
    }
}

#[test]
fn limits_hold_in_both_directions() {
    let refused = |bucket: &str, meta: ObjectMeta, error| {
        let mut out = b"before".to_vec();
        assert_eq!(object_head(&mut out, bucket, &meta, Replaced::File), Err(error));
        assert_eq!(out, b"before");
    };
    refused("a/b", sample(b""), LomError::Malformed("bucket name"));
    refused("b", ObjectMeta { size: MAX_DATA + 1, ..sample(b"") }, LomError::TooLarge("data"));
    refused("b", ObjectMeta { name: "n".repeat(MAX_NAME + 1), ..sample(b"") }, LomError::TooLarge("name"));
    let mut out = b"before".to_vec();
    let meta = ObjectMeta { name: "n".repeat(MAX_NAME + 1), ..sample(b"") };
    assert_eq!(file_record(&mut out, &meta, Replaced::File), Err(LomError::TooLarge("name")));
    let deletions = [deletion("a"), deletion(&meta.name)];
    assert_eq!(delete_records(&mut out, &deletions), Err(LomError::TooLarge("name")));
    assert_eq!(delete_records(&mut out, &[]), Ok(()));
    assert_eq!(out, b"before");
}

#[test]
fn the_largest_head_is_within_its_bound() {
    let mut meta = ObjectMeta {
        size: MAX_DATA,
        cksum_value: "c".repeat(MAX_CKSUM),
        mtime_ns: i64::MAX,
        name: "\n".repeat(MAX_NAME),
        ..sample(b"")
    };
    let crcs = (MAX_ENCODED - meta.encoded_len().unwrap()) / 4;
    meta.block_crcs = BlockCrcs::Inline(vec![0; crcs]);
    assert!(meta.encoded_len().unwrap() > MAX_ENCODED - 4);
    let replaced = Replaced::Segment { segment: u64::MAX, bytes: u32::MAX };
    for name in
        ["\n".repeat(MAX_NAME), "/".repeat(MAX_NAME), "n".repeat(MAX_NAME), "\u{85}".repeat(MAX_NAME / 2)]
    {
        let mut head = Vec::new();
        let meta = ObjectMeta { name, ..meta.clone() };
        object_head(&mut head, &"b".repeat(64), &meta, replaced).unwrap();
        assert!(head.len() <= MAX_OBJECT_HEAD, "{}", head.len());
        let parsed = parse(&head).unwrap();
        assert!(u32::try_from(parsed.len).is_ok());
        assert_eq!(parsed.record, Record::Object { meta: meta.clone(), replaced, head_len: head.len() });
    }
    let mut record = Vec::new();
    file_record(&mut record, &meta, replaced).unwrap();
    assert!(record.len() <= MAX_GLOBAL);
    assert_eq!(parse_all(&record), [Record::File { meta, replaced }]);
}

#[test]
fn padding_is_exact() {
    for blocks in (0..40).chain([127, 128, 129, 130, 300]) {
        let mut out = b"before".to_vec();
        padding(&mut out, blocks * BLOCK_BYTES);
        assert_eq!(out.len(), 6 + blocks * BLOCK_BYTES);
        let records = parse_all(&out[6..]);
        assert_eq!(records.len(), (blocks * BLOCK_BYTES).div_ceil(MAX_GLOBAL));
        assert!(records.iter().all(|record| *record == Record::Padding));
    }
}

#[test]
fn data_is_verified() {
    let data: Vec<u8> = (0..150_000u32).map(|at| (at % 251) as u8).collect();
    let meta = sample(&data);
    assert!(verify_data(&meta, &data));
    assert!(verify_data(&sample(b""), b""));
    for at in [0, 65_535, 65_536, 149_999] {
        let mut damaged = data.clone();
        damaged[at] ^= 1;
        assert!(!verify_data(&meta, &damaged), "{at}");
    }
    assert!(!verify_data(&meta, &data[..149_999]));
    assert!(!verify_data(&ObjectMeta { block_crcs: BlockCrcs::Inline(vec![]), ..meta.clone() }, &data));
    let sidecar = BlockCrcs::Sidecar { id: 1, count: 3, crc_of_table: 0 };
    assert!(!verify_data(&ObjectMeta { block_crcs: sidecar, ..meta }, &data));
}

fn replaced() -> impl Strategy<Value = Replaced> {
    prop_oneof![
        Just(Replaced::Nothing),
        Just(Replaced::File),
        (any::<u64>(), any::<u32>()).prop_map(|(segment, bytes)| Replaced::Segment { segment, bytes }),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,60}", "[a%./\n\u{85}é]{0,100}", "[a-z]{90,110}/[a-z]{0,300}", "(é|/b){400,500}"]
}

fn meta() -> impl Strategy<Value = ObjectMeta> {
    let crcs =
        prop_oneof![
            prop::collection::vec(any::<u32>(), 0..40).prop_map(BlockCrcs::Inline),
            (any::<u64>(), any::<u32>(), any::<u32>())
                .prop_map(|(id, count, crc_of_table)| BlockCrcs::Sidecar { id, count, crc_of_table }),
        ];
    let custom = prop::collection::vec(("\\PC{1,20}", "\\PC{0,40}"), 0..6);
    let numbers = (0..=MAX_DATA, any::<[u64; 3]>(), any::<[i64; 2]>());
    (numbers, name(), custom, crcs).prop_map(|((size, u, i), name, custom, block_crcs)| ObjectMeta {
        size,
        version: u[0],
        generation: u[1],
        bucket_id: u[2],
        atime_ns: i[0],
        mtime_ns: i[1],
        custom,
        name,
        block_crcs,
        ..sample(b"")
    })
}

fn deletions() -> impl Strategy<Value = Vec<Deletion>> {
    let one = (any::<[u64; 2]>(), name(), replaced());
    let one = one.prop_map(|([bucket_id, generation], name, replaced)| Deletion {
        bucket_id,
        name,
        generation,
        replaced,
    });
    prop::collection::vec(one, 0..100)
}

proptest! {
    #[test]
    fn objects_read_back(bucket in "[a-zA-Z0-9_-]{1,64}", meta in meta(), replaced in replaced()) {
        let mut head = Vec::new();
        object_head(&mut head, &bucket, &meta, replaced).unwrap();
        let head_len = head.len();
        prop_assert!(head_len <= MAX_OBJECT_HEAD && head_len.is_multiple_of(BLOCK_BYTES));
        let Parsed { record, len } = parse(&head).unwrap();
        let padded = usize::try_from(meta.size).unwrap().next_multiple_of(BLOCK_BYTES);
        prop_assert_eq!(len, head_len + padded);
        prop_assert_eq!(record, Record::Object { meta, replaced, head_len });
    }

    #[test]
    fn files_read_back(meta in meta(), replaced in replaced()) {
        let mut out = Vec::new();
        file_record(&mut out, &meta, replaced).unwrap();
        prop_assert_eq!(parse_all(&out), vec![Record::File { meta, replaced }]);
    }

    #[test]
    fn deletions_read_back(deletions in deletions()) {
        let mut out = Vec::new();
        delete_records(&mut out, &deletions).unwrap();
        let mut found = Vec::new();
        for record in parse_all(&out) {
            let Record::Deletions(some) = record else { panic!("{record:?}") };
            found.extend(some);
        }
        prop_assert_eq!(found, deletions);
    }

    #[test]
    fn deletions_fill_records(count in 1usize..3000, name in "[a-z]{1,40}") {
        let mut out = Vec::new();
        delete_records(&mut out, &vec![deletion(&name); count]).unwrap();
        let (mut at, mut lens) = (0, Vec::new());
        while at < out.len() {
            lens.push(parse(&out[at..]).unwrap().len);
            at += lens.last().unwrap();
        }
        lens.pop();
        prop_assert!(lens.iter().all(|len| (MAX_GLOBAL - 1024..=MAX_GLOBAL).contains(len)), "{lens:?}");
    }

    /// A record is accepted only if it is what the encoder writes for what was read, so that a changed head could
    /// never be read as the same record; and as another one only if all of its checksums collided.
    #[test]
    fn damage_is_noticed(meta in meta(), replaced in replaced(), at: prop::sample::Index, bytes: [u8; 3]) {
        let mut head = Vec::new();
        object_head(&mut head, "bucket", &meta, replaced).unwrap();
        let at = at.index(head.len() - bytes.len());
        let mut damaged = head.clone();
        damaged[at..at + bytes.len()].copy_from_slice(&bytes);
        if damaged != head {
            prop_assert!(matches!(parse(&damaged), Err(ParseError::Damaged(_))));
        }
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = parse(&bytes);
    }

    /// Valid headers around arbitrary facts.
    #[test]
    fn framed_garbage_never_panics(
        extended: bool,
        facts in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..600),
            "[0-9]{1,3} (path|mtime|comment|SCHILY.xattr.user.straightline)=(straightline (file|deletions|padding|replaces) )?[0-9a-f/]{0,60}\n"
                .prop_map(String::into_bytes),
        ],
    ) {
        let kind = if extended { ustar::Kind::Extended } else { ustar::Kind::Global };
        let name = if extended { &b"PaxHeader"[..] } else { b"pax_global_header" };
        let mut out = ustar::header(kind, facts.len() as u64, 0, name).to_vec();
        out.extend_from_slice(&facts);
        out.resize(out.len().next_multiple_of(BLOCK_BYTES) + BLOCK_BYTES, 0);
        // Only padding is within reach of chance.
        if let Ok(parsed) = parse(&out) {
            prop_assert_eq!(parsed.record, Record::Padding);
        }
    }
}

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

fn object(bucket: &str, meta: &ObjectMeta, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    object_head(&mut out, bucket, meta).unwrap();
    out.extend_from_slice(data);
    out.resize(out.len() + object_padding(meta.size), 0);
    out
}

fn deletion(name: &str) -> Deletion {
    Deletion { bucket_id: 3, name: name.into(), generation: 8 }
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
    let record = object("train", &meta, b"hello");
    assert_eq!(record.len(), 2048);
    let mut lom = Vec::new();
    meta.encode(&mut lom).unwrap();
    let mut facts = b"25 path=train/dir/\xc3\xbc.tar\n30 mtime=1767225600.000000001\n".to_vec();
    facts.extend_from_slice(format!("{} SCHILY.xattr.user.straightline=", lom.len() + 36).as_bytes());
    facts.extend_from_slice(&lom);
    facts.extend_from_slice(b"\n42 comment=straightline 2 object ");
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
    delete_records(&mut out, &[deletion("n")]).unwrap();
    let mut payload = Vec::new();
    payload.extend_from_slice(&3u64.to_le_bytes());
    payload.extend_from_slice(&8u64.to_le_bytes());
    payload.extend_from_slice(b"\x01\0n");
    let crc = crc32c(&payload);
    payload.extend_from_slice(&crc.to_le_bytes());
    let digits: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
    let facts = format!("83 comment=straightline 2 deletions {digits}\n");
    assert_eq!((facts.len(), out.len()), (83, 1024));
    assert_eq!(&out[512..512 + facts.len()], facts.as_bytes());
    assert_eq!((&out[..18], out[156]), (&b"pax_global_header\0"[..], b'g'));

    out.clear();
    let meta = sample(b"x");
    file_record(&mut out, &meta).unwrap();
    let mut payload = Vec::new();
    meta.encode(&mut payload).unwrap();
    let crc = crc32c(&payload);
    payload.extend_from_slice(&crc.to_le_bytes());
    let digits: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
    let fact = format!("comment=straightline 2 file {digits}\n");
    assert_eq!(&out[512..512 + 4 + fact.len()], format!("{} {fact}", fact.len() + 4).as_bytes());
}

#[test]
fn a_sequence_reads_back() {
    let data = vec![7; 70_000];
    let (small, large) = (sample(b""), sample(&data));
    let deletions = vec![deletion("a"), deletion("ü/b")];
    let mut segment = object("b", &small, b"");
    let head_len = segment.len();
    file_record(&mut segment, &large).unwrap();
    segment.extend(object("b2", &large, &data));
    delete_records(&mut segment, &deletions).unwrap();
    padding(&mut segment, 512);
    padding(&mut segment, 8192);
    let want = [
        Record::Object { meta: small, head_len },
        Record::File(large.clone()),
        Record::Object { meta: large, head_len },
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
        let mut head = Vec::new();
        let meta = ObjectMeta { name: name.into(), ..sample(b"data") };
        object_head(&mut head, "bucket", &meta).unwrap();
        every_byte_counts(&head);
    }
    let mut record = Vec::new();
    file_record(&mut record, &sample(b"x")).unwrap();
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

/// What the facts say a second time must be what the metadata says, whatever their CRC.
#[test]
fn facts_that_contradict_the_metadata_are_refused() {
    let meta = ObjectMeta { custom: vec![], ..sample(b"") };
    let record = object("b", &meta, b"");
    for (from, to) in [
        (&b"path=b/dir"[..], &b"path=b/dix"[..]),
        (b"path=b/dir", b"path=b//ir"),
        (b".000000001\n", b".000000002\n"),
        (b"=1767225600.", b"=+767225600."),
    ] {
        let mut other = record.clone();
        let at = record.windows(from.len()).position(|bytes| bytes == from).unwrap();
        other[at..at + to.len()].copy_from_slice(to);
        let comment = other.windows(22).position(|bytes| bytes == b"straightline 2 object ").unwrap();
        let digits = comment + 22;
        let crc = format!("{:08x}", crc32c(&other[512..digits]));
        other[digits..digits + 8].copy_from_slice(crc.as_bytes());
        assert_eq!(parse(&other), Err(ParseError::Damaged("head")));
    }
}

/// Header, facts, zeros to the block's end.
fn framed(kind: ustar::Kind, name: &[u8], facts: &[u8]) -> Vec<u8> {
    let mut out = ustar::header(kind, facts.len() as u64, 0, name).to_vec();
    out.extend_from_slice(facts);
    fill_block(&mut out, 0);
    out
}

fn comment(text: &str) -> Vec<u8> {
    let mut facts = Vec::new();
    pax::begin(&mut facts, "comment", text.len());
    facts.extend_from_slice(text.as_bytes());
    pax::end(&mut facts);
    facts
}

/// The first format had other words and, in deletions, one byte more before a name.
#[test]
fn records_of_another_format_are_refused() {
    let refused = Err(ParseError::Damaged("comment"));
    let mut payload = [3u64.to_le_bytes(), 8u64.to_le_bytes()].concat();
    payload.extend_from_slice(b"\0\x01\0n");
    let mut meta = Vec::new();
    sample(b"").encode(&mut meta).unwrap();
    for (word, mut payload) in [("deletions", payload), ("file", [vec![0], meta].concat())] {
        payload.extend_from_slice(&crc32c(&payload).to_le_bytes());
        let digits: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
        for format in ["", "1 ", "3 "] {
            let facts = comment(&format!("straightline {format}{word} {digits}"));
            assert_eq!(parse(&framed(ustar::Kind::Global, b"pax_global_header", &facts)), refused);
        }
    }
    let record = object("b", &sample(b""), b"");
    let begin = record.windows(11).position(|bytes| bytes == b"42 comment=").unwrap();
    let mut facts = record[BLOCK_BYTES..begin].to_vec();
    let crc = crc32c(&[&facts, &b"50 comment=straightline replaces nothing "[..]].concat());
    facts.extend(comment(&format!("straightline replaces nothing {crc:08x}")));
    let mut other = framed(ustar::Kind::Extended, b"PaxHeader", &facts);
    other.extend_from_slice(&record[record.len() - BLOCK_BYTES..]);
    assert_eq!(parse(&other), refused);
}

#[test]
fn records_of_others_are_refused() {
    let head = object("b", &sample(b""), b"");
    let file_alone = &head[head.len() - BLOCK_BYTES..];
    assert_eq!(parse(file_alone), Err(ParseError::Damaged("header type")));
    assert_eq!(parse(&[1; 512]), Err(ParseError::Damaged("header checksum")));
    let global = |facts: &[u8]| parse(&framed(ustar::Kind::Global, b"pax_global_header", facts));
    assert_eq!(global(b"20 comment=some git\n"), Err(ParseError::Damaged("comment")));
    assert_eq!(global(b"14 path=a/b/c\n"), Err(ParseError::Damaged("fact")));
    assert_eq!(global(b"32 comment=straightline 2 file \n"), Err(ParseError::Damaged("length of metadata")));
    assert_eq!(global(b"33 comment=straightline 2 file 0\n"), Err(ParseError::Damaged("digits")));
    // No deletions, with the CRC of nothing.
    assert_eq!(
        global(b"45 comment=straightline 2 deletions 00000000\n"),
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
    let object = object("b", &sample(&data), &data);
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
        assert_eq!(object_head(&mut out, bucket, &meta), Err(error));
        assert_eq!(out, b"before");
    };
    refused("a/b", sample(b""), LomError::Malformed("bucket name"));
    refused("b", ObjectMeta { size: MAX_DATA + 1, ..sample(b"") }, LomError::TooLarge("data"));
    refused("b", ObjectMeta { name: "n".repeat(MAX_NAME + 1), ..sample(b"") }, LomError::TooLarge("name"));
    let mut out = b"before".to_vec();
    let meta = ObjectMeta { name: "n".repeat(MAX_NAME + 1), ..sample(b"") };
    assert_eq!(file_record(&mut out, &meta), Err(LomError::TooLarge("name")));
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
    for name in
        ["\n".repeat(MAX_NAME), "/".repeat(MAX_NAME), "n".repeat(MAX_NAME), "\u{85}".repeat(MAX_NAME / 2)]
    {
        let mut head = Vec::new();
        let meta = ObjectMeta { name, ..meta.clone() };
        object_head(&mut head, &"b".repeat(64), &meta).unwrap();
        assert!(head.len() <= MAX_OBJECT_HEAD, "{}", head.len());
        let parsed = parse(&head).unwrap();
        assert!(u32::try_from(parsed.len).is_ok());
        assert_eq!(parsed.record, Record::Object { meta: meta.clone(), head_len: head.len() });
    }
    let mut record = Vec::new();
    file_record(&mut record, &meta).unwrap();
    assert!(record.len() <= MAX_GLOBAL);
    assert_eq!(parse_all(&record), [Record::File(meta)]);
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
    let one = (any::<[u64; 2]>(), name()).prop_map(|([bucket_id, generation], name)| Deletion {
        bucket_id,
        name,
        generation,
    });
    prop::collection::vec(one, 0..100)
}

proptest! {
    #[test]
    fn objects_read_back(bucket in "[a-zA-Z0-9_-]{1,64}", meta in meta()) {
        let mut head = Vec::new();
        object_head(&mut head, &bucket, &meta).unwrap();
        let head_len = head.len();
        prop_assert!(head_len <= MAX_OBJECT_HEAD && head_len.is_multiple_of(BLOCK_BYTES));
        let Parsed { record, len } = parse(&head).unwrap();
        let padded = usize::try_from(meta.size).unwrap().next_multiple_of(BLOCK_BYTES);
        prop_assert_eq!(len, head_len + padded);
        prop_assert_eq!(record, Record::Object { meta, head_len });
    }

    #[test]
    fn files_read_back(meta in meta()) {
        let mut out = Vec::new();
        file_record(&mut out, &meta).unwrap();
        prop_assert_eq!(parse_all(&out), vec![Record::File(meta)]);
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
    fn one_more_deletion_takes_so_much_at_most(lens in prop::collection::vec(prop_oneof![Just(MAX_NAME), 1..=MAX_NAME], 1..40)) {
        let deletions: Vec<Deletion> = lens.iter().map(|&len| deletion(&"n".repeat(len))).collect();
        let len_of = |count: usize| {
            let mut out = Vec::new();
            delete_records(&mut out, &deletions[..count]).unwrap();
            out.len()
        };
        prop_assert!((0..deletions.len()).all(|count| len_of(count + 1) - len_of(count) <= MAX_DELETION));
    }

    #[test]
    fn damage_is_noticed(meta in meta(), at: prop::sample::Index, bytes: [u8; 3]) {
        let mut head = Vec::new();
        object_head(&mut head, "bucket", &meta).unwrap();
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
            "[0-9]{1,3} (path|mtime|comment|SCHILY.xattr.user.straightline)=(straightline 2 (file|deletions|padding|object) )?[0-9a-f/]{0,60}\n"
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

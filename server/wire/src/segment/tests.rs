//! The exact bytes, limits, damage.

use super::*;
use crate::api::bck::{Bck, Ns, Provider};
use crate::cksum::CksumType;
use crate::lom::{MAX_CKSUM, MAX_ENCODED, MAX_NAME, ObjectKind};

pub(super) fn sample(data: &[u8]) -> ObjectMeta {
    ObjectMeta {
        kind: ObjectKind::Whole,
        bucket: Bck::ais("train"),
        size: data.len() as u64,
        version: 2,
        generation: Generation { clock: 7, node: 70 },
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

fn object(meta: &ObjectMeta, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    object_head(&mut out, meta).unwrap();
    out.extend_from_slice(data);
    out.resize(out.len() + object_padding(meta.size), 0);
    out
}

pub(super) fn deletion(name: &str) -> Deletion {
    Deletion {
        bucket_id: 3,
        generation: Generation { clock: 8, node: 0x0201 },
        slot: Slot::Current,
        name: name.into(),
    }
}

fn encoded(meta: &ObjectMeta) -> Vec<u8> {
    let mut out = Vec::new();
    meta.encode(&mut out).unwrap();
    out
}

fn text_of(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    crate::text::put(&mut text, bytes);
    String::from_utf8(text).unwrap()
}

fn text_with_crc(payload: &[u8]) -> String {
    text_of(&[payload, &crc32c(payload).to_le_bytes()].concat())
}

/// All records up to the end.
pub(super) fn parse_all(mut bytes: &[u8]) -> Vec<Record> {
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
    let record = object(&meta, b"hello");
    assert_eq!(record.len(), 2048);
    let lom = text_of(&encoded(&meta));
    let mut facts = b"25 path=train/dir/\xc3\xbc.tar\n30 mtime=1767225600.000000001\n".to_vec();
    facts.extend_from_slice(format!("{} SCHILY.xattr.user.straightline=", lom.len() + 36).as_bytes());
    facts.extend_from_slice(lom.as_bytes());
    facts.extend_from_slice(b"\n40 comment=straightline 4 object ");
    facts.extend_from_slice(format!("{}\n", text_of(&crc32c(&facts).to_le_bytes())).as_bytes());
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
    assert_eq!(fields(&file[..17]), ["train/dir/ü.tar", ""]);
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
    payload.extend_from_slice(b"\x03\x08\x01\x02\0\0\0\0\0\0\0\x01n");
    let facts = comment(&format!("straightline 4 deletions {}", text_with_crc(&payload)));
    assert_eq!(out, internal_record(&facts));
    assert_eq!((&out[..10], out[156]), (&b"PaxHeader\0"[..], b'x'));
    let directory = out[1024..].to_vec();
    assert_eq!(
        (&directory[..6], directory[156], &directory[100..107]),
        (&b"%log/\0"[..], b'5', &b"0000755"[..])
    );

    out.clear();
    let meta = sample(b"x");
    file_record(&mut out, &meta).unwrap();
    let facts = comment(&format!("straightline 4 file {}", text_with_crc(&encoded(&meta))));
    assert_eq!(out, internal_record(&facts));

    out.clear();
    padding(&mut out, 1024);
    assert_eq!(out, directory.repeat(2));
    out.clear();
    padding(&mut out, 1536);
    let facts = comment(&format!("straightline 4 padding {}", ".".repeat(512 - 23 - 13)));
    assert_eq!((facts.len(), &out), (512, &internal_record(&facts)));
}

#[test]
fn rare_records_and_the_usual_object_have_their_sizes() {
    let len = |put: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        put(&mut out);
        out.len()
    };
    let usual = ObjectMeta {
        custom: vec![],
        name: "n".repeat(100),
        bucket: Bck::ais(&"b".repeat(30)),
        ..sample(&[7; 4096])
    };
    let now = Generation { clock: 1_800_000_000_000_000_000, node: u64::MAX };
    let usual =
        ObjectMeta { generation: now, mtime_ns: now.clock as i64, atime_ns: now.clock as i64, ..usual };
    assert_eq!(len(&|out| object_head(out, &usual).unwrap()), 1536);
    assert_eq!(len(&|out| file_record(out, &usual).unwrap()), 1536);
    assert_eq!(len(&|out| delete_records(out, &[deletion(&usual.name)]).unwrap()), 1536);
}

#[test]
fn a_sequence_reads_back() {
    let data = vec![7; 70_000];
    let (small, large) = (sample(b""), sample(&data));
    let deletions = vec![deletion("a"), deletion("ü/b")];
    let mut segment = object(&small, b"");
    let head_len = segment.len();
    file_record(&mut segment, &large).unwrap();
    segment.extend(object(&large, &data));
    delete_records(&mut segment, &deletions).unwrap();
    [512, 1024, 8192].into_iter().for_each(|len| padding(&mut segment, len));
    let want = [
        Record::Object { meta: small, head_len },
        Record::File(large.clone()),
        Record::Object { meta: large, head_len },
        Record::Deletions(deletions),
        Record::Padding,
        Record::Padding,
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
        object_head(&mut head, &meta).unwrap();
        every_byte_counts(&head);
    }
    let mut record = Vec::new();
    file_record(&mut record, &sample(b"x")).unwrap();
    every_byte_counts(&record);
    record.clear();
    delete_records(&mut record, &[deletion("a"), deletion("b")]).unwrap();
    every_byte_counts(&record);
    for len in [512, 1536, 2048] {
        record.clear();
        padding(&mut record, len);
        every_byte_counts(&record);
    }
}

/// The facts repeat the metadata and must agree with it, whatever their CRC.
#[test]
fn facts_that_contradict_the_metadata_are_refused() {
    let meta = ObjectMeta { custom: vec![], bucket: Bck::ais("b"), ..sample(b"") };
    let record = object(&meta, b"");
    for (from, to) in [
        (&b"path=b/dir"[..], &b"path=b/dix"[..]),
        (b"path=b/dir", b"path=b//ir"),
        (b".000000001\n", b".000000002\n"),
        (b"=1767225600.", b"=+767225600."),
    ] {
        let mut other = record.clone();
        let at = record.windows(from.len()).position(|bytes| bytes == from).unwrap();
        other[at..at + to.len()].copy_from_slice(to);
        let comment = other.windows(22).position(|bytes| bytes == b"straightline 4 object ").unwrap();
        let text = comment + 22;
        let crc = text_of(&crc32c(&other[512..text]).to_le_bytes());
        other[text..text + 6].copy_from_slice(crc.as_bytes());
        assert_eq!(parse(&other), Err(ParseError::Damaged("head")));
    }
}

/// Header, facts, zeros to the block's end, and a header behind them.
pub(super) fn framed(facts: &[u8], behind: &[u8]) -> Vec<u8> {
    let mut out = ustar::extended(facts.len() as u64, 0).to_vec();
    out.extend_from_slice(facts);
    fill_block(&mut out, 0);
    out.extend_from_slice(behind);
    out
}

pub(super) fn internal_record(facts: &[u8]) -> Vec<u8> {
    framed(facts, &ustar::header(ustar::Kind::Directory, 0, 0, [b"", b"%log/"]))
}

fn comment(text: &str) -> Vec<u8> {
    let mut facts = Vec::new();
    pax::begin(&mut facts, "comment", text.len());
    facts.extend_from_slice(text.as_bytes());
    pax::end(&mut facts);
    facts
}

/// Records of one comment, in a sound frame.
#[test]
fn records_of_another_format_are_refused() {
    let refused = Err(ParseError::Damaged("comment"));
    let payload = b"\x03\x08\x01\x02\0\0\0\0\0\0\0\x01n".to_vec();
    for (word, payload) in [("deletions", payload), ("file", encoded(&sample(b"")))] {
        let text = text_with_crc(&payload);
        for format in ["", "1 ", "3 ", "5 "] {
            let facts = comment(&format!("straightline {format}{word} {text}"));
            assert_eq!(parse(&internal_record(&facts)), refused);
        }
        assert!(parse(&internal_record(&comment(&format!("straightline 4 {word} {text}")))).is_ok());
    }
    let record = object(&sample(b""), b"");
    let begin = record.windows(11).position(|bytes| bytes == b"40 comment=").unwrap();
    let mut facts = record[BLOCK_BYTES..begin].to_vec();
    let crc = crc32c(&[&facts, &b"46 comment=straightline replaces nothing "[..]].concat());
    facts.extend(comment(&format!("straightline replaces nothing {}", text_of(&crc.to_le_bytes()))));
    assert_eq!(parse(&framed(&facts, &record[record.len() - BLOCK_BYTES..])), refused);
}

/// Nobody may take what a later version wrote for damage, which a start cuts off.
#[test]
fn records_of_a_later_version_are_refused_by_name() {
    let mut record = encoded(&sample(b""));
    record[6] = 9;
    let covered = record.len() - 4;
    let crc = crc32fast::hash(&record[..covered]);
    record[covered..].copy_from_slice(&crc.to_le_bytes());
    let text = text_with_crc(&record);
    let refused = parse(&internal_record(&comment(&format!("straightline 4 file {text}"))));
    assert_eq!(refused, Err(ParseError::Unknown("kind", 9)));
}

/// The second format's records of deletions, and the header that git begins an archive with.
#[test]
fn global_headers_are_refused() {
    let mut global = internal_record(&comment("straightline 2 padding ..."));
    global[156] = b'g';
    let sum = u32::from_str_radix(std::str::from_utf8(&global[148..154]).unwrap(), 8).unwrap();
    global[148..154].copy_from_slice(format!("{:06o}", sum + u32::from(b'g') - u32::from(b'x')).as_bytes());
    assert_eq!(parse(&global), Err(ParseError::Damaged("header type")));
}

#[test]
fn records_of_others_are_refused() {
    let head = object(&sample(b""), b"");
    let file_alone = &head[head.len() - BLOCK_BYTES..];
    assert_eq!(parse(file_alone), Err(ParseError::Damaged("header type")));
    assert_eq!(parse(&[1; 512]), Err(ParseError::Damaged("header checksum")));
    let another = ustar::header(ustar::Kind::Directory, 0, 0, [b"", b"b/"]);
    assert_eq!(parse(&another), Err(ParseError::Damaged("head")));
    let other = |facts: &[u8]| parse(&internal_record(facts));
    assert_eq!(other(b"20 comment=some git\n"), Err(ParseError::Damaged("comment")));
    assert_eq!(other(b"14 path=a/b/c\n"), Err(ParseError::Damaged("fact")));
    assert_eq!(other(b"32 comment=straightline 4 file \n"), Err(ParseError::Damaged("length of metadata")));
    assert_eq!(other(b"33 comment=straightline 4 file 0\n"), Err(ParseError::Damaged("text")));
    // No deletions, with the CRC of nothing.
    let facts = comment(&format!("straightline 4 deletions {}", text_of(&[0; 4])));
    assert_eq!(other(&facts), Err(ParseError::Damaged("deletions")));
    // A comment of ours before a file, and an object's facts before a directory.
    let mut record = Vec::new();
    delete_records(&mut record, &[deletion("n")]).unwrap();
    let end = record.len() - BLOCK_BYTES;
    record[end..].copy_from_slice(file_alone);
    assert_eq!(parse(&record), Err(ParseError::Damaged("head")));
    let mut record = head.clone();
    let end = record.len() - BLOCK_BYTES;
    record[end..].copy_from_slice(&ustar::header(ustar::Kind::Directory, 0, 0, [b"", b"%log/"]));
    assert_eq!(parse(&record), Err(ParseError::Damaged("head")));
    for size in [MAX_INTERNAL as u64 - 1023, 1 << 32] {
        assert_eq!(parse(&ustar::extended(size, 0)), Err(ParseError::Damaged("header size")), "{size}");
    }
    let long = b"17000 path=b/".iter().chain(&[b'n'; 16986]).chain(b"\n").copied().collect::<Vec<_>>();
    assert_eq!(parse(&framed(&long, file_alone)), Err(ParseError::Damaged("header size")));
}

#[test]
fn limits_hold_in_both_directions() {
    let refused = |meta: ObjectMeta, error| {
        let mut out = b"before".to_vec();
        assert_eq!(object_head(&mut out, &meta), Err(error));
        assert_eq!(out, b"before");
    };
    refused(ObjectMeta { bucket: Bck::ais("a/b"), ..sample(b"") }, LomError::Malformed("bucket name"));
    refused(ObjectMeta { size: MAX_DATA + 1, ..sample(b"") }, LomError::TooLarge("data"));
    refused(ObjectMeta { name: "n".repeat(MAX_NAME + 1), ..sample(b"") }, LomError::TooLarge("name"));
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
        bucket: Bck {
            namespace: Ns { uuid: "u".repeat(32), name: "n".repeat(32) },
            ..Bck::new(Provider::Azure, &"b".repeat(64))
        },
        cksum_value: "-".repeat(MAX_CKSUM),
        mtime_ns: i64::MAX,
        name: "\n".repeat(MAX_NAME),
        ..sample(b"")
    };
    // One byte more is needed for the number of checksums.
    let crcs = (MAX_ENCODED - 1 - meta.encoded_len().unwrap()) / 4;
    meta.block_crcs = BlockCrcs::Inline(vec![0; crcs]);
    assert!(meta.encoded_len().unwrap() > MAX_ENCODED - 5);
    for name in
        ["\n".repeat(MAX_NAME), "/".repeat(MAX_NAME), "n".repeat(MAX_NAME), "\u{85}".repeat(MAX_NAME / 2)]
    {
        let mut head = Vec::new();
        let meta = ObjectMeta { name, ..meta.clone() };
        object_head(&mut head, &meta).unwrap();
        assert!(head.len() <= MAX_OBJECT_HEAD, "{}", head.len());
        let parsed = parse(&head).unwrap();
        assert!(u32::try_from(parsed.len).is_ok());
        assert_eq!(parsed.record, Record::Object { meta: meta.clone(), head_len: head.len() });
    }
    let mut record = Vec::new();
    file_record(&mut record, &meta).unwrap();
    assert!(record.len() <= MAX_INTERNAL);
    assert_eq!(parse_all(&record), [Record::File(meta)]);
}

#[test]
fn padding_is_exact() {
    for blocks in (0..40).chain([127, 128, 129, 130, 300]) {
        let mut out = b"before".to_vec();
        padding(&mut out, blocks * BLOCK_BYTES);
        assert_eq!(out.len(), 6 + blocks * BLOCK_BYTES);
        let records = parse_all(&out[6..]);
        let (whole, rest) = (blocks / 128, blocks % 128);
        assert_eq!(records.len(), whole + if rest > 2 { 1 } else { rest });
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
    let sidecar = BlockCrcs::Sidecar { count: 3, crc_of_table: 0 };
    assert!(!verify_data(&ObjectMeta { block_crcs: sidecar, ..meta }, &data));
}

//! Round trips, bounds and damage for any metadata, names and bytes.

use super::tests::{deletion, framed, internal_record, parse_all, sample};
use super::*;
use crate::api::bck::{Bck, Ns, Provider};
use crate::lom::MAX_NAME;
use proptest::prelude::*;

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,60}", "[a%./\n\u{85}é]{0,100}", "[a-z]{90,110}/[a-z]{0,300}", "(é|/b){400,500}"]
}

fn generation() -> impl Strategy<Value = Generation> {
    any::<(u64, u64)>().prop_map(|(clock, node)| Generation { clock, node })
}

fn bucket() -> impl Strategy<Value = Bck> {
    let provider = prop::sample::select(Provider::ALL.to_vec());
    (provider, "[a-zA-Z0-9_-]{1,64}", "(@[a-z0-9]{1,32}#[a-z.]{0,32})?")
        .prop_map(|(provider, name, ns)| Bck { name, provider, namespace: Ns::parse(&ns) })
}

fn slot() -> impl Strategy<Value = Slot> {
    prop_oneof![
        Just(Slot::Current),
        generation().prop_map(Slot::Older),
        (generation(), any::<u32>()).prop_map(|(upload, number)| Slot::Part { upload, number }),
    ]
}

fn meta() -> impl Strategy<Value = ObjectMeta> {
    let crcs = prop_oneof![
        prop::collection::vec(any::<u32>(), 0..40).prop_map(BlockCrcs::Inline),
        any::<(u32, u32)>().prop_map(|(count, crc_of_table)| BlockCrcs::Sidecar { count, crc_of_table }),
    ];
    let custom = prop::collection::vec(("\\PC{1,20}", "\\PC{0,40}"), 0..6);
    let numbers = (0..=MAX_DATA, any::<[u64; 2]>(), generation(), any::<[i64; 2]>());
    (bucket(), numbers, name(), custom, crcs).prop_map(
        |(bucket, (size, u, generation, i), name, custom, block_crcs)| ObjectMeta {
            bucket,
            size,
            version: u[0],
            generation,
            bucket_id: u[1],
            atime_ns: i[0],
            mtime_ns: i[1],
            custom,
            name,
            block_crcs,
            ..sample(b"")
        },
    )
}

fn deletions() -> impl Strategy<Value = Vec<Deletion>> {
    let one = (any::<u64>(), generation(), slot(), name())
        .prop_map(|(bucket_id, generation, slot, name)| Deletion { bucket_id, generation, slot, name });
    prop::collection::vec(one, 0..100)
}

proptest! {
    #[test]
    fn objects_read_back(meta in meta()) {
        let mut head = Vec::new();
        object_head(&mut head, &meta).unwrap();
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
        prop_assert!(lens.iter().all(|len| (MAX_INTERNAL - 1024..=MAX_INTERNAL).contains(len)), "{lens:?}");
    }

    #[test]
    fn one_more_deletion_takes_so_much_at_most(lens in prop::collection::vec(prop_oneof![Just(MAX_NAME), 1..=MAX_NAME], 1..40)) {
        let most = Generation { clock: u64::MAX, node: u64::MAX };
        let slot = Slot::Part { upload: most, number: u32::MAX };
        let longest = |len| Deletion { bucket_id: u64::MAX, generation: most, slot, name: "n".repeat(len) };
        let deletions: Vec<Deletion> = lens.iter().map(|&len| longest(len)).collect();
        let len_of = |count: usize| {
            let mut out = Vec::new();
            delete_records(&mut out, &deletions[..count]).unwrap();
            out.len()
        };
        prop_assert!((0..deletions.len()).all(|count| len_of(count + 1) - len_of(count) <= MAX_DELETION));
    }

    /// A record is accepted only if it is what the encoder writes for what was read, so that a changed head could
    /// never be read as the same record; and as another one only if all of its checksums collided.
    #[test]
    fn damage_is_noticed(meta in meta(), at: prop::sample::Index, bytes: [u8; 3]) {
        let mut head = Vec::new();
        object_head(&mut head, &meta).unwrap();
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
        is_file: bool,
        facts in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..600),
            "[0-9]{1,3} (path|mtime|comment|SCHILY.xattr.user.straightline)=(straightline 4 (file|deletions|padding|object) )?[0-9a-zA-Z/+]{0,60}\n"
                .prop_map(String::into_bytes),
        ],
    ) {
        let file = ustar::header(ustar::Kind::File, 0, 0, [b"", b"b/n"]);
        let mut out = if is_file { framed(&facts, &file) } else { internal_record(&facts) };
        out.resize(out.len() + BLOCK_BYTES, 0);
        // Only padding is within reach of chance.
        if let Ok(parsed) = parse(&out) {
            prop_assert_eq!(parsed.record, Record::Padding);
        }
    }
}

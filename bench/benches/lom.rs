//! An object's metadata record, to and from bytes: once at each PUT, and at each first read of a name.

use criterion::Criterion;
use std::hint::black_box;
use wire::api::bck::Bck;
use wire::cksum::CksumType;
use wire::lom::{BlockCrcs, Generation, ObjectKind, ObjectMeta};

/// 1 MiB in 16 blocks, with two pairs of custom metadata.
fn meta() -> ObjectMeta {
    ObjectMeta {
        size: 1 << 20,
        version: 3,
        generation: Generation { clock: 3, node: 4 },
        kind: ObjectKind::Whole,
        bucket: Bck::ais("bench"),
        atime_ns: 1_795_264_107_481_217_881,
        mtime_ns: 1_795_264_107_481_217_881,
        cksum_type: CksumType::Xxhash2,
        cksum_value: "e34615aade2e6333".to_owned(),
        custom: vec![
            ("source".to_owned(), "aws".to_owned()),
            ("ETag".to_owned(), "\"d41d8cd98f00b204e9800998ecf8427e\"".to_owned()),
        ],
        name: "train/shard-000123.tar".to_owned(),
        bucket_id: 7,
        block_crcs: BlockCrcs::Inline((0..16).collect()),
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let meta = meta();
    let mut record = Vec::with_capacity(1024);
    criterion.bench_function("lom/encode", |b| {
        b.iter(|| {
            record.clear();
            black_box(&meta).encode(&mut record)
        });
    });
    criterion.bench_function("lom/decode", |b| b.iter(|| ObjectMeta::decode(black_box(&record))));
    criterion.final_summary();
}

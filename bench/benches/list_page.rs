//! A page of a listing: 1000 names with size and checksum.

use criterion::{Criterion, Throughput};
use std::hint::black_box;
use wire::api::lso_page::{LsoEntry, LsoPage, entry_flag};

const NAMES: u32 = 1000;

fn entry(number: u32) -> LsoEntry {
    LsoEntry {
        name: format!("train/shard-{number:06}.tar"),
        checksum: "e34615aade2e6333".to_owned(),
        size: 1 << 20,
        flags: entry_flag::CACHED,
        ..LsoEntry::default()
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let page = LsoPage {
        uuid: "LS8d29Qh5zT".to_owned(),
        continuation_token: "train/shard-000999.tar".to_owned(),
        entries: (0..NAMES).map(entry).collect(),
        flags: 0,
    };
    let mut out = Vec::with_capacity(128 << 10);
    let mut group = criterion.benchmark_group("list_page/1000");
    group.throughput(Throughput::Elements(u64::from(NAMES)));
    for (name, write) in
        [("msgpack", LsoPage::write_msgpack as fn(&LsoPage, &mut Vec<u8>)), ("json", LsoPage::write_json)]
    {
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                write(black_box(&page), &mut out);
                out.len()
            });
        });
    }
    group.finish();
    criterion.final_summary();
}

//! The way from a name to its owner: the digest, the target, then disk, lane and core.

use criterion::{BenchmarkId, Criterion};
use placement::{BckRef, Mountpath, NodeLayout, NsRef, digest, pick, uname_digest};
use std::hint::black_box;

fn layout(disks: usize) -> NodeLayout {
    NodeLayout {
        mountpaths: (0..disks)
            .map(|disk| Mountpath::new(format!("mp{disk}"), format!("/mnt/{disk}")))
            .collect(),
        lanes: 16,
        core_urls: (0..8).map(|core| format!("http://127.0.0.1:{}", 9000 + core)).collect(),
    }
}

fn name_digest(criterion: &mut Criterion) {
    let bucket = BckRef { provider: "ais", ns: NsRef::default(), name: "bench" };
    criterion.bench_function("placement/uname_digest", |b| {
        b.iter(|| uname_digest(black_box(bucket), black_box("train/shard-000123.tar")));
    });
}

fn pick_target(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("placement/pick");
    for targets in [1_usize, 8, 64] {
        let ids: Vec<(u64, usize)> =
            (0..targets).map(|n| (digest(format!("t{n:08}").as_bytes()), n)).collect();
        group.bench_with_input(BenchmarkId::from_parameter(targets), &ids, |b, ids| {
            b.iter(|| pick(ids.iter().copied(), black_box(0x1234_5678_9abc_def0)));
        });
    }
    group.finish();
}

fn route(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("placement/route");
    for disks in [1_usize, 12] {
        let layout = layout(disks);
        group.bench_with_input(BenchmarkId::from_parameter(disks), &layout, |b, layout| {
            b.iter(|| layout.route(black_box(0x1234_5678_9abc_def0)));
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    name_digest(&mut criterion);
    pick_target(&mut criterion);
    route(&mut criterion);
    criterion.final_summary();
}

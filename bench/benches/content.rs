//! The cost of payload for a client: stamped blocks made and verified, each for an object of 1 MiB.

use aisloader::content::generate::fill;
use aisloader::content::stamp::name_hash;
use aisloader::content::{Expected, Identity, Known, Pools, Recipe, Verifier};
use criterion::{Criterion, Throughput};
use std::hint::black_box;
use std::rc::Rc;

const OBJECT_BYTES: usize = 1 << 20;
/// The engine receives as much at once, behind a head.
const PORTION_BYTES: usize = (256 << 10) - 300;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("content");
    group.throughput(Throughput::Bytes(OBJECT_BYTES as u64));
    let pools: Rc<Pools> = Rc::default();
    let recipe = Recipe { seed: 1, compress_pct: 0, dedupe_pct: 0 };
    let name_hash = name_hash("ais://b", "name");
    let identity =
        |version| Identity { recipe, name_hash, size_bytes: OBJECT_BYTES as u64, version, loader: 0 };
    let mut object = vec![0; OBJECT_BYTES];
    let pool = pools.of(&recipe);
    let mut version = 0;
    group.bench_function("stamp", |b| {
        b.iter(|| {
            version += 1;
            fill(&pool, &identity(version), 0, black_box(&mut object));
        });
    });
    // The same bytes without stamps: what copying alone costs.
    group.bench_function("copy", |b| {
        b.iter(|| {
            version = version.wrapping_mul(5).wrapping_add(1);
            let start = (version % 4096) as usize * 4096;
            let from = pool.bytes().get(start..start + OBJECT_BYTES).unwrap_or_default();
            black_box(&mut object).copy_from_slice(from);
        });
    });
    fill(&pool, &identity(7), 0, &mut object);
    group.bench_function("verify", |b| {
        b.iter(|| {
            let known = Known::default();
            let expected = Expected { name_hash, start: 0, len: None, known, recipe };
            let mut verifier = Verifier::new(Rc::clone(&pools), expected);
            object.chunks(PORTION_BYTES).for_each(|portion| verifier.take(portion));
            verifier.finish(&Known::default())
        });
    });
    group.finish();
    criterion.final_summary();
}

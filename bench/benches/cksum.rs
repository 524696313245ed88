//! The checksums of the data path over 64 KiB: CRC-32C for every block on disk, XXH64 for clients.

use criterion::{Criterion, Throughput};
use std::hint::black_box;
use wire::cksum::{CksumType, Hasher, crc32c};

const LEN: usize = 64 << 10;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let data: Vec<u8> = (0..LEN).map(|at| (at.wrapping_mul(2_654_435_761) >> 7) as u8).collect();
    let mut group = criterion.benchmark_group("cksum/64KiB");
    group.throughput(Throughput::Bytes(LEN as u64));
    group.bench_function("crc32c", |b| b.iter(|| crc32c(black_box(&data))));
    group.bench_function("xxh64", |b| {
        b.iter(|| {
            let mut hasher = Hasher::new(CksumType::Xxhash2);
            hasher.update(black_box(&data));
            hasher.finish()
        });
    });
    group.finish();
    criterion.final_summary();
}

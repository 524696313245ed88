//! Parsing a request head and writing a response head: paid once by every request.

use criterion::{Criterion, Throughput};
use std::hint::black_box;
use wire::http1::{HeadLimits, HeadWriter, parse_request};

/// A request of wrk.
const BARE: &[u8] =
    b"GET /v1/objects/bench/0000000000000abc?provider=ais HTTP/1.1\r\nHost: 127.0.0.1:51080\r\n\r\n";

/// A request of AIStore's Go client.
const GO_CLIENT: &[u8] = b"GET /v1/objects/bench/train/shard-000123.tar?provider=ais HTTP/1.1\r\n\
    Host: 127.0.0.1:51080\r\nUser-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n\
    Ais-Node: t[tmQ4vIAXS]\r\nRange: bytes=0-1048575\r\nX-Request-Id: 0f8fad5b-d9cb-469f-a165-70867728950e\r\n\r\n";

fn parse(criterion: &mut Criterion) {
    let limits = HeadLimits::default();
    let mut group = criterion.benchmark_group("http1/parse_request");
    for (name, head) in [("bare", BARE), ("go client", GO_CLIENT)] {
        group.throughput(Throughput::Bytes(head.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| parse_request(black_box(head), &limits).is_ok_and(|head| head.is_some()))
        });
    }
    group.finish();
}

fn write_response(out: &mut Vec<u8>) {
    let mut head = HeadWriter::response(out, 200);
    head.content_length(black_box(1 << 20));
    head.header("Ais-Checksum-Type", "xxhash2");
    head.header("Ais-Checksum-Value", black_box("e34615aade2e6333"));
    head.header("Ais-Version", "1");
    head.header("Last-Modified", "Sat, 21 Nov 2026 12:00:00 GMT");
    head.header("Etag", "\"e34615aade2e6333\"");
    head.header_u64("Ais-Atime", black_box(1_795_264_107_481_217_881));
    head.finish();
}

fn write(criterion: &mut Criterion) {
    let mut out = Vec::with_capacity(1024);
    criterion.bench_function("http1/write_response", |b| {
        b.iter(|| {
            out.clear();
            write_response(&mut out);
            black_box(&out).len()
        });
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    parse(&mut criterion);
    write(&mut criterion);
    criterion.final_summary();
}

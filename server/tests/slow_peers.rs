//! A client that is not slow, alone and beside 600 uploads at 20 kB/s and 100 readers at 6 kB/s.
//!
//! The long form (`make slow-peers`) has `SLOW_PEERS_S` seconds and writes its figures to `SLOW_PEERS_OUT`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{Bucket, Node, Site, content, metric, write_report};

const B: Bucket = Bucket("slow");
const MIB: u64 = 1 << 20;
const MEMORY_MIB: u64 = 1024;
const UPLOADS: usize = 600;
const UPLOAD_BYTES_S: usize = 20_000;
const READERS: usize = 100;
const READER_BYTES_S: usize = 6_000;
/// Slow peers move a part of their bytes so many times a second.
const TURNS_S: usize = 4;
const KINDS: [&str; 4] = ["put_4k", "get_4k", "put_1m", "get_1m"];

fn connect(node: &Node, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", node.port)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.set_nonblocking(true).unwrap();
    stream
}

/// Moves bytes until told to stop; returns how many connections have been cut.
fn be_slow(node: &Node, stop: &AtomicBool) -> usize {
    let upload = |at| {
        let path = B.object(&format!("upload{at}"));
        connect(node, &format!("PUT {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 104857600\r\n\r\n"))
    };
    let read = |_| connect(node, &format!("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", B.object("large")));
    let mut uploads: Vec<TcpStream> = (0..UPLOADS).map(upload).collect();
    let mut readers: Vec<TcpStream> = (0..READERS).map(read).collect();
    let some = content(1, UPLOAD_BYTES_S / TURNS_S);
    let mut room = vec![0; READER_BYTES_S / TURNS_S];
    let mut cut = 0;
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let is_open = |moved: std::io::Result<usize>| match moved {
            Ok(count) => count > 0,
            Err(e) => e.kind() == ErrorKind::WouldBlock,
        };
        uploads.retain_mut(|stream| is_open(stream.write(&some)));
        readers.retain_mut(|stream| is_open(stream.read(&mut room)));
        cut = UPLOADS + READERS - uploads.len() - readers.len();
        std::thread::sleep(
            Duration::from_secs(1) / TURNS_S as u32 - begun.elapsed().min(Duration::from_millis(249)),
        );
    }
    cut
}

/// Requests for so long; the times that they took in microseconds, by kind, in order.
fn measure(node: &Node, time: Duration) -> [Vec<u64>; KINDS.len()] {
    let (small, large) = (content(7, 4096), content(8, 1 << 20));
    let mut client = node.client();
    let mut times: [Vec<u64>; KINDS.len()] = Default::default();
    let end = Instant::now() + time;
    while Instant::now() < end {
        for (kind, times) in times.iter_mut().enumerate() {
            let (name, bytes) = if kind < 2 { ("4k", &small) } else { ("1m", &large) };
            let begun = Instant::now();
            if kind % 2 == 0 {
                B.put(&mut client, name, bytes);
            } else {
                assert!(client.get(&B.object(name)).body == *bytes);
            }
            times.push(begun.elapsed().as_micros() as u64);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    times.each_mut().map(|times| {
        times.sort_unstable();
        std::mem::take(times)
    })
}

fn quantile(times: &[u64], part: f64) -> u64 {
    times[((times.len() - 1) as f64 * part) as usize]
}

fn figures(alone: &[Vec<u64>], beside: &[Vec<u64>]) -> serde_json::Map<String, serde_json::Value> {
    let of = |times: &[u64]| {
        serde_json::json!({
            "requests": times.len(), "p50_us": quantile(times, 0.5), "p99_us": quantile(times, 0.99),
            "longest_us": times.last(),
        })
    };
    let kinds = KINDS.iter().zip(alone.iter().zip(beside));
    let kind = |(name, (alone, beside)): (&&str, (&Vec<u64>, &Vec<u64>))| {
        let ratio = quantile(beside, 0.99) as f64 / quantile(alone, 0.99) as f64;
        let value = serde_json::json!({
            "alone": of(alone), "beside": of(beside), "p99_ratio": (ratio * 100.0).round() / 100.0,
        });
        ((*name).to_owned(), value)
    };
    kinds.map(kind).collect()
}

#[test]
fn a_client_beside_slow_uploads_and_readers() {
    let long: Option<u64> = std::env::var("SLOW_PEERS_S").ok().map(|text| text.parse().unwrap());
    let time = Duration::from_secs(long.unwrap_or(3));
    let mut site = Site::new("slow-peers");
    site.memory = "1GiB";
    site.connections_max = 4096;
    let node = site.start();
    B.create(&mut node.client());
    B.put(&mut node.client(), "large", &content(2, 32 << 20));
    measure(&node, time / 6);
    let alone = measure(&node, time);
    let stop = AtomicBool::new(false);
    let (beside, resident, cut) = std::thread::scope(|scope| {
        let slow = scope.spawn(|| be_slow(&node, &stop));
        std::thread::sleep(Duration::from_secs(2));
        let beside = measure(&node, time);
        let resident = node.resident_bytes() / MIB;
        stop.store(true, Ordering::Relaxed);
        (beside, resident, slow.join().unwrap())
    });
    let used = metric(&mut node.client(), "straightline_pool_used_bytes") / MIB;
    let figures = figures(&alone, &beside);
    let all = serde_json::json!({
        "what": "one client alone, then beside 600 uploads at 20 kB/s and 100 readers at 6 kB/s",
        "seconds": time.as_secs(), "memory_mib": MEMORY_MIB, "resident_mib": resident, "cut": cut, "kinds": figures,
    });
    eprintln!("{all:#}");
    if let Ok(path) = std::env::var("SLOW_PEERS_OUT") {
        write_report(path.as_ref(), "make slow-peers", &node.banner(), all);
    }
    assert_eq!(cut, 0, "slow peers were cut");
    assert!(resident <= MEMORY_MIB + 64, "{resident} MiB resident");
    assert!(used < 64, "{used} MiB of registered memory in use");
    for (kind, times) in figures {
        let longest = times["beside"]["longest_us"].as_u64().unwrap();
        assert!(longest < 5_000_000, "{kind}: {longest} us beside slow peers");
        if long.is_some() {
            assert!(times["p99_ratio"].as_f64().unwrap() <= 3.0, "{kind}: {times}");
        }
    }
    node.stop();
}

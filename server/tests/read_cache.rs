//! Effects of a bucket's own settings: which objects become files, and what is kept in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::fs;
use support::{Bucket, Client, Site, content, metric};

const PIECE: usize = 512 << 10;
const HITS: &str = "straightline_cache_hits_total";

fn set(client: &mut Client, bucket: Bucket, props: &str) {
    let reply = bucket.action(client, "PATCH", &format!(r#"{{"action":"set-bprops","value":{props}}}"#));
    assert_eq!(reply.status, 200, "{}", reply.text());
}

fn get(client: &mut Client, bucket: Bucket, name: &str) -> Vec<u8> {
    let reply = client.get(&bucket.object(name));
    assert_eq!((reply.status, reply.complete), (200, true));
    reply.body
}

#[test]
fn pieces_of_large_objects_are_served_from_memory_once_they_are_asked_for_again() {
    const B: Bucket = Bucket("hot");
    let site = Site::new("hot");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    let size = 3 * PIECE + 12_345;
    let bytes = content(1, size);
    assert_eq!(B.put(&mut client, "large", &bytes).status, 200);
    for _ in 0..2 {
        assert_eq!(get(&mut client, B, "large"), bytes);
    }
    let before = metric(&mut client, HITS);
    // The file cannot be read any more, so the answer comes from memory.
    fs::File::options().write(true).open(site.object_file("hot", "large")).unwrap().set_len(0).unwrap();
    assert_eq!(get(&mut client, B, "large"), bytes);
    assert_eq!(metric(&mut client, HITS) - before, 4);
    for (first, last) in
        [(0, 0), (PIECE - 1, PIECE), (PIECE, 2 * PIECE - 1), (70_000, size - 1), (size - 1, size - 1)]
    {
        let reply =
            client.call("GET", &B.object("large"), &[("Range", &format!("bytes={first}-{last}"))], b"");
        assert_eq!(reply.status, 206);
        assert!(reply.body == bytes[first..=last], "{first}-{last}");
    }
    let others = content(2, size);
    assert_eq!(B.put(&mut client, "large", &others).status, 200);
    assert_eq!(get(&mut client, B, "large"), others);
}

#[test]
fn a_bucket_may_stay_out_of_the_cache() {
    const B: Bucket = Bucket("cold");
    let site = Site::new("cold");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    let objects = [("small", content(3, 9000)), ("large", content(4, PIECE))];
    for (name, bytes) in &objects {
        assert_eq!(B.put(&mut client, name, bytes).status, 200);
    }
    let hits_of_three_reads = |client: &mut Client, name: &str, bytes: &Vec<u8>| {
        let before = metric(client, HITS);
        for _ in 0..3 {
            assert_eq!(get(client, B, name), *bytes);
        }
        metric(client, HITS) - before
    };
    set(&mut client, B, r#"{"read_cache":false}"#);
    for (name, bytes) in &objects {
        assert_eq!(hits_of_three_reads(&mut client, name, bytes), 0, "{name}");
    }
    assert_eq!(metric(&mut client, "straightline_cache_bytes"), 0);
    set(&mut client, B, r#"{"read_cache":true}"#);
    for (name, bytes) in &objects {
        assert!(hits_of_three_reads(&mut client, name, bytes) > 0, "{name}");
    }
    assert!(metric(&mut client, "straightline_cache_bytes") > 0);
}

#[test]
fn a_bucket_says_which_objects_go_into_segments() {
    const B: Bucket = Bucket("sizes");
    let site = Site::new("sizes");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    let is_file = |name: &str| site.object_file("sizes", name).exists();
    let mut written: Vec<(String, Vec<u8>)> = Vec::new();
    for (limit, size, file) in [
        ("128KiB", 131_071, false),
        ("128KiB", 131_072, true),
        ("16KiB", 16_383, false),
        ("16KiB", 16_384, true),
        ("0B", 1, true),
        ("0B", 0, false),
    ] {
        set(&mut client, B, &format!(r#"{{"segment_object_size":"{limit}"}}"#));
        let name = format!("{limit}-{size}");
        let bytes = content(size, size as usize);
        assert_eq!(B.put(&mut client, &name, &bytes).status, 200);
        assert_eq!(is_file(&name), file, "{name}");
        written.push((name, bytes));
    }
    // The limit holds for later writes, and earlier objects stay where they were.
    drop(client);
    node.stop();
    let node = site.start();
    let mut client = node.client();
    for (name, bytes) in &written {
        assert_eq!(get(&mut client, B, name), *bytes, "{name}");
    }
    let refused =
        B.action(&mut client, "PATCH", r#"{"action":"set-bprops","value":{"segment_object_size":"1MiB"}}"#);
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("segment_object_size"), "{}", refused.text());
}

//! HTTP/1.1 as clients of all kinds speak it, on real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::{Bucket, Client, Node, Reply, Site, content, metric};

const B: Bucket = Bucket("http");

fn start(name: &str) -> (Site, Node, Client) {
    let site = Site::new(name);
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    (site, node, client)
}

#[test]
fn one_connection_serves_many_requests() {
    let (_site, node, mut client) = start("keep-alive");
    client.get("/v1/health");
    let port = client.stream().unwrap().local_addr().unwrap().port();
    // Objects of all cores: the connection moves between them.
    for at in 0..64 {
        let name = format!("o{at}");
        B.put(&mut client, &name, &content(at, 1 << at.min(20)));
        assert!(client.get(&B.object(&name)).body == content(at, 1 << at.min(20)), "{name}");
        assert_eq!(client.get(&B.object("none")).status, 404);
        assert_eq!(client.head(&B.object(&name)).status, 200);
        if at % 2 == 0 {
            assert_eq!(client.delete(&B.object(&name)).status, 200);
        }
    }
    assert_eq!(client.stream().unwrap().local_addr().unwrap().port(), port, "the server closed in between");
    assert_eq!(B.list(&mut client).len(), 32);
    let reply = client.call("GET", "/v1/health", &[("Connection", "close")], b"");
    assert_eq!((reply.status, reply.header("Connection")), (200, "close"));
    client.send(b"GET /v1/health HTTP/1.0\r\n\r\n").unwrap();
    assert!(client.read_to_close().unwrap().starts_with(b"HTTP/1.1 200"));
    node.stop();
}

#[test]
fn requests_in_one_write_are_answered_in_order() {
    let (_site, node, mut client) = start("pipeline");
    let bytes = content(1, 70_000);
    let put = |name: &str| {
        let head = format!("PUT {} HTTP/1.1\r\nHost: h\r\nContent-Length: 70000\r\n\r\n", B.object(name));
        [head.as_bytes(), &bytes].concat()
    };
    let get = |name: &str| format!("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", B.object(name)).into_bytes();
    // Names of both cores, so that what is received ahead travels with the connection.
    for round in 0..8 {
        let names: Vec<String> = (0..3).map(|at| format!("{round}-{at}")).collect();
        let writes: Vec<u8> = names.iter().flat_map(|name| put(name)).collect();
        client.send(&writes).unwrap();
        for _ in &names {
            assert_eq!(client.read_reply("PUT").unwrap().status, 200);
        }
        let mut reads: Vec<u8> = names.iter().flat_map(|name| get(name)).collect();
        reads.extend(get("none"));
        reads.extend(get(&names[0]));
        client.send(&reads).unwrap();
        for _ in &names {
            assert!(client.read_reply("GET").unwrap().body == bytes);
        }
        assert_eq!(client.read_reply("GET").unwrap().status, 404);
        assert!(client.read_reply("GET").unwrap().body == bytes);
    }
    assert!(metric(&mut client, "ais_target_conn_moved_count") > 0);
    node.stop();
}

#[test]
fn a_head_may_come_in_pieces() {
    let (_site, node, mut client) = start("pieces");
    let text = format!("\r\nPUT {} HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", B.object("o"));
    for byte in text.as_bytes() {
        client.send(&[*byte]).unwrap();
    }
    assert_eq!(client.read_reply("PUT").unwrap().status, 200);
    assert_eq!(client.get(&B.object("o")).body, b"hello");
    node.stop();
}

/// A body in chunks of the given size, with an extension and a trailer.
fn chunked(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in bytes.chunks(size) {
        out.extend_from_slice(format!("{:x};note=x\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\nX-Trailer: x\r\n\r\n");
    out
}

#[test]
fn chunked_bodies_are_put_together() {
    let (_site, node, mut client) = start("chunked");
    for (len, size) in [(0, 1), (1, 1), (3000, 7), (65_536, 4096), (700_001, 65_537), (3 << 20, 1 << 20)] {
        let bytes = content(len as u64, len);
        let head = format!("PUT {} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", B.object("o"));
        client.send(&[head.as_bytes(), &chunked(&bytes, size)].concat()).unwrap();
        let reply = client.read_reply("PUT").unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        let right = wire::cksum::checksum(wire::cksum::CksumType::Xxhash2, &bytes);
        assert_eq!(
            (reply.header("Ais-Checksum-Type"), reply.header("Ais-Checksum-Value")),
            ("xxhash2", &*right)
        );
        assert!(client.get(&B.object("o")).body == bytes, "{len} bytes in chunks of {size}");
    }
    node.stop();
}

#[test]
fn a_body_is_asked_for_when_the_client_waits() {
    let (_site, node, mut client) = start("continue");
    let head = |name: &str, rest: &str| {
        format!("PUT {} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n{rest}\r\n", B.object(name))
    };
    client.send(head("o", "Content-Length: 100000\r\n").as_bytes()).unwrap();
    assert_eq!(client.read_reply("PUT").unwrap().status, 100);
    client.send(&content(1, 100_000)).unwrap();
    assert_eq!(client.read_reply("PUT").unwrap().status, 200);
    client.send(head("c", "Transfer-Encoding: chunked\r\n").as_bytes()).unwrap();
    assert_eq!(client.read_reply("PUT").unwrap().status, 100);
    client.send(&chunked(b"hello", 2)).unwrap();
    assert_eq!(client.read_reply("PUT").unwrap().status, 200);
    assert_eq!(client.get(&B.object("c")).body, b"hello");
    assert!(client.get(&B.object("o")).body == content(1, 100_000));
    // Refused before the body: nothing is asked for, and the connection ends.
    let refused = head("..", "Content-Length: 100000\r\n");
    let (status, answer) = client.refused(refused.as_bytes());
    assert!(status == 400 && !answer.contains(" 100 "), "{answer}");
    let refused = head("o", "Content-Length: 100000\r\nIf-None-Match: *\r\n");
    assert_eq!(client.refused(refused.as_bytes()).0, 412);
    assert_eq!(client.refused(head("o", "Expect: tea\r\n").as_bytes()).0 / 100, 4);
    node.stop();
}

#[test]
fn head_tells_what_get_would_send() {
    let (_site, node, mut client) = start("head");
    for size in [0, 1, 65_536, 200_000] {
        B.put(&mut client, "o", &content(2, size));
        let (head, get) = (client.head(&B.object("o")), client.get(&B.object("o")));
        assert_eq!((head.status, get.status), (200, 200));
        assert_eq!(head.header("Content-Length"), size.to_string());
        for name in ["Content-Length", "ETag", "Ais-Checksum-Value", "Ais-Version", "Last-Modified"] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
        assert!(head.body.is_empty() && get.body.len() == size);
    }
    node.stop();
}

fn range(client: &mut Client, range: &str) -> Reply {
    client.call("GET", &B.object("o"), &[("Range", range)], b"")
}

#[test]
fn ranges_are_cut_exactly() {
    let (_site, node, mut client) = start("range");
    for size in [1_usize, 1000, 65_536, 65_537, 3_000_000] {
        let bytes = content(3, size);
        B.put(&mut client, "o", &bytes);
        let ends = [0, 1, 4095, 4096, 65_535, 65_536, 524_287, 524_288, 1_048_577, size - 1];
        for &first in ends.iter().filter(|&&at| at < size) {
            for &last in ends.iter().filter(|&&at| at >= first && at < size) {
                let reply = range(&mut client, &format!("bytes={first}-{last}"));
                assert_eq!(reply.status, 206, "{first}-{last} of {size}");
                assert_eq!(reply.header("Content-Range"), format!("bytes {first}-{last}/{size}"));
                assert!(reply.body == bytes[first..=last], "{first}-{last} of {size}");
            }
            assert!(range(&mut client, &format!("bytes={first}-")).body == bytes[first..]);
            assert!(range(&mut client, &format!("bytes=-{}", first + 1)).body == bytes[size - first - 1..]);
        }
        assert!(range(&mut client, "bytes=0-99999999999").body == bytes);
        assert!(range(&mut client, "bytes=-99999999999").body == bytes);
        for bad in [format!("bytes={size}-"), "bytes=-0".to_owned(), "bytes=0-0,2-2".to_owned()] {
            let reply = range(&mut client, &bad);
            assert_eq!(reply.status, 416, "{bad} of {size}");
            assert_eq!(reply.header("Content-Range"), format!("bytes */{size}"), "{bad}");
        }
    }
    node.stop();
}

#[test]
fn conditions_are_judged() {
    let (_site, node, mut client) = start("conditions");
    B.put(&mut client, "o", b"bytes");
    let reply = client.head(&B.object("o"));
    let (tag, date) = (reply.header("ETag").to_owned(), reply.header("Last-Modified").to_owned());
    let old = "Sat, 01 Jan 2000 00:00:00 GMT";
    let cases = [
        ("GET", "If-None-Match", tag.as_str(), 304),
        ("GET", "If-None-Match", "*", 304),
        ("GET", "If-None-Match", "\"other\"", 200),
        ("GET", "If-Match", tag.as_str(), 200),
        ("GET", "If-Match", "\"other\"", 412),
        ("GET", "If-Modified-Since", date.as_str(), 304),
        ("GET", "If-Modified-Since", old, 200),
        ("GET", "If-Unmodified-Since", old, 412),
        ("GET", "If-Unmodified-Since", date.as_str(), 200),
        ("PUT", "If-None-Match", "*", 412),
        ("PUT", "If-Match", "\"other\"", 412),
        ("PUT", "If-Match", tag.as_str(), 200),
    ];
    for (method, header, value, status) in cases {
        let body: &[u8] = if method == "PUT" { b"bytes" } else { b"" };
        let reply = client.call(method, &B.object("o"), &[(header, value)], body);
        assert_eq!(reply.status, status, "{method} {header}: {value}");
        assert_eq!(
            reply.body.is_empty(),
            status == 304 || method == "PUT" && status == 200,
            "{method} {header}"
        );
    }
    let tag = client.head(&B.object("o")).header("ETag").to_owned();
    for (tag, status) in [(tag.as_str(), 206), ("\"other\"", 200)] {
        let headers = [("If-Range", tag), ("Range", "bytes=1-2")];
        assert_eq!(client.call("GET", &B.object("o"), &headers, b"").status, status, "{tag}");
    }
    assert_eq!(client.call("PUT", &B.object("new"), &[("If-None-Match", "*")], b"x").status, 200);
    assert_eq!(client.call("PUT", &B.object("none"), &[("If-Match", "*")], b"x").status, 412);
    node.stop();
}

#[test]
fn bodies_where_none_is_expected_are_read_away() {
    let (_site, node, mut client) = start("bodies");
    for at in 0..10 {
        let name = format!("o{at}");
        B.put(&mut client, &name, &content(at, 1000));
        // A body that has nothing to say.
        let junk = content(at, 100_000);
        let reply = client.call("GET", &B.object(&name), &[], &junk);
        assert!(reply.status == 200 && reply.body == content(at, 1000));
        let message = br#"{"action":"","value":null}"#;
        assert_eq!(client.call("DELETE", &B.object(&name), &[], message).status, 200);
        assert_eq!(client.call("DELETE", &B.object(&name), &[], message).status, 404);
        // One too large to read away: answered, then the connection ends.
        let reply = client.call("GET", &B.object(&name), &[], &content(at, 2 << 20));
        assert_eq!((reply.status, reply.header("Connection")), (404, "close"));
    }
    assert_eq!(client.get("/v1/health").status, 200);
    node.stop();
}

#[test]
fn requests_under_way_are_finished_before_the_node_stops() {
    let (site, node, mut client) = start("stop");
    let head = format!("PUT {} HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n", B.object("o"));
    let bytes = content(1, 2_000_000);
    client.send(&[head.as_bytes(), &bytes[..1_000_000]].concat()).unwrap();
    let mut idle = node.client();
    assert_eq!(idle.get("/v1/health").status, 200);
    node.signal(rustix::process::Signal::TERM);
    // The idle connection ends; the busy one may finish.
    assert_eq!(idle.read_to_close().unwrap(), b"");
    client.send(&bytes[1_000_000..]).unwrap();
    let reply = client.read_reply("PUT").unwrap();
    assert_eq!((reply.status, reply.header("Connection")), (200, "close"));
    node.stop();
    let node = site.start();
    assert!(node.client().get(&B.object("o")).body == bytes);
    node.stop();
}

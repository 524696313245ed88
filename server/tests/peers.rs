//! Peers that are slow, silent or many: they hold up nobody, hold no memory that others need, and are told when they go.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use support::{Bucket, Client, Node, Site, content, metric};

const B: Bucket = Bucket("peers");
const MIB: u64 = 1 << 20;
/// Far more than anything takes that is not held up, and far less than what was seen of requests that were.
const PATIENCE: Duration = Duration::from_secs(3);

fn put_head(name: &str, framing: &str) -> Vec<u8> {
    format!("PUT {} HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n", B.object(name)).into_bytes()
}

fn get_head(name: &str) -> Vec<u8> {
    format!("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", B.object(name)).into_bytes()
}

/// Requests of a client that is not slow, for so long; the longest that one took.
fn beside(node: &Node, time: Duration) -> Duration {
    let (small, large) = (content(7, 4000), content(8, 1 << 20));
    let mut client = node.client();
    let mut longest = Duration::ZERO;
    let end = Instant::now() + time;
    while Instant::now() < end {
        for request in 0..4 {
            let begun = Instant::now();
            match request {
                0 => assert!(B.put(&mut client, "beside-small", &small).complete),
                1 => assert!(client.get(&B.object("beside-small")).body == small),
                2 => assert!(B.put(&mut client, "beside-large", &large).complete),
                _ => assert!(client.get(&B.object("beside-large")).body == large),
            }
            longest = longest.max(begun.elapsed());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    longest
}

fn small_node(name: &str) -> (Site, Node) {
    let mut site = Site::new(name);
    site.memory = "400MiB";
    let node = site.start();
    B.create(&mut node.client());
    (site, node)
}

/// Registered memory that is in use is not what slow peers have; a little is for the index and requests under way.
fn assert_no_buffers_held(node: &Node) {
    let used = metric(&mut node.client(), "straightline_pool_used_bytes");
    assert!(used < 12 * MIB, "{} MiB of registered memory are in use", used / MIB);
}

#[test]
fn slow_uploads_hold_up_nobody() {
    let (_site, node) = small_node("uploads");
    let mut slow: Vec<TcpStream> = (0..200)
        .map(|at| {
            let mut stream = TcpStream::connect(("127.0.0.1", node.port)).unwrap();
            stream.write_all(&put_head(&format!("slow{at}"), "Content-Length: 100000000")).unwrap();
            stream
        })
        .collect();
    let drip = std::thread::scope(|scope| {
        let drip = scope.spawn(|| {
            let some = content(1, 1250);
            for _ in 0..24 {
                slow.iter_mut().for_each(|stream| stream.write_all(&some).unwrap());
                std::thread::sleep(Duration::from_millis(250));
            }
        });
        // All are known to be slow by then.
        std::thread::sleep(Duration::from_secs(1));
        let longest = beside(&node, Duration::from_secs(4));
        assert!(longest < PATIENCE, "a request beside slow uploads took {longest:?}");
        assert_no_buffers_held(&node);
        drip.join()
    });
    drip.unwrap();
    assert!(node.resident_bytes() < (400 + 64) * MIB);
    for stream in &slow {
        stream.set_nonblocking(true).unwrap();
        let still_open = stream.peek(&mut [0]).unwrap_err();
        assert_eq!(still_open.kind(), std::io::ErrorKind::WouldBlock);
    }
    node.stop();
}

/// Sends a body in bursts, with pauses in which any buffer is taken away.
fn upload_in_bursts(node: &Node, name: &str, bytes: &[u8], chunked: bool) {
    let mut client = node.client();
    let framing = if chunked {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {}", bytes.len())
    };
    client.send(&put_head(name, &framing)).unwrap();
    let (mut rest, mut burst) = (bytes, bytes.len() / 7 + 1);
    while !rest.is_empty() {
        let (part, later) = rest.split_at(burst.min(rest.len()));
        (rest, burst) = (later, burst / 2 + bytes.len() / 9 + 3);
        if chunked {
            let framed = [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
            client.send(&framed).unwrap();
        } else {
            client.send(part).unwrap();
        }
        std::thread::sleep(Duration::from_millis(700));
    }
    if chunked {
        client.send(b"0\r\n\r\n").unwrap();
    }
    let reply = client.read_reply("PUT").unwrap();
    assert_eq!(reply.status, 200, "{name}: {}", reply.text());
}

#[test]
fn what_comes_slowly_is_stored_as_it_came() {
    // The time for a body counts from its last byte: each of these takes longer in all.
    let mut site = Site::new("bursts");
    site.settings = "[timeouts]\nbody_ms = 2000\n".to_owned();
    let node = site.start();
    B.create(&mut node.client());
    let sizes = [900, 20_000, 70_001, 120_000, 131_072, 300_001, 3_000_000];
    let objects: Vec<(String, Vec<u8>, bool)> = sizes
        .into_iter()
        .flat_map(|size| [true, false].map(|chunked| (format!("{size}-{chunked}"), size, chunked)))
        .map(|(name, size, chunked)| (name, content(size as u64, size), chunked))
        .collect();
    std::thread::scope(|scope| {
        for (name, bytes, chunked) in &objects {
            scope.spawn(|| upload_in_bursts(&node, name, bytes, *chunked));
        }
    });
    for _ in 0..2 {
        for (name, bytes, _) in &objects {
            assert!(node.client().get(&B.object(name)).body == *bytes, "{name}");
        }
    }
    node.stop();
    let node = site.start();
    for (name, bytes, _) in &objects {
        assert!(node.client().get(&B.object(name)).body == *bytes, "{name}, after a start");
    }
    assert!(site.work_files().is_empty());
    node.stop();
}

#[test]
fn slow_readers_hold_no_buffers_and_get_everything() {
    let (_site, node) = small_node("readers");
    let bytes = content(3, 12 << 20);
    B.put(&mut node.client(), "o", &bytes);
    let mut readers: Vec<Client> = (0..60).map(|_| node.client()).collect();
    for reader in &mut readers {
        reader.send(&get_head("o")).unwrap();
    }
    std::thread::sleep(Duration::from_millis(1500));
    let longest = beside(&node, Duration::from_secs(2));
    assert!(longest < PATIENCE, "a request beside slow readers took {longest:?}");
    assert_no_buffers_held(&node);
    for reader in &mut readers {
        let reply = reader.read_reply("GET").unwrap();
        assert!(reply.complete && reply.body == bytes, "a slow reader got {} bytes", reply.body.len());
    }
    // The same holds for ranges that begin and end anywhere, with pauses in between.
    let mut reader = node.client();
    let head = format!("GET {} HTTP/1.1\r\nHost: h\r\nRange: bytes=70001-11000001\r\n\r\n", B.object("o"));
    reader.send(head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(1000));
    assert!(reader.read_reply("GET").unwrap().body == bytes[70_001..=11_000_001]);
    node.stop();
}

#[test]
fn open_appends_hold_nothing_that_others_need() {
    let (site, node) = small_node("appends");
    let mut client = node.client();
    let append = |client: &mut Client, name: &str, handle: &str, bytes: &[u8]| {
        let path = format!("{}?append_type=append&append_handle={handle}", B.object(name));
        let reply = client.put(&path, bytes);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.header("Ais-Append-Handle").to_owned()
    };
    let sizes = [1, 1, 1, 5000, 200_000];
    let name = |at: usize| format!("append{at}");
    let mut handles: Vec<String> =
        (0..1000).map(|at| append(&mut client, &name(at), "", &content(at as u64, sizes[at % 5]))).collect();
    let longest = beside(&node, Duration::from_secs(1));
    assert!(longest < PATIENCE, "a request beside open appends took {longest:?}");
    assert_no_buffers_held(&node);
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap().count();
    assert!(descriptors < 300, "{descriptors} descriptors with 1000 open appends");
    // Each goes on where it was.
    for at in 0..10 {
        handles[at] = append(&mut client, &name(at), &handles[at], &content(99, 70_000));
        let path = format!("{}?append_type=flush&append_handle={}", B.object(&name(at)), handles[at]);
        assert_eq!(client.put(&path, b"").status, 200);
        let expected = [content(at as u64, sizes[at % 5]), content(99, 70_000)].concat();
        assert!(client.get(&B.object(&name(at))).body == expected, "append {at}");
    }
    node.stop();
    let node = site.start();
    assert!(site.work_files().is_empty());
    assert_eq!(B.list(&mut node.client()).len(), 12);
    node.stop();
}

fn cut(node: &Node, reason: &str) -> u64 {
    let text = node.client().get("/metrics").text();
    assert!(text.contains("# HELP straightline_connections_cut_total "), "{text}");
    let name = "straightline_connections_cut_total{";
    let is_it = |line: &&str| line.starts_with(name) && line.contains(&format!("reason=\"{reason}\""));
    text.lines().find(is_it).and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap()
}

#[test]
fn silent_peers_are_told_why_they_are_cut() {
    let mut site = Site::new("silent");
    site.settings = "[timeouts]\nhead_ms = 1000\nbody_ms = 1000\n".to_owned();
    let node = site.start();
    B.create(&mut node.client());
    let delete = format!("DELETE {} HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n{{\"a", B.object("o"));
    let bodies = [
        [put_head("a", "Content-Length: 1000000"), content(1, 300_000)].concat(),
        [put_head("b", "Content-Length: 1000000"), content(1, 3)].concat(),
        [put_head("c", "Transfer-Encoding: chunked"), b"5\r\nhe".to_vec()].concat(),
        delete.into_bytes(),
    ];
    std::thread::scope(|scope| {
        for body in &bodies {
            scope.spawn(|| {
                let (status, answer) = node.client().refused(body);
                assert_eq!(status, 408, "{answer}");
                assert!(
                    answer.contains("Connection: close") && answer.contains("\"status\":408"),
                    "{answer}"
                );
            });
        }
        scope.spawn(|| assert_eq!(node.client().refused(b"GET /v1/health HT").0, 408));
    });
    assert_eq!((cut(&node, "body"), cut(&node, "head"), cut(&node, "answer")), (4, 1, 0));
    let logged = node.log_text().matches("connection cut").count();
    assert!((1..=5).contains(&logged), "{}", node.log_text());
    assert!(site.work_files().is_empty());
    node.stop();
}

#[test]
fn a_peer_that_moves_bytes_is_alive() {
    let mut site = Site::new("alive");
    site.settings = "[timeouts]\nhead_ms = 1000\nbody_ms = 1000\n".to_owned();
    let node = site.start();
    B.create(&mut node.client());
    B.put(&mut node.client(), "o", &content(1, 5000));
    let message = "{\"action\":\"\"}          ";
    let delete =
        format!("DELETE {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", B.object("o"), message.len());
    let drips = [
        (put_head("a", "Content-Length: 10"), vec!["x"; 10]),
        (
            put_head("b", "Transfer-Encoding: chunked"),
            ["1\r\nx\r\n"; 9].into_iter().chain(["0\r\n\r\n"]).collect(),
        ),
        (delete.into_bytes(), message.split_inclusive(' ').collect()),
        (
            b"GET /v1/health HTTP/1.1\r\nHost: h\r\n".to_vec(),
            ["H: o\r\n"; 9].into_iter().chain(["\r\n"]).collect(),
        ),
    ];
    std::thread::scope(|scope| {
        for (head, drops) in &drips {
            let node = &node;
            scope.spawn(move || {
                let mut client = node.client();
                client.send(head).unwrap();
                for drop in drops {
                    std::thread::sleep(Duration::from_millis(300));
                    client.send(drop.as_bytes()).unwrap();
                }
                let reply = client.read_reply("PUT").unwrap();
                assert_eq!(reply.status, 200, "{head:?}: {}", reply.text());
            });
        }
    });
    assert_eq!((cut(&node, "body"), cut(&node, "head")), (0, 0));
    node.stop();
}

#[test]
fn idle_connections_make_room() {
    let mut site = Site::new("idle");
    site.connections_max = 64;
    let node = site.start();
    B.create(&mut node.client());
    B.put(&mut node.client(), "o", b"bytes");
    let mut idle: Vec<Client> = (0..64).map(|_| node.client()).collect();
    for client in &mut idle {
        assert_eq!(client.get("/v1/health").status, 200);
    }
    let begun = Instant::now();
    for _ in 0..40 {
        let mut client = node.client();
        assert_eq!(client.get(&B.object("o")).body, b"bytes");
        assert_eq!(client.get("/v1/health").status, 200);
        idle.push(client);
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    // The ones that have idled longest have gone.
    let mut ended = 0;
    for client in &mut idle {
        let Ok(stream) = client.stream() else { continue };
        stream.set_nonblocking(true).unwrap();
        ended += usize::from(stream.peek(&mut [0]).is_ok_and(|count| count == 0));
    }
    assert!((30..=50).contains(&ended), "{ended} were ended for 40 new ones");
    assert!(metric(&mut node.client(), "straightline_connections_idle_ended_total") >= 30);
    node.stop();
}

#[test]
fn a_refusal_is_an_answer() {
    let mut site = Site::new("refusal");
    site.connections_max = 32;
    let node = site.start();
    B.create(&mut node.client());
    B.put(&mut node.client(), "o", b"bytes");
    let busy: Vec<Client> = (0..32)
        .map(|at| {
            let mut client = node.client();
            client.send(&put_head(&format!("busy{at}"), "Content-Length: 100")).unwrap();
            client
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    std::thread::scope(|scope| {
        for _ in 0..60 {
            scope.spawn(|| {
                let reply = node.client().get(&B.object("o"));
                assert_eq!(reply.status, 503, "{}", reply.text());
                assert_eq!((reply.header("Retry-After"), reply.header("Connection")), ("1", "close"));
                assert_eq!(reply.json()["status"], 503);
            });
        }
    });
    // An operator is still served.
    for path in ["/v1/health", "/metrics", "/v1/daemon?what=smap"] {
        assert_eq!(node.client().get(path).status, 200, "{path}");
    }
    let refused = metric(&mut node.client(), "straightline_connections_refused_total");
    assert!(refused >= 60, "{refused}");
    drop(busy);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(node.client().get(&B.object("o")).body, b"bytes");
    node.stop();
}

#[test]
fn without_descriptors_idle_connections_make_room() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let site = Site::new("descriptors");
    let node = site.start();
    let pid = Pid::from_raw(i32::try_from(node.pid()).unwrap());
    let open = std::fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap().count() as u64;
    let few = Some(open + 20);
    prlimit(pid, Resource::Nofile, Rlimit { current: few, maximum: few }).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], node.port));
    let idle: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(address).unwrap()).collect();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(b"GET /v1/health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 503"), "{answer:?}");
    }
    drop(idle);
    node.stop();
}

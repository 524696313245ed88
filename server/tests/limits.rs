//! Memory stays inside what the node promises at its start, with many connections and after many of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use support::{Bucket, Client, Node, Site, content};

const B: Bucket = Bucket("limits");
const MIB: u64 = 1 << 20;
const CONNECTIONS: usize = 2000;

/// The promise of the banner: `  memory      768 MiB = base ...`.
fn promised_bytes(node: &Node) -> u64 {
    let banner = node.banner();
    let line = banner.lines().find_map(|line| line.trim().strip_prefix("memory")).unwrap();
    let mut words = line.split_whitespace();
    let size: u64 = words.next().unwrap().parse().unwrap();
    assert_eq!(words.next(), Some("MiB"), "{line}");
    size * MIB
}

fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}

#[test]
fn memory_stays_inside_its_budget_with_many_connections() {
    raise_file_limit();
    let mut site = Site::new("many");
    site.connections_max = 4096;
    let node = site.start();
    let promised = promised_bytes(&node);
    B.create(&mut node.client());
    let sizes = [100, 4096, 65_536, 1 << 20];
    for (at, size) in sizes.into_iter().enumerate() {
        B.put(&mut node.client(), &format!("o{at}"), &content(at as u64, size));
    }
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| node.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/v1/health").status, 200);
    }
    let idle = node.resident_bytes();
    assert!(idle < promised, "{CONNECTIONS} idle: {} of {} MiB", idle / MIB, promised / MIB);
    // All at once: every request is sent before the first answer is read, many of them large.
    for (at, client) in clients.iter_mut().enumerate() {
        let path = B.object(&format!("o{}", at % 4));
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).unwrap();
    }
    let mut most = node.resident_bytes();
    for (at, client) in clients.iter_mut().enumerate() {
        let reply = client.read_reply("GET").unwrap();
        assert_eq!((reply.status, reply.body.len()), (200, sizes[at % 4]));
        if at % 50 == 0 {
            most = most.max(node.resident_bytes());
        }
    }
    eprintln!("promised {} MiB; {} MiB idle, {} MiB at most", promised / MIB, idle / MIB, most / MIB);
    assert!(most < promised, "{CONNECTIONS} active: {} of {} MiB", most / MIB, promised / MIB);
    // Each body that has begun holds a buffer until the pool is empty, then they wait.
    for (at, client) in clients.iter_mut().enumerate() {
        let path = B.object(&format!("put{at}"));
        let head = format!("PUT {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 600000\r\n\r\nbegun");
        client.send(head.as_bytes()).unwrap();
    }
    std::thread::sleep(Duration::from_millis(500));
    let most = node.resident_bytes();
    assert!(most < promised, "{CONNECTIONS} begun: {} of {} MiB", most / MIB, promised / MIB);
    drop(clients);
    while B.list(&mut node.client()).len() != sizes.len() || !site.work_files().is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    node.stop();
}

/// A connection for one request, ended by the client or by the server, in order or by reset.
fn short_connection(port: u16, number: u64) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let close = if number.is_multiple_of(2) { "Connection: close\r\n" } else { "" };
    let path = B.object(&format!("o{}", number % 8));
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n{close}\r\n").as_bytes()).unwrap();
    let mut answer = vec![0; 16 << 10];
    let mut count = 0;
    // The head and 1000 bytes.
    while count < 1000 || !answer[..count].ends_with(b"end") {
        let more = stream.read(&mut answer[count..]).unwrap();
        assert!(more > 0, "{}", String::from_utf8_lossy(&answer[..count]));
        count += more;
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    if number.is_multiple_of(2) {
        assert_eq!(stream.read(&mut answer).unwrap(), 0, "the server was to close");
    } else {
        // Reset: leaves no address behind in the kernel, so that there are enough for a long run.
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    }
}

#[test]
fn connections_that_come_and_go_leave_no_memory_behind() {
    let site = Site::new("churn");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    for at in 0..8 {
        let mut bytes = content(at, 997);
        bytes.extend_from_slice(b"end");
        B.put(&mut client, &format!("o{at}"), &bytes);
    }
    let churn: u64 = std::env::var("CHURN").map_or(20_000, |text| text.parse().unwrap());
    let quarter = |first: u64| {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let port = node.port;
                scope.spawn(move || {
                    (0..churn / 16).for_each(|at| short_connection(port, first + 4 * at + thread))
                });
            }
        });
        node.resident_bytes()
    };
    let resident: Vec<u64> = (0..4).map(|at| quarter(at * churn / 4)).collect();
    eprintln!("resident after each quarter: {:?} KiB", resident.iter().map(|b| b / 1024).collect::<Vec<_>>());
    assert!(resident[3] < resident[0] + 8 * MIB, "resident after each quarter: {resident:?}");
    assert_eq!(client.get("/v1/health").status, 200);
    node.stop();
}

//! A start: what is resident then, that requests are served at once, and that memory grows with use and not before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::{Duration, Instant};
use support::{Bucket, Client, Site, content, metric};

const B: Bucket = Bucket("start");
const MIB: u64 = 1 << 20;
const PIECE: usize = 512 << 10;
/// The memory of a core when it says that it is ready: for requests, and for the cache.
const READY_BYTES: [u64; 2] = [32 * MIB, 8 * MIB];
const PATIENCE: Duration = Duration::from_secs(60);

fn resident(client: &mut Client) -> [u64; 2] {
    ["straightline_pool_resident_bytes", "straightline_cache_resident_bytes"].map(|name| metric(client, name))
}

fn read_all(client: &mut Client, objects: u64) {
    for number in 0..objects {
        let reply = client.get(&B.object(&format!("o{number}")));
        assert_eq!((reply.status, reply.complete, reply.body.len()), (200, true, PIECE));
    }
}

/// The nice value of the node's thread of this name.
fn nice_of(pid: u32, name: &str) -> i64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let stats = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap());
    let mut found = stats.filter(|stat| stat.contains(&format!("({name})")));
    let stat = found.next().unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16).unwrap().parse().unwrap()
}

#[test]
fn memory_grows_with_use_and_not_before() {
    let objects = 96;
    let mut site = Site::new("start");
    site.settings = "cores = 1\n".to_owned();
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    for number in 0..objects {
        let put = B.put(&mut client, &format!("o{number}"), &content(number, PIECE));
        assert_eq!(put.status, 200);
    }
    drop(client);
    node.stop();

    let node = site.start();
    let mut client = node.client();
    let at_start = resident(&mut client);
    for (resident, ready) in at_start.into_iter().zip(READY_BYTES) {
        assert!(resident >= ready && resident <= ready + 8 * MIB, "{resident}");
    }
    assert!(node.resident_bytes() < 256 * MIB, "an idle node has {} MiB", node.resident_bytes() / MIB);
    assert_eq!([nice_of(node.pid(), "memory-ahead"), nice_of(node.pid(), "memory-now")], [19, 0]);
    // Reading everything once is no reason to keep it.
    read_all(&mut client, objects);
    assert_eq!(resident(&mut client), at_start);
    // Reading it again is: memory comes while the reads go on.
    let set_bytes = objects * PIECE as u64;
    let since = Instant::now();
    while metric(&mut client, "straightline_cache_bytes") < set_bytes {
        read_all(&mut client, objects);
        assert!(since.elapsed() < PATIENCE, "the cache does not take the set");
    }
    let [_, cache_bytes] = resident(&mut client);
    // A quarter of what is used, and 8 MiB at least, is ahead of it.
    assert!(cache_bytes >= set_bytes && cache_bytes <= set_bytes * 5 / 4 + 10 * MIB, "{cache_bytes}");
    assert_eq!(metric(&mut client, "straightline_cache_registered_bytes"), cache_bytes);
    let hits = metric(&mut client, "straightline_cache_hits_total");
    read_all(&mut client, objects);
    assert_eq!(metric(&mut client, "straightline_cache_hits_total"), hits + objects);
    node.stop();
}

#[test]
fn more_requests_than_the_first_memory_serves_are_all_answered() {
    let site = Site::new("crowd");
    let node = site.start();
    B.create(&mut node.client());
    let body = content(7, PIECE);
    // Each holds half a MiB until it has ended: together three times what is there at the start.
    let mut clients: Vec<Client> = (0..400).map(|_| node.client()).collect();
    for (at, client) in clients.iter_mut().enumerate() {
        let path = B.object(&format!("o{at}"));
        client
            .send(format!("PUT {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {PIECE}\r\n\r\n").as_bytes())
            .unwrap();
        client.send(&body[..PIECE / 2]).unwrap();
    }
    for client in &mut clients {
        client.send(&body[PIECE / 2..]).unwrap();
    }
    for client in &mut clients {
        assert_eq!(client.read_reply("PUT").unwrap().status, 200);
    }
    assert_eq!(metric(&mut clients[0], "straightline_pool_waiting"), 0);
    node.stop();
}

//! `kill -9` at every named place of a write, of a checkpoint and of the reclaiming of a segment. What was acknowledged
//! is there afterwards, whole, and what was deleted stays away.
//!
//! Each place is died at [`DEATHS`] times, or as often as `FAULT_DEATHS` says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{Bucket, Client, Node, Site, numbered};

const B: Bucket = Bucket("faults");
const DEATHS: u64 = 2;
const THREADS: u64 = 4;
/// Names of each thread: few, so that most writes are overwrites and segments empty out.
const NAMES: u64 = 20;
/// The longest that a place may take to be reached.
const PATIENCE: Duration = Duration::from_secs(60);

/// The places, and how often at most they are passed before the end.
const POINTS: [(&str, u64); 13] = [
    ("object-appended", 200),
    ("file-ready", 40),
    ("file-appended", 40),
    ("deletion-appended", 40),
    ("batch-written", 100),
    ("round-effective", 100),
    ("round-durable", 100),
    ("file-renamed", 40),
    ("file-removed", 20),
    ("checkpoint-begun", 3),
    ("checkpoint-durable", 3),
    ("copy-appended", 60),
    ("copies-durable", 2),
];

/// What is known of one name. Its writes are numbered from 1; every seventh is a deletion.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    acknowledged: u64,
    sent: u64,
}

fn is_deletion(number: u64) -> bool {
    number % 7 == 6
}

fn written(id: u64, number: u64) -> Vec<u8> {
    let sizes = [100, 4096, 30_000, 90_000, 131_071, 131_072, 300_000, 20_000, 70_000];
    numbered(id, number, sizes[((id * 5 + number) % 9) as usize])
}

fn path_of(id: u64) -> String {
    B.object(&format!("d{}/{id}", id % 3))
}

/// Writes until the node dies.
fn write_until_death(port: u16, thread: u64, known: &mut [Known], go_on: &AtomicBool) {
    let mut client = Client::new(port);
    let mut turn = thread * 77 + known.iter().map(|known| known.sent).sum::<u64>();
    while go_on.load(Ordering::Relaxed) {
        turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Some names often and the others rarely: then segments hold both what is dead and what is not.
        let names = if (turn >> 60) == 0 { NAMES } else { NAMES / 4 };
        let at = ((turn >> 33) % names) as usize;
        let id = thread * NAMES + at as u64;
        known[at].sent += 1;
        let number = known[at].sent;
        let outcome = if is_deletion(number) {
            client.request("DELETE", &path_of(id), &[], b"")
        } else {
            client.request("PUT", &path_of(id), &[], &written(id, number))
        };
        match outcome {
            Ok(reply) if reply.status == 200 || (reply.status == 404 && is_deletion(number)) => {
                known[at].acknowledged = number;
            }
            Ok(reply) => panic!("{}: {}", reply.status, reply.text()),
            Err(_) => return,
        }
    }
}

/// Load until the place is reached and the process is gone.
fn load_to_death(mut node: Node, known: &mut [Vec<Known>], what: &str) {
    let go_on = AtomicBool::new(true);
    let (port, flag) = (node.port, &go_on);
    std::thread::scope(|scope| {
        for (thread, known) in known.iter_mut().enumerate() {
            scope.spawn(move || write_until_death(port, thread as u64, known, flag));
        }
        let started = Instant::now();
        while node.is_alive() && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        let died = !node.is_alive();
        go_on.store(false, Ordering::Relaxed);
        node.kill();
        assert!(died, "{what} was never reached");
    });
}

/// Every name holds its last acknowledged write, or one that was sent after it, whole.
fn verify(client: &mut Client, known: &mut [Vec<Known>], what: &str) {
    let mut present = 0;
    for (known, id) in known.iter_mut().flatten().zip(0..) {
        let reply = client.get(&path_of(id));
        let possible = known.acknowledged..=known.sent;
        let may_be_absent = known.acknowledged == 0 || possible.clone().any(is_deletion);
        let found = match reply.status {
            404 if may_be_absent => 0,
            200 => u64::from_le_bytes(reply.body[..8].try_into().unwrap()),
            status => panic!("{what}: {}: {status} {}, {known:?}", path_of(id), reply.text()),
        };
        if found > 0 {
            let right = possible.contains(&found) && !is_deletion(found) && reply.body == written(id, found);
            assert!(right, "{what}: {}: write {found}, known {known:?}", path_of(id));
            present += 1;
        }
        // What was in the air has landed now or never will; a name in doubt goes on from a write of its own.
        if found != known.sent && !(found == 0 && is_deletion(known.sent)) {
            known.sent += if is_deletion(known.sent + 1) { 2 } else { 1 };
            client.put(&path_of(id), &written(id, known.sent));
            present += u64::from(found == 0);
        }
        known.acknowledged = known.sent;
    }
    assert_eq!(B.list(client).len() as u64, present, "{what}: objects that nobody wrote");
}

#[test]
fn a_kill_at_any_place_loses_nothing() {
    let mut site = Site::new("faults");
    site.settings = "segment_bytes = 1048576\nlanes = 4\n".to_owned();
    let node = site.start();
    B.create(&mut node.client());
    node.stop();
    let deaths = std::env::var("FAULT_DEATHS").map_or(DEATHS, |text| text.parse().unwrap());
    let mut known = vec![vec![Known::default(); NAMES as usize]; THREADS as usize];
    for (point, passes) in POINTS {
        for death in 0..deaths {
            let count = 1 + (death * 7919) % passes;
            let what = format!("{point}:{count}");
            // Some places are passed by the start itself.
            if let Ok(node) = site.try_start_with(&[("AISNODE_FAULT", &what)]) {
                load_to_death(node, &mut known, &what);
            }
            let node = site.start();
            assert!(node.banner().contains("unusable 0"), "{what}: {}", node.banner());
            verify(&mut node.client(), &mut known, &what);
            assert_eq!(site.work_files().len(), 0, "{what}");
            node.stop();
        }
    }
    // And once more from the segments and files alone.
    site.remove_indexes();
    let node = site.start();
    verify(&mut node.client(), &mut known, "without indexes");
    node.stop();
}

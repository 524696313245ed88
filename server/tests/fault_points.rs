//! `kill -9` at every named place of a write, of a checkpoint and of the reclaiming of a segment. Every acknowledged
//! write is there afterwards, whole, and deleted objects stay away.
//!
//! Each place is died at [`DEATHS`] times, or as often as `FAULT_DEATHS` says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{Bucket, Client, Known, Node, Site, Writes};

const DEATHS: u64 = 2;
/// Few names, so that most writes are overwrites and segments empty out.
const WRITES: Writes = Writes {
    bucket: Bucket("faults"),
    sources: Bucket("sources"),
    threads: 4,
    names: 20,
    sizes: &[100, 4096, 30_000, 90_000, 131_071, 131_072, 300_000, 20_000, 70_000],
    favours_some: true,
    disk_may_fail: false,
};
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

/// Load until the place is reached and the process is gone.
fn load_to_death(mut node: Node, known: &mut [Vec<Known>], what: &str) {
    let go_on = AtomicBool::new(true);
    let (port, flag) = (node.port, &go_on);
    std::thread::scope(|scope| {
        for (thread, known) in (0..).zip(known) {
            scope.spawn(move || WRITES.write_until_failure(port, thread, known, flag));
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

fn verify(client: &mut Client, known: &mut [Vec<Known>], what: &str) {
    WRITES.verify(client, known).unwrap_or_else(|why| panic!("{what}: {why}"));
}

#[test]
fn a_kill_at_any_place_loses_nothing() {
    let mut site = Site::new("faults");
    site.settings = "segment_bytes = 1048576\nlanes = 4\n".to_owned();
    let node = site.start();
    WRITES.create_buckets(&mut node.client());
    node.stop();
    let deaths = std::env::var("FAULT_DEATHS").map_or(DEATHS, |text| text.parse().unwrap());
    let mut known = WRITES.nothing_known();
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
    // The last start has the segments and files alone.
    site.remove_indexes();
    let node = site.start();
    verify(&mut node.client(), &mut known, "without indexes");
    node.stop();
}

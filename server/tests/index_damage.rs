//! An index is a cache of the log: damage that is found while the node serves has the index made anew. Meanwhile names are
//! answered rightly or with "try again", and afterwards everything is there, and nothing that was deleted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{Bucket, Client, Node, Reply, Site, content, files_beneath, metric};

const B: Bucket = Bucket("damage");
const NAMES: u64 = 2000;
const THREADS: u64 = 8;
const PAGE: u64 = 4096;
/// Only a guard against a hang; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(60);

fn name(number: u64) -> String {
    format!("o/{number:05}")
}

/// Most are small, some are plain files.
fn bytes(number: u64, version: u64) -> Vec<u8> {
    let size = if number.is_multiple_of(97) { 140_000 } else { 200 + (number * 37) as usize % 3000 };
    content(number << 8 | version, size)
}

fn put_all(node: &Node, version: u64) {
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let mut client = node.client();
                for number in (0..NAMES).filter(|number| number % THREADS == thread) {
                    B.put(&mut client, &name(number), &bytes(number, version));
                }
            });
        }
    });
}

/// A site with all names, whose indexes are on the disk.
fn populated(what: &str) -> Site {
    let site = Site::new(what);
    let node = site.start();
    B.create(&mut node.client());
    put_all(&node, 0);
    // A few are gone again.
    let mut client = node.client();
    for number in deleted() {
        assert_eq!(client.delete(&B.object(&name(number))).status, 200);
    }
    node.stop();
    site
}

fn deleted() -> impl Iterator<Item = u64> {
    (0..NAMES).filter(|number| number % 50 == 7)
}

fn is_deleted(number: u64) -> bool {
    number % 50 == 7
}

fn lanes(site: &Site) -> PathBuf {
    site.mountpath.join(".straightline/lanes")
}

fn runs(site: &Site) -> Vec<PathBuf> {
    let is_run = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("run-");
    let runs: Vec<PathBuf> = files_beneath(&lanes(site)).into_iter().filter(is_run).collect();
    assert!(!runs.is_empty(), "there is no index to damage");
    runs
}

/// Turns a bit over in every page of the blocks of a run; its end, which is read when it is opened, stays as it was.
fn flip_blocks(run: &Path) {
    let file = fs::File::options().read(true).write(true).open(run).unwrap();
    let pages = file.metadata().unwrap().len() / PAGE;
    // A filter, a map and a footer of a page or more each lie behind the blocks.
    for page in 0..pages.saturating_sub(3).max(1) {
        let (mut byte, at) = ([0], page * PAGE + 100);
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
    }
    file.sync_all().unwrap();
}

/// Asserts that an answer is the truth, or "try again" while an index may be damaged; returns true for the truth.
fn assert_true_or_later(reply: &Reply, number: u64, version: u64) -> bool {
    let what = format!("{}: {} {}", name(number), reply.status, reply.header("Hdr-Error"));
    if reply.status == 503 {
        assert!(!reply.header("Retry-After").is_empty(), "{what}: no Retry-After");
        return false;
    }
    if is_deleted(number) && version == 0 {
        assert_eq!(reply.status, 404, "{what}");
    } else {
        assert!(reply.status == 200 && reply.complete, "{what}: {}", reply.text());
        assert!(reply.body == bytes(number, version), "{what}: other bytes");
    }
    true
}

/// Asks for all names until all are answered rightly; returns how many times "try again" was said.
fn all_come_right(node: &Node, version: u64) -> u64 {
    let mut client = node.client();
    let (begun, mut later) = (Instant::now(), 0);
    loop {
        let mut wrong = 0;
        for number in 0..NAMES {
            let reply = client.get(&B.object(&name(number)));
            wrong += u64::from(!assert_true_or_later(&reply, number, version));
        }
        later += wrong;
        if wrong == 0 {
            return later;
        }
        assert!(begun.elapsed() < PATIENCE, "{wrong} names do not come back");
    }
}

fn assert_listed(node: &Node) {
    let expected: Vec<String> = (0..NAMES).filter(|number| !is_deleted(*number)).map(name).collect();
    assert!(B.list(&mut node.client()) == expected);
}

/// Checks the store, or has the node check that uses it; returns the exit code and what was said.
fn check(site: &Site) -> (i32, String) {
    let mut check = Command::new(env!("CARGO_BIN_EXE_aisnode"));
    let ran = check.args(["store", "check", "--data-dir"]).arg(&site.data_dir).output().unwrap();
    (ran.status.code().unwrap(), String::from_utf8_lossy(&ran.stdout).into_owned())
}

fn assert_clean(site: &Site) {
    let (code, said) = check(site);
    assert_eq!(code, 0, "{said}");
}

/// The lanes serve: nothing is being made anew any more.
fn wait_until_whole(client: &mut Client) {
    let begun = Instant::now();
    while metric(client, "straightline_lanes_rebuilding") > 0 {
        assert!(begun.elapsed() < PATIENCE, "{}", client.get("/metrics").text());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn wait_for_rebuilds(client: &mut Client, count: u64) {
    let begun = Instant::now();
    while metric(client, "straightline_lanes_rebuilt_total") < count {
        assert!(begun.elapsed() < PATIENCE, "{}", client.get("/metrics").text());
        std::thread::sleep(Duration::from_millis(20));
    }
    wait_until_whole(client);
}

#[test]
fn a_damaged_byte_in_each_run_heals_while_the_node_serves() {
    let site = populated("each-run");
    let node = site.start();
    let runs = runs(&site);
    runs.iter().for_each(|run| flip_blocks(run));
    let later = all_come_right(&node, 0);
    assert!(later > 0, "the damage was not met");
    let mut client = node.client();
    assert_eq!(metric(&mut client, "straightline_lanes_rebuilt_total"), runs.len() as u64);
    assert_listed(&node);
    assert!(node.log_text().contains("the lane serves again"));
    put_all(&node, 1);
    assert_eq!(all_come_right(&node, 1), 0);
    node.stop();
    let node = site.start();
    assert!(node.banner().contains("unusable 0"), "{}", node.banner());
    assert_eq!(all_come_right(&node, 1), 0);
    node.stop();
    assert_clean(&site);
}

#[test]
fn a_listing_and_a_summary_are_whole_or_not_given() {
    let site = populated("listing");
    let node = site.start();
    runs(&site).iter().for_each(|run| flip_blocks(run));
    let mut client = node.client();
    let list = r#"{"action":"list","value":{"pagesize":5000}}"#;
    let begun = Instant::now();
    let mut later = 0;
    loop {
        let reply = B.action(&mut client, "GET", list);
        if reply.status == 200 {
            let entries = reply.json()["entries"].as_array().unwrap().len() as u64;
            assert_eq!(entries, NAMES - deleted().count() as u64, "a shorter listing");
            break;
        }
        assert_eq!(reply.status, 503, "{}", reply.text());
        later += 1;
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(later > 0, "the damage was not met");
    assert_listed(&node);
    assert_eq!(all_come_right(&node, 0), 0);
    node.stop();
    assert_clean(&site);
}

#[test]
fn runs_that_are_cut_short_or_gone_heal() {
    let site = populated("gone");
    for cut in [true, false] {
        let node = site.start();
        let mut client = node.client();
        let runs = runs(&site);
        for run in &runs {
            if cut {
                fs::File::options().write(true).open(run).unwrap().set_len(0).unwrap();
            } else {
                fs::remove_file(run).unwrap();
            }
        }
        if cut {
            assert!(all_come_right(&node, 0) > 0, "nobody has met the damage");
        } else {
            // Open files stay readable: the check is the one to notice.
            let (code, said) = check(&site);
            assert!(code == 1 && said.contains("it is missing"), "{code}: {said}");
        }
        wait_for_rebuilds(&mut client, runs.len() as u64);
        assert_eq!(all_come_right(&node, 0), 0);
        assert_clean(&site);
        node.stop();
        assert_clean(&site);
    }
}

#[test]
fn a_merge_that_meets_damage_heals_what_nobody_asks_for() {
    let site = populated("merge");
    for version in 1..4 {
        let node = site.start();
        put_all(&node, version);
        node.stop();
    }
    runs(&site).iter().for_each(|run| flip_blocks(run));
    let node = site.start();
    // The upkeep finds four runs of one size in each lane and merges them.
    wait_for_rebuilds(&mut node.client(), 1);
    all_come_right(&node, 3);
    node.stop();
    assert_clean(&site);
}

#[test]
fn a_manifest_that_is_damaged_while_the_node_serves_is_written_anew() {
    let site = populated("manifest");
    let node = site.start();
    for run in runs(&site) {
        fs::write(run.with_file_name("index.manifest"), b"not what it was").unwrap();
    }
    put_all(&node, 1);
    node.kill();
    // Nothing was written out again before the end: the start makes the indexes anew.
    let node = site.start();
    assert!(node.banner().contains("unusable 0"), "{}", node.banner());
    assert_eq!(all_come_right(&node, 1), 0);
    node.stop();
    assert_clean(&site);
}

#[test]
fn a_kill_at_any_place_of_a_rebuild_leaves_one_to_be_made() {
    let site = populated("killed");
    for point in ["rebuild-begun", "rebuild-emptied", "rebuild-filled", "rebuild-durable"] {
        let mut node = site.try_start_with(&[("AISNODE_FAULT", &format!("{point}:2"))]).unwrap();
        runs(&site).iter().for_each(|run| flip_blocks(run));
        let mut client = node.client();
        let begun = Instant::now();
        let mut number = 0;
        while node.is_alive() {
            // It dies at some point of this.
            if let Ok(reply) = client.request("GET", &B.object(&name(number % NAMES)), &[], b"") {
                assert_true_or_later(&reply, number % NAMES, 0);
            }
            number += 1;
            assert!(begun.elapsed() < PATIENCE, "{point} was never reached");
        }
        let node = site.start();
        all_come_right(&node, 0);
        assert_listed(&node);
        node.stop();
        assert_clean(&site);
    }
}

/// Changes names until told to stop; returns what each of them stands for, by what was acknowledged.
fn change_until(node: &Node, thread: u64, go_on: &AtomicBool) -> (BTreeMap<u64, Option<u64>>, u64) {
    let mut client = node.client();
    let (mut known, mut later, mut turn) = (BTreeMap::new(), 0, 0);
    while go_on.load(Ordering::Relaxed) {
        let number = (turn * THREADS + thread) % NAMES;
        let path = B.object(&name(number));
        let version = 1 + turn % 200;
        let deletes = turn % 3 == 0;
        let reply = if deletes { client.delete(&path) } else { client.put(&path, &bytes(number, version)) };
        match reply.status {
            200 => {
                known.insert(number, (!deletes).then_some(version));
            }
            404 if deletes => {
                known.insert(number, None);
            }
            503 => later += 1,
            other => panic!("{path}: {other} {}", reply.text()),
        }
        turn += 1;
    }
    (known, later)
}

#[test]
fn changes_beside_a_rebuild_are_kept_and_deletions_stay() {
    let site = populated("beside");
    let node = site.start();
    let go_on = AtomicBool::new(true);
    let (node_ref, flag) = (&node, &go_on);
    let known: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || change_until(node_ref, thread, flag))).collect();
        let mut client = node_ref.client();
        for round in 1..4u64 {
            std::thread::sleep(Duration::from_millis(300));
            let before = metric(&mut client, "straightline_lanes_rebuilt_total");
            runs(&site).iter().for_each(|run| flip_blocks(run));
            // The first to ask finds the damage; the check finds the rest.
            let (_, said) = check(&site);
            wait_until_whole(&mut client);
            let rebuilt = metric(&mut client, "straightline_lanes_rebuilt_total") - before;
            assert!(rebuilt > 0, "round {round}: {said}");
        }
        std::thread::sleep(Duration::from_millis(200));
        flag.store(false, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(known.iter().map(|(_, later)| later).sum::<u64>() > 0, "no change has met a rebuild");
    wait_until_whole(&mut node.client());
    let verify = |node: &Node| {
        let mut client = node.client();
        for (number, version) in known.iter().flat_map(|(known, _)| known) {
            let reply = client.get(&B.object(&name(*number)));
            match version {
                Some(version) => assert!(
                    reply.status == 200 && reply.body == bytes(*number, *version),
                    "{number}: {}",
                    reply.status
                ),
                None => assert_eq!(reply.status, 404, "{number} was deleted"),
            }
        }
    };
    verify(&node);
    node.stop();
    let node = site.start();
    verify(&node);
    node.stop();
    assert_clean(&site);
}

#[test]
fn what_is_gone_at_the_start_is_named() {
    let site = populated("missing");
    let aside = site.root().join("aside");
    let private = site.mountpath.join(".straightline");
    for (gone, named) in [
        (private.join("lanes/07"), "lanes/07"),
        (private.join("lanes"), "lanes"),
        (private.join("crc"), "crc"),
        (site.mountpath.join("@ais"), "@ais"),
        (private.join("mountpath.json"), "mountpath.json"),
        (site.data_dir.join("cluster.json"), "cluster.json"),
        (site.data_dir.join("node.json"), "node.json"),
    ] {
        fs::rename(&gone, &aside).unwrap();
        for _ in 0..2 {
            let said = site.try_start().err().unwrap_or_else(|| panic!("it starts without {named}"));
            assert!(said.contains(named) && !said.contains("panicked"), "{named}: {said}");
        }
        assert!(!gone.exists(), "{named} was made anew");
        fs::rename(&aside, &gone).unwrap();
    }
    // All segments of a lane, with the index there.
    let segments = |dir: &Path| -> Vec<PathBuf> {
        files_beneath(dir)
            .into_iter()
            .filter(|path| path.extension().is_some_and(|ext| ext == "tar"))
            .collect()
    };
    let lane = segments(&lanes(&site))[0].parent().unwrap().to_path_buf();
    fs::create_dir(&aside).unwrap();
    let moved = segments(&lane);
    moved.iter().for_each(|path| fs::rename(path, aside.join(path.file_name().unwrap())).unwrap());
    let said = site.try_start().err().expect("it starts without the segments of a lane");
    let name_of_lane = lane.file_name().unwrap().to_str().unwrap();
    assert!(said.contains(&format!("lanes/{name_of_lane}")) && said.contains("segments"), "{said}");
    moved.iter().for_each(|path| fs::rename(aside.join(path.file_name().unwrap()), path).unwrap());

    let node = site.start();
    assert_eq!(all_come_right(&node, 0), 0);
    node.stop();
    assert_clean(&site);
}

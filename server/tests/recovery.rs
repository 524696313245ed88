//! Acknowledged writes are there after every kind of end, and a node refuses what is not its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use rustix::process::Signal;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{Bucket, Client, Node, Site, content, files_beneath, numbered};

const B: Bucket = Bucket("recovery");
const MIB: usize = 1 << 20;
/// Around every boundary: leaf, block, chunk, cache, and one so large that its checksums lie in a sidecar.
const SIZES: [usize; 10] = [0, 1, 4095, 4096, 65_535, 65_536, 65_537, MIB, 5 * MIB + 3, 70 * MIB];

/// The fields of an object that a client sees besides its bytes.
fn seen(client: &mut Client, name: &str) -> Vec<(String, String)> {
    let reply = client.head(&B.object(name));
    assert_eq!(reply.status, 200, "{name}");
    let kept = [
        "ais-checksum-type",
        "ais-checksum-value",
        "ais-version",
        "ais-custom-md",
        "etag",
        "last-modified",
        "content-length",
    ];
    reply.headers.into_iter().filter(|(n, _)| kept.contains(&n.to_ascii_lowercase().as_str())).collect()
}

fn assert_content(client: &mut Client, name: &str, want: &[u8]) {
    let reply = client.get(&B.object(name));
    assert!(reply.status == 200 && reply.complete, "{name}: {} {}", reply.status, reply.complete);
    assert!(reply.body == want, "{name}: {} bytes, expected {}", reply.body.len(), want.len());
}

#[test]
fn everything_is_equal_after_a_restart() {
    let site = Site::new("restart");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    for (at, size) in SIZES.into_iter().enumerate() {
        let name = format!("dir/o{at}");
        // Twice, so that there is a version to keep.
        B.put(&mut client, &name, b"the version before");
        let custom = format!("number={at}");
        let headers = [("Ais-Custom-Md", custom.as_str()), ("Ais-Custom-Md", "who=recovery test")];
        let reply = client.call("PUT", &B.object(&name), &headers, &content(at as u64, size));
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let before: Vec<_> = (0..SIZES.len()).map(|at| seen(&mut client, &format!("dir/o{at}"))).collect();
    assert!(before.iter().all(|headers| headers.len() >= 7), "{before:?}");
    let listed = B.list(&mut client);
    assert_eq!(listed.len(), SIZES.len());
    node.stop();

    let node = site.start();
    let mut client = node.client();
    assert!(node.banner().contains("swept 0, unusable 0"), "{}", node.banner());
    assert_eq!(B.list(&mut client), listed);
    for (at, size) in SIZES.into_iter().enumerate() {
        let name = format!("dir/o{at}");
        let after = seen(&mut client, &name);
        assert_eq!(after, before[at], "{name}");
        assert!(after.iter().any(|(n, v)| n.eq_ignore_ascii_case("Ais-Version") && v == "2"), "{after:?}");
        assert_content(&mut client, &name, &content(at as u64, size));
    }
    assert_eq!(
        files_beneath(&site.mountpath.join(".straightline/crc")).len(),
        1,
        "one sidecar: that of 70 MiB"
    );
    node.stop();
}

#[test]
fn what_one_machine_has_written_is_served_by_another_with_other_cores() {
    let written = Site::new("moved-from");
    let node = written.start();
    let mut client = node.client();
    B.create(&mut client);
    let names: Vec<String> = (0..300).map(|at| format!("dir/o{at}")).collect();
    for (at, name) in names.iter().enumerate() {
        let size = if at % 30 == 0 { MIB + at } else { 100 * at };
        B.put(&mut client, name, &content(at as u64, size));
    }
    let listed = B.list(&mut client);
    node.stop();

    // Its disk, carried to where the paths are other ones.
    let mut other = Site::new("moved-to");
    for (from, to) in [(&written.data_dir, &other.data_dir), (&written.mountpath, &other.mountpath)] {
        assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
    }
    drop(written);
    for (cores, is_index_there) in [(1, true), (2, true), (1, false)] {
        other.settings = format!("cores = {cores}");
        if !is_index_there {
            other.remove_indexes();
        }
        let node = other.start();
        let mut client = node.client();
        assert_eq!(B.list(&mut client), listed);
        for (at, name) in names.iter().enumerate() {
            let size = if at % 30 == 0 { MIB + at } else { 100 * at };
            assert_content(&mut client, name, &content(at as u64, size));
        }
        // The next number of cores finds the writes of this one.
        B.put(&mut client, &names[0], &content(0, MIB));
        node.stop();
    }
}

/// The answers that one thread got before the node died.
struct Told {
    /// Names whose PUT was acknowledged.
    acknowledged: Vec<u64>,
    /// The one that was under way.
    open: u64,
}

fn object_of(number: u64) -> (String, Vec<u8>) {
    let sizes = [100, 4096, 30_000, 65_536, 100_000, MIB, 2 * MIB + 17];
    (format!("killed/{number}"), numbered(number, number, sizes[(number % 7) as usize]))
}

fn put_until_death(port: u16, thread: u64, running: &AtomicBool) -> Told {
    let mut client = Client::new(port);
    let mut told = Told { acknowledged: Vec::new(), open: thread << 32 };
    while running.load(Ordering::Relaxed) {
        let (name, bytes) = object_of(told.open);
        match client.request("PUT", &B.object(&name), &[], &bytes) {
            Ok(reply) => assert_eq!(reply.status, 200, "{}", reply.text()),
            Err(_) => return told,
        }
        told.acknowledged.push(told.open);
        told.open += 1;
    }
    told
}

/// Runs writers until `kill -9`, then says what they were told.
fn kill_under_load(node: Node, threads: u64) -> Vec<Told> {
    let running = AtomicBool::new(true);
    let (port, running) = (node.port, &running);
    std::thread::scope(|scope| {
        let writers: Vec<_> =
            (0..threads).map(|t| scope.spawn(move || put_until_death(port, t, running))).collect();
        std::thread::sleep(Duration::from_millis(1200));
        node.signal(Signal::KILL);
        node.kill();
        running.store(false, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    })
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let site = Site::new("kill");
    let node = site.start();
    B.create(&mut node.client());
    let told = kill_under_load(node, 8);
    let acknowledged: usize = told.iter().map(|t| t.acknowledged.len()).sum();
    assert!(acknowledged > 20, "only {acknowledged} objects were written before the end");

    let node = site.start();
    let mut client = node.client();
    assert!(node.banner().contains("unusable 0"), "{}", node.banner());
    assert_eq!(site.work_files(), Vec::<std::path::PathBuf>::new());
    let mut visible = 0;
    for told in &told {
        for &number in &told.acknowledged {
            let (name, bytes) = object_of(number);
            assert_content(&mut client, &name, &bytes);
            visible += 1;
        }
        let (name, bytes) = object_of(told.open);
        if client.head(&B.object(&name)).status == 200 {
            assert_content(&mut client, &name, &bytes);
            visible += 1;
        }
    }
    assert_eq!(B.list(&mut client).len(), visible, "objects that nobody wrote");
    node.stop();
}

#[test]
fn a_destroyed_bucket_stays_destroyed() {
    let site = Site::new("destroy");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    for at in 0..50 {
        B.put(&mut client, &format!("d/{at}"), &content(at, 10_000));
    }
    B.destroy(&mut client);
    assert_eq!(client.get(&B.object("d/1")).status, 404);
    node.kill();

    let node = site.start();
    let mut client = node.client();
    assert_eq!(client.head(&B.path()).status, 404);
    assert_eq!(client.get(&B.object("d/1")).status, 404);
    assert_eq!(files_beneath(&site.mountpath.join("@ais")), Vec::<std::path::PathBuf>::new());
    assert_eq!(files_beneath(&site.mountpath.join(".straightline/trash")), Vec::<std::path::PathBuf>::new());

    B.create(&mut client);
    assert_eq!(B.list(&mut client), Vec::<String>::new());
    B.put(&mut client, "d/1", b"new");
    node.stop();
    let node = site.start();
    let mut client = node.client();
    assert_eq!(B.list(&mut client), ["d/1"]);
    assert_content(&mut client, "d/1", b"new");
    node.stop();
}

#[test]
fn a_bucket_made_anew_is_empty_at_once_and_later() {
    let site = Site::new("anew");
    let node = site.start();
    let mut client = node.client();
    for round in 0..5u64 {
        B.create(&mut client);
        assert_eq!(B.list(&mut client), Vec::<String>::new(), "round {round}");
        // Small ones sit in the cache, large ones in the cache of open files.
        for (name, size) in [("small", 100), ("large", 200_000)] {
            assert_eq!(client.get(&B.object(name)).status, 404, "round {round}: {name}");
            B.put(&mut client, name, &content(round, size));
            assert_content(&mut client, name, &content(round, size));
        }
        B.destroy(&mut client);
    }
    B.create(&mut client);
    node.kill();
    let node = site.start();
    assert_eq!(B.list(&mut node.client()), Vec::<String>::new());
    node.stop();
}

#[test]
fn names_that_share_a_prefix_and_files_that_anyone_can_read() {
    let site = Site::new("open-format");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    let names = ["a", "a/b", "a/b/c", "plain.txt", "train/0001/cat.jpg"];
    for (at, name) in names.into_iter().enumerate() {
        B.put(&mut client, name, &content(at as u64, 150_001));
    }
    node.stop();
    for (at, name) in names.into_iter().enumerate() {
        let file = fs::read(site.object_file(B.0, name)).unwrap();
        assert!(file == content(at as u64, 150_001), "{name}");
    }
    let node = site.start();
    let mut client = node.client();
    assert_eq!(B.list(&mut client), names);
    // One goes, the other stays.
    assert_eq!(client.delete(&B.object("a")).status, 200);
    assert_content(&mut client, "a/b", &content(1, 150_001));
    assert_eq!(client.delete(&B.object("a/b")).status, 200);
    assert_content(&mut client, "a/b/c", &content(2, 150_001));
    node.stop();
}

#[test]
fn small_objects_are_members_of_archives_that_tar_reads() {
    let site = Site::new("segments");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    // Sizes at the boundaries of blocks, pages and buffers.
    let sizes = [0, 1, 511, 512, 513, 4095, 4096, 4097, 65_536, 131_071];
    for (at, size) in sizes.into_iter().enumerate() {
        B.put(&mut client, &format!("dir/o{at}"), b"the version before");
        B.put(&mut client, &format!("dir/o{at}"), &content(at as u64, size));
    }
    B.put(&mut client, "gone", b"deleted again");
    assert_eq!(client.delete(&B.object("gone")).status, 200);
    assert_eq!(files_beneath(&site.mountpath.join("@ais")), Vec::<std::path::PathBuf>::new());
    // While the node runs: an archive is whole at every durable moment.
    for (tool, node) in [("tar", Some(node)), ("bsdtar", None)] {
        let out = site.root().join(tool);
        fs::create_dir(&out).unwrap();
        for segment in files_beneath(&site.mountpath.join(".straightline/lanes")) {
            if segment.extension().is_some_and(|ext| ext == "tar") {
                let told = Command::new(tool).arg("-C").arg(&out).arg("-xf").arg(&segment).output().unwrap();
                assert!(told.status.success() && told.stderr.is_empty(), "{tool}: {told:?}");
            }
        }
        for (at, size) in sizes.into_iter().enumerate() {
            let got = fs::read(out.join(B.0).join(format!("dir/o{at}"))).unwrap();
            assert!(got == content(at as u64, size), "{tool}: {size} bytes");
        }
        node.into_iter().for_each(Node::stop);
    }
}

#[test]
fn a_node_refuses_what_is_not_its_own() {
    let site = Site::new("refuse");
    let mut node = site.start();
    let said = site.refused_beside();
    assert!(said.contains("another node uses it"), "{said}");
    assert!(node.is_alive());
    node.stop();

    // Another node's identity over the same mountpath.
    let mut stranger = Site::new("stranger");
    stranger.mountpath.clone_from(&site.mountpath);
    let said = stranger.try_start().err().expect("a mountpath of another node was taken over");
    assert!(said.contains("belongs to target"), "{said}");

    // The mountpath in use by the node, asked for by one that takes itself for the same node.
    let node = site.start();
    fs::remove_dir_all(&stranger.data_dir).unwrap();
    let copied = Command::new("cp").arg("-a").args([&site.data_dir, &stranger.data_dir]).status().unwrap();
    assert!(copied.success());
    let said = stranger.try_start().err().expect("a mountpath in use was taken over");
    assert!(said.contains("another process uses it"), "{said}");
    node.stop();
}

#[test]
fn damaged_state_is_refused_in_plain_words() {
    let site = Site::new("damaged");
    let node = site.start();
    B.create(&mut node.client());
    node.stop();
    for (file, damage) in [
        (site.data_dir.join("node.json"), "{"),
        (site.data_dir.join("cluster.json"), "[]"),
        (site.mountpath.join(".straightline/mountpath.json"), "\0\0\0"),
    ] {
        let good = fs::read(&file).unwrap();
        fs::write(&file, damage).unwrap();
        let said = site.try_start().err().expect("damaged state was accepted");
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(said.contains(name) && said.contains("damaged"), "{name}: {said}");
        assert!(!said.contains("panicked"), "{said}");
        fs::write(&file, good).unwrap();
    }
    let node = site.start();
    assert_eq!(node.client().head(&B.path()).status, 200, "the bucket is there again");
    node.stop();
}

#[test]
fn what_a_crash_tore_stays_torn_off_after_the_next_crash() {
    const SIZE: usize = 3000;
    let mut site = Site::new("torn-twice");
    site.settings = "lanes = 1\n".to_owned();
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    B.put(&mut client, "torn", &content(1, SIZE));
    B.put(&mut client, "torn", &content(2, SIZE));
    B.put(&mut client, "behind", &content(3, SIZE));
    node.kill();
    // The segment looks as if the first sectors of the last batch had not reached the disk, and the later ones had.
    let (segment, at) = site.segment_of(B.0, "torn");
    let file = std::fs::File::options().write(true).open(segment).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0; 1024], at as u64).unwrap();
    drop(file);
    for start in ["first", "second"] {
        let node = site.start();
        assert!(node.banner().contains("unusable 0"), "{start} start: {}", node.banner());
        let mut client = node.client();
        assert_content(&mut client, "torn", &content(1, SIZE));
        assert_content(&mut client, "behind", &content(3, SIZE));
        // These fill more than the largest batch: the torn part is far up in the log now.
        for number in 0..150 {
            B.put(&mut client, &format!("{start}-{number}"), &content(number, SIZE));
        }
        node.kill();
    }
}

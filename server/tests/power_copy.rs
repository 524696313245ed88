//! A power cut at each acknowledgement: the device's backing file is copied while nobody has asked for anything more, the
//! copy is mounted, and a node on it must have all that was acknowledged. Runs as root.
//!
//! The cut by the file system's own shutdown (`power_cut.rs`) lets the kernel decide what is lost. This one is harder: what
//! the file system has not given to the device is lost, whether or not it would have come to that soon. It finds file
//! systems whose order of writes is not what was taken for granted. `POWER_COPIES` says how many changes there are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use rustix::process::Signal;
use std::collections::BTreeMap;
use support::{Bucket, Client, LoopFs, Node, Site, content};

const B: Bucket = Bucket("copies");
/// Changes, with a cut after each, on every file system.
const CHANGES: u64 = 13;

/// A file system, and what a node is to say of it.
struct Case {
    name: &'static str,
    kind: &'static str,
    options: &'static [&'static str],
    mount_options: &'static str,
    has_journal: bool,
    promise: &'static str,
}

const ONE_FLUSH: &str = "durable by one flush for all";
const WHOLE: &str = "then of the whole file system (no journal)";
const EACH_FILE: &str = "durable by a flush for each file";

/// The long interval keeps the journal from commits that nobody has asked for.
const EXT4: Case = Case {
    name: "copy-ext4",
    kind: "ext4",
    options: &[],
    mount_options: "errors=remount-ro,commit=300",
    has_journal: true,
    promise: ONE_FLUSH,
};

/// An object as it is known: the seed and the length of its bytes, and its custom metadata.
type Object = (u64, usize, String);

/// All that was acknowledged.
#[derive(Default)]
struct Acknowledged {
    objects: BTreeMap<String, Object>,
    /// Names that were deleted.
    gone: BTreeMap<String, ()>,
}

impl Acknowledged {
    fn put(&mut self, client: &mut Client, name: &str, seed: u64, len: usize) {
        let custom = format!("made={seed}");
        let headers = [("Ais-Custom-Md", custom.as_str())];
        let reply = client.call("PUT", &B.object(name), &headers, &content(seed, len));
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        self.gone.remove(name);
        self.objects.insert(name.to_owned(), (seed, len, custom));
    }

    fn delete(&mut self, client: &mut Client, name: &str) {
        assert_eq!(client.delete(&B.object(name)).status, 200, "{name}");
        self.objects.remove(name);
        self.gone.insert(name.to_owned(), ());
    }

    fn set_custom(&mut self, client: &mut Client, name: &str, seed: u64) {
        let message = serde_json::json!({ "action": "", "value": { "made": seed.to_string() } }).to_string();
        let reply = client.call("PATCH", &B.object(name), &[], message.as_bytes());
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        let object = self.objects.get_mut(name).unwrap();
        object.2 = format!("made={seed}");
    }

    /// One change; all kinds come in turn, and each turn has names of its own to begin with.
    fn change(&mut self, client: &mut Client, number: u64) {
        let turn = number / 13;
        let (small, large) = (format!("dir/small-{turn}"), format!("dir/{turn}/large"));
        match number % 13 {
            0 => self.put(client, &small, number, 5000),
            1 => self.put(client, &large, number, 300_000),
            2 => self.put(client, &small, number, 70_000),
            3 => self.put(client, &large, number, 1_000_003),
            4 => self.set_custom(client, &small, number),
            5 => self.set_custom(client, &large, number),
            // The object goes from a record to a file and back.
            6 => self.put(client, &small, number, 200_000),
            7 => self.put(client, &large, number, 4096),
            8 => self.put(client, &large, number, 24 << 20),
            9 => self.delete(client, &large),
            10 => self.delete(client, &small),
            11 => self.put(client, &large, number, 150_000),
            _ => self.put(client, &small, number, 1),
        }
    }

    /// Lists the objects that a node does not have as they were acknowledged.
    fn lost(&self, client: &mut Client) -> Vec<String> {
        let mut lost = Vec::new();
        for (name, (seed, len, custom)) in &self.objects {
            let reply = client.get(&B.object(name));
            let is_right = reply.status == 200 && reply.body == content(*seed, *len);
            if !is_right || reply.header("Ais-Custom-Md") != custom {
                lost.push(format!("{name}: {}, {}", reply.status, reply.header("Ais-Custom-Md")));
            }
        }
        for name in self.gone.keys() {
            let status = client.get(&B.object(name)).status;
            if status != 404 {
                lost.push(format!("{name}: {status} and not 404"));
            }
        }
        let listed = B.list(client);
        if !listed.iter().eq(self.objects.keys()) {
            lost.push(format!("listed are {listed:?}"));
        }
        lost
    }
}

/// Has a node look at what a cut would leave now.
fn cut(case: &Case, fs: &LoopFs, node: &Node, known: &Acknowledged, number: u64) {
    // Its upkeep shall not write while the copy is made.
    node.signal(Signal::STOP);
    let copy = fs.copy_of_device(case.has_journal);
    node.signal(Signal::CONT);
    let mut site = Site::new(&format!("{}-cut", case.name));
    site.mountpath = copy.mount_point.join("mp");
    site.data_dir = copy.mount_point.join("data");
    let after = site.start();
    let lost = known.lost(&mut after.client());
    assert!(
        lost.is_empty(),
        "{}, change {number}: {lost:#?}\n{}\n{}",
        case.name,
        after.log_text(),
        copy.mended
    );
    assert!(after.banner().contains("unusable 0"), "{}, change {number}: {}", case.name, after.banner());
    after.kill();
    drop(copy);
}

fn cut_at_each_acknowledgement(case: &Case) {
    let mut site = Site::new(case.name);
    let fs = LoopFs::mounted_with(case.kind, site.root(), 512, case.options, case.mount_options);
    site.mountpath = fs.mount_point.join("mp");
    site.data_dir = fs.mount_point.join("data");
    let node = site.start();
    assert!(node.banner().contains(case.promise), "{}", node.banner());
    let mut client = node.client();
    B.create(&mut client);
    let mut known = Acknowledged::default();
    let changes = std::env::var("POWER_COPIES").map_or(CHANGES, |text| text.parse().unwrap());
    for number in 0..changes {
        known.change(&mut client, number);
        cut(case, &fs, &node, &known, number);
    }
    eprintln!("{}: {changes} changes, a cut after each, nothing lost", case.name);
    node.stop();
    drop(fs);
}

#[test]
fn ext4() {
    cut_at_each_acknowledgement(&EXT4);
}

#[test]
fn ext4_with_fast_commits() {
    cut_at_each_acknowledgement(&Case { name: "copy-fast", options: &["-O", "fast_commit"], ..EXT4 });
}

#[test]
fn ext4_with_small_blocks() {
    cut_at_each_acknowledgement(&Case { name: "copy-1k", options: &["-b", "1024"], ..EXT4 });
}

#[test]
fn ext4_without_a_journal() {
    cut_at_each_acknowledgement(&Case {
        name: "copy-nojournal",
        options: &["-O", "^has_journal"],
        mount_options: "errors=remount-ro",
        has_journal: false,
        promise: WHOLE,
        ..EXT4
    });
}

#[test]
fn xfs() {
    cut_at_each_acknowledgement(&Case { name: "copy-xfs", kind: "xfs", mount_options: "defaults", ..EXT4 });
}

#[test]
fn btrfs() {
    cut_at_each_acknowledgement(&Case {
        name: "copy-btrfs",
        kind: "btrfs",
        mount_options: "commit=300",
        promise: EACH_FILE,
        ..EXT4
    });
}

//! Disks that are taken for one another: mountpaths that are exchanged, moved, missing or empty; lanes that were
//! emptied; and file systems that cannot do all that is needed. The tests with loop devices run as root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Bucket, Client, LoopFs, Site, content, files_beneath, require_root};

const B: Bucket = Bucket("disks");
const OBJECTS: u64 = 40;

fn size(number: u64) -> usize {
    if number.is_multiple_of(8) { 200_000 } else { 100 + number as usize * 50 }
}

fn put_all(client: &mut Client, version: u64) {
    for number in 0..OBJECTS {
        B.put(client, &format!("o{number}"), &content(version << 32 | number, size(number)));
    }
}

fn assert_all(client: &mut Client, version: u64, when: &str) {
    for number in 0..OBJECTS {
        let reply = client.get(&B.object(&format!("o{number}")));
        assert_eq!(reply.status, 200, "{when}: o{number}: {}", reply.text());
        assert!(
            reply.body == content(version << 32 | number, size(number)),
            "{when}: o{number} is another version"
        );
    }
    assert_eq!(B.list(client).len() as u64, OBJECTS, "{when}");
}

/// A node with objects on two mountpaths, stopped.
fn populated(name: &str) -> Site {
    let mut site = Site::new(name);
    site.other_mountpath = Some(site.root().join("mp2"));
    let node = site.start();
    B.create(&mut node.client());
    put_all(&mut node.client(), 1);
    node.stop();
    site
}

fn exchange(site: &Site) {
    let (one, other, aside) =
        (&site.mountpath, site.other_mountpath.as_ref().unwrap(), site.root().join("aside"));
    fs::rename(one, &aside).unwrap();
    fs::rename(other, one).unwrap();
    fs::rename(&aside, other).unwrap();
}

fn refused(site: &Site, what: &str) -> String {
    let said = site.try_start().err().unwrap_or_else(|| panic!("it starts: {what}"));
    assert!(!said.contains("panicked"), "{what}: {said}");
    said
}

#[test]
fn mountpaths_may_change_places() {
    let mut site = populated("exchanged");
    for version in 2..4 {
        exchange(&site);
        let node = site.start();
        assert_all(&mut node.client(), version - 1, "exchanged");
        put_all(&mut node.client(), version);
        node.stop();
    }
    // The other order, and then other paths, one of them by a link.
    let other = site.other_mountpath.replace(site.mountpath.clone());
    site.mountpath = other.unwrap();
    let node = site.start();
    assert_all(&mut node.client(), 3, "the other order");
    node.stop();
    let moved = site.root().join("moved");
    fs::rename(&site.mountpath, &moved).unwrap();
    let link = site.root().join("link");
    std::os::unix::fs::symlink(&moved, &link).unwrap();
    site.mountpath = link;
    let node = site.start();
    assert_all(&mut node.client(), 3, "moved");
    let told = node.client().get("/v1/daemon?what=mountpaths").json();
    let told = told["straightline"].as_object().unwrap();
    assert!(told.contains_key(moved.to_str().unwrap()) && told.len() == 2, "{told:?}");
    node.stop();
    assert_eq!(site.tool(&["check"]).0, 0, "the tools know the new places");
}

#[test]
fn a_mountpath_that_is_missing_is_named_and_nothing_is_formatted() {
    let mut site = populated("missing");
    let known = fs::read_to_string(site.data_dir.join("mountpaths.json")).unwrap();
    let known: serde_json::Value = serde_json::from_str(&known).unwrap();
    let id_of = |at: usize| known["mountpaths"][at]["id"].as_str().unwrap().to_owned();
    let second = site.other_mountpath.clone().unwrap();

    site.other_mountpath = None;
    let said = refused(&site, "one is left out");
    assert!(said.contains(&id_of(1)) && said.contains("not among the mountpaths given"), "{said}");
    site.other_mountpath = Some(second.clone());

    let away = site.root().join("away");
    fs::rename(&second, &away).unwrap();
    assert!(refused(&site, "one is gone").contains("where there is nothing now"));
    assert!(!second.exists());
    fs::create_dir(&second).unwrap();
    let said = refused(&site, "one is empty");
    assert!(said.contains(second.to_str().unwrap()) && said.contains("is its disk mounted?"), "{said}");
    let first_away = site.root().join("first-away");
    fs::rename(&site.mountpath, &first_away).unwrap();
    fs::create_dir(&site.mountpath).unwrap();
    let said = refused(&site, "both are empty");
    assert!(said.contains(&id_of(0)) && said.contains(&id_of(1)), "{said}");
    assert!(files_beneath(&site.mountpath).is_empty() && files_beneath(&second).is_empty(), "formatted");
    fs::remove_dir(&site.mountpath).unwrap();
    fs::remove_dir(&second).unwrap();
    fs::rename(&first_away, &site.mountpath).unwrap();

    // A copy of the other one in its place, and then both of them.
    let copied = Command::new("cp").arg("-a").args([&site.mountpath, &second]).status().unwrap();
    assert!(copied.success());
    let said = refused(&site, "a copy of the other one");
    assert!(said.contains(&format!("it is mountpath {}, and so is", id_of(0))), "{said}");
    fs::remove_dir_all(&second).unwrap();
    fs::rename(&away, &second).unwrap();

    let json = site.data_dir.join("mountpaths.json");
    fs::rename(&json, site.root().join("json")).unwrap();
    assert!(refused(&site, "they are forgotten").contains("mountpaths.json: it is gone"));
    fs::rename(site.root().join("json"), &json).unwrap();

    let node = site.start();
    assert_all(&mut node.client(), 1, "as it was");
    node.stop();
}

#[test]
fn half_a_store_is_never_called_clean() {
    let site = populated("half");
    let first = site.mountpath.to_str().unwrap();
    let (code, text) = site.tool(&["check", "--mountpath", first]);
    assert!(code == 2 && text.contains("not all mountpaths of the node are there"), "{code}: {text}");
    let (code, text) = site.tool(&["check", "--partial", "--mountpath", first]);
    assert!(code == 1 && text.contains("LEFT OUT: mountpath "), "{code}: {text}");
    let away = site.root().join("away");
    fs::rename(site.other_mountpath.as_ref().unwrap(), &away).unwrap();
    for args in [&["check"][..], &["rebuild-index"], &["export", "--bucket", B.0]] {
        let (code, text) = site.tool(args);
        assert!(code == 2 && text.contains("mp2"), "{args:?}: {code}: {text}");
    }
    let (code, text) = site.tool(&["check", "--mountpath", first, "--mountpath", away.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");

    // Only the identities on them are exchanged: then each name lies on the wrong one.
    let identity = ".straightline/mountpath.json";
    let (one, other) = (site.mountpath.join(identity), away.join(identity));
    let texts = [fs::read(&one).unwrap(), fs::read(&other).unwrap()];
    fs::write(&one, &texts[1]).unwrap();
    fs::write(&other, &texts[0]).unwrap();
    let (code, text) = site.tool(&["check", "--mountpath", first, "--mountpath", away.to_str().unwrap()]);
    assert!(code == 1 && text.contains("it belongs to mountpath"), "{code}: {text}");
}

/// The directory of a lane that has had a segment.
fn used_lane(site: &Site) -> PathBuf {
    let files = files_beneath(&site.mountpath.join(".straightline/lanes"));
    let segment = files.into_iter().find(|path| path.extension().is_some_and(|ext| ext == "tar"));
    segment.unwrap().parent().unwrap().to_path_buf()
}

#[test]
fn an_emptied_lane_is_not_an_empty_one() {
    let site = populated("emptied");
    let lane = used_lane(&site);
    files_beneath(&lane).iter().for_each(|file| fs::remove_file(file).unwrap());
    let said = refused(&site, "a lane is emptied");
    assert!(said.contains(lane.to_str().unwrap()) && said.contains("rebuild-index"), "{said}");
    assert!(files_beneath(&lane).is_empty());
    let (code, text) = site.tool(&["check"]);
    assert!(code == 1 && text.contains("segments (*.tar) and index are gone"), "{code}: {text}");
    // Given up by order.
    assert_eq!(site.tool(&["rebuild-index"]).0, 0);
    let node = site.start();
    assert!((B.list(&mut node.client()).len() as u64) < OBJECTS);
    put_all(&mut node.client(), 2);
    assert_all(&mut node.client(), 2, "written anew");
    node.stop();
}

/// A file system that is mounted for a test.
struct Mounted(PathBuf);

impl Mounted {
    fn new(kind: &str, at: &Path, options: &str) -> Self {
        require_root();
        fs::create_dir_all(at).unwrap();
        let mounted =
            Command::new("mount").args(["-t", kind, "-o", options, "none"]).arg(at).status().unwrap();
        assert!(mounted.success(), "mount -t {kind}");
        Self(at.to_path_buf())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_file_system_that_cannot_do_it_is_refused_by_name() {
    let mut site = Site::new("unfit");
    let memory = Mounted::new("ramfs", &site.root().join("ramfs"), "defaults");
    site.mountpath = memory.0.join("mp");
    let said = refused(&site, "no direct I/O");
    let named = format!("mountpath {} (ramfs): it cannot", site.mountpath.display());
    assert!(said.contains(&named) && said.contains("O_DIRECT"), "{said}");

    let journal = LoopFs::mounted_with("ext4", site.root(), 64, &[], "data=journal");
    site.mountpath = journal.mount_point.join("mp");
    let said = refused(&site, "data=journal");
    assert!(said.contains("(ext4): it cannot") && said.contains("O_DIRECT"), "{said}");
    drop(journal);

    let mut good = LoopFs::new("ext4", site.root(), 64);
    site.mountpath = good.mount_point.join("mp");
    site.start().stop();
    let remount = |how: &str| {
        let done =
            Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&good.mount_point).status();
        assert!(done.unwrap().success());
    };
    remount("ro");
    let said = refused(&site, "read-only");
    assert!(said.contains("(ext4): it cannot make a file: Read-only"), "{said}");
    remount("rw");
    site.start().stop();
    good.unmount();
}

#[test]
fn what_promises_nothing_says_so() {
    let mut site = Site::new("memory");
    let memory = Mounted::new("tmpfs", &site.root().join("tmpfs"), "size=256m");
    site.mountpath = memory.0.join("mp");
    let node = site.start();
    assert!(
        node.banner().contains("promises nothing") && node.banner().contains("lies in memory"),
        "{}",
        node.banner()
    );
    let mut client = node.client();
    assert!(client.get("/metrics").text().contains("by=\"none\"} 1"));
    B.create(&mut client);
    put_all(&mut client, 1);
    assert_all(&mut client, 1, "tmpfs");
    node.stop();
    let node = site.start();
    assert_all(&mut node.client(), 1, "started again");
    node.stop();
}

#[test]
fn attributes_with_little_room_refuse_nothing() {
    let mut site = Site::new("small-blocks");
    let fs = LoopFs::with_options("ext4", site.root(), 400, &["-b", "1024"]);
    site.mountpath = fs.mount_point.join("mp");
    let node = site.start();
    assert!(node.banner().contains("what does not fit lies in files beside"), "{}", node.banner());
    let mut client = node.client();
    B.create(&mut client);
    let (long, value) = ("n".repeat(1024), "v".repeat(1900));
    let custom = |client: &mut Client, name: &str, value: &str| {
        let message = serde_json::json!({ "action": "", "value": { "key": value } }).to_string();
        let reply = client.call("PATCH", &B.object(name), &[], message.as_bytes());
        assert_eq!(reply.status, 200, "{}", reply.text());
    };
    for (at, name) in ["a", &long].into_iter().enumerate() {
        B.put(&mut client, name, &content(at as u64, (20 << 20) + at));
        // Each change goes to the file that is not in use.
        for turn in 0..3 {
            custom(&mut client, name, &format!("{turn}{value}"));
        }
    }
    let assert_there = |client: &mut Client, when: &str| {
        for (at, name) in ["a", &long].into_iter().enumerate() {
            let reply = client.get(&B.object(name));
            assert!(reply.status == 200 && reply.body == content(at as u64, (20 << 20) + at), "{when}");
            assert_eq!(reply.header("Ais-Custom-Md"), format!("key=2{value}"), "{when}");
        }
    };
    assert_there(&mut client, "at once");
    node.kill();
    let node = site.start();
    assert_there(&mut node.client(), "after a kill");
    node.stop();
    let (code, text) = site.tool(&["check"]);
    assert_eq!(code, 0, "{text}");
    site.remove_indexes();
    let node = site.start();
    assert!(node.banner().contains("unusable 0"), "{}", node.banner());
    assert_there(&mut node.client(), "with a new index");
    for name in ["a", &long] {
        assert_eq!(node.client().delete(&B.object(name)).status, 200);
    }
    node.stop();
    assert!(files_beneath(&site.mountpath.join(".straightline/crc")).is_empty(), "files beside nothing");
    assert_eq!(site.tool(&["check"]).0, 0);
}

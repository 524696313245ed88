//! Damage on the disk is noticed at every read and never served, and nothing damaged is deleted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use rustix::fs::XattrFlags;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use support::{Bucket, Client, Reply, Site, content, files_beneath, metric};

const B: Bucket = Bucket("integrity");
const BLOCK: usize = 64 << 10;
const MIB: usize = 1 << 20;
const ATTRIBUTE: &str = "user.straightline";

fn flip(file: &Path, at: usize) {
    let file = fs::File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at as u64).unwrap();
    file.sync_all().unwrap();
}

fn attribute(file: &Path) -> Vec<u8> {
    let mut value = vec![0; 64 << 10];
    let len = rustix::fs::getxattr(file, ATTRIBUTE, value.as_mut_slice()).unwrap();
    value.truncate(len);
    value
}

fn range(client: &mut Client, name: &str, first: usize, last: usize) -> Reply {
    client.call("GET", &B.object(name), &[("Range", &format!("bytes={first}-{last}"))], b"")
}

/// An error, or an answer that breaks off, and in no case a byte that is not the object's.
fn assert_not_served(reply: &Reply, right: &[u8], what: &str) {
    if reply.status == 500 {
        assert_eq!(reply.json()["tcode"], "ErrBadCksum", "{what}");
        return;
    }
    assert!(matches!(reply.status, 200 | 206), "{what}: {}", reply.status);
    assert!(!reply.complete, "{what}: a complete answer with damaged bytes");
    assert!(right.starts_with(&reply.body), "{what}: wrong bytes before the cut");
}

#[test]
fn a_flipped_bit_is_never_served() {
    let site = Site::new("flip");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    let corrupt = |client: &mut Client| metric(client, "straightline_corrupt_reads_total");
    // The damage lies within the first piece of an answer, or far behind it.
    for (at, (size, damaged)) in
        [(5 * BLOCK + 7, 2 * BLOCK + 9), (5 * BLOCK + 7, 5 * BLOCK + 6), (9 * MIB, 8 * MIB + 1), (9 * MIB, 0)]
            .into_iter()
            .enumerate()
    {
        let name = format!("o{at}");
        let bytes = content(at as u64, size);
        B.put(&mut client, &name, &bytes);
        assert!(client.get(&B.object(&name)).body == bytes);
        let before = corrupt(&mut client);
        flip(&site.object_file(B.0, &name), damaged);

        let whole = client.get(&B.object(&name));
        assert_not_served(&whole, &bytes, &name);
        let one = range(&mut client, &name, damaged, damaged);
        assert_eq!(one.status, 500, "{name}: the damaged byte itself");
        let start = damaged.saturating_sub(100);
        assert_not_served(&range(&mut client, &name, start, damaged), &bytes[start..], &name);
        assert_eq!(corrupt(&mut client), before + 3, "{name}");

        // Every other block is as good as before.
        let block = damaged / BLOCK;
        for other in [block.saturating_sub(1), block + 1] {
            let (first, last) = (other * BLOCK, ((other + 1) * BLOCK).min(size) - 1);
            if other != block && first < size {
                let reply = range(&mut client, &name, first, last);
                assert_eq!((reply.status, reply.complete), (206, true), "{name}, block {other}");
                assert!(reply.body == bytes[first..=last], "{name}, block {other}");
            }
        }
        // An overwrite heals.
        B.put(&mut client, &name, &bytes);
        assert!(client.get(&B.object(&name)).body == bytes, "{name}");
    }
    assert!(node.client().get("/metrics").text().contains("ais_target_err_io_count"));
    node.stop();
}

#[test]
fn small_objects_are_verified_before_they_are_cached() {
    let site = Site::new("small");
    let node = site.start();
    B.create(&mut node.client());
    let sizes = [1, 1000, 4096, 4097, BLOCK];
    for (at, size) in sizes.into_iter().enumerate() {
        B.put(&mut node.client(), &format!("o{at}"), &content(9, size));
    }
    node.stop();
    for (at, size) in sizes.into_iter().enumerate() {
        let (segment, start) = site.segment_of(B.0, &format!("o{at}"));
        flip(&segment, start + size - 1);
    }
    let node = site.start();
    let mut client = node.client();
    for at in 0..sizes.len() {
        // The second time fails as well: damaged bytes do not get into the cache.
        for _ in 0..2 {
            assert_eq!(client.get(&B.object(&format!("o{at}"))).status, 500, "o{at}");
            assert_eq!(range(&mut client, &format!("o{at}"), 0, 0).status, 500, "o{at}");
        }
        assert_eq!(client.head(&B.object(&format!("o{at}"))).status, 200, "its metadata is whole");
    }
    assert_eq!(metric(&mut client, "straightline_corrupt_reads_total"), 4 * sizes.len() as u64);
    node.stop();
}

#[test]
fn copies_and_appends_take_over_no_damage() {
    let site = Site::new("derived");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    let bytes = content(3, 3 * MIB);
    B.put(&mut client, "o", &bytes);
    flip(&site.object_file(B.0, "o"), 2 * MIB);
    let copy = client.call("PUT", &format!("{}?object_to=ais/@%23/{}/copy", B.object("o"), B.0), &[], b"");
    assert_eq!(copy.status, 500, "{}", copy.text());
    let append = client.put(&format!("{}?append_type=append", B.object("o")), b"more");
    assert_eq!(append.status, 500, "{}", append.text());
    let rename = client.call("POST", &B.object("o"), &[], br#"{"action":"rename-obj","name":"renamed"}"#);
    if rename.status == 200 {
        assert_not_served(&client.get(&B.object("renamed")), &bytes, "renamed");
    }
    assert_eq!(client.get(&B.object("copy")).status, 404);
    assert_eq!(site.work_files().len(), 0);
    node.stop();
}

/// Damages the file of an object while the node is down; then it is not served and not deleted, and an index made anew
/// counts it and leaves it out.
fn unusable(what: &str, damage: impl FnOnce(&Path)) {
    let site = Site::new(what);
    let node = site.start();
    let bytes = content(1, 200_000);
    B.create(&mut node.client());
    B.put(&mut node.client(), "o", &bytes);
    B.put(&mut node.client(), "other", &content(2, 200_000));
    node.stop();
    let file = site.object_file(B.0, "o");
    damage(&file);
    let left = fs::read(&file).unwrap();

    let node = site.start();
    let mut client = node.client();
    let reply = client.get(&B.object("o"));
    // Bytes behind the end are no part of the object.
    if reply.status == 200 && left.len() > bytes.len() {
        assert!(reply.body == bytes, "{what}");
    } else {
        assert_not_served(&reply, &bytes, what);
    }
    assert!(client.get(&B.object("other")).body == content(2, 200_000), "{what}");
    node.stop();

    site.remove_indexes();
    let node = site.start();
    let mut client = node.client();
    assert!(node.banner().contains("unusable 1"), "{what}: {}", node.banner());
    assert!(node.log_text().contains("left in place"), "{what}: {}", node.log_text());
    assert_eq!(client.get(&B.object("o")).status, 404, "{what}");
    assert_eq!(B.list(&mut client), ["other"], "{what}");
    assert!(client.get(&B.object("other")).body == content(2, 200_000), "{what}");
    node.stop();
    assert!(fs::read(&file).unwrap() == left, "{what}: the file was touched");
}

#[test]
fn damaged_metadata_makes_an_object_unusable() {
    unusable("xattr-removed", |file| rustix::fs::removexattr(file, ATTRIBUTE).unwrap());
    unusable("xattr-flipped", |file| {
        let mut value = attribute(file);
        let middle = value.len() / 2;
        value[middle] ^= 1;
        rustix::fs::setxattr(file, ATTRIBUTE, &value, XattrFlags::empty()).unwrap();
    });
    unusable("xattr-cut", |file| {
        let value = attribute(file);
        rustix::fs::setxattr(file, ATTRIBUTE, &value[..value.len() - 1], XattrFlags::empty()).unwrap();
    });
    unusable("xattr-empty", |file| {
        rustix::fs::setxattr(file, ATTRIBUTE, b"", XattrFlags::empty()).unwrap();
    });
    unusable("xattr-of-another", |file| {
        let value = attribute(&file.with_file_name("other"));
        rustix::fs::setxattr(file, ATTRIBUTE, &value, XattrFlags::empty()).unwrap();
    });
}

#[test]
fn a_file_of_another_length_is_unusable() {
    let set_len =
        |file: &Path, len| fs::File::options().write(true).open(file).unwrap().set_len(len).unwrap();
    unusable("cut", |file| set_len(file, 199_999));
    unusable("emptied", |file| set_len(file, 0));
    unusable("longer", |file| set_len(file, 200_001));
}

#[test]
fn a_file_cut_while_the_node_runs_is_not_served() {
    let site = Site::new("cut-alive");
    let node = site.start();
    let mut client = node.client();
    B.create(&mut client);
    let bytes = content(4, 2 * MIB);
    B.put(&mut client, "o", &bytes);
    let file = fs::File::options().write(true).open(site.object_file(B.0, "o")).unwrap();
    file.set_len(MIB as u64 + 5).unwrap();
    assert_not_served(&client.get(&B.object("o")), &bytes, "whole");
    assert_eq!(range(&mut client, "o", MIB + 100, MIB + 200).status, 500);
    let start = range(&mut client, "o", 0, 99);
    assert!(start.status == 206 && start.body == bytes[..100]);
    fs::remove_file(site.object_file(B.0, "o")).unwrap();
    node.stop();
}

#[test]
fn a_damaged_sidecar_is_noticed() {
    let site = Site::new("sidecar");
    let node = site.start();
    B.create(&mut node.client());
    let bytes = content(5, 70 * MIB);
    B.put(&mut node.client(), "o", &bytes);
    node.stop();
    let sidecars = files_beneath(&site.mountpath.join(".straightline/crc"));
    assert_eq!(sidecars.len(), 1);
    let good = fs::read(&sidecars[0]).unwrap();
    let mut flipped = good.clone();
    flipped[100] ^= 1;
    for damaged in [&flipped[..], &good[..good.len() - 4], b""] {
        fs::write(&sidecars[0], damaged).unwrap();
        let node = site.start();
        let reply = range(&mut node.client(), "o", 0, 10);
        assert_eq!(reply.status, 500, "{} bytes of checksums", damaged.len());
        node.stop();
        assert_eq!(fs::read(&sidecars[0]).unwrap(), damaged, "it was touched");
    }
    fs::write(&sidecars[0], &good).unwrap();
    let node = site.start();
    assert!(node.client().get(&B.object("o")).body == bytes);
    node.stop();
}

//! `store check` on a store that nobody uses.

use crate::damage::{Victim, attribute, files_by_kind, is_segment, means_something};
use crate::run::*;
use crate::support::{Client, Site, content, files_beneath};
use rustix::fs::XattrFlags;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;
use wire::lom::ObjectMeta;

#[test]
fn a_store_after_a_history_is_clean() {
    let mut site = Site::new("tools-clean");
    populate(&mut site, true);
    let ran = check(&site);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let checked = &ran.json()["checked"];
    let node = site.start();
    let objects = B.list(&mut node.client()).len() + OTHER.list(&mut node.client()).len();
    node.kill();
    assert_eq!(checked["objects"], objects);
    assert!(checked["segments"].as_u64().unwrap() > 16, "{checked}");
    assert_eq!(checked["files"], files_beneath(&site.mountpath.join("@ais")).len(), "{checked}");
    // After a kill the index is behind its log: the check reads what the next start would.
    let node = site.start();
    B.put(&mut node.client(), "s/001", &content(8, 3333));
    B.put(&mut node.client(), "s/100", &content(8, 200));
    B.put(&mut node.client(), "l/new", &content(8, 400_000));
    assert_eq!(node.client().delete(&B.object("l/200000")).status, 200);
    node.kill();
    assert_clean(&site, "after a kill");
    let ran = tool(&site, &["check"]);
    assert_eq!(ran.code, 0);
    let line = String::from_utf8(ran.out).unwrap();
    assert!(line.starts_with("checked ") && line.ends_with(": clean\n"), "{line}");
}

#[test]
fn every_flipped_bit_that_matters_is_found() {
    let mut site = Site::new("tools-flip");
    populate(&mut site, true);
    assert_clean(&site, "before");
    let kinds = files_by_kind(&site);
    assert!(kinds.iter().all(|files| !files.is_empty()), "{kinds:?}");
    let mut dice = Dice(0x5eed);
    let mut idle = 0;
    let flips = flips();
    for turn in 0..flips {
        let victim = Victim::pick(&kinds, turn, &mut dice);
        let matters = match &victim {
            Victim::File(path, at) if is_segment(path) => {
                means_something(&fs::read(path).unwrap(), *at as usize)
            }
            _ => true,
        };
        let bit = dice.roll(8) as u8;
        victim.flip(bit);
        if matters {
            let found = findings(&site, &format!("{turn}: {victim:?}"));
            assert!(found.iter().all(|finding| finding["class"] == "damaged"), "{victim:?}: {found:?}");
            assert!(found.iter().any(|finding| names(finding, victim.path())), "{victim:?}: {found:?}");
        } else {
            idle += 1;
            assert_clean(&site, &format!("{turn}: {victim:?} means nothing"));
        }
        victim.flip(bit);
    }
    assert!(idle < flips / 6, "{idle} of {flips} meant nothing");
    assert_clean(&site, "everything is as it was");
}

/// True when a finding names the place of the damage: the segment, the lane of an index, the file, or the object.
fn names(finding: &Value, path: &Path) -> bool {
    let text = path.display().to_string();
    let lane = finding["lane"].as_u64().map(|lane| format!("/lanes/{lane:02}/"));
    if is_segment(path) {
        return path.file_name().unwrap().to_str() == finding["segment"].as_str()
            && lane.is_some_and(|lane| text.contains(&lane));
    }
    if text.contains("/lanes/") {
        return lane.is_some_and(|lane| text.contains(&lane));
    }
    if text.contains("/crc/") {
        return finding["object"] == "ais://tools/l/sidecar";
    }
    finding["file"].as_str().is_some_and(|file| text.ends_with(file))
}

/// Does something to the data, has it found, and undoes it.
fn found_once(site: &Site, what: &str, class: &str, damage: impl FnOnce(), undo: impl FnOnce()) {
    damage();
    let found = findings(site, what);
    assert!(found.iter().any(|finding| finding["class"] == class), "{what}: {found:?}");
    undo();
    assert_clean(site, &format!("{what}, undone"));
}

#[test]
fn what_is_missing_or_too_much_is_found() {
    let mut site = Site::new("tools-missing");
    populate(&mut site, true);
    let [segments, _, runs, ..] = files_by_kind(&site);
    let object = site.object_file(B.0, "l/1048576");
    let aside = site.root().join("aside");
    for path in [&object, &segments[0], &runs[0]] {
        let what = format!("{} is missing", path.display());
        found_once(
            &site,
            &what,
            "damaged",
            || fs::rename(path, &aside).unwrap(),
            || fs::rename(&aside, path).unwrap(),
        );
    }
    // Zeros in the middle of a segment look like its end.
    let whole = fs::read(&segments[0]).unwrap();
    let mut holed = whole.clone();
    holed[4096..8192].fill(0);
    found_once(
        &site,
        "a hole",
        "damaged",
        || fs::write(&segments[0], &holed).unwrap(),
        || fs::write(&segments[0], &whole).unwrap(),
    );
    found_once(
        &site,
        "a cut",
        "damaged",
        || fs::write(&segments[0], &whole[..4096]).unwrap(),
        || fs::write(&segments[0], &whole).unwrap(),
    );
    for (file, class) in [
        ([".straightline", "work", "0000000000000001"].join("/").as_str(), "leftover"),
        (".straightline/crc/0000000000000001", "leftover"),
        (".straightline/lanes/03/run-00000000000000ff", "leftover"),
        (".straightline/lanes/03/checkpoint-00000000000000fe", "leftover"),
        ("@ais/tools/%ob/by hand", "damaged"),
        ("@ais/tools/%ob/no/name", "damaged"),
        ("@ais/stranger/%ob/x", "leftover"),
    ] {
        let path = site.mountpath.join(file);
        let made = path.parent().unwrap().exists();
        let write = || {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, b"something").unwrap();
        };
        let remove = || match () {
            () if made => fs::remove_file(&path).unwrap(),
            () if file.contains("stranger") => {
                fs::remove_dir_all(site.mountpath.join("@ais/stranger")).unwrap()
            }
            () => fs::remove_dir_all(path.parent().unwrap()).unwrap(),
        };
        found_once(&site, file, class, write, remove);
    }
    // A whole object that the index has never heard of.
    let stray = site.object_file(B.0, "l/stray");
    let write = || {
        fs::copy(&object, &stray).unwrap();
        let mut meta = ObjectMeta::decode(&attribute(&object)).unwrap();
        meta.name = "l/stray".to_owned();
        let mut value = Vec::new();
        meta.encode(&mut value).unwrap();
        rustix::fs::setxattr(&stray, ATTRIBUTE, &value, XattrFlags::empty()).unwrap();
    };
    found_once(&site, "a stray", "damaged", write, || fs::remove_file(&stray).unwrap());
}

/// Puts the index of each of two lanes into the place of the other's.
fn swap_indexes(site: &Site, one: u32, two: u32) {
    let lane = |number: u32| site.mountpath.join(format!(".straightline/lanes/{number:02}"));
    let aside = site.root().join("index");
    fs::create_dir(&aside).unwrap();
    let shift = |from: &Path, to: &Path| {
        for path in files_beneath(from).iter().filter(|path| !is_segment(path)) {
            fs::rename(path, to.join(path.file_name().unwrap())).unwrap();
        }
    };
    shift(&lane(one), &aside);
    shift(&lane(two), &lane(one));
    shift(&aside, &lane(two));
    fs::remove_dir(&aside).unwrap();
}

#[test]
fn an_index_of_something_else_is_found_out() {
    let mut site = Site::new("tools-swap");
    populate(&mut site, false);
    swap_indexes(&site, 2, 5);
    let found = findings(&site, "swapped");
    for what in ["it belongs to lane 5", "its record is not there", "the index does not know it"] {
        let says = |finding: &Value| finding["what"].as_str().unwrap().contains(what);
        assert!(found.iter().any(says), "{what}: {found:?}");
    }
    swap_indexes(&site, 2, 5);
    assert_clean(&site, "swapped back");
}

/// Sends the head and the first half of a PUT.
fn begin_put(client: &mut Client, name: &str, bytes: &[u8]) {
    let head =
        format!("PUT {} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", B.object(name), bytes.len());
    client.send(head.as_bytes()).unwrap();
    client.send(&bytes[..bytes.len() / 2]).unwrap();
}

/// A PUT that began first and ends last is what the name stands for, in the index and in the log.
#[test]
fn an_upload_that_was_overtaken_counts_last() {
    let site = Site::new("tools-overtaken");
    let node = site.start();
    B.create(&mut node.client());
    let sizes = [("small", 5000), ("large", 300_000)];
    let mut right = Vec::new();
    for (kind, size) in sizes {
        for end in ["overwritten", "deleted"] {
            let name = format!("{kind}/{end}");
            let (mut slow, mut quick) = (node.client(), node.client());
            B.put(&mut quick, &name, &content(1, size));
            let bytes = content(2, size);
            begin_put(&mut slow, &name, &bytes);
            std::thread::sleep(Duration::from_millis(300));
            match end {
                "deleted" => assert_eq!(quick.delete(&B.object(&name)).status, 200),
                _ => drop(B.put(&mut quick, &name, &content(3, size))),
            }
            slow.send(&bytes[size / 2..]).unwrap();
            assert_eq!(slow.read_reply("PUT").unwrap().status, 200);
            right.push((name, bytes));
        }
    }
    let assert_right = |when: &str| {
        let node = site.start();
        for (name, bytes) in &right {
            assert!(node.client().get(&B.object(name)).body == *bytes, "{when}: {name}");
        }
        node.stop();
    };
    node.kill();
    assert_right("after a kill");
    assert_clean(&site, "overtaken");
    assert_eq!(tool(&site, &["rebuild-index"]).code, 0);
    assert_right("rebuilt");
}

#[test]
fn what_is_no_store_is_left_alone() {
    let site = Site::new("tools-nothing");
    fs::create_dir_all(&site.data_dir).unwrap();
    for args in [&["check"][..], &["rebuild-index"], &["export", "--bucket", "b"]] {
        let ran = tool(&site, args);
        assert_eq!(ran.code, 2, "{}", ran.text());
        assert!(ran.err.contains("cluster.json"), "{}", ran.err);
    }
    assert_eq!(
        files_beneath(site.root()).len(),
        2,
        "only what the tools printed: {:?}",
        files_beneath(site.root())
    );
    let node = site.start();
    node.stop();
    let elsewhere = site.root().join("elsewhere");
    let ran = tool(&site, &["check", "--mountpath", elsewhere.to_str().unwrap()]);
    assert_eq!(ran.code, 2, "{}", ran.text());
    assert!(!elsewhere.exists());
}

//! `store export`.

use crate::damage::{Victim, attribute};
use crate::run::*;
use crate::support::{Site, content, files_beneath};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use wire::lom::ObjectMeta;

/// Runs GNU tar, which must have nothing to complain of.
fn tar(args: &[&str]) -> String {
    let out = Command::new("tar").args(args).env("LC_ALL", "C.UTF-8").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stderr), "", "tar {args:?}");
    assert!(out.status.success(), "tar {args:?}");
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn an_export_is_what_get_gives() {
    let mut site = Site::new("tools-export");
    populate(&mut site, true);
    let node = site.start();
    let mut client = node.client();
    let names = B.list(&mut client);
    let objects: BTreeMap<String, Vec<u8>> =
        names.iter().map(|name| (name.clone(), client.get(&B.object(name)).body)).collect();
    let head = client.head(&B.object("s/050"));
    assert_eq!(tool(&site, &["export", "--bucket", B.0]).code, 2, "the node runs");
    node.stop();

    let ran = tool(&site, &["export", "--bucket", B.0]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.ends_with(&[0; 1024]) && ran.out.len().is_multiple_of(512));
    let (archive, into) = (site.root().join("b.tar"), site.root().join("extracted"));
    fs::write(&archive, &ran.out).unwrap();
    fs::create_dir(&into).unwrap();
    let (archive, target) = (archive.to_str().unwrap(), into.to_str().unwrap());
    let listed = tar(&["--quoting-style=literal", "-tf", archive]);
    let members: Vec<String> = names.iter().map(|name| format!("{}/{name}", B.0)).collect();
    assert_eq!(listed.lines().collect::<Vec<_>>(), members, "in byte order");
    tar(&["--xattrs", "--xattrs-include=user.*", "-C", target, "-xf", archive]);
    assert_eq!(files_beneath(&into).len(), objects.len());
    for (name, bytes) in &objects {
        let file = into.join(B.0).join(name);
        assert!(fs::read(&file).unwrap() == *bytes, "{name}");
        let meta = ObjectMeta::from_attribute(&attribute(&file)).unwrap();
        assert_eq!((meta.name.as_str(), meta.size), (name.as_str(), bytes.len() as u64));
        let mtime = fs::metadata(&file).unwrap().modified().unwrap();
        let mtime = mtime.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        assert_eq!(mtime, meta.mtime_ns as u128, "{name}");
        if name == "s/050" {
            assert_eq!(meta.custom, [("color".to_owned(), "red".to_owned())]);
            assert_eq!(meta.cksum_value, head.header("Ais-Checksum-Value"));
        }
    }
    let part = tool(&site, &["export", "--bucket", B.0, "--prefix", "edge/"]);
    fs::write(archive, &part.out).unwrap();
    assert!(tar(&["-tf", archive]).lines().all(|line| line.starts_with("tools/edge/")));
    assert_eq!(tar(&["-tf", archive]).lines().count(), 9);
    assert_eq!(tool(&site, &["export", "--bucket", "nobody"]).code, 2);
}

/// TAR programs leave text in the attribute of what they extract.
#[test]
fn a_file_out_of_an_archive_is_taken_over() {
    let mut site = Site::new("tools-take-over");
    populate(&mut site, false);
    let name = "l/1048576";
    let (object, before) = (site.object_file(B.0, name), attribute(&site.object_file(B.0, name)));
    let (archive, into) = (site.root().join("b.tar"), site.root().join("extracted"));
    fs::write(&archive, tool(&site, &["export", "--bucket", B.0]).out).unwrap();
    fs::create_dir(&into).unwrap();
    let (archive, target) = (archive.to_str().unwrap(), into.to_str().unwrap());
    tar(&["--xattrs", "--xattrs-include=user.*", "-C", target, "-xf", archive]);
    fs::rename(into.join(B.0).join(name), &object).unwrap();
    assert!(attribute(&object).iter().all(u8::is_ascii_graphic), "no text");
    assert_clean(&site, "taken over");
    assert_eq!(tool(&site, &["rebuild-index"]).code, 0);
    let node = site.start();
    let mut client = node.client();
    let head = client.head(&B.object(name));
    assert!(head.header("Ais-Custom-Md").contains("color=blue"), "{:?}", head.headers);
    assert!(client.get(&B.object(name)).body == content(2, 1 << 20));
    set_custom(&mut client, B, name, "color", "green");
    node.stop();
    let after = attribute(&object);
    assert!(after.starts_with(b"SLM2") && after != before, "a change writes the node's own form");
    assert_clean(&site, "changed");
}

#[test]
fn an_export_never_hands_out_damage() {
    let mut site = Site::new("tools-export-damage");
    populate(&mut site, false);
    let node = site.start();
    B.put(&mut node.client(), "l/late", &content(9, 12 << 20));
    node.stop();
    let (segment, at) = site.segment_of(B.0, "s/055");
    Victim::File(segment, at as u64 + 3).flip(0);
    Victim::File(site.object_file(B.0, "l/1048576"), 1 << 19).flip(1);
    let broken = 11 << 20;
    Victim::File(site.object_file(B.0, "l/late"), broken + 5).flip(2);
    let ran = tool(&site, &["export", "--bucket", B.0]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    for name in ["s/055: left out", "l/1048576: left out", "l/late"] {
        assert!(ran.err.contains(&format!("ais://tools/{name}")), "{name}: {}", ran.err);
    }
    assert!(ran.err.contains("ZEROS from byte") && ran.err.contains("damaged 3"), "{}", ran.err);
    let (archive, into) = (site.root().join("b.tar"), site.root().join("extracted"));
    fs::write(&archive, &ran.out).unwrap();
    fs::create_dir(&into).unwrap();
    tar(&["-C", into.to_str().unwrap(), "-xf", archive.to_str().unwrap()]);
    assert!(!into.join("tools/s/055").exists() && !into.join("tools/l/1048576").exists());
    let late = fs::read(into.join("tools/l/late")).unwrap();
    let right = content(9, 12 << 20);
    let cut = late.iter().zip(&right).position(|(a, b)| a != b).unwrap();
    assert!(cut <= broken as usize && late.len() == right.len());
    assert!(late[cut..].iter().all(|byte| *byte == 0), "damaged bytes were handed out");
    assert!(fs::read(into.join("tools/s/054")).unwrap() == content(54, 54 * 397 % 20_000));
}

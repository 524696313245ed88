//! A node's segments and exports in the hands of TAR programs: every member is read, by its name and
//! byte by byte. With `TAR_ARCHIVES` set to a directory the archives stay there, with lists of what is in them, for
//! `make tar-readers`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
#[path = "../wire/tests/tar_readers/mod.rs"]
mod tar_readers;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use support::{Bucket, Client, Site, content, files_beneath};
use tar_readers::{Member, assert_read, run};
use wire::cksum::{CksumType, Hasher};
use wire::segment::{Record, Spelling, is_readable, member_name, parse};

const B: Bucket = Bucket("archives");
const CHANGES: usize = 500;
const LARGE_BYTES: usize = 131_072;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

fn names(dice: &mut Dice) -> Vec<String> {
    let letters = ["a", "b", "é", "日", "\u{1F600}", " ", ".", "-", "%", "_x"];
    let mut names: Vec<String> =
        ["a", "a-x", "a.txt", "a/b", "a/b/c", "a/c", "b/b", "b", "%ob", "%ob/x", "x//y"]
            .into_iter()
            .map(str::to_owned)
            .collect();
    names.extend(["line\nfeed", "line\nfeed/x", "a\\b", "/root"].map(str::to_owned));
    // With a longer one the metadata are no attribute that ext4 could hold, and TAR programs say so.
    names.extend([99, 100, 101, 155, 156, 240, 255, 256, 1024, 2500].map(|len| "n".repeat(len)));
    names.extend([1, 2].map(|end| format!("{}{end}", "same beginning ".repeat(20))));
    names.push("日".repeat(341));
    names.push("d/".repeat(500) + "deep");
    names.push(format!("a{}b", "/".repeat(1022)));
    while names.len() < 90 {
        let mut name = String::new();
        for _ in 0..=dice.roll(4) {
            let part: String = (0..=dice.roll(30)).map(|_| letters[dice.roll(letters.len())]).collect();
            // No part may be all dots.
            name += &part;
            name.push_str("p/");
        }
        name.push_str(&names.len().to_string());
        names.push(name);
    }
    names
}

/// The path of an object, with its name as a client writes it.
fn url(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'/';
    let escaped: String = name
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    B.object(&escaped)
}

/// A history of writes, and the objects that are left of it.
#[derive(Default)]
struct Written {
    versions: HashMap<String, Vec<Vec<u8>>>,
    live: BTreeMap<String, Vec<u8>>,
}

impl Written {
    fn put(&mut self, client: &mut Client, name: &str, bytes: Vec<u8>) {
        let reply = client.put(&url(name), &bytes);
        assert_eq!(reply.status, 200, "PUT {name:?}: {}", reply.text());
        self.versions.entry(name.to_owned()).or_default().push(bytes.clone());
        self.live.insert(name.to_owned(), bytes);
    }

    fn delete(&mut self, client: &mut Client, name: &str) {
        if self.live.remove(name).is_some() {
            assert_eq!(client.delete(&url(name)).status, 200, "{name:?}");
        }
    }

    fn change(&mut self, client: &mut Client, names: &[String], dice: &mut Dice, number: usize) {
        let name = &names[dice.roll(names.len())];
        match dice.roll(10) {
            0..2 => self.delete(client, name),
            2 => self.put(client, name, content(number as u64, LARGE_BYTES + dice.roll(70_000))),
            3 => self.put(client, name, Vec::new()),
            _ => self.put(client, name, content(number as u64, dice.roll(9000))),
        }
    }

    /// In any order; and what some readers could not bear: nothing but large objects and deletions for a while, at the end too.
    fn change_much(&mut self, client: &mut Client, names: &[String], dice: &mut Dice) {
        for number in 0..CHANGES {
            self.change(client, names, dice, number);
        }
        let doomed: Vec<String> = (0..50).map(|at| format!("doomed/{at}")).collect();
        for large in [false, true] {
            for (at, name) in doomed.iter().enumerate() {
                self.put(client, name, content(at as u64, if large { LARGE_BYTES } else { 100 }));
            }
            doomed.iter().for_each(|name| self.delete(client, name));
        }
    }

    /// The members that an export must have, in their order, and how many objects are not under their own name in it.
    fn exported(&self) -> (Vec<Member>, usize) {
        let mut renamed = 0;
        let mut members = Vec::new();
        for (name, bytes) in &self.live {
            let dir = format!("{name}/");
            let is_dir = self.live.keys().any(|other| other.starts_with(&dir));
            let spelling = if is_dir { Spelling::Escaped } else { Spelling::Readable };
            renamed += usize::from(is_dir && is_readable(name));
            members.push((member_name(B.0, name, spelling), bytes.clone()));
        }
        (members, renamed)
    }
}

/// The objects of a segment; each is one that was written once.
fn members_of(segment: &[u8], written: &Written) -> Vec<Member> {
    let mut members = Vec::new();
    let mut at = 0;
    loop {
        let parsed = parse(&segment[at..]).unwrap_or_else(|e| panic!("byte {at}: {e}"));
        match parsed.record {
            Record::End => break,
            Record::Object { meta, head_len } => {
                let data = &segment[at + head_len..][..meta.size as usize];
                let versions = &written.versions[&meta.name];
                assert!(versions.iter().any(|version| version == data), "{:?}: other bytes", meta.name);
                members.push((member_name(B.0, &meta.name, Spelling::Readable), data.to_vec()));
            }
            _ => {}
        }
        at += parsed.len;
    }
    assert!(segment.len() >= at + 1024, "no zeros at the end");
    assert!(segment[at..].iter().all(|byte| *byte == 0));
    members
}

/// Leaves an archive where the readers of `make tar-readers` look for it, with its members: name, name in the header, size
/// and checksum.
fn leave(archive: &Path, label: &str, members: &[Member]) {
    let Some(dir) = std::env::var_os("TAR_ARCHIVES") else { return };
    fs::create_dir_all(&dir).unwrap();
    let mut opened = tar::Archive::new(fs::File::open(archive).unwrap());
    let entries = opened.entries().unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.header().entry_type().is_file());
    let mut list = String::new();
    for (entry, (name, bytes)) in files.zip(members) {
        let mut sum = Hasher::new(CksumType::Sha256);
        sum.update(bytes);
        let header = String::from_utf8(entry.header().path_bytes().into_owned()).unwrap();
        writeln!(list, "{name}\t{header}\t{}\t{}", bytes.len(), sum.finish()).unwrap();
    }
    let to = Path::new(&dir);
    fs::copy(archive, to.join(format!("{label}.tar"))).unwrap();
    fs::write(to.join(format!("{label}.members")), list).unwrap();
}

fn extract_by_rust(archive: &str, into: &str) {
    tar::Archive::new(fs::File::open(archive).unwrap()).unpack(into).unwrap();
}

fn extract_by_python(archive: &str, into: &str) {
    let script = "import sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    archive.extraction_filter = lambda member, path: member
    archive.extractall(sys.argv[2])";
    run("python3", &["-c", script, archive, into]);
}

/// Extracted by each, the files of an export are there, and no others.
fn assert_extracted(site: &Site, archive: &Path, members: &[Member]) {
    type Extract = fn(&str, &str);
    let programs: [(&str, Extract); 4] = [
        ("tar", |archive, into| drop(run("tar", &["-C", into, "-xf", archive]))),
        ("bsdtar", |archive, into| drop(run("bsdtar", &["-C", into, "-xf", archive]))),
        ("python", extract_by_python),
        ("rust", extract_by_rust),
    ];
    for (program, extract) in programs {
        let into = site.root().join(format!("by-{program}"));
        fs::create_dir(&into).unwrap();
        extract(archive.to_str().unwrap(), into.to_str().unwrap());
        for (name, bytes) in members {
            let found = fs::read(into.join(name)).unwrap_or_else(|e| panic!("{program}: {name}: {e}"));
            assert!(found == *bytes, "{program}: other bytes in {name}");
        }
        assert_eq!(files_beneath(&into).len(), members.len(), "{program}");
    }
}

fn export(site: &Site) -> (Vec<u8>, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_aisnode"))
        .args(["store", "export", "--bucket", B.0, "--data-dir"])
        .arg(&site.data_dir)
        .output()
        .unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success(), "{said}");
    (out.stdout, said)
}

#[test]
fn whatever_was_written_is_read_by_every_reader() {
    let mut site = Site::new("archives");
    site.settings = "lanes = 2\nsegment_bytes = 1048576\n".to_owned();
    let mut dice = Dice(0x5eed);
    let names = names(&mut dice);
    let mut written = Written::default();
    let node = site.start();
    B.create(&mut node.client());
    written.change_much(&mut node.client(), &names, &mut dice);
    node.kill();
    let node = site.start();
    written.change_much(&mut node.client(), &names, &mut dice);
    node.stop();

    let mut segments = files_beneath(&site.mountpath.join(".straightline/lanes"));
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "tar"));
    segments.sort();
    assert!(segments.len() >= 4, "{segments:?}");
    for (at, segment) in segments.iter().enumerate() {
        let members = members_of(&fs::read(segment).unwrap(), &written);
        assert_read(segment, &members);
        leave(segment, &format!("segment-{at}"), &members);
    }

    let (bytes, said) = export(&site);
    let (members, renamed) = written.exported();
    assert!(
        renamed >= 2 && said.contains(&format!("because a directory has their name: {renamed}\n")),
        "{said}"
    );
    let archive = site.root().join("export.tar");
    fs::write(&archive, bytes).unwrap();
    assert_read(&archive, &members);
    assert_extracted(&site, &archive, &members);
    leave(&archive, "export", &members);
}

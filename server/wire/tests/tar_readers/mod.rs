//! Programs that read TAR, and what they make of an archive. Each must come to its end without a word of complaint.
//!
//! Nothing is extracted: an archive may hold several versions of an object, and both `a` and `a/b`.
#![allow(dead_code, reason = "every test binary uses its own part")]

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

/// The directory that stands for what is no object.
pub(crate) const LOG_DIR: &str = "%log";

/// A member that is a file: its name and its bytes.
pub(crate) type Member = (String, Vec<u8>);

type Reader = fn(&Path) -> Vec<Member>;

/// Readers that every machine of a developer has.
const QUICK: [(&str, Reader); 4] =
    [("GNU tar", gnu_tar), ("bsdtar", bsdtar), ("Python", python), ("Rust tar", rust_tar)];

/// Writes each file with the lengths of name and data before them.
const PYTHON: &str = "
import sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    for member in archive:
        if member.isdir():
            assert member.name == '%log', member.name
            continue
        assert member.isreg(), member.name
        data = archive.extractfile(member).read()
        name = member.name.encode()
        sys.stdout.buffer.write(b'%d %d\\n' % (len(name), len(data)) + name + data)
";

/// Standard output of a run that ends well and complains of nothing.
pub(crate) fn run(program: &str, args: &[&str]) -> Vec<u8> {
    let out = Command::new(program).args(args).env("LC_ALL", "C.UTF-8").output();
    let out =
        out.unwrap_or_else(|error| panic!("{program} (Debian: tar, libarchive-tools, python3): {error}"));
    assert_eq!(String::from_utf8_lossy(&out.stderr), "", "{program} {args:?}");
    assert!(out.status.success(), "{program} {args:?}: {}", out.status);
    out.stdout
}

fn gnu_tar(archive: &Path) -> Vec<Member> {
    let archive = archive.to_str().unwrap();
    let listed = run("tar", &["--quoting-style=literal", "-tvf", archive]);
    let listed = String::from_utf8(listed).unwrap();
    let files = listed.lines().filter_map(|line| {
        // Mode, owner, size, date, time, name.
        let mut rest = line;
        let mut words = [""; 5];
        for word in &mut words {
            (*word, rest) = rest.trim_start().split_once(' ').unwrap();
        }
        if words[0].starts_with('d') {
            assert_eq!(rest.trim_end_matches('/'), LOG_DIR, "GNU tar");
            return None;
        }
        Some((rest.to_owned(), words[2].parse().unwrap()))
    });
    with_bytes(files.collect(), &run("tar", &["-xOf", archive]))
}

fn bsdtar(archive: &Path) -> Vec<Member> {
    let archive = archive.to_str().unwrap();
    let listed = String::from_utf8(run("bsdtar", &["-tvf", archive])).unwrap();
    let files = listed.lines().filter_map(|line| {
        // Mode, links, owner, group, size, month, day, time or year, name.
        let mut rest = line;
        let mut words = [""; 8];
        for word in &mut words {
            (*word, rest) = rest.trim_start().split_once(' ').unwrap();
        }
        if words[0].starts_with('d') {
            assert_eq!(rest.trim_end_matches('/'), LOG_DIR, "bsdtar");
            return None;
        }
        // It writes a backslash twice, as other programs that escape do.
        Some((rest.replace("\\\\", "\\"), words[4].parse().unwrap()))
    });
    with_bytes(files.collect(), &run("bsdtar", &["-xOf", archive]))
}

/// Names and sizes, and the bytes of all one behind the other.
fn with_bytes(files: Vec<(String, usize)>, mut bytes: &[u8]) -> Vec<Member> {
    let members = files
        .into_iter()
        .map(|(name, size)| {
            let (mine, rest) = bytes.split_at_checked(size).expect("fewer bytes than the sizes say");
            bytes = rest;
            (name, mine.to_vec())
        })
        .collect();
    assert!(bytes.is_empty(), "more bytes than the sizes say");
    members
}

fn python(archive: &Path) -> Vec<Member> {
    let out = run("python3", &["-c", PYTHON, archive.to_str().unwrap()]);
    let mut rest = out.as_slice();
    let mut members = Vec::new();
    while !rest.is_empty() {
        let line = rest.iter().position(|byte| *byte == b'\n').unwrap();
        let numbers = std::str::from_utf8(&rest[..line]).unwrap().split_once(' ').unwrap();
        let [name_len, size]: [usize; 2] = [numbers.0, numbers.1].map(|number| number.parse().unwrap());
        let body = &rest[line + 1..];
        let name = String::from_utf8(body[..name_len].to_vec()).unwrap();
        members.push((name, body[name_len..name_len + size].to_vec()));
        rest = &body[name_len + size..];
    }
    members
}

fn rust_tar(archive: &Path) -> Vec<Member> {
    let mut archive = tar::Archive::new(fs::File::open(archive).unwrap());
    let mut members = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        if entry.header().entry_type().is_dir() {
            assert_eq!(name.trim_end_matches('/'), LOG_DIR, "Rust tar");
            continue;
        }
        assert!(entry.header().entry_type().is_file(), "{name}");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        members.push((name, bytes));
    }
    members
}

/// All of them read the same.
pub(crate) fn assert_read(archive: &Path, expected: &[Member]) {
    for (program, read) in QUICK {
        let found = read(archive);
        for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert_eq!(found.0, expected.0, "{program}: member {at}");
            assert!(found.1 == expected.1, "{program}: other bytes in {}", found.0);
        }
        assert_eq!(found.len(), expected.len(), "{program}");
    }
}

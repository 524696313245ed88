//! A segment is a TAR archive: GNU tar and bsdtar list and extract it, without a word on standard error.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may fail loudly")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use wire::cksum::{CksumType, crc32c};
use wire::lom::{BlockCrcs, MAX_CKSUM, MAX_NAME, ObjectMeta};
use wire::segment::{
    Deletion, MAX_GLOBAL, archive_head, delete_records, file_record, member_name, object_head,
    object_padding, padding,
};

const BUCKET: &str = "train";
const ATTRIBUTE: &str = "user.straightline";
const PROGRAMS: [&str; 2] = ["tar", "bsdtar"];

struct Object {
    meta: ObjectMeta,
    data: Vec<u8>,
}

impl Object {
    fn new(name: &str, size: usize) -> Self {
        let data: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let meta = ObjectMeta {
            size: size as u64,
            version: 1,
            generation: 0x000a_3d0a_0000_0000,
            atime_ns: 1_700_000_001_000_000_000,
            mtime_ns: 1_700_000_000_000_000_000 + size as i64,
            cksum_type: CksumType::Xxhash2,
            cksum_value: "ef46db3751d8e999".into(),
            custom: vec![("line".into(), "a\nb=c\n20 path=x\n".into())],
            name: name.into(),
            bucket_id: 9,
            block_crcs: BlockCrcs::Inline(data.chunks(64 << 10).map(crc32c).collect()),
        };
        Object { meta, data }
    }

    fn put(&self, out: &mut Vec<u8>) {
        object_head(out, BUCKET, &self.meta).unwrap();
        out.extend_from_slice(&self.data);
        out.resize(out.len() + object_padding(self.meta.size), 0);
    }

    fn attribute(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.meta.encode(&mut bytes).unwrap();
        bytes
    }
}

/// Names and their members; sizes around the block.
fn objects() -> Vec<(Object, String)> {
    let named = |name: &str, size, member: &str| (Object::new(name, size), format!("{BUCKET}/{member}"));
    let plain = |name: &str, size| named(name, size, name);
    let deep = "directory/".repeat(100) + "e";
    let mut largest = Object::new(&"L".repeat(MAX_NAME), 7);
    largest.meta.cksum_value = "c".repeat(MAX_CKSUM);
    largest.meta.custom = vec![("k".into(), "v".repeat(2000))];
    let pieces = [240, 240, 240, 240, 64].map(|len| "L".repeat(len)).join("%+/");
    vec![
        plain("empty", 0),
        plain("dir/one", 1),
        plain("block", 512),
        plain("dir/over a block", 513),
        plain("übergroß/日本/\u{1F600}", 70_000),
        plain("-rf", 3),
        plain("a\\b", 4),
        plain("100%", 5),
        plain(&format!("{}/slash where the short name ends", "s".repeat(92)), 6),
        plain(&"p".repeat(255), 6),
        plain(&deep, 8),
        named("up/../../x", 9, "%ob/up/%2E%2E/%2E%2E/x"),
        named("/root//x/", 10, "%ob/%/root/%/x/%"),
        named("line\nfeed", 11, "%ob/line%0Afeed"),
        named("%ob/x", 12, "%ob/%25ob/x"),
        (largest, format!("{BUCKET}/%ob/{pieces}")),
    ]
}

/// Every kind of record before, between and behind the objects.
fn segment(objects: &[(Object, String)]) -> Vec<u8> {
    let deletion =
        |at: usize| Deletion { bucket_id: 9, name: format!("gone/ü/{at}"), generation: at as u64 };
    let many: Vec<Deletion> = (0..2000).map(deletion).collect();
    let mut out = Vec::new();
    padding(&mut out, 512);
    for (at, (object, _)) in objects.iter().enumerate() {
        object.put(&mut out);
        match at % 5 {
            0 => file_record(&mut out, &object.meta).unwrap(),
            1 => delete_records(&mut out, &many[..1]).unwrap(),
            2 => padding(&mut out, 512 << (at / 3)),
            3 => delete_records(&mut out, &many).unwrap(),
            _ => {}
        }
    }
    padding(&mut out, 1024);
    padding(&mut out, MAX_GLOBAL);
    delete_records(&mut out, &many[..1]).unwrap();
    out
}

/// A directory on the file system of the build, which has extended attributes.
fn scratch() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Standard output of a run that ends well and complains of nothing.
fn run(program: &str, args: &[&OsStr]) -> String {
    let out = Command::new(program).args(args).env("LC_ALL", "C.UTF-8").output();
    let out = out.unwrap_or_else(|error| panic!("{program} (Debian: tar, libarchive-tools): {error}"));
    assert_eq!(String::from_utf8_lossy(&out.stderr), "", "{program} {args:?}");
    assert!(out.status.success(), "{program} {args:?}: {}", out.status);
    String::from_utf8(out.stdout).unwrap()
}

fn list(program: &str, archive: &Path) -> Vec<String> {
    run(program, &["-tf".as_ref(), archive.as_ref()]).lines().map(str::to_owned).collect()
}

fn extract(program: &str, options: &[&str], archive: &Path, into: &Path) {
    fs::create_dir(into).unwrap();
    let mut args: Vec<&OsStr> = options.iter().map(OsStr::new).collect();
    args.extend::<[&OsStr; 4]>(["-C".as_ref(), into.as_ref(), "-xf".as_ref(), archive.as_ref()]);
    assert_eq!(run(program, &args), "");
}

fn attribute(path: &Path) -> Option<Vec<u8>> {
    let mut value = vec![0; 8192];
    match rustix::fs::getxattr(path, ATTRIBUTE, &mut value[..]) {
        Ok(len) => {
            value.truncate(len);
            Some(value)
        }
        Err(rustix::io::Errno::NODATA) => None,
        Err(error) => panic!("{path:?}: {error}"),
    }
}

fn files_below(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

/// The objects as files, and nothing else.
fn check_extracted(objects: &[(Object, String)], dir: &Path) {
    assert_eq!(files_below(dir), objects.len());
    for (object, member) in objects {
        let path = dir.join(member);
        assert!(fs::read(&path).unwrap() == object.data, "{member}: other bytes");
        let facts = fs::metadata(&path).unwrap();
        let mtime = SystemTime::UNIX_EPOCH + Duration::from_nanos(object.meta.mtime_ns as u64);
        assert_eq!(facts.modified().unwrap(), mtime, "{member}");
        assert_eq!(facts.permissions().mode() & 0o777, 0o644, "{member}");
    }
}

fn check_archive(objects: &[(Object, String)], bytes: &[u8]) {
    let scratch = scratch();
    let archive = scratch.path().join("segment.tar");
    fs::write(&archive, bytes).unwrap();
    // Both write a backslash twice, as other programs that escape do.
    let members: Vec<String> = objects.iter().map(|(_, member)| member.replace('\\', "\\\\")).collect();
    for program in PROGRAMS {
        assert_eq!(list(program, &archive), members, "{program}");
        let into = scratch.path().join(program);
        extract(program, &["-p"], &archive, &into);
        check_extracted(objects, &into);
        let into = scratch.path().join(format!("{program} with attributes"));
        let options: &[&str] = if program == "tar" {
            &["-p", "--xattrs", "--xattrs-include=user.*"]
        } else {
            &["-p", "--xattrs"]
        };
        extract(program, options, &archive, &into);
        check_extracted(objects, &into);
        for (object, member) in objects {
            assert_eq!(attribute(&into.join(member)), Some(object.attribute()), "{program} {member}");
        }
    }
}

#[test]
fn a_segment_is_an_archive() {
    let objects = objects();
    for (object, member) in &objects {
        assert_eq!(member_name(BUCKET, &object.meta.name), *member);
    }
    let mut bytes = segment(&objects);
    check_archive(&objects, &bytes);
    // As in a preallocated file.
    bytes.resize(bytes.len() + (1 << 20), 0);
    check_archive(&objects, &bytes);
}

/// However far writing has come: an archive ends behind any record.
#[test]
fn every_prefix_of_records_is_an_archive() {
    let mut bytes = Vec::new();
    let mut ends = vec![0];
    let objects: Vec<(Object, String)> = objects().into_iter().take(3).collect();
    for (object, _) in &objects {
        object.put(&mut bytes);
        ends.push(bytes.len());
        padding(&mut bytes, 4096);
        ends.push(bytes.len());
    }
    file_record(&mut bytes, &objects[0].0.meta).unwrap();
    ends.push(bytes.len());
    let scratch = scratch();
    for (at, end) in ends.into_iter().enumerate() {
        let members: Vec<&String> = objects.iter().map(|(_, member)| member).take(at.div_ceil(2)).collect();
        // GNU tar takes no empty file for an archive.
        for zeros in [0, 1024, 8192].into_iter().filter(|zeros| end + zeros > 0) {
            let archive = scratch.path().join("segment.tar");
            let mut written = bytes[..end].to_vec();
            written.resize(end + zeros, 0);
            fs::write(&archive, &written).unwrap();
            for program in PROGRAMS {
                assert_eq!(list(program, &archive).iter().collect::<Vec<_>>(), members, "{program} {end}");
            }
        }
    }
}

/// Why a writer must not leave a single block of zeros.
#[test]
fn one_block_of_zeros_makes_gnu_tar_talk() {
    let mut bytes = Vec::new();
    Object::new("o", 1).put(&mut bytes);
    bytes.resize(bytes.len() + 512, 0);
    let scratch = scratch();
    let archive = scratch.path().join("segment.tar");
    fs::write(&archive, &bytes).unwrap();
    let out = Command::new("tar").arg("-tf").arg(&archive).env("LC_ALL", "C.UTF-8").output().unwrap();
    assert!(out.status.success());
    assert!(String::from_utf8_lossy(&out.stderr).contains("A lone zero block"));
}

/// An object that no segment takes, between two that one does: `tar` finds its size where a header cannot hold it.
#[test]
fn an_archive_takes_objects_of_any_size() {
    let scratch = scratch();
    for size in [(1 << 31) + 1, (1 << 33) - 1, 9 << 30] {
        let path = scratch.path().join(format!("{size}.tar"));
        let archive = fs::File::create(&path).unwrap();
        let mut end = 0;
        for (name, size) in [("before", 5), ("huge/ü", size), ("zz", 7)] {
            let object = Object::new(name, 0);
            let meta = ObjectMeta {
                size,
                block_crcs: BlockCrcs::Sidecar { id: 1, count: 2, crc_of_table: 3 },
                ..object.meta
            };
            let mut head = Vec::new();
            archive_head(&mut head, BUCKET, &meta).unwrap();
            archive.write_all_at(&head, end).unwrap();
            // The data are a hole.
            end += head.len() as u64 + size + object_padding(size) as u64;
        }
        archive.set_len(end + 1024).unwrap();
        for program in PROGRAMS {
            let lines = run(program, &["-tvf".as_ref(), path.as_ref()]);
            let sizes: Vec<u64> = lines
                .lines()
                .map(|line| {
                    line.split_whitespace().find_map(|word| word.parse().ok().filter(|n| *n > 1)).unwrap()
                })
                .collect();
            assert_eq!(sizes, [5, size, 7], "{program}: {lines}");
        }
    }
    let refused = ObjectMeta { size: (1 << 31) + 1, ..Object::new("n", 0).meta };
    assert!(object_head(&mut Vec::new(), BUCKET, &refused).is_err());
}

//! A segment is a TAR archive: the usual readers list and extract it, without a word on standard error.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may fail loudly"
)]

mod tar_readers;

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tar_readers::{LOG_DIR, Member, assert_read, run};
use tempfile::TempDir;
use wire::api::bck::{Bck, Ns, Provider};
use wire::cksum::{CksumType, crc32c};
use wire::lom::{BlockCrcs, Generation, MAX_CKSUM, MAX_NAME, ObjectKind, ObjectMeta, Slot};
use wire::segment::{
    Deletion, MAX_INTERNAL, Spelling, archive_head, delete_records, file_record, member_name, object_head,
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
            kind: ObjectKind::Whole,
            bucket: Bck::ais(BUCKET),
            size: size as u64,
            version: 1,
            generation: Generation { clock: 0x000a_3d0a_0000_0000, node: 0x0a00_3d00_0000_000a },
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
        object_head(out, &self.meta).unwrap();
        out.extend_from_slice(&self.data);
        out.resize(out.len() + object_padding(self.meta.size), 0);
    }

    fn member(&self) -> Member {
        (member_name(&self.meta.bucket.path(), &self.meta.name, Spelling::Readable), self.data.clone())
    }
}

fn deletion(name: String, clock: u64) -> Deletion {
    Deletion { bucket_id: 9, generation: Generation { clock, node: 1 }, slot: Slot::Current, name }
}

/// Names and their members; sizes around the block.
fn objects() -> Vec<(Object, String)> {
    let named = |name: &str, size, member: &str| (Object::new(name, size), format!("{BUCKET}/{member}"));
    let plain = |name: &str, size| named(name, size, name);
    let deep = "directory/".repeat(100) + "e";
    let long = Object::new(&"L".repeat(1024), 7);
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
        named("up/../../x", 9, "%ob/up%/%2E%2E%/%2E%2E%/x"),
        named("/root//x/", 10, "%ob/%2F%/root%/%2F%/x%/%2F"),
        named("line\nfeed", 11, "%ob/line%0Afeed"),
        named("%ob/x", 12, "%ob/%25ob%/x"),
        (long, format!("{BUCKET}/%ob/{pieces}")),
    ]
}

/// Every kind of record before, between and behind the objects.
fn segment(objects: &[(Object, String)]) -> Vec<u8> {
    let deletion = |at: usize| deletion(format!("gone/ü/{at}"), at as u64);
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
    padding(&mut out, MAX_INTERNAL);
    delete_records(&mut out, &many[..1]).unwrap();
    out
}

/// A directory on the file system of the build, which has extended attributes.
fn scratch() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn list(program: &str, archive: &Path) -> Vec<String> {
    let listed = String::from_utf8(run(program, &["-tf", archive.to_str().unwrap()])).unwrap();
    listed.lines().filter(|line| *line != format!("{LOG_DIR}/")).map(str::to_owned).collect()
}

fn extract(program: &str, options: &[&str], archive: &Path, into: &Path) {
    fs::create_dir(into).unwrap();
    let (into, archive) = (into.to_str().unwrap(), archive.to_str().unwrap());
    let args = [options, &["-C", into, "-xf", archive]].concat();
    assert_eq!(run(program, &args), b"");
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
    let expected: Vec<Member> = objects.iter().map(|(object, _)| object.member()).collect();
    assert_read(&archive, &expected);
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
            let value = attribute(&into.join(member)).unwrap();
            assert_eq!(ObjectMeta::from_attribute(&value), Ok(object.meta.clone()), "{program} {member}");
            assert!(value.iter().all(u8::is_ascii_graphic), "{program} {member}");
        }
    }
}

#[test]
fn a_segment_is_an_archive() {
    let objects = objects();
    for (object, member) in &objects {
        assert_eq!(object.member().0, *member);
    }
    // The last record is none of an object.
    let mut bytes = segment(&objects);
    check_archive(&objects, &bytes);
    // The zeros are like those of a preallocated file.
    bytes.resize(bytes.len() + (1 << 20), 0);
    check_archive(&objects, &bytes);
}

/// An object whose metadata are at their limits: more than a file of some file systems can carry.
#[test]
fn the_largest_metadata_are_read() {
    let mut object = Object::new(&"L".repeat(MAX_NAME), 7);
    object.meta.cksum_value = "c".repeat(MAX_CKSUM);
    object.meta.custom = vec![("k".into(), "v".repeat(2000))];
    let mut bytes = Vec::new();
    object.put(&mut bytes);
    file_record(&mut bytes, &object.meta).unwrap();
    let scratch = scratch();
    let archive = scratch.path().join("segment.tar");
    fs::write(&archive, bytes).unwrap();
    assert_read(&archive, &[object.member()]);
}

/// Buckets of other providers and namespaces lie beside those of the cluster, at the longest names too.
#[test]
fn buckets_of_other_owners_are_read() {
    let namespace = Ns { uuid: "u".repeat(32), name: "n".repeat(32) };
    let buckets = [
        Bck::new(Provider::Aws, BUCKET),
        Bck { namespace: Ns::parse("@U#n"), ..Bck::ais(BUCKET) },
        Bck { namespace, ..Bck::new(Provider::Azure, &"b".repeat(64)) },
    ];
    let mut bytes = Vec::new();
    let mut expected = Vec::new();
    for bucket in buckets {
        for name in ["dir/ü", &"L".repeat(MAX_NAME)] {
            let mut object = Object::new(name, 700);
            object.meta.bucket = bucket.clone();
            object.put(&mut bytes);
            expected.push(object.member());
        }
    }
    assert_eq!(expected[0].0, "@aws/train/dir/ü");
    assert_eq!(expected[2].0, "@ais/@U#n/train/dir/ü");
    let scratch = scratch();
    let archive = scratch.path().join("segment.tar");
    fs::write(&archive, bytes).unwrap();
    assert_read(&archive, &expected);
}

/// A log that nothing but deletions and padding was written to for a while.
#[test]
fn thousands_of_other_records_in_a_row_are_passed_over() {
    let mut bytes = Vec::new();
    let expected = ["first", "last"].map(|name| Object::new(name, 700));
    for (object, ahead) in expected.iter().zip([0, 3000]) {
        for at in 0..ahead {
            let name = format!("gone/{at}");
            delete_records(&mut bytes, &[deletion(name, at)]).unwrap();
            file_record(&mut bytes, &object.meta).unwrap();
            padding(&mut bytes, 512 * (at as usize % 8));
        }
        object.put(&mut bytes);
    }
    let scratch = scratch();
    let archive = scratch.path().join("segment.tar");
    fs::write(&archive, bytes).unwrap();
    assert_read(&archive, &expected.map(|object| object.member()));
}

/// Some readers look into the header only: what they find is right, or at least no other object's.
#[test]
fn headers_alone_tell_objects_apart() {
    let long = |end: &str| format!("{}{end}", "n".repeat(300));
    let names = ["é/日本.tar".to_owned(), "d/".repeat(60) + "x", long("1"), long("2"), "p".repeat(120)];
    let mut seen = std::collections::HashSet::new();
    for name in &names {
        let mut head = Vec::new();
        object_head(&mut head, &Object::new(name, 0).meta).unwrap();
        let header = &head[head.len() - 512..];
        let text = |field: &[u8]| {
            let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
            String::from_utf8(field[..end].to_vec()).unwrap()
        };
        let (name_field, prefix) = (text(&header[..100]), text(&header[345..500]));
        let full = if prefix.is_empty() { name_field } else { format!("{prefix}/{name_field}") };
        if name.len() < 200 && !name.starts_with("ppp") {
            assert_eq!(full, format!("{BUCKET}/{name}"));
        }
        assert!(full.starts_with(&format!("{BUCKET}/")) && seen.insert(full));
    }
}

/// An event in the life of a lane.
#[derive(Clone, Debug)]
enum Event {
    Object(String, usize),
    File(String),
    Deletions(Vec<String>),
    /// The end of a batch: filled up to a page.
    Batch,
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "(a|b)(/(a|b|é)){0,3}",
        "[a-zé日\u{1F600} .%-]{1,40}",
        "[a-z]{95,105}(/[a-zé]{0,120}){0,2}",
        "[a-zé/.%\n]{1,300}",
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (name(), 0usize..3000).prop_map(|(name, size)| Event::Object(name, size)),
        1 => name().prop_map(Event::File),
        2 => prop::collection::vec(name(), 1..40).prop_map(Event::Deletions),
        2 => Just(Event::Batch),
    ];
    prop::collection::vec(event, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_log_is_an_archive(events in events(), zeros in prop_oneof![Just(0usize), Just(4096)]) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for event in events {
            match event {
                Event::Object(name, size) => {
                    let object = Object::new(&name, size);
                    object.put(&mut bytes);
                    expected.push(object.member());
                }
                Event::File(name) => file_record(&mut bytes, &Object::new(&name, 0).meta).unwrap(),
                Event::Deletions(names) => {
                    let deletions: Vec<Deletion> = names.into_iter().map(|name| deletion(name, 5)).collect();
                    delete_records(&mut bytes, &deletions).unwrap();
                }
                Event::Batch => {
                    let len = bytes.len().next_multiple_of(4096) - bytes.len();
                    padding(&mut bytes, len);
                }
            }
        }
        bytes.resize(bytes.len() + zeros, 0);
        prop_assume!(!bytes.is_empty());
        let scratch = scratch();
        let archive = scratch.path().join("segment.tar");
        fs::write(&archive, bytes).unwrap();
        assert_read(&archive, &expected);
    }
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
                block_crcs: BlockCrcs::Sidecar { count: 2, crc_of_table: 3 },
                ..object.meta
            };
            let mut head = Vec::new();
            archive_head(&mut head, &meta, Spelling::Readable).unwrap();
            archive.write_all_at(&head, end).unwrap();
            // The data are a hole.
            end += head.len() as u64 + size + object_padding(size) as u64;
        }
        archive.set_len(end + 1024).unwrap();
        for program in PROGRAMS {
            let lines = run(program, &["-tvf", path.to_str().unwrap()]);
            let lines = String::from_utf8(lines).unwrap();
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
    assert!(object_head(&mut Vec::new(), &refused).is_err());
}

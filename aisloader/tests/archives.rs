//! Shards: written as TAR archives, and read file by file.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail loudly, as tests may"
)]

mod common;

use aisloader::client::{Client, Detail};
use aisloader::engine::{Plan, run};
use aisloader::flags::Parsed;
use aisloader::recorder::{ErrorKind, RunEnd};
use aisloader::settings::Config;
use aisloader::workload::OpKind;
use common::{Manner, Responder, members};
use std::sync::Arc;

fn load(responder: &Responder, detail: Detail, line: &str) -> RunEnd {
    let line = format!("-bucket=ais://b -cleanup=false -numworkers=4 -statsinterval=0 -seed=5 {line}");
    let flags = Parsed::parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
    let config = Arc::new(Config::new(&flags, Some(&responder.authority), 1).unwrap());
    let names = Client::new(&config.gateway, None).list(&config.bucket, "", detail).unwrap();
    let plan = Plan { config, names, direct: None, interrupted: Arc::default() };
    run(plan, &mut |_| {}).unwrap()
}

#[test]
fn shards_are_tars_with_the_checksum_they_announce() {
    let responder = Responder::start(Manner::Serve);
    let line = "-pctput=100 -arch.pct=100 -arch.num-files=12 -arch.minsize=1 -arch.maxsize=9K -arch.prefix=in/p- -maxputs=20";
    let end = load(&responder, Detail::Names, line);
    let put = end.stats.of(OpKind::Put);
    assert_eq!((put.ops, end.stats.error_count()), (20, 0), "{:?}", put.error_texts);
    let objects = responder.store.objects.lock().unwrap();
    assert_eq!(objects.values().map(|body| body.len() as u64).sum::<u64>(), put.bytes);
    let heads = responder.store.heads.lock().unwrap();
    for (name, body) in objects.iter() {
        let files = members(body);
        assert!(name.ends_with(".tar") && files.len() == 12, "{name}: {:?}", files.keys());
        assert!(files.iter().all(|(path, content)| path.starts_with("in/p-") && content.len() <= 9 << 10));
        let value = wire::cksum::checksum(wire::cksum::CksumType::Xxhash, body);
        assert!(heads.iter().any(|head| head.contains(name) && head.contains(&value)));
    }
}

#[test]
fn as_many_shards_as_asked_for() {
    let responder = Responder::start(Manner::Serve);
    let end =
        load(&responder, Detail::Names, "-pctput=100 -arch.pct=30 -minsize=4K -maxsize=8K -maxputs=300");
    assert_eq!(end.stats.error_count(), 0);
    let objects = responder.store.objects.lock().unwrap();
    let shards = objects.keys().filter(|name| name.ends_with(".tar")).count();
    assert!((60..120).contains(&shards), "{shards}");
    // Plain objects keep the sizes that they shall have, shards theirs and a little more.
    assert!(objects.iter().all(|(name, body)| name.ends_with(".tar") || (4096..=8192).contains(&body.len())));
}

#[test]
fn files_in_shards_are_read_by_their_paths() {
    let responder = Responder::start(Manner::Serve);
    load(
        &responder,
        Detail::Names,
        "-pctput=100 -arch.pct=100 -arch.num-files=5 -arch.minsize=2K -arch.maxsize=2K -maxputs=6",
    );
    responder.store.objects.lock().unwrap().insert("plain".into(), vec![1]);
    let end = load(&responder, Detail::Members, "-arch.list -maxops=60 -numworkers=1");
    let get = end.stats.of(OpKind::Get);
    assert_eq!((get.ops, get.bytes, get.error_count()), (60, 60 * 2048, 0), "{:?}", get.error_texts);
    let heads = responder.store.heads.lock().unwrap();
    let asked: std::collections::HashSet<&str> = heads
        .iter()
        .filter(|head| head.contains("&archpath=0000"))
        .map(|head| head.lines().next().unwrap())
        .collect();
    assert_eq!(asked.len(), 30);
}

#[test]
fn a_run_reads_the_files_of_the_shards_it_writes() {
    let responder = Responder::start(Manner::Serve);
    let line = "-arch.list -pctput=40 -arch.pct=50 -arch.num-files=3 -minsize=3K -maxsize=3K -maxops=200";
    let end = load(&responder, Detail::Members, line);
    assert_eq!(
        (end.stats.ops(), end.stats.error_count()),
        (200, 0),
        "{:?}",
        end.stats.of(OpKind::Get).error_texts
    );
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let responder = Responder::start(Manner::Fail(404, "no such file"));
    let mut names = aisloader::workload::names::NameList::default();
    names.push("s.tar/x y");
    let flags = Parsed::parse(&["-bucket=ais://b", "-cleanup=false", "-arch.list", "-maxops=3"]).unwrap();
    let config = Arc::new(Config::new(&flags, Some(&responder.authority), 1).unwrap());
    let end = run(Plan { config, names, direct: None, interrupted: Arc::default() }, &mut |_| {}).unwrap();
    assert_eq!(end.stats.of(OpKind::Get).errors.get(&ErrorKind::Status(404)), Some(&3));
    assert!(
        responder.store.heads.lock().unwrap()[0]
            .starts_with("GET /v1/objects/b/s.tar?provider=ais&archpath=x%20y ")
    );
}

#[test]
fn payload_that_went_through_a_file_and_payload_that_is_a_tar() {
    let responder = Responder::start(Manner::Serve);
    let sizes = "-pctput=100 -minsize=10K -maxsize=10K -maxputs=5";
    let end = load(&responder, Detail::Names, &format!("{sizes} -readertype=file"));
    assert_eq!((end.stats.of(OpKind::Put).bytes, end.stats.error_count()), (5 * 10_240, 0));
    responder.store.objects.lock().unwrap().clear();
    load(&responder, Detail::Names, &format!("{sizes} -readertype=tar -arch.num-files=4"));
    let objects = responder.store.objects.lock().unwrap();
    assert!(
        objects.len() == 5
            && objects.iter().all(|(name, body)| !name.ends_with(".tar") && members(body).len() == 4)
    );
}

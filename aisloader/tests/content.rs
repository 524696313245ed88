//! `-verify=content` over real sockets, against a store that loses, mixes up and keeps what it should not.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail loudly, as tests may"
)]

mod common;

use aisloader::client::Client;
use aisloader::content::DamageKind;
use aisloader::engine::{Plan, run};
use aisloader::flags::Parsed;
use aisloader::recorder::{ErrorKind, RunEnd};
use aisloader::settings::Config;
use aisloader::workload::OpKind;
use common::{Manner, Responder};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const BLOCK: usize = 4096;

/// Lists what there is and runs; one worker, so that the same seed writes the same names.
fn load(responder: &Responder, line: &str) -> RunEnd {
    let line =
        format!("-bucket=ais://b -cleanup=false -numworkers=1 -statsinterval=0 {line} -verify=content");
    let flags = Parsed::parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
    let config = Arc::new(Config::new(&flags, Some(&responder.authority), 1).unwrap());
    let mut client = Client::new(&config.gateway, Some(Duration::from_secs(10)));
    let names = client.list_names(&config.bucket, &config.subdir_prefix()).unwrap();
    let plan = Plan { config, names, direct: None, interrupted: Arc::default() };
    run(plan, &mut |_| {}).unwrap()
}

fn write(responder: &Responder, line: &str) {
    let end = load(responder, &format!("-pctput=100 -seed=5 {line}"));
    let texts = &end.stats.of(OpKind::Put).error_texts;
    assert!(end.stats.ops() > 0 && end.stats.error_count() == 0, "{texts:?}");
}

/// Reads all once with another seed; damages by kind, and their texts.
fn read(responder: &Responder) -> (BTreeMap<ErrorKind, u64>, Vec<String>) {
    let objects = responder.store.objects.lock().unwrap().len();
    let end = load(responder, &format!("-seed=6 -maxops={objects}"));
    let get = end.stats.of(OpKind::Get);
    assert_eq!(get.ops + get.error_count(), objects as u64);
    (get.errors.clone(), get.error_texts.clone())
}

/// The error that a reader finds in a store of which `damage` changes the first of two objects.
fn found(damage: impl Fn(&mut Vec<u8>, &[u8])) -> String {
    let responder = Responder::start(Manner::Serve);
    write(&responder, "-minsize=30000 -maxsize=30000 -maxputs=2");
    {
        let mut objects = responder.store.objects.lock().unwrap();
        let last = objects.values().last().unwrap().clone();
        damage(objects.values_mut().next().unwrap(), &last);
    }
    let (errors, texts) = read(&responder);
    assert_eq!((errors.values().sum::<u64>(), texts.len()), (1, 1), "{texts:?}");
    assert!(errors.keys().all(|kind| kind.is_damage()));
    let name = responder.store.objects.lock().unwrap().keys().next().unwrap().clone();
    assert!(texts[0].contains(&name), "{texts:?}");
    texts[0].clone()
}

#[test]
fn what_was_written_is_right_and_its_checksums_are_too() {
    let responder = Responder::start(Manner::Serve);
    for (subdir, seed, sizes) in [
        ("a", 5, "-minsize=0 -maxsize=200"),
        ("b", 5, "-minsize=1 -maxsize=20K"),
        ("c", 7, "-minsize=1M -maxsize=3M"),
    ] {
        write(&responder, &format!("{sizes} -maxputs=20 -seed={seed} -subdir={subdir} -dedupe-pct=30"));
    }
    assert_eq!(read(&responder), (BTreeMap::new(), Vec::new()));
    *responder.store.manner.lock().unwrap() = Manner::Chunked;
    assert_eq!(read(&responder), (BTreeMap::new(), Vec::new()));
    let objects = responder.store.objects.lock().unwrap();
    let heads = responder.store.heads.lock().unwrap();
    let mut checked = 0;
    for head in heads.iter().filter(|head| head.starts_with("PUT")) {
        let path = head.split(' ').nth(1).unwrap().strip_prefix("/v1/objects/b/").unwrap();
        let body = &objects[path.split('?').next().unwrap()];
        let value = head.lines().find_map(|line| line.strip_prefix("Ais-Checksum-Value: ")).unwrap();
        assert_eq!(value, wire::cksum::checksum(wire::cksum::CksumType::Xxhash, body));
        checked += 1;
    }
    assert_eq!(checked, 60);
}

#[test]
fn every_damage_is_named() {
    let text = found(|object, _| object[12_345] ^= 4);
    assert!(text.starts_with("content-wrong-bytes: ") && text.contains("offset 12345"), "{text}");
    let text = found(|object, _| object[BLOCK..3 * BLOCK].rotate_left(BLOCK));
    assert!(text.starts_with("content-moved-block: ") && text.contains("offset 4096"), "{text}");
    let text = found(|object, other| other.clone_into(object));
    assert!(text.starts_with("content-other-name: ") && text.contains("offset 0"), "{text}");
    let text = found(|object, _| object.truncate(20_000));
    assert!(text.starts_with("content-truncated: ") && text.contains("offset 20000"), "{text}");
    let text = found(|object, _| object.extend([0; 10]));
    assert!(text.starts_with("content-extended: ") && text.contains("offset 30000"), "{text}");
    let text = found(|object, _| object.fill(b'x'));
    assert!(text.starts_with("content-unstamped: "), "{text}");
}

#[test]
fn blocks_of_two_writes_are_found() {
    let responder = Responder::start(Manner::Serve);
    let line = "-minsize=30000 -maxsize=30000 -maxputs=1";
    write(&responder, line);
    let old = responder.store.objects.lock().unwrap().clone();
    write(&responder, line);
    for (name, object) in responder.store.objects.lock().unwrap().iter_mut() {
        object[2 * BLOCK..].copy_from_slice(&old[name][2 * BLOCK..]);
    }
    let (errors, texts) = read(&responder);
    assert_eq!(errors, BTreeMap::from([(ErrorKind::Content(DamageKind::Mixed), 1)]), "{texts:?}");
    assert!(texts[0].contains("offset 8192"), "{texts:?}");
}

#[test]
fn an_acknowledged_write_that_is_lost_is_found() {
    let responder = Responder::start(Manner::Serve);
    write(&responder, "-minsize=10000 -maxsize=10000 -maxputs=3");
    // An UPDATE is two operations.
    let line = "-pctupdate=100 -minsize=10000 -maxsize=10000 -maxops=60 -seed=6";
    let end = load(&responder, &format!("{line} -numworkers=3"));
    assert_eq!(end.stats.error_count(), 0, "{:?}", end.stats.of(OpKind::Get).error_texts);
    *responder.store.manner.lock().unwrap() = Manner::KeepFirst;
    let end = load(&responder, line);
    let get = end.stats.of(OpKind::Get);
    assert_eq!(get.errors.keys().collect::<Vec<_>>(), [&ErrorKind::Content(DamageKind::Stale)]);
    // The first read of each name finds what it must: nothing is known of what went before.
    assert!(get.ops <= 3 && get.error_count() >= 20, "{} of {}", get.error_count(), get.ops);
    assert!(get.error_texts[0].contains("acknowledged before"), "{:?}", get.error_texts);
}

//! Each kind of operation against the small server of `common`: what it asks for and what it counts.

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
use common::{Manner, Responder};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Lists what there is and runs.
fn load(responder: &Responder, line: &str) -> RunEnd {
    let line = format!("-bucket=ais://b -cleanup=false -numworkers=4 -statsinterval=0 -seed=5 {line}");
    let flags = Parsed::parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
    let config = Arc::new(Config::new(&flags, Some(&responder.authority), 1).unwrap());
    let mut client = Client::new(&config.gateway, Some(Duration::from_secs(10)));
    let names = client.list(&config.bucket, &config.subdir_prefix(), Detail::Sizes).unwrap();
    let plan = Plan { config, names, direct: None, interrupted: Arc::default() };
    run(plan, &mut |_| {}).unwrap()
}

/// The methods and paths of the requests for objects.
fn requests(responder: &Responder) -> Vec<(String, String)> {
    let heads = responder.store.heads.lock().unwrap();
    let lines = heads.iter().map(|head| head.lines().next().unwrap().to_owned());
    let objects = lines.filter(|line| line.contains("/v1/objects/"));
    let split = |line: String| {
        let (method, rest) = line.split_once(' ').unwrap();
        (method.to_owned(), rest.split('?').next().unwrap().to_owned())
    };
    objects.map(split).collect()
}

#[test]
fn head_asks_for_properties_of_every_name() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(40, 5000);
    let end = load(&responder, "-pcthead=100 -maxops=80 -numworkers=1");
    let head = end.stats.of(OpKind::Head);
    assert_eq!((head.ops, head.bytes, end.stats.error_count()), (80, 0, 0), "{:?}", head.error_texts);
    let asked = requests(&responder);
    assert!(asked.iter().all(|(method, _)| method == "HEAD"));
    assert_eq!(asked.into_iter().collect::<HashSet<_>>().len(), 40);
}

#[test]
fn delete_ends_when_nothing_is_left() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(300, 10);
    let end = load(&responder, "-pctdel=100 -duration=30s");
    let delete = end.stats.of(OpKind::Delete);
    assert_eq!((delete.ops, end.stats.error_count()), (300, 0), "{:?}", delete.error_texts);
    assert!(responder.store.objects.lock().unwrap().is_empty());
}

#[test]
fn what_is_deleted_is_not_asked_for_by_anybody() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(60, 100);
    // A small set and many workers, so that everybody is after the same names.
    let line =
        "-pctput=25 -pctdel=25 -pcthead=10 -pctupdate=30 -minsize=10 -maxsize=20 -maxops=4000 -numworkers=24";
    let end = load(&responder, line);
    let texts: Vec<_> = OpKind::ALL.into_iter().flat_map(|kind| &end.stats.of(kind).error_texts).collect();
    assert_eq!(end.stats.error_count(), 0, "{texts:?}");
    let count = |kind| end.stats.of(kind).ops;
    assert!(
        OpKind::ALL.into_iter().all(|kind| matches!(kind, OpKind::List | OpKind::Mpu) || count(kind) > 50)
    );
    let puts = count(OpKind::Put) - count(OpKind::Update);
    let left = responder.store.objects.lock().unwrap().len() as u64;
    assert_eq!(60 + puts - count(OpKind::Delete), left);
}

#[test]
fn a_refused_delete_leaves_its_name() {
    let responder = Responder::start(Manner::Fail(503, "busy"));
    responder.fill(2, 1);
    let end = load(&responder, "-pctdel=100 -maxops=20");
    assert_eq!((end.stats.of(OpKind::Delete).error_count(), end.stats.ops()), (20, 0));
}

#[test]
fn an_update_is_a_get_and_a_put_of_the_same_name() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(10, 1000);
    let end = load(&responder, "-pctupdate=100 -minsize=2000 -maxsize=2000 -maxops=40 -numworkers=1");
    let [get, put, update] = [OpKind::Get, OpKind::Put, OpKind::Update].map(|kind| end.stats.of(kind));
    assert_eq!((get.ops, put.ops, update.ops, end.stats.ops()), (20, 20, 20, 40));
    // The first ten GETs find what was there, the others what UPDATE wrote.
    assert_eq!((get.bytes, put.bytes, update.bytes), (10 * 1000 + 10 * 2000, 20 * 2000, 0));
    assert!(update.latency.min_ns() >= get.latency.min_ns().saturating_add(put.latency.min_ns()));
    for pair in requests(&responder).chunks(2) {
        assert_eq!((pair[0].0.as_str(), pair[1].0.as_str()), ("GET", "PUT"));
        assert_eq!(pair[0].1, pair[1].1);
    }
    assert_eq!(responder.store.objects.lock().unwrap().len(), 10);
}

#[test]
fn an_update_that_cannot_read_writes_nothing() {
    let responder = Responder::start(Manner::Fail(500, "broken"));
    responder.fill(2, 1);
    let end = load(&responder, "-pctupdate=100 -minsize=1 -maxsize=1 -maxops=10");
    let errors = [OpKind::Get, OpKind::Put, OpKind::Update].map(|kind| end.stats.of(kind).error_count());
    assert_eq!((errors, end.stats.error_count()), ([5, 0, 5], 5));
}

#[test]
fn head_and_delete_follow_redirects() {
    let target = Responder::start(Manner::Serve);
    let gateway = Responder::start(Manner::Redirect(target.authority.clone()));
    gateway.fill(30, 1);
    target.fill(30, 1);
    let end = load(&gateway, "-pcthead=50 -pctdel=50 -duration=30s");
    // The run ends when a worker finds nothing to delete; the last name may be in the hands of a HEAD just then.
    let deleted = end.stats.of(OpKind::Delete).ops;
    assert!((29..=30).contains(&deleted), "{deleted}");
    assert_eq!(end.stats.error_count(), 0);
    assert_eq!(target.store.objects.lock().unwrap().len() as u64, 30 - deleted);
}

/// The parts that were asked for.
fn ranges(responder: &Responder) -> HashSet<String> {
    let heads = responder.store.heads.lock().unwrap();
    let lines = heads.iter().filter_map(|head| head.lines().find_map(|line| line.strip_prefix("Range: ")));
    lines.map(str::to_owned).collect()
}

#[test]
fn parts_are_read_where_they_shall_be() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(20, 10_000);
    let end = load(&responder, "-readoff=1K -readlen=2K -maxops=50");
    assert_eq!((end.stats.of(OpKind::Get).bytes, end.stats.error_count()), (50 * 2048, 0));
    assert_eq!(ranges(&responder), HashSet::from(["bytes=1024-3071".to_owned()]));
    // A range without a length goes to the end of the object.
    let end = load(&responder, "-readoff=1K -maxops=10");
    assert_eq!((end.stats.of(OpKind::Get).bytes, end.stats.error_count()), (10 * (10_000 - 1024), 0));
    let end = load(&responder, "-readlen=1000 -range-mode=aligned -maxops=300");
    assert_eq!((end.stats.of(OpKind::Get).bytes, end.stats.error_count()), (300_000, 0));
    let aligned = (0..10).map(|n| format!("bytes={}-{}", n * 1000, n * 1000 + 999));
    assert!(aligned.into_iter().all(|range| ranges(&responder).contains(&range)));
    let end = load(&responder, "-readlen=1000 -range-mode=random -maxops=100");
    assert_eq!((end.stats.of(OpKind::Get).bytes, end.stats.error_count()), (100_000, 0));
    assert!(ranges(&responder).len() > 90);
}

#[test]
fn an_answer_that_is_not_the_part_asked_for_is_an_error() {
    // This one answers 200 with everything.
    let responder = Responder::start(Manner::Lie);
    responder.fill(5, 1000);
    let get = load(&responder, "-readoff=10 -readlen=20 -maxops=8").stats.of(OpKind::Get).clone();
    assert_eq!((get.ops, get.errors.get(&ErrorKind::Range)), (0, Some(&8)), "{:?}", get.error_texts);
    let small = Responder::start(Manner::Serve);
    small.fill(5, 5);
    let get = load(&small, "-readoff=10 -readlen=20 -maxops=8").stats.of(OpKind::Get).clone();
    assert_eq!(get.errors.get(&ErrorKind::Status(416)), Some(&8));
}

#[test]
fn every_request_carries_the_token() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(5, 5);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "secret.token").unwrap();
    let line = format!(
        "-pctput=40 -pctlist=20 -minsize=1 -maxsize=9 -maxops=60 -tokenfile={}",
        file.path().display()
    );
    assert_eq!(load(&responder, &line).stats.error_count(), 0);
    let heads = responder.store.heads.lock().unwrap();
    let of_the_run = heads.iter().skip(1);
    assert!(of_the_run.clone().count() >= 60);
    assert!(of_the_run.into_iter().all(|head| head.contains("Authorization: Bearer secret.token\r\n")));
}

#[test]
fn gateways_take_turns() {
    let all = [Responder::start(Manner::Serve), Responder::start(Manner::Serve)];
    all.iter().for_each(|one| one.fill(10, 10));
    let flags = Parsed::parse(&["-bucket=ais://b", "-cleanup=false", "-randomproxy", "-maxops=100"]).unwrap();
    let mut config = Config::new(&flags, Some(&all[0].authority), 1).unwrap();
    config.gateways = all.iter().map(|one| one.authority.clone()).collect();
    let names = Client::new(&config.gateway, None).list_names(&config.bucket, "").unwrap();
    let plan = Plan { config: Arc::new(config), names, direct: None, interrupted: Arc::default() };
    assert_eq!(run(plan, &mut |_| {}).unwrap().stats.error_count(), 0);
    assert!(all.iter().all(|one| one.object_requests() > 20));
}

#[test]
fn tracing_tells_where_the_time_goes_on_the_same_connections() {
    let target = Responder::start(Manner::Serve);
    let gateway = Responder::start(Manner::Redirect(target.authority.clone()));
    gateway.fill(5, 1);
    target.fill(5, 1000);
    let end = load(&gateway, "-trace-http -pctput=50 -minsize=1 -maxsize=9 -maxops=60");
    for kind in [OpKind::Get, OpKind::Put] {
        let (stats, phases) = (end.stats.of(kind), &end.stats.of(kind).phases);
        let counts = phases.named().map(|(_, latency)| latency.count());
        assert_eq!((counts, stats.error_count()), ([stats.ops; 3], 0), "{:?}", stats.error_texts);
        assert!(phases.named().iter().all(|(_, latency)| latency.max_ns() <= stats.latency.max_ns()));
    }
    assert!(load(&target, "-maxops=10").stats.of(OpKind::Get).phases.is_empty());
}

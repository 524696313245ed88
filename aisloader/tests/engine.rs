//! The engine against a small server in this process that behaves well, and badly in every way there is.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail loudly, as tests may"
)]

mod common;

use aisloader::client::Client;
use aisloader::engine::{Plan, run};
use aisloader::flags::Parsed;
use aisloader::recorder::{ErrorKind, OpStats, RunEnd};
use aisloader::settings::Config;
use aisloader::workload::OpKind;
use common::{Manner, Responder};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn config(responder: &Responder, line: &str) -> Arc<Config> {
    let line = format!("-bucket=ais://b -cleanup=false -numworkers=4 -statsinterval=0 -seed=5 {line}");
    let flags = Parsed::parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
    Arc::new(Config::new(&flags, Some(&responder.authority), 1).unwrap())
}

/// Lists what there is and runs.
fn load(responder: &Responder, line: &str) -> RunEnd {
    let config = config(responder, line);
    let mut client = Client::new(&config.gateway, Some(Duration::from_secs(10)));
    let names = client.list_names(&config.bucket, &config.subdir_prefix()).unwrap();
    let plan = Plan { config, names, direct: None, interrupted: Arc::default() };
    run(plan, &mut |_| {}).unwrap()
}

fn only_error(stats: &OpStats, kind: ErrorKind) -> u64 {
    assert_eq!(stats.errors.keys().collect::<Vec<_>>(), [&kind], "{:?}", stats.error_texts);
    stats.error_count()
}

#[test]
fn put_stores_what_it_says() {
    let responder = Responder::start(Manner::Serve);
    let end = load(&responder, "-pctput=100 -minsize=0 -maxsize=300K -maxputs=200 -subdir=d");
    let put = end.stats.of(OpKind::Put);
    assert_eq!((put.ops, end.stats.error_count()), (200, 0), "{:?}", put.error_texts);
    let objects = responder.store.objects.lock().unwrap();
    assert_eq!(objects.len(), 200);
    assert!(objects.keys().all(|name| name.starts_with("d/") && name.len() == 34));
    assert_eq!(objects.values().map(|body| body.len() as u64).sum::<u64>(), put.bytes);
    assert!(objects.values().map(Vec::len).collect::<HashSet<_>>().len() > 150, "sizes differ");
    // The checksums that were announced are those of the bytes that came.
    let heads = responder.store.heads.lock().unwrap();
    for head in heads.iter().filter(|head| head.starts_with("PUT")) {
        let name = head
            .split(' ')
            .nth(1)
            .unwrap()
            .strip_prefix("/v1/objects/b/")
            .unwrap()
            .split('?')
            .next()
            .unwrap();
        let value = head.lines().find_map(|line| line.strip_prefix("Ais-Checksum-Value: ")).unwrap();
        assert_eq!(value, wire::cksum::checksum(wire::cksum::CksumType::Xxhash, &objects[name]));
    }
}

#[test]
fn a_large_put_comes_in_several_pieces() {
    let responder = Responder::start(Manner::Serve);
    let end = load(&responder, "-pctput=100 -minsize=21M -maxsize=21M -maxputs=2 -cksum-type=crc32c");
    assert_eq!(end.stats.of(OpKind::Put).bytes, 42 << 20);
    let objects = responder.store.objects.lock().unwrap();
    let heads = responder.store.heads.lock().unwrap();
    for body in objects.values() {
        assert_eq!(body.len(), 21 << 20);
        let value = wire::cksum::checksum(wire::cksum::CksumType::Crc32c, body);
        assert!(heads.iter().any(|head| head.contains(&value)));
    }
}

#[test]
fn get_reads_every_object_and_verifies_it() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(50, 700_000);
    let end = load(&responder, "-maxops=100 -verifyhash -numworkers=1");
    let get = end.stats.of(OpKind::Get);
    assert_eq!((get.ops, get.bytes, get.error_count()), (100, 70_000_000, 0), "{:?}", get.error_texts);
    assert_eq!(get.latency.count(), 100);
    let heads = responder.store.heads.lock().unwrap();
    let asked: HashSet<&str> = heads
        .iter()
        .filter(|head| head.contains("/v1/objects/"))
        .map(|head| head.lines().next().unwrap())
        .collect();
    assert_eq!(asked.len(), 50, "one worker reads each name twice");
}

#[test]
fn a_wrong_checksum_is_an_error() {
    let responder = Responder::start(Manner::Lie);
    responder.fill(3, 1000);
    let end = load(&responder, "-maxops=9 -verifyhash");
    assert_eq!(only_error(end.stats.of(OpKind::Get), ErrorKind::Checksum), 9);
}

#[test]
fn chunked_bodies_and_small_ones() {
    let responder = Responder::start(Manner::Chunked);
    responder.fill(10, 12_345);
    let end = load(&responder, "-maxops=30");
    assert_eq!((end.stats.of(OpKind::Get).bytes, end.stats.error_count()), (30 * 12_345, 0));
    let empty = Responder::start(Manner::Serve);
    empty.fill(10, 0);
    let end = load(&empty, "-maxops=30");
    assert_eq!((end.stats.ops(), end.stats.error_count()), (30, 0));
}

#[test]
fn list_walks_over_all_pages_and_starts_again() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(25, 1);
    // Three pages a walk: 10, 10 and 5 names; one worker, so that the walks are not interleaved.
    let end = load(&responder, "-pctlist=100 -list-pagesize=10 -maxops=9 -numworkers=1");
    let list = end.stats.of(OpKind::List);
    assert_eq!((list.ops, list.names, list.error_count()), (9, 75, 0), "{:?}", list.error_texts);
}

#[test]
fn a_mix_reads_what_it_has_written() {
    let responder = Responder::start(Manner::Serve);
    let end = load(&responder, "-pctput=30 -pctlist=10 -minsize=1K -maxsize=2K -maxops=400");
    assert_eq!((end.stats.ops(), end.stats.error_count()), (400, 0));
    for kind in [OpKind::Put, OpKind::Get, OpKind::List] {
        assert!(end.stats.of(kind).ops > 10, "{kind:?}");
    }
}

#[test]
fn redirects_are_followed_and_large_bodies_sent_once() {
    let target = Responder::start(Manner::Serve);
    let gateway = Responder::start(Manner::Redirect(target.authority.clone()));
    let end = load(&gateway, "-pctput=100 -minsize=500K -maxsize=500K -maxputs=10");
    assert_eq!((end.stats.of(OpKind::Put).ops, end.stats.error_count()), (10, 0));
    assert_eq!(target.store.objects.lock().unwrap().len(), 10);
    assert!(target.store.heads.lock().unwrap().iter().all(|head| head.contains("pid=p1")));
    // Small ones go out with their heads at once, and are redirected all the same.
    let end = load(&gateway, "-pctput=100 -minsize=1K -maxsize=1K -maxputs=10 -seed=6");
    assert_eq!((end.stats.ops(), end.stats.error_count()), (10, 0));
    gateway.fill(20, 1);
    target.fill(20, 100);
    let end = load(&gateway, "-maxops=40");
    assert_eq!((end.stats.of(OpKind::Get).bytes, end.stats.error_count()), (4000, 0));
}

#[test]
fn a_circle_of_redirects_ends() {
    let gateway = Responder::start(Manner::Serve);
    *gateway.store.manner.lock().unwrap() = Manner::Redirect(gateway.authority.clone());
    gateway.fill(2, 1);
    let end = load(&gateway, "-maxops=3");
    assert_eq!(only_error(end.stats.of(OpKind::Get), ErrorKind::Redirect), 3);
}

#[test]
fn statuses_are_counted_with_their_texts() {
    let responder = Responder::start(Manner::Fail(503, r#"{"status":503,"message":"too busy"}"#));
    responder.fill(2, 1);
    let end = load(&responder, "-maxops=20");
    let get = end.stats.of(OpKind::Get);
    assert_eq!(only_error(get, ErrorKind::Status(503)), 20);
    assert_eq!(get.error_texts, ["status-503: too busy"]);
    assert_eq!((get.ops, get.latency.count(), get.error_latency.count()), (0, 0, 20));
}

#[test]
fn a_refused_put_says_why() {
    let responder = Responder::start(Manner::Fail(507, "full"));
    let end = load(&responder, "-pctput=100 -minsize=200K -maxsize=200K -maxputs=8");
    let put = end.stats.of(OpKind::Put);
    assert_eq!(only_error(put, ErrorKind::Status(507)), 8);
    assert_eq!(put.error_texts, ["status-507: full"]);
}

#[test]
fn a_hang_up_in_the_middle_is_an_error() {
    let responder = Responder::start(Manner::HangUp);
    responder.fill(2, 1);
    let end = load(&responder, "-maxops=6");
    assert_eq!(only_error(end.stats.of(OpKind::Get), ErrorKind::Closed), 6);
}

#[test]
fn a_connection_closed_between_requests_is_no_error() {
    let responder = Responder::start(Manner::CloseAfter);
    responder.fill(5, 100);
    let end = load(&responder, "-maxops=50");
    assert_eq!((end.stats.of(OpKind::Get).ops, end.stats.error_count()), (50, 0));
    let end = load(&responder, "-pctput=100 -minsize=1K -maxsize=1K -maxputs=50");
    assert_eq!((end.stats.of(OpKind::Put).ops, end.stats.error_count()), (50, 0));
}

#[test]
fn a_stall_ends_with_a_timeout() {
    let responder = Responder::start(Manner::Stall);
    responder.fill(2, 1);
    let end = load(&responder, "-maxops=4 -timeout=200ms");
    assert_eq!(only_error(end.stats.of(OpKind::Get), ErrorKind::Timeout), 4);
    for size in ["1K", "200K"] {
        let end = load(
            &responder,
            &format!("-pctput=100 -minsize={size} -maxsize={size} -maxputs=4 -timeout=200ms"),
        );
        assert_eq!(only_error(end.stats.of(OpKind::Put), ErrorKind::Timeout), 4);
    }
}

#[test]
fn the_end_of_a_run_waits_for_no_stall() {
    let responder = Responder::start(Manner::Stall);
    responder.fill(2, 1);
    // The limit of time is also what operations in flight are given at the end.
    let end = load(&responder, "-duration=300ms -timeout=400ms");
    assert!(end.stats.of(OpKind::Get).error_count() >= 4);
    assert_eq!(end.stats.ops(), 0);
}

#[test]
fn a_dead_server_is_an_error_and_no_storm() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(2, 1);
    let config = config(&responder, "-duration=300ms");
    let mut client = Client::new(&config.gateway, None);
    let names = client.list_names(&config.bucket, "").unwrap();
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = Arc::new(Config { gateway: free.to_string(), ..(*config).clone() });
    let end = run(Plan { config, names, direct: None, interrupted: Arc::default() }, &mut |_| {}).unwrap();
    let errors = only_error(end.stats.of(OpKind::Get), ErrorKind::Connect);
    assert!((4..200).contains(&errors), "{errors}");
}

#[test]
fn an_interrupt_gives_the_result_up_to_then() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(5, 100);
    let config = config(&responder, "-duration=0");
    let names = Client::new(&config.gateway, None).list_names(&config.bucket, "").unwrap();
    let interrupted: Arc<AtomicBool> = Arc::default();
    let (flag, requests) = (Arc::clone(&interrupted), Arc::clone(&responder.store));
    std::thread::spawn(move || {
        let begin = Instant::now();
        while requests.object_requests.load(Ordering::Relaxed) < 50
            && begin.elapsed() < Duration::from_secs(20)
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        flag.store(true, Ordering::Relaxed);
    });
    let end = run(Plan { config, names, direct: None, interrupted }, &mut |_| {}).unwrap();
    assert!(end.is_interrupted && end.stats.ops() >= 50 && end.stats.error_count() == 0);
}

#[test]
fn intervals_add_up_to_the_whole() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(5, 100);
    let config = config(&responder, "-duration=2500ms");
    let names = Client::new(&config.gateway, None).list_names(&config.bucket, "").unwrap();
    let mut seen = Vec::new();
    let plan = Plan { config, names, direct: None, interrupted: Arc::default() };
    let end = run(plan, &mut |interval| seen.push((interval.number, interval.stats.ops()))).unwrap();
    let whole: u64 = seen.iter().map(|(_, ops)| ops).sum();
    assert!(!seen.is_empty() && whole.saturating_add(end.rest.stats.ops()) == end.stats.ops(), "{seen:?}");
    assert!(seen.iter().zip(1..).all(|((interval, _), number)| *interval == number), "{seen:?}");
    assert_eq!(end.stats.ops(), responder.object_requests());
}

#[test]
fn buckets_are_made_and_destroyed() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(20, 1);
    let config = config(&responder, "");
    let mut client = Client::new(&config.gateway, Some(Duration::from_secs(5)));
    assert!(client.bucket_exists(&config.bucket).unwrap());
    assert_eq!(client.list_names(&config.bucket, "o0000").unwrap().len(), 10);
    client.destroy_bucket(&config.bucket).unwrap();
    assert!(!client.bucket_exists(&config.bucket).unwrap());
    client.create_bucket(&config.bucket).unwrap();
    assert!(client.bucket_exists(&config.bucket).unwrap());
    assert!(client.cluster_map().unwrap_err().to_string().contains("status 400"));
}

//! The open loop against a small server in this process.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail loudly, as tests may"
)]

mod common;

use aisloader::client::Client;
use aisloader::engine::{Plan, run};
use aisloader::flags::Parsed;
use aisloader::recorder::RunEnd;
use aisloader::settings::Config;
use aisloader::workload::OpKind;
use common::{Manner, Responder};
use std::sync::Arc;
use std::time::Duration;

fn load(responder: &Responder, line: &str) -> RunEnd {
    let line = format!("-bucket=ais://b -cleanup=false -statsinterval=0 -seed=5 {line}");
    let flags = Parsed::parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
    let config = Arc::new(Config::new(&flags, Some(&responder.authority), 1).unwrap());
    let mut client = Client::new(&config.gateway, Some(Duration::from_secs(10)));
    let names = client.list_names(&config.bucket, &config.subdir_prefix()).unwrap();
    run(Plan { config, names, direct: None, interrupted: Arc::default() }, &mut |_| {}).unwrap()
}

#[test]
fn every_arrival_is_done_and_none_is_missing() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(20, 1000);
    let end = load(&responder, "-arrival=uniform -rate=400 -duration=1500ms");
    let get = end.stats.of(OpKind::Get);
    assert_eq!(get.error_count(), 0, "{:?}", get.error_texts);
    // Due at 0, 2.5 ms and so on until 1500 ms, whatever the machine is busy with.
    assert_eq!((end.stats.open.arrivals, end.stats.open.dropped), (600, 0));
    assert_eq!((get.ops, responder.object_requests()), (600, 600));
    assert_eq!((get.intended.count(), end.stats.open.late.count()), (600, 600));
    assert_eq!(end.window, Duration::from_millis(1500), "the window is the time that was asked for");
    // An operation waits from when it was due, so never shorter than from when it began.
    assert!(get.intended.mean_ns() >= get.latency.mean_ns());
    let whole_ns = get.latency.mean_ns() + end.stats.open.late.mean_ns();
    assert!(get.intended.mean_ns().abs_diff(whole_ns) <= 2);
}

#[test]
fn what_finds_all_busy_is_dropped_and_counted() {
    let responder = Responder::start(Manner::Stall);
    responder.fill(5, 1);
    let end = load(&responder, "-arrival=uniform -rate=500 -max-inflight=6 -duration=1s -timeout=5s");
    let get = end.stats.of(OpKind::Get);
    // Nothing is ever answered: six begin, and all others are dropped.
    assert_eq!((end.stats.open.arrivals, end.stats.open.dropped), (500, 494));
    assert_eq!((get.ops, get.error_count(), responder.object_requests()), (0, 6, 6));
    assert!(end.stats.open.core_in_flight_max <= 6);
}

#[test]
fn a_poisson_process_comes_at_its_rate() {
    let responder = Responder::start(Manner::Serve);
    let end = load(&responder, "-arrival=poisson -rate=500 -duration=2s -pctput=100 -minsize=10 -maxsize=20");
    let arrivals = end.stats.open.arrivals;
    // 1,000 expected, with a standard deviation of 32.
    assert!((840..1160).contains(&arrivals), "{arrivals}");
    assert_eq!((end.stats.of(OpKind::Put).ops, end.stats.error_count()), (arrivals, 0));
    assert_eq!(responder.store.objects.lock().unwrap().len() as u64, arrivals, "no name twice");
}

#[test]
fn a_bound_ends_an_open_loop_too() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(5, 1);
    let end = load(&responder, "-arrival=uniform -rate=1000 -maxops=100");
    assert_eq!((end.stats.ops(), responder.object_requests()), (100, 100));
}

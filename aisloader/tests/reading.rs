//! The names that a run reads, against the small server of `common`: passes, popularity, and the played training loop.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail loudly, as tests may"
)]

mod common;

use aisloader::client::Client;
use aisloader::engine::{Plan, run};
use aisloader::flags::Parsed;
use aisloader::recorder::{Passes, RunEnd};
use aisloader::settings::Config;
use aisloader::workload::OpKind;
use common::{Manner, Responder};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Lists what there is and runs.
fn load(responder: &Responder, line: &str) -> RunEnd {
    let line = format!("-bucket=ais://b -cleanup=false -statsinterval=0 -seed=5 {line}");
    let flags = Parsed::parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
    let config = Arc::new(Config::new(&flags, Some(&responder.authority), 1).unwrap());
    let mut client = Client::new(&config.gateway, Some(Duration::from_secs(10)));
    let names = client.list_names(&config.bucket, "").unwrap();
    let plan = Plan { config, names, direct: None, interrupted: Arc::default() };
    run(plan, &mut |_| {}).unwrap()
}

/// The number of requests for each object.
fn visits(responder: &Responder) -> BTreeMap<String, u64> {
    let heads = responder.store.heads.lock().unwrap();
    let mut visits = BTreeMap::new();
    for head in heads.iter().filter(|head| head.starts_with("GET /v1/objects/")) {
        let path = head.split(' ').nth(1).unwrap().split('?').next().unwrap();
        *visits.entry(path.to_owned()).or_default() += 1;
    }
    visits
}

#[test]
fn passes_read_each_name_exactly_once_over_all_workers() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(97, 100);
    let end = load(&responder, "-epochs=3 -numworkers=7");
    assert_eq!((end.stats.of(OpKind::Get).ops, end.stats.error_count()), (3 * 97, 0));
    let visits = visits(&responder);
    assert_eq!(visits.len(), 97);
    assert!(visits.values().all(|count| *count == 3), "{visits:?}");
    assert_eq!(end.passes, Some(Passes { names: 97, resume_at: 3 * 97 }));
    assert!(!end.is_interrupted);
}

#[test]
fn a_pass_goes_on_where_it_was_ended() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(60, 100);
    let first = load(&responder, "-epochs=1 -maxops=25 -numworkers=3").passes.unwrap();
    assert_eq!(first.resume_at, 25);
    let rest = load(&responder, &format!("-epochs=1 -epoch-start={} -numworkers=3", first.resume_at));
    assert_eq!(rest.stats.of(OpKind::Get).ops, 35);
    let visits = visits(&responder);
    assert!(visits.len() == 60 && visits.values().all(|count| *count == 1), "{visits:?}");
}

#[test]
fn a_failure_is_a_read_of_the_pass_too() {
    let responder = Responder::start(Manner::Fail(500, "broken"));
    responder.fill(20, 100);
    let end = load(&responder, "-epochs=2 -numworkers=3");
    assert_eq!((end.stats.of(OpKind::Get).ops, end.stats.error_count()), (0, 40));
}

#[test]
fn popularity_reaches_the_server() {
    let count = |line: &str| {
        let responder = Responder::start(Manner::Serve);
        responder.fill(100, 10);
        assert_eq!(load(&responder, &format!("{line} -maxops=500 -numworkers=4")).stats.ops(), 500);
        let mut counts: Vec<u64> = visits(&responder).into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        counts
    };
    // The first rank has nearly a third of all.
    assert!(count("-dist=zipf:1.2")[0] > 80);
    assert!(count("-dist=uniform")[0] < 30);
    assert!(count("-dist=hot:95/5")[..5].iter().sum::<u64>() > 400);
    assert_eq!(count("-dist=seq -epochs=5"), [5; 100]);
}

#[test]
fn a_slow_store_stalls_the_accelerators() {
    let responder = Responder::start(Manner::Slow(Duration::from_millis(20)));
    responder.fill(40, 100);
    let end = load(&responder, "-training=batch=4,compute=5ms,prefetch=2 -epochs=1 -numworkers=2");
    let training = &end.stats.training;
    assert_eq!((training.samples, end.stats.error_count()), (40, 0));
    assert!((10..=11).contains(&training.batches), "{training:?}");
    // A batch takes 80 ms to load and 5 ms to compute: all but the first of each worker are waited for.
    assert!(training.stalls >= 7 && training.stall_ns >= 7 * 60_000_000, "{training:?}");
    assert!(training.utilisation().unwrap() < 0.2, "{training:?}");
}

#[test]
fn a_fast_store_keeps_the_accelerators_busy() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(40, 100);
    let end = load(&responder, "-training=batch=4,compute=100ms,prefetch=2 -epochs=1 -numworkers=2");
    let training = &end.stats.training;
    assert_eq!(training.samples, 40);
    assert!(training.utilisation().unwrap() > 0.8, "{training:?}");
    // Loading waits for the accelerators: two batches ahead at most.
    assert!(end.window >= Duration::from_millis(150), "{:?}", end.window);
}

#[test]
fn a_training_loop_ends_with_its_time() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(40, 100);
    // A batch computes for longer than the run; the worker, two batches ahead, waits for it and is not waited for.
    let end = load(&responder, "-training=batch=2,compute=1h,prefetch=2 -duration=300ms -numworkers=1");
    let training = &end.stats.training;
    assert_eq!((training.batches, training.stalls, end.stats.ops()), (3, 0, 6));
    assert!(training.compute_ns <= 300_000_000, "{training:?}");
}

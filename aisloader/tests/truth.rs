//! The truth of the loader's figures: it measures a server whose every answer is timed by arithmetic and noted.
//!
//! A machine that is busy with other things makes answers later, never earlier; so figures are bounded tightly from
//! below, and only loosely from above. `AISLOADER_LONG_TESTS=1` runs the long form.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail loudly, as tests may"
)]

use aisloader::app::findmax::{Ground, sweep};
use aisloader::client::Client;
use aisloader::engine::{Plan, run};
use aisloader::flags::Parsed;
use aisloader::recorder::RunEnd;
use aisloader::responder::{Delay, Responder, Spec, Stall};
use aisloader::settings::Config;
use aisloader::workload::OpKind;
use aisloader::workload::names::NameList;
use std::sync::Arc;
use std::time::Duration;

fn prepare(responder: &Responder, line: &str) -> (Arc<Config>, NameList) {
    let line = format!("-bucket=ais://b -cleanup=false -statsinterval=0 -seed=5 {line}");
    let flags = Parsed::parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
    let config = Arc::new(Config::new(&flags, Some(&responder.address.to_string()), 1).unwrap());
    let mut client = Client::new(&config.gateway, Some(Duration::from_secs(10)));
    let names = client.list_names(&config.bucket, "").unwrap();
    (config, names)
}

fn load(responder: &Responder, line: &str) -> RunEnd {
    let (config, names) = prepare(responder, line);
    let end = run(Plan { config, names, direct: None, interrupted: Arc::default() }, &mut |_| {}).unwrap();
    assert_eq!(end.stats.error_count(), 0, "{:?}", end.stats.of(OpKind::Get).error_texts);
    end
}

/// The service time of each request that the responder noted, in order of length.
fn service_ns(responder: &Responder) -> Vec<u64> {
    let served = responder.served();
    let mut all: Vec<u64> =
        served.iter().map(|one| one.answered.duration_since(one.received).as_nanos() as u64).collect();
    all.sort_unstable();
    all
}

fn quantile(sorted: &[u64], quantile: f64) -> u64 {
    let rank = (sorted.len() as f64 * quantile).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Histograms keep three digits.
const HDR: f64 = 0.001;

#[test]
fn a_stall_is_seen_in_full() {
    let is_long = std::env::var_os("AISLOADER_LONG_TESTS").is_some();
    let (stall, duration) = if is_long { ("1s/10s", "20s") } else { ("200ms/2s", "4s") };
    let stall = Stall::parse(stall).unwrap();
    let spec = Spec { stall: Some(stall), is_logged: true, ..Spec::default() };
    let responder = Responder::start(&spec).unwrap();
    let open = load(&responder, &format!("-arrival=uniform -rate=1000 -duration={duration}"));
    // The run has two whole periods, so arrivals hit every phase equally often, wherever it began: of all arrivals,
    // a share of (stall - x) / period waits for longer than x.
    let want_ns = (stall.length.as_secs_f64() - 0.001 * stall.period.as_secs_f64()) * 1e9;
    let noted = service_ns(&responder);
    let get = open.stats.of(OpKind::Get);
    let got_ns = get.intended.quantile_ns(0.999) as f64;
    let closed = load(&responder, &format!("-numworkers=4 -duration={duration}"));
    let closed_ns = closed.stats.of(OpKind::Get).latency.quantile_ns(0.999) as f64;
    eprintln!(
        "p99.9: arithmetic {:.2} ms, open loop {:.2} ms ({:+.2}%), closed loop {:.2} ms ({:+.2}%)",
        want_ns / 1e6,
        got_ns / 1e6,
        (got_ns / want_ns - 1.0) * 100.0,
        closed_ns / 1e6,
        (closed_ns / want_ns - 1.0) * 100.0,
    );
    assert_eq!(
        (open.stats.open.dropped, get.ops, noted.len() as u64),
        (0, open.stats.open.arrivals, get.ops)
    );
    assert!(got_ns >= want_ns * 0.95, "{got_ns} < {want_ns}");
    let noted_ns = quantile(&noted, 0.999) as f64;
    assert!(got_ns >= noted_ns * (1.0 - HDR), "the server alone took longer: {noted_ns} > {got_ns}");
    assert!(got_ns <= want_ns.max(noted_ns) * 1.05 + 50e6, "{got_ns} > {want_ns} and {noted_ns}");
}

#[test]
fn percentiles_are_those_of_the_server() {
    let delay = Delay::parse("uniform:2ms:12ms").unwrap();
    let responder = Responder::start(&Spec { delay, is_logged: true, ..Spec::default() }).unwrap();
    let end = load(&responder, "-arrival=poisson -rate=400 -duration=3s");
    let (get, noted) = (end.stats.of(OpKind::Get), service_ns(&responder));
    assert_eq!(get.ops, noted.len() as u64);
    for share in [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99] {
        let server_ns = quantile(&noted, share) as f64;
        let (service_ns, due_ns) =
            (get.latency.quantile_ns(share) as f64, get.intended.quantile_ns(share) as f64);
        eprintln!(
            "{share}: rule {:.2} ms, server {:.2} ms, service {:.2} ms, due {:.2} ms",
            2.0 + 10.0 * share,
            server_ns / 1e6,
            service_ns / 1e6,
            due_ns / 1e6
        );
        // Each of them contains the one before it, request by request.
        assert!(
            server_ns >= (2.0 + 10.0 * share) * 1e6 * 0.85,
            "{share}: the server was faster than it may be"
        );
        assert!(service_ns >= server_ns * (1.0 - HDR), "{share}: {service_ns} < {server_ns}");
        assert!(due_ns >= service_ns * (1.0 - HDR), "{share}: {due_ns} < {service_ns}");
        assert!(due_ns <= server_ns + 100e6, "{share}: {due_ns} is far beyond {server_ns}");
    }
}

#[test]
fn the_rate_is_kept() {
    let responder = Responder::start(&Spec::default()).unwrap();
    let end = load(&responder, "-arrival=uniform -rate=2000 -duration=2s");
    let get = end.stats.of(OpKind::Get);
    assert_eq!((end.stats.open.arrivals, end.stats.open.dropped, get.ops), (4000, 0, 4000));
    let error = get.ops_inside / end.window.as_secs_f64() / 2000.0 - 1.0;
    eprintln!(
        "rate error {:+.3}%, begun late by {} ns (p99)",
        error * 100.0,
        end.stats.open.late.quantile_ns(0.99)
    );
    assert!(error.abs() < 0.05, "{error}");
}

#[test]
fn the_search_finds_what_a_server_takes() {
    // Each operation takes 20 ms and 20 may be in flight, so 1,000 a second can be done and not one more.
    let delay = Delay::Fixed(Duration::from_millis(20));
    let responder = Responder::start(&Spec { delay, ..Spec::default() }).unwrap();
    let (config, names) = prepare(
        &responder,
        "-find-max -slo=p50=1s -find-step=400ms -rate=200 -arrival=uniform -max-inflight=20",
    );
    let (open, asked) = (config.open.unwrap(), config.sweep.clone().unwrap());
    let ground = Ground { config, names, direct: None, interrupted: Arc::default() };
    let mut out = Vec::new();
    let end = sweep(&ground, &open, &asked, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    eprintln!("{text}");
    let best = end.best.unwrap();
    assert!((100.0..=1051.0).contains(&best), "{best}");
    for step in &end.steps {
        assert_eq!(step.is_met, Some(step.dropped == 0), "{step:?}");
        assert!(step.p50_ns >= 20_000_000, "{step:?}");
    }
    assert!(text.contains("Highest rate that kept the promise"));
}

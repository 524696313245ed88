//! Traces: written by one run, played by another.

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
use aisloader::workload::trace::{TraceOp, TraceReader};
use common::{Manner, Responder};
use std::sync::Arc;
use std::time::Duration;

fn load(responder: &Responder, line: &str) -> std::io::Result<RunEnd> {
    let line = format!("-bucket=ais://b -cleanup=false -statsinterval=0 -seed=5 {line}");
    let flags = Parsed::parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
    let config = Arc::new(Config::new(&flags, Some(&responder.authority), 1).unwrap());
    let mut client = Client::new(&config.gateway, Some(Duration::from_secs(10)));
    let names = client.list_names(&config.bucket, "").unwrap();
    run(Plan { config, names, direct: None, interrupted: Arc::default() }, &mut |_| {})
}

/// A file that goes with the test.
struct Scratch(String);

impl Scratch {
    fn new(tag: &str) -> Self {
        let path = std::env::temp_dir().join(format!("aisloader-{tag}-{}", std::process::id()));
        Self(path.to_str().unwrap().to_owned())
    }

    fn ops(&self) -> Vec<TraceOp> {
        TraceReader::open(&self.0).unwrap().map(Result::unwrap).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn what_one_run_did_another_does_again() {
    let (first, second) = (Scratch::new("first"), Scratch::new("second"));
    let responder = Responder::start(Manner::Serve);
    let line = "-pctput=40 -pctlist=10 -minsize=100 -maxsize=5000 -maxops=300 -numworkers=4";
    let wrote = load(&responder, &format!("{line} -record-trace={}", first.0)).unwrap();
    let ops = first.ops();
    assert_eq!((ops.len(), wrote.stats.ops(), wrote.stats.error_count()), (300, 300, 0));
    let stored = responder.store.objects.lock().unwrap().clone();

    let fresh = Responder::start(Manner::Serve);
    // Empty ones, so that no GET fails that overtakes the PUT which it followed before.
    *fresh.store.objects.lock().unwrap() = stored.keys().map(|name| (name.clone(), Vec::new())).collect();
    let line = format!("-arrival=trace -trace={} -trace-speed=0.5 -record-trace={}", first.0, second.0);
    let played = load(&fresh, &line).unwrap();
    for kind in OpKind::ALL {
        assert_eq!(played.stats.of(kind).ops, wrote.stats.of(kind).ops, "{kind:?}");
    }
    assert_eq!((played.stats.error_count(), played.stats.open.arrivals), (0, 300));
    // The times of the trace: never sooner.
    assert!(played.window >= ops.last().unwrap().at * 2, "{:?}", played.window);
    let sizes = |objects: &std::collections::BTreeMap<String, Vec<u8>>| -> Vec<(String, usize)> {
        objects.iter().map(|(name, body)| (name.clone(), body.len())).collect()
    };
    assert_eq!(sizes(&stored), sizes(&fresh.store.objects.lock().unwrap()));
    let what = |mut ops: Vec<TraceOp>| {
        ops.iter_mut().for_each(|op| op.at = Duration::ZERO);
        ops.sort();
        ops
    };
    assert_eq!(what(ops), what(second.ops()));
}

#[test]
fn a_trace_that_breaks_off_says_where() {
    let trace = Scratch::new("broken");
    std::fs::write(&trace.0, "at_ms,op,name,bytes\n1,put,a,10\n2,get,a,\n3,get\n").unwrap();
    let responder = Responder::start(Manner::Serve);
    let error = load(&responder, &format!("-arrival=trace -trace={}", trace.0)).err().unwrap().to_string();
    assert!(error.contains("line 4") && error.contains(&trace.0), "{error}");
    // The operations before it were done.
    assert_eq!(responder.object_requests(), 2);
}

//! The files that the program leaves behind: logs that add up, against a small server in this process.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may fail loudly, as tests may"
)]
#![allow(dead_code, reason = "the common server does more than is asked of it here")]

mod common;

use aisloader::report::record::schema::{FinalLine, Line, SCHEMA};
use common::{Manner, Responder};
use std::path::PathBuf;
use std::process::{Command, Output};

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("aisloader-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn load(responder: &Responder, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aisloader"));
    command.env("AIS_ENDPOINT", format!("http://{}", responder.authority));
    command.args(["-bucket=ais://b", "-cleanup=false", "-numworkers=2", "-seed=5"]);
    command.args(line.split_whitespace()).output().unwrap()
}

#[test]
fn the_log_adds_up_to_its_last_line() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(20, 1000);
    let dir = Dir::new("record");
    let (ndjson, csv) = (dir.path("run.ndjson"), dir.path("run.csv"));
    let line =
        format!("-duration=2500ms -statsinterval=0 -ndjson={ndjson} -csv={csv} -hdr-out={}", dir.path("run"));
    let output = load(&responder, &line);
    let text = std::fs::read_to_string(&ndjson).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let Line::Run(run) = &lines[0] else { panic!("{text}") };
    assert_eq!((run.schema, run.objects_known), (SCHEMA, 20));
    assert!(run.command.iter().any(|word| word == "-duration=2500ms") && run.config["mix"]["seed"] == 5);
    let Some(Line::Final(whole)) = lines.last() else { panic!("{text}") };
    let mut ops = 0;
    let mut at_s = 0.0;
    for line in &lines[1..lines.len() - 1] {
        let Line::Interval(interval) = line else { panic!("{text}") };
        assert!((interval.at_s - interval.span_s - at_s).abs() < 1e-6, "no gaps: {text}");
        at_s = interval.at_s;
        ops += interval.ops.get("get").map_or(0, |get| get.ops);
    }
    assert!(lines.len() >= 4 && (2.0..60.0).contains(&at_s), "{text}");
    assert_eq!((ops, ops), (whole.ops["get"].ops, responder.object_requests()));
    assert!(!whole.ops["get"].latency.hdr.is_empty() && whole.own_cpu_s > 0.0);
    let rows = std::fs::read_to_string(&csv).unwrap();
    let counted: u64 =
        rows.lines().skip(1).map(|row| row.split(',').nth(4).unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(counted, ops, "{rows}");
    assert!(std::fs::read_to_string(dir.path("run-get.hlog")).unwrap().lines().count() > 4);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(2, 1);
    for flag in ["-ndjson=/nowhere/x", "-csv=/nowhere/x", "-prom-listen=256.0.0.1:1"] {
        let output = load(&responder, &format!("-maxops=2 {flag}"));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(flag), "{flag}: {text}");
    }
}

/// The last line of a run's log, its exit code, and what it printed.
fn judged(responder: &Responder, name: &str, line: &str) -> (FinalLine, Option<i32>, String) {
    let dir = Dir::new(name);
    let path = dir.path("run.ndjson");
    // The machine under the test is not tested, so the rules about it are waived.
    let output = load(
        responder,
        &format!("-statsinterval=0 -ndjson={path} -allow=client-saturated,steal,clock-step {line}"),
    );
    let text = std::fs::read_to_string(&path).unwrap();
    let Ok(Line::Final(whole)) = serde_json::from_str(text.lines().last().unwrap()) else { panic!("{text}") };
    (*whole, output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn refusals_are_printed_logged_and_returned() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(20, 1000);
    let (whole, code, text) = judged(&responder, "refused", "-duration=1s");
    let rules: Vec<&str> = whole.verdict.refusals.iter().map(|refusal| refusal.rule.as_str()).collect();
    assert!(rules.contains(&"cache") && rules.contains(&"too-short"), "{rules:?}");
    assert!(!whole.verdict.is_admissible && code == Some(6), "{code:?}: {text}");
    assert!(text.contains("REFUSED cache") && text.contains("not admissible"), "{text}");
    let (whole, code, text) = judged(&responder, "short", "-duration=1s -hot");
    assert!(!whole.verdict.is_admissible && code == Some(4), "{code:?}: {text}");
    let (whole, code, text) = judged(&responder, "set", "-duration=1s -hot -warmup=0");
    assert!(whole.verdict.is_admissible && code == Some(0), "{code:?}: {text}");
    // A job is no measurement.
    let (whole, code, text) = judged(&responder, "job", "-maxops=50 -hot");
    assert!(whole.verdict.is_admissible && code == Some(0), "{code:?}: {text}");
}

#[test]
fn wrong_bytes_and_failures_have_exit_codes_of_their_own() {
    let responder = Responder::start(Manner::Lie);
    responder.fill(3, 100);
    let (whole, code, text) = judged(&responder, "lie", "-maxops=9 -hot -verifyhash");
    assert!(!whole.verdict.is_admissible && code == Some(5), "{code:?}: {text}");
    // No loader has written the objects that this one serves.
    let responder = Responder::start(Manner::Serve);
    responder.fill(3, 100);
    let (whole, code, text) = judged(&responder, "foreign", "-maxops=9 -hot -verify=content");
    assert_eq!((whole.verdict.refusals[0].rule.as_str(), code), ("verification", Some(5)), "{text}");
    let responder = Responder::start(Manner::Fail(503, "busy"));
    responder.fill(3, 100);
    let (whole, code, text) = judged(&responder, "fail", "-maxops=9 -hot");
    assert_eq!((whole.verdict.refusals[0].rule.as_str(), code), ("errors", Some(1)), "{text}");
}

#[test]
fn a_warm_up_that_is_set_is_left_out_of_the_result() {
    let responder = Responder::start(Manner::Serve);
    responder.fill(20, 1000);
    let (whole, _, text) = judged(&responder, "warm", "-duration=3200ms -hot -warmup=2s");
    assert!((1.0..10.0).contains(&whole.window_s) && whole.warmup_s == 2.0, "{whole:?}");
    let get = &whole.ops["get"];
    assert!(get.ops > 0 && get.ops < responder.object_requests(), "{text}");
    assert_eq!(whole.targets.values().map(|target| target.ops).sum::<u64>(), get.ops);
}

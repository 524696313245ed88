//! Several loaders as one: real agents and real coordinators, against a small server in this process.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may fail loudly, as tests may"
)]
#![allow(dead_code, reason = "the common server does more than is asked of it here")]

mod common;

use aisloader::report::record::schema::{FinalLine, Line};
use common::{Manner, Responder};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TOKEN: &str = "the-token-of-these-tests";
/// The machine under the tests is not tested, so the rules about it are waived.
const WAIVED: &str = "-allow=client-saturated,steal,clock-step,not-steady,too-short";

/// A running agent; it is ended with this.
struct Agent {
    child: Child,
    address: String,
    said: Arc<Mutex<String>>,
}

impl Agent {
    fn start(dir: &TempDir, flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aisloader"));
        command.args(["agent", "-port=0", &token_file(dir, TOKEN)]).args(flags);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first.strip_prefix("agent listens at ").unwrap().to_owned();
        let said = Arc::new(Mutex::new(String::new()));
        let log = Arc::clone(&said);
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| log.lock().unwrap().push_str(&format!("{line}\n")));
        });
        Self { child, address, said }
    }

    fn has_said(&self, text: &str) -> bool {
        await_that(|| self.said.lock().unwrap().contains(text))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Its own child; it may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn token_file(dir: &TempDir, token: &str) -> String {
    let path = dir.path().join(format!("{token}.token"));
    std::fs::write(&path, token).unwrap();
    format!("-token-file={}", path.display())
}

/// A coordinator of these agents.
fn coordinator(responder: &Responder, agents: &[&Agent], token: &str, line: &str) -> Command {
    let addresses: Vec<&str> = agents.iter().map(|agent| agent.address.as_str()).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_aisloader"));
    command.env("AIS_ENDPOINT", format!("http://{}", responder.authority));
    command.args([
        "-bucket=ais://b",
        "-cleanup=false",
        "-numworkers=4",
        "-seed=5",
        "-hot",
        "-statsinterval=0",
    ]);
    command.args([WAIVED, token, &format!("-loaders={}", addresses.join(","))]);
    command.args(line.split_whitespace());
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn await_that(is_so: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while !is_so() {
        if begin.elapsed() > Duration::from_secs(30) {
            return false;
        }
        sleep(Duration::from_millis(20));
    }
    true
}

fn server() -> Responder {
    let responder = Responder::start(Manner::Slow(Duration::from_millis(2)));
    responder.fill(50, 1000);
    responder
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn agents_begin_together_and_their_counts_add_up() {
    let (responder, dir) = (server(), TempDir::new().unwrap());
    let agents = [Agent::start(&dir, &[]), Agent::start(&dir, &[])];
    let line = "-pctput=50 -minsize=100 -maxsize=300 -maxops=401 -json";
    let output =
        coordinator(&responder, &[&agents[0], &agents[1]], &token_file(&dir, TOKEN), line).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let whole = rows.last().unwrap();
    let each = whole["agents"]["all"].as_array().unwrap();
    for op in ["put", "get"] {
        for what in ["count", "bytes"] {
            let sum: u64 = each.iter().map(|agent| agent[op][what].as_u64().unwrap()).sum();
            assert_eq!(whole[op][what].as_u64(), Some(sum), "{op} {what}: {whole}");
        }
    }
    let count = |row: &Value| row["put"]["count"].as_u64().unwrap() + row["get"]["count"].as_u64().unwrap();
    assert_eq!(each.iter().map(count).collect::<Vec<_>>(), [201, 200]);
    assert_eq!((count(whole), responder.object_requests()), (401, 401));
    let skew_s = whole["agents"]["skew_s"].as_f64().unwrap();
    assert!((0.0..0.05).contains(&skew_s), "{skew_s}");

    let heads = responder.store.heads.lock().unwrap();
    let targets = |method: &str| -> Vec<String> {
        let of = heads.iter().filter_map(|head| head.strip_prefix(&format!("{method} /v1/objects/b/")));
        of.map(|rest| rest.split(['?', ' ']).next().unwrap().to_owned()).collect()
    };
    let put = targets("PUT");
    let distinct: BTreeSet<&String> = put.iter().collect();
    assert_eq!(distinct.len(), put.len(), "no two agents write the same name");
    for id in ["0", "1"] {
        assert!(put.iter().any(|name| name.ends_with(id)), "{put:?}");
    }
}

#[test]
fn seconds_and_logs_are_those_of_one_loader() {
    let (responder, dir) = (server(), TempDir::new().unwrap());
    let agents = [Agent::start(&dir, &[]), Agent::start(&dir, &[])];
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (ndjson, csv, hdr) = (path("run.ndjson"), path("run.csv"), path("run"));
    let line = format!("-duration=2500ms -warmup=0 -ndjson={ndjson} -csv={csv} -hdr-out={hdr}");
    let output = coordinator(&responder, &[&agents[0], &agents[1]], &token_file(&dir, TOKEN), &line).output();
    let said = text(&output.unwrap());
    let log = std::fs::read_to_string(&ndjson).unwrap();
    let lines: Vec<Line> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let Some(Line::Final(whole)) = lines.last() else { panic!("{log}") };
    let mut sum = 0;
    for line in &lines[1..lines.len() - 1] {
        let Line::Interval(interval) = line else { panic!("{log}") };
        sum += interval.ops.get("get").map_or(0, |get| get.ops);
        assert!(interval.own_cpu_s > 0.0, "the agents', not that of the one who waits: {log}");
    }
    assert!(lines.len() >= 4 && (2.0..30.0).contains(&whole.window_s), "{log}");
    assert_eq!((sum, sum), (whole.ops["get"].ops, responder.object_requests()));
    assert_eq!(whole.agents.iter().map(|agent| agent.ops["get"].ops).sum::<u64>(), sum);
    let rows = std::fs::read_to_string(&csv).unwrap();
    let counted = rows.lines().skip(1).map(|row| row.split(',').nth(4).unwrap().parse::<u64>().unwrap());
    assert_eq!(counted.sum::<u64>(), sum, "{rows}");
    assert!(std::fs::read_to_string(format!("{hdr}-get.hlog")).unwrap().lines().count() > 4);
    assert!(said.contains("START within") && said.contains("Agents: 127.0.0.1:"), "{said}");
    assert!(agents.iter().all(|agent| said.contains(&format!("AGENT {}", agent.address))), "{said}");
}

#[test]
fn who_has_no_token_or_talks_nonsense_is_refused_and_others_are_served() {
    let (responder, dir) = (server(), TempDir::new().unwrap());
    let agent = Agent::start(&dir, &[]);
    let run = |token: &str| {
        coordinator(&responder, &[&agent], &token_file(&dir, token), "-maxops=20").output().unwrap()
    };
    let refused = run("another-token-than-that");
    assert_eq!(refused.status.code(), Some(7), "{}", text(&refused));
    assert!(text(&refused).contains("the token is wrong"), "{}", text(&refused));
    assert!(text(&refused).contains(&agent.address) && responder.object_requests() == 0);
    assert!(agent.has_said("does not have the token"));

    let table: [(&[u8], &str); 3] = [
        (b"GET /metrics HTTP/1.1\r\n\r\n", "longer than is allowed"),
        (b"\xff\xff\xff\xff", "longer than is allowed"),
        (b"\0\0\0\x02{}", "not understood"),
    ];
    for (bytes, want) in table {
        let mut stream = TcpStream::connect(&agent.address).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        // A reset after the answer is an end as good as any.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.contains("refused") && answer.contains(want), "{answer}");
        assert!(agent.has_said(want));
    }
    // Connections that say nothing do not keep others out for long.
    let silent: Vec<TcpStream> = (0..20).filter_map(|_| TcpStream::connect(&agent.address).ok()).collect();
    assert!(agent.has_said("too many"));
    drop(silent);
    let served = || run(TOKEN).status.code() == Some(0);
    assert!(await_that(served));
    assert_eq!(responder.object_requests(), 20);
}

#[test]
fn an_agent_that_dies_makes_the_result_a_partial_one() {
    let (responder, dir) = (server(), TempDir::new().unwrap());
    let (stays, mut dies) = (Agent::start(&dir, &[]), Agent::start(&dir, &[]));
    let path = dir.path().join("run.ndjson").display().to_string();
    let line = format!("-duration=5s -warmup=0 -ndjson={path}");
    let mut command = coordinator(&responder, &[&stays, &dies], &token_file(&dir, TOKEN), &line);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(await_that(|| responder.object_requests() > 0));
    sleep(Duration::from_millis(2500));
    dies.child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(said.contains("PARTIAL: 1 of 2 agents") && said.contains("not admissible"), "{said}");
    assert!(
        said.contains(&format!("the agent {} is lost", dies.address)) && said.contains("LOST after"),
        "{said}"
    );
    let log = std::fs::read_to_string(path).unwrap();
    let Ok(Line::Final(whole)) = serde_json::from_str::<Line>(log.lines().last().unwrap()) else {
        panic!("{log}")
    };
    let ops = |at: usize| whole.agents[at].ops.get("get").map_or(0, |get| get.ops);
    assert!(ops(0) > ops(1) && ops(1) > 0, "the seconds before count: {log}");
    assert_eq!(whole.ops["get"].ops, ops(0) + ops(1));
    assert!(whole.agents[0].lost.is_none() && whole.agents[1].lost.is_some());
}

#[test]
fn a_coordinator_that_dies_leaves_nothing_running() {
    let (responder, dir) = (server(), TempDir::new().unwrap());
    let agent = Agent::start(&dir, &[]);
    let token = token_file(&dir, TOKEN);
    let mut first =
        coordinator(&responder, &[&agent], &token, "-duration=10m").stdout(Stdio::null()).spawn().unwrap();
    assert!(await_that(|| responder.object_requests() > 0));
    let busy = coordinator(&responder, &[&agent], &token, "-maxops=5").output().unwrap();
    assert!(busy.status.code() == Some(7) && text(&busy).contains("busy"), "{}", text(&busy));
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(agent.has_said("the coordinator was lost"));
    let requests = responder.object_requests();
    sleep(Duration::from_millis(300));
    assert_eq!(responder.object_requests(), requests);
    let again = coordinator(&responder, &[&agent], &token, "-maxops=5").output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", text(&again));
}

#[test]
fn ctrl_c_ends_all_agents_in_order() {
    let (responder, dir) = (server(), TempDir::new().unwrap());
    let agents = [Agent::start(&dir, &[]), Agent::start(&dir, &[])];
    let mut command =
        coordinator(&responder, &[&agents[0], &agents[1]], &token_file(&dir, TOKEN), "-duration=10m");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(await_that(|| responder.object_requests() > 0));
    signal(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    let said = text(&output);
    assert!(output.status.code() == Some(0) && said.contains("(interrupted)"), "{said}");
    assert!(!said.contains("LOST") && agents.iter().all(|agent| agent.has_said("the run is over")), "{said}");
}

/// The last line of a coordinated run's log, its exit code, and what it printed.
fn judged(
    responder: &Responder,
    agents: &[&Agent],
    dir: &TempDir,
    line: &str,
) -> (FinalLine, Option<i32>, String) {
    let path = dir.path().join("judged.ndjson").display().to_string();
    let line = format!("{line} -ndjson={path}");
    let output = coordinator(responder, agents, &token_file(dir, TOKEN), &line).output().unwrap();
    let log = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
    let Ok(Line::Final(whole)) = serde_json::from_str(log.lines().last().unwrap()) else { panic!("{log}") };
    (*whole, output.status.code(), text(&output))
}

#[test]
fn failures_are_told_agent_by_agent_and_exit_codes_are_those_of_one_loader() {
    let (responder, dir) = (server(), TempDir::new().unwrap());
    let agents = [Agent::start(&dir, &[]), Agent::start(&dir, &[])];
    let both = [&agents[0], &agents[1]];
    *responder.store.manner.lock().unwrap() = Manner::Lie;
    let (whole, code, said) = judged(&responder, &both, &dir, "-maxops=8 -verifyhash");
    assert_eq!((code, whole.ops["get"].errors), (Some(5), 8), "{said}");
    assert_eq!(said.matches("GET errors: checksum 4").count(), 2, "{said}");
    assert!(said.contains("GET errors: checksum 8"), "{said}");
    *responder.store.manner.lock().unwrap() = Manner::Fail(503, "busy");
    let (_, code, said) = judged(&responder, &both, &dir, "-maxops=8");
    assert!(code == Some(1) && said.contains("GET errors: status-503 8"), "{said}");
}

#[test]
fn passes_are_divided_and_what_agents_cannot_do_is_refused() {
    let (responder, dir) = (server(), TempDir::new().unwrap());
    let agents = [Agent::start(&dir, &["-runs-max=1"]), Agent::start(&dir, &["-idle-timeout=500ms"])];
    let both = [&agents[0], &agents[1]];
    for (line, want) in
        [("-filelist=x", "-filelist"), ("-find-max", "-find-max"), ("-loaderid=1", "-loaderid")]
    {
        let output = coordinator(&responder, &both, &token_file(&dir, TOKEN), line).output().unwrap();
        assert!(output.status.code() == Some(2) && text(&output).contains(want), "{}", text(&output));
    }
    let [mut once, mut idle] = agents;
    let output = coordinator(&responder, &[&once], &token_file(&dir, TOKEN), "-epochs=2").output().unwrap();
    assert!(output.status.success() && responder.object_requests() == 100, "{}", text(&output));
    assert!(once.child.wait().unwrap().success() && idle.child.wait().unwrap().success());
    let output = coordinator(&responder, &[&once], &token_file(&dir, TOKEN), "-maxops=4").output().unwrap();
    assert!(output.status.code() == Some(7) && text(&output).contains(&once.address), "{}", text(&output));

    let (one, two) = (Agent::start(&dir, &[]), Agent::start(&dir, &[]));
    let before = responder.object_requests();
    let (whole, code, said) = judged(&responder, &[&one, &two], &dir, "-epochs=1");
    assert_eq!(
        (code, whole.ops["get"].ops, responder.object_requests() - before),
        (Some(0), 50, 50),
        "{said}"
    );
    assert!(said.contains("1 of 1 passes over 50 names"), "{said}");
}

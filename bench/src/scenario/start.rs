//! The seconds after a start: random GET of 256 KiB objects, second by second, while the server's memory grows.
//!
//! A cache that is still empty has no hits, so a second is measured against what the same server gives with that share of
//! hits when nothing grows: between the rate without the cache and the rate when the cache is full.

use super::{Context, NODE_PORT};
use crate::child::check_interrupted;
use crate::error::Result;
use crate::figures::{Figures, median};
use crate::report::{frame, numbers, save, short};
use crate::tools::loader::{Loader, Op};
use crate::tools::node::{Node, Setup};
use crate::usage::Usage;
use rustix::process::Signal;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

const OBJECTS: u64 = 20_480;
const SIZE: usize = 256 << 10;
const BUCKET: &str = "start";
const DIR: &str = "start";
const WORKERS: usize = 8;
/// Budgets whose caches are 1.8 and 16 GiB.
const MEMORIES: [&str; 2] = ["6026MiB", "52GiB"];
/// The cache counts as full when it grows by less than this in a round.
const FULL: f64 = 0.01;
const ROUNDS_MAX: usize = 60;
const COUNTERS: [&str; 3] =
    ["straightline_cache_hits_total", "straightline_cache_misses_total", "straightline_cache_bytes"];

/// One second of load.
struct Second {
    ops_per_s: f64,
    p99_us: f64,
    /// The share of hits among the look-ups in the cache.
    hit_share: f64,
    server_cpu_us_per_op: f64,
}

/// The seconds of one load.
struct Seconds(Vec<Second>);

/// All with one budget.
struct Run {
    server: String,
    command: String,
    without_cache: Seconds,
    after_start: Seconds,
    settled: Seconds,
}

/// Measures, prints and writes.
pub(crate) fn run(context: &Context) -> Result<()> {
    let objects = context.options.objects.unwrap_or(OBJECTS);
    context.work.require_gib(((objects * SIZE as u64) >> 30) + 2)?;
    let memories =
        context.options.memory.clone().map_or_else(|| MEMORIES.map(str::to_owned).to_vec(), |one| vec![one]);
    fill(context, objects)?;
    let mut runs = Vec::new();
    for memory in memories {
        runs.push(with_memory(context, memory)?);
    }
    let what = format!(
        "random GET of {objects} objects of 256 KiB, {WORKERS} at a time, second by second after a start"
    );
    let text: String = runs.iter().map(Run::text).collect();
    std::io::stdout()
        .write_all(format!("\nstart: {what}\n{text}").as_bytes())
        .map_err(|e| format!("standard output: {e}"))?;
    let servers: Vec<String> = runs.iter().map(|run| run.server.clone()).collect();
    let mut document = frame("start", &what, &servers, context);
    document.insert("runs".to_owned(), runs.iter().map(Run::document).collect());
    save(&context.result_path("start"), &Value::Object(document))
}

fn fill(context: &Context, objects: u64) -> Result<()> {
    let node = Node::start_as(context, &Setup { cores: None, memory: None, dir: DIR, port: NODE_PORT })?;
    node.create_bucket(BUCKET, "none")?;
    eprintln!("writing {objects} objects of 256 KiB");
    Loader { op: Op::Put, workers: 16, ..Loader::get(context, &node, BUCKET, SIZE) }.fill(objects)?;
    node.end(Signal::TERM).map(drop)
}

fn with_memory(context: &Context, memory: String) -> Result<Run> {
    let setup = Setup { cores: None, memory: Some(memory), dir: DIR, port: NODE_PORT };
    let start = || Node::start_as(context, &setup);
    let node = start()?;
    node.set_read_cache(BUCKET, false)?;
    node.end(Signal::TERM)?;
    let node = start()?;
    let (command, without_cache) = seconds_of(context, &node)?;
    node.set_read_cache(BUCKET, true)?;
    node.end(Signal::TERM)?;
    let node = start()?;
    let (_, after_start) = seconds_of(context, &node)?;
    let settled = settle(context, &node)?;
    let server = node.line.clone();
    node.end(Signal::TERM)?;
    Ok(Run { server, command, without_cache, after_start, settled })
}

/// Loads until the cache is full; the seconds of the last round.
fn settle(context: &Context, node: &Node) -> Result<Seconds> {
    let mut bytes = 0.0;
    for _ in 0..ROUNDS_MAX {
        let (_, seconds) = seconds_of(context, node)?;
        let [_, _, now] = node.counters(COUNTERS)?;
        if now - bytes < now * FULL {
            return Ok(seconds);
        }
        bytes = now;
    }
    Err(format!("the cache still grows after {ROUNDS_MAX} rounds"))
}

/// One round of load, and its flags.
fn seconds_of(context: &Context, node: &Node) -> Result<(String, Seconds)> {
    let log = context.work.path().join("seconds.ndjson");
    let more = ["-dist", "uniform", "-ndjson", &log.to_string_lossy()].map(str::to_owned).to_vec();
    let get = Loader::get(context, node, BUCKET, SIZE);
    let loader = Loader { workers: WORKERS, is_dropped: true, more, ..get };
    let seconds = context.options.seconds;
    let running = loader.start("aisloader", Some(seconds))?;
    let mut seen = Vec::new();
    let (mut usage, mut counters) = (Usage::now(Some(node.group()))?, node.counters(COUNTERS)?);
    let start = Instant::now();
    for second in 1..=seconds {
        let until = start + Duration::from_secs(second);
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        check_interrupted()?;
        let (usage_now, counters_now) = (Usage::now(Some(node.group()))?, node.counters(COUNTERS)?);
        let ([hits, misses, _], [hits_before, misses_before, _]) = (counters_now, counters);
        let (hits, misses) = (hits - hits_before, misses - misses_before);
        let looked_up = (hits + misses).max(1.0);
        seen.push((hits / looked_up, usage_now.since(&usage).server_s));
        (usage, counters) = (usage_now, counters_now);
    }
    running.finish(Duration::from_secs(seconds * 2 + 60))?;
    let text = std::fs::read_to_string(&log).map_err(|e| format!("{}: {e}", log.display()))?;
    Ok((loader.line(), Seconds::read(&text, &seen)))
}

impl Seconds {
    /// Whole seconds of the loader's log, with the share of hits and the server's processor seconds of each.
    fn read(log: &str, seen: &[(f64, f64)]) -> Self {
        let rows = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let gets = rows.filter_map(|row| {
            let get = row.pointer("/ops/get")?;
            let span_s = row.get("span_s")?.as_f64().filter(|span_s| *span_s > 0.9)?;
            Some((get.get("ops")?.as_f64()? / span_s, get.get("p99_ns")?.as_f64()? / 1e3))
        });
        let all = gets.zip(seen);
        let second = |((ops_per_s, p99_us), (hit_share, server_s)): ((f64, f64), &(f64, f64))| Second {
            ops_per_s,
            p99_us,
            hit_share: *hit_share,
            server_cpu_us_per_op: server_s * 1e6 / f64::max(ops_per_s, 1.0),
        };
        Self(all.map(second).collect())
    }

    fn median(&self, figure: impl Fn(&Second) -> f64) -> f64 {
        median(self.0.iter().map(figure)).unwrap_or(f64::NAN)
    }

    fn figures(&self) -> Figures {
        Figures::from([
            ("ops_per_s", self.median(|second| second.ops_per_s)),
            ("p99_us", self.median(|second| second.p99_us)),
            ("hit_share", self.median(|second| second.hit_share)),
            ("server_cpu_us_per_op", self.median(|second| second.server_cpu_us_per_op)),
        ])
    }

    fn document(&self) -> Value {
        let seconds = self.0.iter().map(|second| {
            let one = [
                ("ops_per_s", second.ops_per_s),
                ("p99_us", second.p99_us),
                ("hit_share", second.hit_share),
                ("server_cpu_us_per_op", second.server_cpu_us_per_op),
            ];
            Value::Object(numbers(&Figures::from(one)))
        });
        json!({"medians": numbers(&self.figures()), "seconds": seconds.collect::<Vec<_>>()})
    }
}

impl Run {
    /// Operations a second with this share of hits when nothing grows.
    fn expected(&self, hit_share: f64) -> f64 {
        let [none, full] =
            [&self.without_cache, &self.settled].map(|one| 1.0 / one.median(|second| second.ops_per_s));
        let full_share = self.settled.median(|second| second.hit_share).max(1e-9);
        1.0 / (none + (full - none) * (hit_share / full_share).min(1.0))
    }

    /// The rate and the p99 of each second after the start, over those of a server whose memory does not grow.
    fn ratios(&self) -> Vec<[f64; 2]> {
        let p99_us = self
            .settled
            .median(|second| second.p99_us)
            .max(self.without_cache.median(|second| second.p99_us));
        let ratio =
            |second: &Second| [second.ops_per_s / self.expected(second.hit_share), second.p99_us / p99_us];
        self.after_start.0.iter().map(ratio).collect()
    }

    fn document(&self) -> Value {
        let ratios = self.ratios().into_iter().map(|[rate, p99]| {
            Value::Object(numbers(&Figures::from([("rate_to_expected", rate), ("p99_to_settled", p99)])))
        });
        let parts = [
            ("server", json!(self.server)),
            ("command", json!(self.command)),
            ("without_cache", self.without_cache.document()),
            ("after_start", self.after_start.document()),
            ("settled", self.settled.document()),
            ("ratios", ratios.collect()),
        ];
        Value::Object(parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.server);
        let parts = [("without the cache", &self.without_cache), ("settled", &self.settled)];
        // A String takes everything.
        for (name, seconds) in parts {
            let _ = write!(text, "  {name:<20}");
            for (figure, value) in seconds.figures() {
                let _ = write!(text, " {figure} {:>8}", short(value));
            }
            let _ = writeln!(text);
        }
        for (at, (second, [rate, p99])) in self.after_start.0.iter().zip(self.ratios()).enumerate() {
            let _ = writeln!(
                text,
                "  second {:>3}: {:>7.0}/s, {rate:.2} of what is expected with {:.0} % hits; p99 {:>7.0} us, {p99:.2}; \
                 server {:.0} us an operation",
                at + 1,
                second.ops_per_s,
                second.hit_share * 100.0,
                second.p99_us,
                second.server_cpu_us_per_op,
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(of: &[(f64, f64, f64)]) -> Seconds {
        let second = |&(ops_per_s, p99_us, hit_share): &(f64, f64, f64)| Second {
            ops_per_s,
            p99_us,
            hit_share,
            server_cpu_us_per_op: 1.0,
        };
        Seconds(of.iter().map(second).collect())
    }

    #[test]
    fn a_second_is_held_against_its_own_share_of_hits() {
        let run = Run {
            server: String::new(),
            command: String::new(),
            without_cache: seconds(&[(1000.0, 50.0, 0.0)]),
            after_start: seconds(&[(1000.0, 80.0, 0.0), (1000.0, 40.0, 0.4), (600.0, 40.0, 0.2)]),
            settled: seconds(&[(2000.0, 40.0, 0.4)]),
        };
        let ratios = run.ratios();
        let expected = [[1.0, 1.6], [0.5, 0.8], [0.45, 0.8]];
        for (ratio, expected) in ratios.iter().flatten().zip(expected.iter().flatten()) {
            assert!((ratio - expected).abs() < 1e-9, "{ratios:?}");
        }
    }

    #[test]
    fn whole_seconds_of_a_log() {
        let row = |span_s: f64| {
            json!({"type": "interval", "span_s": span_s, "ops": {"get": {"ops": 50, "p99_ns": 7000}}})
                .to_string()
        };
        let log = [json!({"type": "run"}).to_string(), row(1.0), row(1.0), row(0.1)].join("\n");
        let read = Seconds::read(&log, &[(0.5, 10.0), (0.6, 11.0), (0.7, 12.0)]);
        assert_eq!(read.0.len(), 2);
        assert!((read.median(|second| second.p99_us) - 7.0).abs() < 1e-9);
        assert!((read.median(|second| second.hit_share) - 0.55).abs() < 1e-9);
    }
}

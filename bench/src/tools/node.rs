//! Our server, and what the runner asks of it.

use super::line;
use crate::child::Guard;
use crate::error::Result;
use crate::http::request;
use crate::scenario::Context;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;
/// A node that replays a log of many objects takes its time to start, one that writes out its index to end.
const START: Duration = Duration::from_secs(300);
const END: Duration = Duration::from_secs(120);
const BANNER: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);

/// The settings with which a node is started.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// All for `None`.
    pub(crate) cores: Option<usize>,
    /// Its memory budget, as `--memory` takes it; `None`: what it takes by itself.
    pub(crate) memory: Option<String>,
    /// Its data directory below `WORK`. A node that is started there again finds its data.
    pub(crate) dir: &'static str,
    pub(crate) port: u16,
}

/// The shares of a core in the memory budget, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    pub(crate) cores: u64,
    /// Bytes of the object cache in each core.
    pub(crate) cache: u64,
    /// Bytes of the index in each core.
    pub(crate) index: u64,
}

/// A running aisnode.
pub(crate) struct Node {
    guard: Guard,
    pub(crate) port: u16,
    pub(crate) line: String,
    /// From the start of the process to its first answer.
    pub(crate) ready_s: f64,
    /// The shares of its memory that it reports.
    pub(crate) shares: Option<Shares>,
}

impl Node {
    /// Starts one with its data under `WORK/ais`.
    pub(crate) fn start(context: &Context, cores: Option<usize>, port: u16) -> Result<Self> {
        Self::start_as(context, &Setup { cores, memory: None, dir: "ais", port })
    }

    /// Starts one and waits until it answers.
    pub(crate) fn start_as(context: &Context, setup: &Setup) -> Result<Self> {
        let (work, port) = (context.work.path(), setup.port);
        let mut command = Command::new(context.options.bin.join("aisnode"));
        command.arg("--data-dir").arg(work.join(setup.dir)).args(["--port", &port.to_string()]);
        if let Some(cores) = setup.cores {
            command.args(["--cores", &cores.to_string()]);
        }
        if let Some(memory) = &setup.memory {
            command.args(["--memory", memory]);
        }
        let line = context.without_paths(&line(&command));
        let name = format!("aisnode-{}", setup.dir);
        let start = Instant::now();
        let mut guard = Guard::spawn(&mut command, &name, work)?;
        while request(port, "GET", "/v1/health", "").is_err() {
            guard.check_alive()?;
            if start.elapsed() > START {
                return Err(format!("aisnode does not answer after {} s", START.as_secs()));
            }
            std::thread::sleep(POLL);
        }
        let ready_s = start.elapsed().as_secs_f64();
        // The banner comes a moment after the first answer.
        let (mut said, log) = (String::new(), work.join(format!("{name}.log")));
        let until = Instant::now() + BANNER;
        while !said.contains("listening ") && Instant::now() < until {
            std::thread::sleep(POLL);
            said = std::fs::read_to_string(&log).unwrap_or_default();
        }
        Ok(Self { guard, port, line, ready_s, shares: shares(&said) })
    }

    /// Ends it by the signal; gives the seconds that took.
    pub(crate) fn end(mut self, signal: Signal) -> Result<f64> {
        let start = Instant::now();
        self.guard.signal(signal);
        self.guard.wait(END)?;
        Ok(start.elapsed().as_secs_f64())
    }

    /// The process and its threads.
    pub(crate) fn group(&self) -> u32 {
        self.guard.group()
    }

    /// The bytes of it that are in memory.
    pub(crate) fn resident_bytes(&self) -> Result<f64> {
        let path = format!("/proc/{}/status", self.group());
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        resident_bytes(&text).ok_or_else(|| format!("{path} lacks VmRSS"))
    }

    /// Makes a bucket with this level of durability.
    pub(crate) fn create_bucket(&self, name: &str, durability: &str) -> Result<()> {
        let body = json!({"action": "create-bck", "value": {"durability": durability}});
        let target = format!("/v1/buckets/{name}?provider=ais");
        request(self.port, "POST", &target, &body.to_string()).map(|_| ())
    }

    /// Has a bucket use the read cache, or leave it alone.
    pub(crate) fn set_read_cache(&self, bucket: &str, is_on: bool) -> Result<()> {
        let body = json!({"action": "set-bprops", "value": {"read_cache": is_on}});
        let target = format!("/v1/buckets/{bucket}?provider=ais");
        request(self.port, "PATCH", &target, &body.to_string()).map(|_| ())
    }

    /// All names in a bucket.
    pub(crate) fn names(&self, bucket: &str) -> Result<Vec<String>> {
        let target = format!("/v1/buckets/{bucket}?provider=ais");
        let (mut names, mut token) = (Vec::new(), String::new());
        loop {
            let value = json!({"props": "name", "continuation_token": token});
            let body = json!({"action": "list", "value": value}).to_string();
            let text = request(self.port, "GET", &target, &body)?;
            let page: Value = serde_json::from_str(&text).map_err(|e| format!("listing: {e}"))?;
            let entries = page.get("entries").and_then(Value::as_array).into_iter().flatten();
            names.extend(entries.filter_map(|entry| entry.get("name")?.as_str()).map(str::to_owned));
            token = page.get("continuation_token").and_then(Value::as_str).unwrap_or_default().to_owned();
            if token.is_empty() {
                return Ok(names);
            }
        }
    }

    /// Counters and gauges of `/metrics`, each summed over the cores.
    pub(crate) fn counters<const N: usize>(&self, names: [&str; N]) -> Result<[f64; N]> {
        let text = request(self.port, "GET", "/metrics", "")?;
        let mut sums = [0.0; N];
        for (sum, name) in sums.iter_mut().zip(names) {
            *sum = counter(&text, name).ok_or_else(|| format!("/metrics lacks {name}"))?;
        }
        Ok(sums)
    }

    /// One of them.
    pub(crate) fn counter(&self, name: &str) -> Result<f64> {
        self.counters([name]).map(|[value]| value)
    }
}

/// Sums the rows of a metric; `None` when there is none.
fn counter(text: &str, name: &str) -> Option<f64> {
    let rows = text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')));
    let values = rows.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.reduce(|a, b| a + b)
}

/// Reads the line `memory 448 MiB = base 96 + ... + 2 cores x (I/O 40 + cache 40 + index 48)`.
fn shares(said: &str) -> Option<Shares> {
    let line = said.lines().find(|line| line.trim_start().starts_with("memory "))?;
    let (before, inside) = line.split_once(" cores x (")?;
    let share = |name: &str| {
        let mut words = inside.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        words.find(|word| *word == name)?;
        words.next()?.parse::<u64>().ok()?.checked_mul(MIB)
    };
    let cores = before.rsplit(' ').next()?.parse().ok()?;
    Some(Shares { cores, cache: share("cache")?, index: share("index")? })
}

fn resident_bytes(status: &str) -> Option<f64> {
    let row = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = row.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_the_cores() {
        let text = "# TYPE a_total counter\na_total{core=\"0\"} 3\na_total{core=\"1\"} 4.5\na_total_more{core=\"0\"} 9\n";
        assert_eq!(counter(text, "a_total"), Some(7.5));
        assert_eq!(counter(text, "a"), None);
        assert_eq!(counter("", "a_total"), None);
    }

    #[test]
    fn what_a_node_says_of_its_memory() {
        let said = "Straightline 0.1.0\n  memory      448 MiB = base 96 + 4096 connections 96 + 2 cores x (I/O 40 + cache 41 + index 48)\n";
        assert_eq!(shares(said), Some(Shares { cores: 2, cache: 41 * MIB, index: 48 * MIB }));
        assert_eq!(shares("  memory  448 MiB = 2 cores x (I/O 40)\n"), None);
        assert_eq!(shares(""), None);
    }

    #[test]
    fn resident_memory() {
        assert_eq!(resident_bytes("VmHWM:\t 9 kB\nVmRSS:\t   12 kB\n"), Some(12288.0));
        assert_eq!(resident_bytes("VmHWM:\t 9 kB\n"), None);
    }
}

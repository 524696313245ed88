//! wrk: one client, the same for nginx and for ours.

use super::line;
use crate::child::run;
use crate::error::Result;
use crate::figures::{Figures, Load, figures};
use crate::scenario::Context;
use crate::usage::Usage;
use std::process::Command;
use std::time::Duration;

/// Picks one of the names of a file for each request. All requests are put together before the load starts.
const SCRIPT: &str = r#"
local requests = {}
function init(args)
  for name in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", args[2] .. name .. args[3])
  end
  math.randomseed(os.time())
end
function request()
  return requests[math.random(#requests)]
end
function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format("BENCH %d %d %d %d %d %d %d\n", summary.requests, summary.bytes, summary.duration, e.status,
    e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99)))
end
"#;

/// GETs of random names.
#[derive(Clone)]
pub(crate) struct Wrk<'a> {
    pub(crate) context: &'a Context,
    pub(crate) port: u16,
    /// The server's process group.
    pub(crate) server: u32,
    pub(crate) connections: usize,
    /// The part of the target before a name.
    pub(crate) before: String,
    /// The part behind it.
    pub(crate) after: String,
    pub(crate) op_bytes: usize,
    /// The processors of the client, as for `taskset`; empty: all.
    pub(crate) cpus: String,
}

/// Writes the script and the names where [`Wrk`] finds them.
pub(crate) fn prepare(context: &Context, names: &[String]) -> Result<()> {
    for (file, text) in [("wrk.lua", SCRIPT.to_owned()), ("names.txt", names.join("\n") + "\n")] {
        std::fs::write(context.work.path().join(file), text).map_err(|e| format!("{file}: {e}"))?;
    }
    Ok(())
}

impl Wrk<'_> {
    fn command(&self, seconds: u64) -> Command {
        let work = self.context.work.path();
        let mut command = Command::new(if self.cpus.is_empty() { "wrk" } else { "taskset" });
        if !self.cpus.is_empty() {
            command.args(["-c", &self.cpus, "wrk"]);
        }
        command.args(["-t", "1", "-c", &self.connections.to_string(), "-d", &format!("{seconds}s")]);
        command.args(["--timeout", "10s", "-s"]).arg(work.join("wrk.lua"));
        command.arg(format!("http://127.0.0.1:{}/", self.port)).arg("--").arg(work.join("names.txt"));
        command.args([&self.before, &self.after]);
        command
    }

    /// The command line, for the record.
    pub(crate) fn line(&self) -> String {
        self.context.without_paths(&line(&self.command(self.context.options.seconds)))
    }

    /// One round.
    pub(crate) fn round(&self) -> Result<Figures> {
        self.measure(self.context.options.seconds)
    }

    /// Fills caches and opens files; measures nothing.
    pub(crate) fn warm_up(&self) -> Result<()> {
        self.measure(1).map(|_| ())
    }

    fn measure(&self, seconds: u64) -> Result<Figures> {
        let before = Usage::now(Some(self.server))?;
        let limit = Duration::from_secs(seconds * 2 + 30);
        let text = run(&mut self.command(seconds), "wrk", self.context.work.path(), limit)?;
        let usage = Usage::now(Some(self.server))?.since(&before);
        let load = self.load(&text).ok_or_else(|| format!("wrk's report lacks a figure: {text}"))?;
        if load.errors > 0.0 {
            return Err(format!("wrk reports {} errors: {text}", load.errors));
        }
        Ok(figures(&load, &usage, true))
    }

    fn load(&self, text: &str) -> Option<Load> {
        let row = text.lines().find_map(|line| line.strip_prefix("BENCH "))?;
        let numbers: Vec<f64> = row.split(' ').filter_map(|word| word.parse().ok()).collect();
        let &[requests, bytes, duration_us, bad_status, broken, p50_us, p99_us] = numbers.as_slice() else {
            return None;
        };
        // A fast answer without the object must not count as a good one.
        let is_short = f64::from(u8::from(bytes < requests * self.op_bytes as f64));
        Some(Load {
            ops_per_s: requests / (duration_us / 1e6).max(1e-6),
            ops: requests,
            op_bytes: self.op_bytes as f64,
            errors: bad_status + broken + is_short,
            p50_us: Some(p50_us),
            p99_us: Some(p99_us),
            ..Load::default()
        })
    }
}

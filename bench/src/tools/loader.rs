//! aisloader: our own load generator.

use super::line;
use crate::Result;
use crate::child::run;
use crate::figures::{Figures, Load, figures};
use crate::scenario::Context;
use crate::usage::Usage;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

/// One side of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Get,
    Put,
}

/// A load on a running node.
#[derive(Clone)]
pub(crate) struct Loader<'a> {
    pub(crate) context: &'a Context,
    pub(crate) port: u16,
    /// The server's process group.
    pub(crate) server: u32,
    pub(crate) bucket: String,
    pub(crate) op: Op,
    pub(crate) op_bytes: usize,
    pub(crate) workers: usize,
    /// Straight to the owner cores, with the cluster map.
    pub(crate) is_direct: bool,
    /// What is read is dropped by the kernel.
    pub(crate) is_dropped: bool,
    /// The processors of the load, as for `taskset`; empty: all.
    pub(crate) cpus: String,
}

impl Loader<'_> {
    fn command(&self, bounds: &[String]) -> Command {
        let loader = self.context.options.bin.join("aisloader");
        let mut command = Command::new(if self.cpus.is_empty() { loader.clone() } else { "taskset".into() });
        if !self.cpus.is_empty() {
            command.args(["-c", &self.cpus]).arg(loader);
        }
        command.args(["-bucket", &format!("ais://{}", self.bucket), "-ip", "127.0.0.1"]);
        command.args(["-port", &self.port.to_string(), "-numworkers", &self.workers.to_string()]);
        command.args(["-pctput", if self.op == Op::Put { "100" } else { "0" }]);
        if self.op == Op::Put {
            let size = self.op_bytes.to_string();
            command.args(["-minsize", &size, "-maxsize", &size, "-skiplist"]);
        }
        if self.is_direct {
            command.arg("-direct");
        }
        if self.is_dropped {
            command.arg("-drop");
        }
        command.args(["-cleanup=false", "-json", "-quiet", "-statsinterval", "0"]).args(bounds);
        // The scenario watches machine and caches itself, and repeats.
        command.args(["-warmup", "0", "-hot", "-allow", "client-saturated,not-steady,clock-step,steal"]);
        command
    }

    fn seconds(&self, seconds: u64) -> [String; 2] {
        ["-duration".to_owned(), format!("{seconds}s")]
    }

    /// What is run, for the record.
    pub(crate) fn line(&self) -> String {
        self.context.without_paths(&line(&self.command(&self.seconds(self.context.options.seconds))))
    }

    /// One round.
    pub(crate) fn round(&self) -> Result<Figures> {
        let seconds = self.context.options.seconds;
        let before = Usage::now(Some(self.server))?;
        let load = self.run(&self.seconds(seconds), Duration::from_secs(seconds * 2 + 60))?;
        let usage = Usage::now(Some(self.server))?.since(&before);
        Ok(figures(&load, &usage, true))
    }

    /// Puts so many objects under consecutive names.
    pub(crate) fn fill(&self, objects: u64) -> Result<()> {
        let bounds = ["-maxputs".to_owned(), objects.to_string(), "-randomname=false".to_owned()];
        self.run(&bounds, Duration::from_secs(60 + objects)).map(|_| ())
    }

    fn run(&self, bounds: &[String], limit: Duration) -> Result<Load> {
        let text = run(&mut self.command(bounds), "aisloader", self.context.work.path(), limit)?;
        let json = text.find('[').and_then(|at| text.get(at..)).unwrap_or_default();
        let report: Value = serde_json::from_str(json).map_err(|e| format!("aisloader's report: {e}"))?;
        let load = self.load(&report).ok_or("aisloader's report lacks a figure")?;
        if load.errors > 0.0 {
            return Err(format!("aisloader reports {} errors: {text}", load.errors));
        }
        Ok(load)
    }

    fn load(&self, report: &Value) -> Option<Load> {
        let is_final = |row: &&Value| row.get("type").and_then(Value::as_str) == Some("final");
        let row = report.as_array()?.iter().find(is_final)?;
        let side = row.get(if self.op == Op::Put { "put" } else { "get" })?;
        let number = |key: &str| side.get(key).and_then(Value::as_f64);
        Some(Load {
            ops_per_s: number("ops_per_s")?,
            ops: number("count")?,
            op_bytes: self.op_bytes as f64,
            errors: number("errors")?,
            p50_us: number("p50_ns").map(|ns| ns / 1e3),
            p99_us: number("p99_ns").map(|ns| ns / 1e3),
            own_cpu_s: None,
        })
    }
}

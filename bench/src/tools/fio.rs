//! fio: the disk without a server.

use super::line;
use crate::Result;
use crate::child::run;
use crate::figures::{Figures, Load, figures};
use crate::scenario::Context;
use crate::usage::Usage;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

/// A fio job.
pub(crate) struct Fio<'a> {
    pub(crate) context: &'a Context,
    /// All but the name, the length and the output.
    pub(crate) args: Vec<String>,
    /// Counts operations in units of so many bytes, whatever the block size.
    pub(crate) op_bytes: f64,
}

impl Fio<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new("fio");
        command.args([
            "--name=bench",
            "--thread=0",
            "--time_based",
            "--output-format=json",
            "--randrepeat=0",
        ]);
        command.arg(format!("--runtime={}", self.context.options.seconds)).args(&self.args);
        command
    }

    /// What is run, for the record.
    pub(crate) fn line(&self) -> String {
        self.context.without_paths(&line(&self.command()))
    }

    /// One round.
    pub(crate) fn round(&self) -> Result<Figures> {
        let before = Usage::now(None)?;
        let limit = Duration::from_secs(self.context.options.seconds * 2 + 60);
        let text = run(&mut self.command(), "fio", self.context.work.path(), limit)?;
        let usage = Usage::now(None)?.since(&before);
        // Warnings may stand before the document.
        let json = text.find('{').and_then(|at| text.get(at..)).unwrap_or_default();
        let report: Value = serde_json::from_str(json).map_err(|e| format!("fio's report: {e}"))?;
        let load = load(&report, self.op_bytes).ok_or("fio's report lacks a figure")?;
        Ok(figures(&load, &usage, false))
    }
}

/// Sums over the jobs; the processor time is what fio's own jobs used, without its start.
fn load(report: &Value, op_bytes: f64) -> Option<Load> {
    let jobs = report.get("jobs")?.as_array()?;
    let mut sum = Load { op_bytes, own_cpu_s: Some(0.0), ..Load::default() };
    for job in jobs {
        let sides = ["read", "write"].into_iter().filter_map(|side| job.get(side));
        let side = sides.max_by_key(|side| side.get("io_bytes").and_then(Value::as_u64))?;
        let number = |of: &Value, key: &str| of.get(key).and_then(Value::as_f64);
        let ops = number(side, "io_bytes")? / op_bytes;
        sum.ops += ops;
        sum.ops_per_s += ops / (number(side, "runtime")? / 1e3).max(1e-3);
        sum.errors += number(job, "error").unwrap_or(0.0);
        let percent = number(job, "usr_cpu")? + number(job, "sys_cpu")?;
        let cpu_s = percent / 100.0 * number(job, "job_runtime")? / 1e3;
        sum.own_cpu_s = sum.own_cpu_s.map(|own| own + cpu_s);
        sum.p50_us = slower(sum.p50_us, quantile(side, "clat_ns", "50.000000"));
        sum.p99_us = slower(sum.p99_us, quantile(side, "clat_ns", "99.000000"));
        sum.p999_us = slower(sum.p999_us, quantile(side, "clat_ns", "99.900000"));
        sum.max_us =
            slower(sum.max_us, side.pointer("/clat_ns/max").and_then(Value::as_f64).map(|ns| ns / 1e3));
        if let Some(sync) = job.get("sync") {
            sum.flush_p50_us = slower(sum.flush_p50_us, quantile(sync, "lat_ns", "50.000000"));
            sum.flush_p99_us = slower(sum.flush_p99_us, quantile(sync, "lat_ns", "99.000000"));
        }
    }
    Some(sum)
}

/// Microseconds.
fn quantile(of: &Value, kind: &str, q: &str) -> Option<f64> {
    Some(of.get(kind)?.get("percentile")?.get(q)?.as_f64()? / 1e3)
}

/// The slowest job's, when there are several.
fn slower(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}

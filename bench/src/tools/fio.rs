//! fio: the disk without a server.

use super::line;
use crate::child::run;
use crate::error::Result;
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

    /// The command line, for the record.
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn side(bytes: u64, scale: f64) -> Value {
        json!({"io_bytes": bytes, "runtime": 2000, "clat_ns": {"max": 9e6 * scale,
            "percentile": {"50.000000": 1e6 * scale, "99.000000": 2e6 * scale, "99.900000": 3e6 * scale}}})
    }

    fn job(bytes: u64, scale: f64) -> Value {
        let sync = json!({"lat_ns": {"percentile": {"50.000000": 4e6, "99.000000": 5e6}}});
        json!({"error": 0, "usr_cpu": 10.0, "sys_cpu": 15.0, "job_runtime": 2000, "read": side(0, 0.0),
            "write": side(bytes, scale), "sync": sync})
    }

    #[test]
    fn jobs_are_summed_and_the_slowest_counts() {
        let load = load(&json!({"jobs": [job(40960, 1.0), job(81920, 2.0)]}), 4096.0).unwrap();
        assert_eq!((load.ops, load.ops_per_s, load.own_cpu_s), (30.0, 15.0, Some(1.0)));
        assert_eq!((load.p50_us, load.p99_us, load.p999_us), (Some(2000.0), Some(4000.0), Some(6000.0)));
        assert_eq!(
            (load.max_us, load.flush_p50_us, load.flush_p99_us),
            (Some(18000.0), Some(4000.0), Some(5000.0))
        );
    }

    #[test]
    fn a_report_of_reads_has_no_flushes() {
        let mut job = job(0, 1.0);
        job["read"] = side(4096, 1.0);
        job["sync"] = json!({"lat_ns": {"min": 0}});
        let load = load(&json!({"jobs": [job]}), 4096.0).unwrap();
        assert_eq!((load.ops, load.p99_us, load.flush_p99_us), (1.0, Some(2000.0), None));
    }

    #[test]
    fn a_report_without_figures() {
        assert!(load(&json!({"jobs": [{"write": {"io_bytes": 1}}]}), 1.0).is_none());
        assert!(load(&json!({}), 1.0).is_none());
    }
}

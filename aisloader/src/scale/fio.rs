//! The yardstick: fio on the same devices, in the same control group, with the same size and depth.

use super::devices::Disk;
use super::failure::{Failure, Result};
use super::model::{FioRound, mean};
use super::process::run;
use super::throttle::Group;
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// One round of fio.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fio {
    /// Bytes of each read.
    pub(super) object_bytes: u64,
    /// Reads outstanding on each disk.
    pub(super) depth: usize,
    /// Left out at the begin.
    pub(super) warmup_s: u64,
    /// Measured.
    pub(super) measure_s: u64,
}

impl Fio {
    /// Random direct reads on all the disks at once, a job for each.
    pub(super) fn round(&self, group: &Group, disks: &[&Disk], interrupted: &AtomicBool) -> Result<FioRound> {
        let mut command = group.disk_command(Path::new("fio"));
        command.args(["--output-format=json", "--ioengine=io_uring", "--rw=randread", "--direct=1"]);
        command.args(["--readonly", "--norandommap", "--randrepeat=0", "--time_based"]);
        command.arg(format!("--bs={}", self.object_bytes)).arg(format!("--iodepth={}", self.depth));
        command.arg(format!("--ramp_time={}", self.warmup_s)).arg(format!("--runtime={}", self.measure_s));
        for (at, disk) in disks.iter().enumerate() {
            command.arg(format!("--name=disk{at}")).arg(format!("--filename={}", disk.raw.display()));
        }
        let limit = Duration::from_secs(
            self.warmup_s.saturating_add(self.measure_s).saturating_mul(2).saturating_add(30),
        );
        parse(&run(&mut command, limit, Some(interrupted))?, disks.len())
    }
}

/// fio's report; warnings may stand before it.
fn parse(text: &str, jobs: usize) -> Result<FioRound> {
    let lacks = |what: &str| Failure(format!("fio's report: {what}"));
    let json = text.find('{').and_then(|at| text.get(at..)).ok_or_else(|| lacks("it is empty"))?;
    let report: Value = serde_json::from_str(json).map_err(|e| lacks(&e.to_string()))?;
    let read = |job: &Value| -> Option<(f64, f64)> {
        let side = job.get("read")?;
        let p99 = side.get("clat_ns")?.get("percentile")?.get("99.000000")?.as_f64()?;
        Some((side.get("bw_bytes")?.as_f64()?, p99))
    };
    let list = report.get("jobs").and_then(Value::as_array).ok_or_else(|| lacks("no jobs"))?;
    let figures: Option<Vec<(f64, f64)>> = list.iter().map(read).collect();
    let figures =
        figures.filter(|all| all.len() == jobs).ok_or_else(|| lacks("a job or figure is missing"))?;
    Ok(FioRound {
        bytes_per_s: figures.iter().map(|(bytes, _)| *bytes).collect(),
        p99_ns: mean(figures.iter().map(|(_, p99)| *p99)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_read_behind_warnings() {
        let job = |bytes: u64| {
            format!(r#"{{"read":{{"bw_bytes":{bytes},"clat_ns":{{"percentile":{{"99.000000":{bytes}}}}}}}}}"#)
        };
        let text = format!("fio: a warning\n{{\"jobs\":[{},{}]}}", job(10), job(30));
        let round = parse(&text, 2).unwrap();
        assert_eq!(round, FioRound { bytes_per_s: vec![10.0, 30.0], p99_ns: 20.0 });
        assert!(parse(&text, 3).is_err(), "a job that did not run is noticed");
        for bad in ["", "{", "{}", r#"{"jobs":[{}]}"#] {
            assert!(parse(bad, 1).is_err(), "{bad}");
        }
    }
}

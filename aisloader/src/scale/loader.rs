//! The loader as a process of its own, and what its log says.

use super::failure::{Failure, Result, at};
use super::process::run;
use super::throttle::Group;
use crate::report::record::schema::{Line, Phase};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The loader's own rules for single runs: here rounds are short on purpose, and the judge has rules of its own.
const WAIVED: &str = "-allow=errors,client-saturated,cache,not-steady,too-short,clock-step,steal";

/// The way in which the loader is run.
#[derive(Clone, Debug)]
pub(super) struct Loader<'a> {
    /// This program, or another one that takes the same flags.
    pub(super) program: &'a Path,
    /// Its control group.
    pub(super) group: &'a Group,
    /// Where its logs go.
    pub(super) dir: &'a Path,
    /// The gateway's.
    pub(super) port: u16,
    pub(super) interrupted: &'a AtomicBool,
}

/// The figures from one reading of the log.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Heard {
    /// Payload a second after the warm-up.
    pub(super) bytes_per_s: f64,
    /// All payload, stragglers too.
    pub(super) payload_bytes: f64,
    pub(super) p50_ns: f64,
    pub(super) p99_ns: f64,
    pub(super) errors: u64,
    pub(super) error_kinds: BTreeMap<String, u64>,
}

impl Loader<'_> {
    /// Writes objects of one size until there are so many bytes.
    pub(super) fn fill(&self, bytes: u64, object_bytes: u64) -> Result<()> {
        let size = object_bytes.to_string();
        let total = bytes.to_string();
        // The disks are what is measured: the server must not serve from memory. And where an object's file is tells which
        // disk it is on.
        let props = r#"{"read_cache": false, "segment_object_size": "0B"}"#;
        let args = [
            "-pctput",
            "100",
            "-minsize",
            &size,
            "-maxsize",
            &size,
            "-totalputsize",
            &total,
            "-bprops",
            props,
        ];
        self.run(&args, &["-direct", "-numworkers", "32"], Duration::from_secs(600)).map(|_| ())
    }

    /// Reads objects at random.
    pub(super) fn read(
        &self,
        outstanding: usize,
        warmup_s: u64,
        measure_s: u64,
        is_direct: bool,
    ) -> Result<Heard> {
        let (log, rows) = (self.dir.join("load.ndjson"), self.dir.join("load.json"));
        for file in [&log, &rows] {
            // The one of the round before must not be taken for this one's.
            let _ = fs::remove_file(file);
        }
        let seconds = warmup_s.saturating_add(measure_s);
        let (duration, workers) = (format!("{seconds}s"), outstanding.to_string());
        let args =
            ["-pctput", "0", "-duration", &duration, "-numworkers", &workers, "-timeout", "10s", "-json"];
        let warmup = format!("-warmup={warmup_s}s");
        let files = [format!("-ndjson={}", log.display()), format!("-stats-output={}", rows.display())];
        let mut more: Vec<&str> = files.iter().map(String::as_str).collect();
        more.push(&warmup);
        more.extend(is_direct.then_some("-direct"));
        let ended = self.run(&args, &more, Duration::from_secs(seconds.saturating_add(60)));
        let heard = hear(&read(&log)?, warmup_s as f64);
        // Failed requests make it exit with 1, and its log is whole all the same.
        let mut heard = heard.map_err(|e| ended.err().unwrap_or(e))?;
        if heard.errors > 0 {
            heard.error_kinds = kinds(&read(&rows)?);
        }
        Ok(heard)
    }

    fn run(&self, args: &[&str], more: &[&str], limit: Duration) -> Result<String> {
        let mut command = self.group.command(self.program);
        command.args(["-ip", "127.0.0.1", "-port", &self.port.to_string(), "-bucket", "ais://scale"]);
        command.args(["-quiet", "-cleanup=false", WAIVED]).args(args).args(more);
        command.env_remove("AIS_ENDPOINT");
        run(&mut command, limit, Some(self.interrupted))
    }
}

fn read(file: &PathBuf) -> Result<String> {
    fs::read_to_string(file).map_err(at(file))
}

/// Reads a log of schema 1.
fn hear(text: &str, warmup_s: f64) -> Result<Heard> {
    let mut heard = Heard::default();
    let (mut bytes, mut span_s, mut is_whole) = (0.0, 0.0, false);
    for line in text.lines() {
        let line: Line = serde_json::from_str(line).map_err(|e| Failure(format!("the loader's log: {e}")))?;
        match line {
            Line::Interval(interval) => {
                let got = interval.ops.get("get");
                let moved = got.map_or(0.0, |get| get.bytes as f64);
                heard.payload_bytes += moved;
                heard.errors = heard.errors.saturating_add(got.map_or(0, |get| get.errors));
                // A sliver between two looks is too short to give a rate.
                let is_counted = interval.phase == Phase::Steady && interval.span_s >= 0.5;
                if is_counted && interval.at_s - interval.span_s >= warmup_s - 0.1 {
                    bytes += moved;
                    span_s += interval.span_s;
                }
            }
            Line::Final(last) => {
                is_whole = true;
                if let Some(get) = last.ops.get("get") {
                    (heard.p50_ns, heard.p99_ns) = (get.latency.p50_ns as f64, get.latency.p99_ns as f64);
                }
            }
            Line::Run(_) | Line::Other => {}
        }
    }
    if !is_whole || span_s <= 0.0 {
        return Err(Failure("the loader's log has no end, or no interval after the warm-up".to_owned()));
    }
    heard.bytes_per_s = bytes / span_s;
    Ok(heard)
}

/// Failures by kind, from the rows that `-json` writes.
fn kinds(text: &str) -> BTreeMap<String, u64> {
    let rows: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    let last = rows.iter().rev().find_map(|row| row.get("get")?.get("error_kinds")?.as_object());
    let counts = last.into_iter().flatten().filter_map(|(kind, count)| Some((kind.clone(), count.as_u64()?)));
    counts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"type":"run","schema":1}
{"type":"interval","at_s":1.0,"span_s":1.0,"phase":"steady","ops":{"get":{"ops":1,"bytes":50,"errors":0}}}
{"type":"interval","at_s":2.0,"span_s":1.0,"phase":"steady","ops":{"get":{"ops":1,"bytes":100,"errors":1}}}
{"type":"interval","at_s":3.0,"span_s":1.0,"phase":"steady","ops":{"get":{"ops":1,"bytes":120,"errors":0}}}
{"type":"interval","at_s":3.01,"span_s":0.0,"phase":"drain","ops":{"get":{"ops":1,"bytes":7,"errors":0}}}
"#;

    #[test]
    fn the_warm_up_is_left_out_of_the_rate_and_stragglers_are_not_lost() {
        let end = r#"{"type":"final","window_s":3.0,"ops":{"get":{"p50_ns":5,"p99_ns":9}}}"#;
        let heard = hear(&format!("{LOG}{end}\n"), 1.0).unwrap();
        assert_eq!((heard.bytes_per_s, heard.payload_bytes, heard.errors), (110.0, 277.0, 1));
        assert_eq!((heard.p50_ns, heard.p99_ns), (5.0, 9.0));
        assert!(hear(LOG, 1.0).is_err(), "a run without an end did not end well");
        assert!(hear(&format!("{LOG}{end}\n"), 9.0).is_err());
        assert!(hear("junk", 1.0).is_err());
    }

    #[test]
    fn failures_by_kind() {
        let rows =
            r#"[{"type":"interval"},{"type":"final","get":{"errors":3,"error_kinds":{"status 500":3}}}]"#;
        assert_eq!(kinds(rows), BTreeMap::from([("status 500".to_owned(), 3)]));
        assert!(kinds("").is_empty());
    }
}

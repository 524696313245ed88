//! aisloader: our own load generator.

use super::line;
use super::lister::write_names;
use crate::child::Guard;
use crate::error::Result;
use crate::figures::{Figures, Load, figures};
use crate::scenario::Context;
use crate::usage::Usage;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// One side of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Get,
    Put,
    /// The PUTs of a trace, whose file is among the further flags.
    Trace,
}

/// A load on a running node.
#[derive(Clone)]
pub(crate) struct Loader<'a> {
    pub(crate) context: &'a Context,
    pub(crate) port: u16,
    /// Where it is, from the directory of binaries on.
    pub(crate) program: PathBuf,
    /// The server's process group.
    pub(crate) server: u32,
    pub(crate) bucket: String,
    pub(crate) op: Op,
    pub(crate) op_bytes: usize,
    pub(crate) workers: usize,
    /// Straight to the owner cores, with the cluster map.
    pub(crate) is_direct: bool,
    /// The kernel drops the bytes that are read.
    pub(crate) is_dropped: bool,
    /// Further flags.
    pub(crate) more: Vec<String>,
    /// The processors of the load, as for `taskset`; empty: all.
    pub(crate) cpus: String,
}

/// A loader at work.
pub(crate) struct Running<'l, 'a> {
    loader: &'l Loader<'a>,
    name: &'static str,
    guard: Guard,
}

impl<'a> Loader<'a> {
    /// GETs of random objects in a bucket of the node.
    pub(crate) fn get(context: &'a Context, node: &super::node::Node, bucket: &str, op_bytes: usize) -> Self {
        Self {
            context,
            port: node.port,
            program: PathBuf::from("aisloader"),
            server: node.group(),
            bucket: bucket.to_owned(),
            op: Op::Get,
            op_bytes,
            workers: 64,
            is_direct: false,
            is_dropped: false,
            more: vec![],
            cpus: String::new(),
        }
    }

    /// The same with the bucket's names written to a file: the load then starts without a listing. Fails unless there are
    /// so many.
    pub(crate) fn of_names(mut self, objects: u64) -> Result<Self> {
        let path = self.names_path();
        let names = write_names(self.port, &self.bucket, &path)?;
        if names != objects {
            return Err(format!("{names} objects listed of {objects} written"));
        }
        self.more.extend(["-filelist".to_owned(), path.to_string_lossy().into_owned()]);
        Ok(self)
    }

    /// Where [`Self::of_names`] writes them.
    pub(crate) fn names_path(&self) -> PathBuf {
        self.context.work.path().join(format!("{}-names", self.bucket))
    }

    fn command(&self, bounds: &[String]) -> Command {
        let loader = self.context.options.bin.join(&self.program);
        let mut command = Command::new(if self.cpus.is_empty() { loader.clone() } else { "taskset".into() });
        if !self.cpus.is_empty() {
            command.args(["-c", &self.cpus]).arg(loader);
        }
        command.args(["-bucket", &format!("ais://{}", self.bucket), "-ip", "127.0.0.1"]);
        command.args(["-port", &self.port.to_string(), "-numworkers", &self.workers.to_string()]);
        match self.op {
            Op::Get => command.args(["-pctput", "0"]),
            Op::Put => {
                let size = self.op_bytes.to_string();
                command.args(["-pctput", "100", "-minsize", &size, "-maxsize", &size, "-skiplist"])
            }
            Op::Trace => command.args(["-arrival", "trace"]),
        };
        if self.is_direct {
            command.arg("-direct");
        }
        if !self.is_dropped {
            command.arg("-drop=false");
        }
        command.args(&self.more);
        command.args(["-cleanup=false", "-json", "-quiet", "-statsinterval", "0"]).args(bounds);
        // The scenario watches machine and caches itself, and repeats.
        let waived = "client-saturated,not-steady,too-short,clock-step,steal";
        command.args(["-warmup", "0", "-hot", "-allow", waived]);
        command
    }

    fn seconds(seconds: u64) -> [String; 2] {
        ["-duration".to_owned(), format!("{seconds}s")]
    }

    fn seconds_if(seconds: Option<u64>) -> Vec<String> {
        seconds.map(Self::seconds).into_iter().flatten().collect()
    }

    /// The command line, for the record.
    pub(crate) fn line(&self) -> String {
        self.line_of(Some(self.context.options.seconds))
    }

    /// The same for a load of this length, or of a trace's own.
    pub(crate) fn line_of(&self, seconds: Option<u64>) -> String {
        self.context.without_paths(&line(&self.command(&Self::seconds_if(seconds))))
    }

    /// The same for [`Self::fill`].
    pub(crate) fn fill_line(&self, objects: u64) -> String {
        self.context.without_paths(&line(&self.command(&Self::puts(objects))))
    }

    fn puts(objects: u64) -> [String; 3] {
        ["-maxputs".to_owned(), objects.to_string(), "-randomname=false".to_owned()]
    }

    /// One round.
    pub(crate) fn round(&self) -> Result<Figures> {
        let seconds = self.context.options.seconds;
        self.measure(&Self::seconds(seconds), Duration::from_secs(seconds * 2 + 60))
    }

    /// Puts so many objects under numbers of 16 hexadecimal digits; towards the end numbers are left out, as each worker
    /// counts for itself.
    pub(crate) fn fill(&self, objects: u64) -> Result<Figures> {
        self.measure(&Self::puts(objects), Duration::from_secs(60 + objects))
    }

    /// Reads every object once.
    pub(crate) fn pass(&self, objects: u64) -> Result<Figures> {
        let bounds = ["-epochs".to_owned(), "1".to_owned()];
        self.measure(&bounds, Duration::from_secs(60 + objects))
    }

    fn measure(&self, bounds: &[String], limit: Duration) -> Result<Figures> {
        let before = Usage::now(Some(self.server))?;
        let load = self.begin("aisloader", bounds)?.finish(limit)?;
        let usage = Usage::now(Some(self.server))?.since(&before);
        Ok(figures(&load, &usage, true))
    }

    /// Starts a load of this length, or of a trace's own, beside others; `name` tells them apart.
    pub(crate) fn start(&self, name: &'static str, seconds: Option<u64>) -> Result<Running<'_, 'a>> {
        self.begin(name, &Self::seconds_if(seconds))
    }

    fn begin(&self, name: &'static str, bounds: &[String]) -> Result<Running<'_, 'a>> {
        let report = self.report_path(name);
        if let Err(error) = std::fs::remove_file(&report)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(format!("{}: {error}", report.display()));
        }
        let mut command = self.command(bounds);
        command.arg("-stats-output").arg(report);
        let guard = Guard::spawn(&mut command, name, self.context.work.path())?;
        Ok(Running { loader: self, name, guard })
    }

    fn report_path(&self, name: &str) -> PathBuf {
        self.context.work.path().join(format!("{name}.json"))
    }

    fn load(&self, report: &Value) -> Option<Load> {
        let is_final = |row: &&Value| row.get("type").and_then(Value::as_str) == Some("final");
        let row = report.as_array()?.iter().find(is_final)?;
        let side = row.get(if self.op == Op::Get { "get" } else { "put" })?;
        let number = |key: &str| side.get(key).and_then(Value::as_f64);
        let micros = |path: &str| side.pointer(path).and_then(Value::as_f64).map(|ns| ns / 1e3);
        Some(Load {
            ops_per_s: number("ops_per_s")?,
            ops: number("count")?,
            op_bytes: self.op_bytes as f64,
            errors: number("errors")?,
            p50_us: micros("/p50_ns"),
            p99_us: micros("/p99_ns"),
            p999_us: micros("/p999_ns"),
            max_us: micros("/max_latency"),
            due_p99_us: micros("/intended/p99_ns"),
            due_p999_us: micros("/intended/p999_ns"),
            dropped: row.pointer("/open_loop/dropped").and_then(Value::as_f64),
            ..Load::default()
        })
    }
}

impl Running<'_, '_> {
    /// Waits for the end, at most so long.
    pub(crate) fn finish(mut self, limit: Duration) -> Result<Load> {
        let (loader, name) = (self.loader, self.name);
        let status = self.guard.wait(limit)?;
        let path = loader.report_path(name);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if !status.success() {
            let said = loader.context.work.path().join(format!("{name}.log"));
            let said = std::fs::read_to_string(said).unwrap_or_default();
            return Err(format!("aisloader ended with {status}: {}\n{said}", complaints(&text)));
        }
        let report: Value = serde_json::from_str(&text).map_err(|e| format!("aisloader's report: {e}"))?;
        let load = loader.load(&report).ok_or("aisloader's report lacks a figure")?;
        if load.errors > 0.0 {
            return Err(format!("aisloader reports {} errors: {}", load.errors, complaints(&text)));
        }
        Ok(load)
    }
}

/// The errors in a report, and the reasons why it refuses its own figures.
fn complaints(report: &str) -> String {
    let report: Value = serde_json::from_str(report).unwrap_or_default();
    let rows = report.as_array().into_iter().flatten();
    let found = rows.flat_map(|row| {
        let errors = ["get", "put"].into_iter().filter_map(|side| row.get(side)?.get("error_texts"));
        errors.chain(row.pointer("/verdict/refusals"))
    });
    let found = found.filter(|value| value.as_array().is_some_and(|texts| !texts.is_empty()));
    found.map(Value::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::context::tests::context;
    use serde_json::json;

    fn loader(context: &Context, op: Op) -> Loader<'_> {
        Loader {
            context,
            port: 1,
            program: PathBuf::from("aisloader"),
            server: 1,
            bucket: "b".to_owned(),
            op,
            op_bytes: 1000,
            workers: 2,
            is_direct: false,
            is_dropped: false,
            more: vec![],
            cpus: String::new(),
        }
    }

    #[test]
    fn a_report_of_an_open_loop() {
        let side = json!({"ops_per_s": 986.0, "count": 1973, "errors": 0, "p50_ns": 197_000, "p99_ns": 2_566_000,
            "p999_ns": 6_713_000, "max_latency": 6_993_000, "intended": {"p99_ns": 4_730_000, "p999_ns": 17_301_000}});
        let report = json!([{"type": "row"}, {"type": "final", "get": side, "open_loop": {"dropped": 3}}]);
        let (_dir, context) = context();
        let load = loader(&context, Op::Get).load(&report).unwrap();
        assert_eq!((load.ops, load.ops_per_s, load.dropped), (1973.0, 986.0, Some(3.0)));
        assert_eq!((load.p50_us, load.p99_us, load.p999_us), (Some(197.0), Some(2566.0), Some(6713.0)));
        assert_eq!(
            (load.max_us, load.due_p99_us, load.due_p999_us),
            (Some(6993.0), Some(4730.0), Some(17301.0))
        );
        assert!(loader(&context, Op::Put).load(&report).is_none());
    }

    #[test]
    fn complaints_of_a_report() {
        let row = json!({"put": {"error_texts": ["404"]}, "get": {"error_texts": []}, "verdict": {"refusals": [{"rule": "x"}]}});
        assert_eq!(complaints(&json!([row]).to_string()), r#"["404"], [{"rule":"x"}]"#);
        assert_eq!(complaints("no report"), "");
    }

    #[test]
    fn the_flags_of_the_operations() {
        let (_dir, context) = context();
        let line = |op| loader(&context, op).line();
        assert!(line(Op::Get).contains("-pctput 0") && !line(Op::Get).contains("-minsize"));
        assert!(line(Op::Put).contains("-pctput 100 -minsize 1000 -maxsize 1000 -skiplist"));
        assert!(line(Op::Trace).contains("-arrival trace") && !line(Op::Trace).contains("-pctput"));
        assert!(!loader(&context, Op::Trace).line_of(None).contains("-duration"));
    }
}

//! The cost of reclaiming segments for readers: GET of 4 KiB at a fixed rate, alone, beside overwrites at random names,
//! and beside as many PUTs of new names, which leave nothing to reclaim.

use super::{Context, NODE_PORT, SMALL_MEMORY};
use crate::child::check_interrupted;
use crate::device::{Device, with_reads};
use crate::error::Result;
use crate::figures::{Figures, figures};
use crate::findings::Findings;
use crate::tools::loader::{Loader, Op};
use crate::tools::node::{Node, Setup};
use crate::tools::puts::{Names, write_trace};
use crate::usage::Usage;
use crate::work::allocated_bytes;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const OBJECTS: u64 = 200_000;
const PASSES: u64 = 3;
const SIZE: usize = 4096;
const SET: &str = "set";
const NEW: &str = "new";
/// Of reader and writer each: fewer in all than the node takes connections. A rate that is too high then shows as arrivals
/// that were dropped.
const IN_FLIGHT_MAX: &str = "1024";
const REST: Duration = Duration::from_secs(30);

struct Run<'a> {
    context: &'a Context,
    node: &'a Node,
    reader: Loader<'a>,
    device: Option<Device>,
    findings: Findings,
}

/// The writes beside the GETs.
struct Puts<'a> {
    bucket: &'static str,
    names: Names<'a>,
    count: u64,
}

/// Does all parts, one after the other.
pub(crate) fn run(context: &Context) -> Result<Findings> {
    let options = &context.options;
    let objects = options.objects.unwrap_or(OBJECTS);
    // The set, its overwrites before they are reclaimed, the new objects, and the segments allocated ahead.
    let written = objects * (1 + PASSES) + options.put_rate * options.seconds;
    context.work.require_gib(((written * 8192) >> 30) + 4)?;
    let memory = options.memory.clone().or(Some(SMALL_MEMORY.to_owned()));
    let node = Node::start_as(context, &Setup { cores: None, memory, dir: "ais", port: NODE_PORT })?;
    node.create_bucket(SET, "group")?;
    node.create_bucket(NEW, "group")?;
    eprintln!("writing {objects} objects of 4 KiB");
    let get = Loader::get(context, &node, SET, SIZE);
    Loader { op: Op::Put, ..get.clone() }.fill(objects)?;
    let mut reader = get.of_names(objects)?;
    let names = names(&reader)?;
    let rate = ["-arrival", "poisson", "-max-inflight", IN_FLIGHT_MAX, "-rate"].map(str::to_owned);
    reader.more.extend(rate.into_iter().chain([options.get_rate.to_string()]));
    let findings = Findings {
        scenario: "compaction",
        what: format!(
            "GET of 4 KiB at {}/s as they come (Poisson) from {objects} objects; beside it {} PUTs/s: {PASSES} times the \
             whole set, each time in a random order, and new names. due_p99_us counts from the moment a GET was due",
            options.get_rate, options.put_rate
        ),
        servers: vec![node.line.clone()],
        parts: vec![],
    };
    let device = Device::of(context.work.path())?;
    let mut run = Run { context, node: &node, reader, device, findings };
    run.parts(&names)?;
    Ok(run.findings)
}

fn names(loader: &Loader<'_>) -> Result<Vec<String>> {
    let path = loader.names_path();
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}

impl Run<'_> {
    fn parts(&mut self, names: &[String]) -> Result<()> {
        let options = &self.context.options;
        let overwrites =
            Puts { bucket: SET, names: Names::Passes(names), count: names.len() as u64 * PASSES };
        let new = Puts { bucket: NEW, names: Names::New, count: options.put_rate * options.seconds };
        self.space("space, written once")?;
        self.beside("GET alone", None)?;
        self.beside("GET beside overwrites", Some(overwrites))?;
        self.space("space, after the overwrites")?;
        let until = Instant::now() + REST;
        while Instant::now() < until {
            check_interrupted()?;
            std::thread::sleep(Duration::from_millis(100));
        }
        self.space("space, 30 s later")?;
        self.beside("GET beside new names", Some(new))?;
        self.space("space, with the new names")
    }

    /// GETs, for as long as the PUTs take; what is said of PUTs begins with `put_`.
    fn beside(&mut self, name: &'static str, puts: Option<Puts<'_>>) -> Result<()> {
        const RECLAIMED: &str = "straightline_segments_reclaimed_total";
        let options = &self.context.options;
        let before = self.node.counter(RECLAIMED)?;
        let seconds =
            puts.as_ref().map_or(options.seconds, |puts| puts.count.div_ceil(options.put_rate).max(1));
        let writer = puts.as_ref().map(|puts| self.writer(puts)).transpose()?;
        let mut figures = self.measure(seconds, writer.as_ref())?;
        figures.insert("segments_reclaimed", self.node.counter(RECLAIMED)? - before);
        let reads = self.reader.line_of(Some(seconds));
        let writes = writer.map(|writer| writer.line_of(None));
        let lines: Vec<String> = std::iter::once(reads).chain(writes).collect();
        self.findings.add(name, lines.join(" & "), figures);
        Ok(())
    }

    /// One that makes the PUTs at the rate of the options.
    fn writer(&self, puts: &Puts<'_>) -> Result<Loader<'_>> {
        let path = self.trace_path();
        write_trace(&path, puts.names, puts.count, self.context.options.put_rate, SIZE)?;
        let mut more = ["-max-inflight", IN_FLIGHT_MAX, "-trace"].map(str::to_owned).to_vec();
        more.push(path.to_string_lossy().into_owned());
        let loader = Loader::get(self.context, self.node, puts.bucket, SIZE);
        Ok(Loader { op: Op::Trace, more, ..loader })
    }

    fn trace_path(&self) -> PathBuf {
        self.context.work.path().join("trace.csv")
    }

    fn measure(&self, seconds: u64, writer: Option<&Loader<'_>>) -> Result<Figures> {
        let limit = Duration::from_secs(seconds * 3 + 120);
        let round = || {
            let before = Usage::now(Some(self.node.group()))?;
            let put = writer.map(|writer| writer.start("writer", None)).transpose()?;
            let read = self.reader.start("reader", Some(seconds))?.finish(limit)?;
            let put = put.map(|put| put.finish(limit)).transpose()?;
            let usage = Usage::now(Some(self.node.group()))?.since(&before);
            let mut all = figures(&read, &usage, true);
            let given = put.map(|put| {
                [
                    ("put_ops", Some(put.ops)),
                    ("put_ops_per_s", Some(put.ops_per_s)),
                    ("put_p50_us", put.p50_us),
                    ("put_p99_us", put.p99_us),
                    ("put_due_p99_us", put.due_p99_us),
                    ("put_dropped", put.dropped),
                ]
            });
            let given = given.into_iter().flatten();
            all.extend(given.filter_map(|(name, value)| Some((name, value?))));
            Ok(all)
        };
        with_reads(self.device.as_ref(), SIZE, round)
    }

    fn space(&mut self, name: &'static str) -> Result<()> {
        const GAUGES: [&str; 5] = [
            "straightline_objects",
            "straightline_segments",
            "straightline_segment_bytes",
            "straightline_segment_live_bytes",
            "straightline_segments_reclaimed_total",
        ];
        let [objects, segments, bytes, live, reclaimed] = self.node.counters(GAUGES)?;
        let allocated = allocated_bytes(&self.context.work.path().join("ais"))?;
        let payload = objects * SIZE as f64;
        let figures = Figures::from([
            ("objects", objects),
            ("segments", segments),
            ("segment_bytes", bytes),
            ("segment_live_bytes", live),
            ("segments_reclaimed_total", reclaimed),
            ("allocated_bytes", allocated),
            ("segment_bytes_over_live", bytes / live.max(1.0)),
            ("live_bytes_over_payload", live / payload.max(1.0)),
            ("allocated_bytes_over_payload", allocated / payload.max(1.0)),
        ]);
        self.findings.add(name, String::new(), figures);
        Ok(())
    }
}

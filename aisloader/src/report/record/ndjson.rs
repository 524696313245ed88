//! The NDJSON log: a line at the begin, one each second, one at the end.

use super::lines::{Detail, ops, places};
use super::schema::{FinalLine, IntervalLine, Line, RunLine};
use super::sink::{Moment, Sink};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};

/// Writes the log of one run.
pub(super) struct Ndjson {
    out: BufWriter<File>,
    /// Ids of servers, by address.
    ids: BTreeMap<String, String>,
}

impl Ndjson {
    /// Makes the file and writes the first line.
    pub(super) fn new(path: &str, run: RunLine, ids: BTreeMap<String, String>) -> io::Result<Self> {
        let mut log = Self { out: BufWriter::new(File::create(path)?), ids };
        log.write(&Line::Run(run))?;
        Ok(log)
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")?;
        // Whole lines only: somebody may follow the file.
        self.out.flush()
    }
}

impl Sink for Ndjson {
    fn name(&self) -> &str {
        "-ndjson"
    }

    fn moment(&mut self, moment: &Moment<'_>) -> io::Result<()> {
        self.write(&Line::Interval(IntervalLine {
            at_s: moment.at_s,
            span_s: moment.span_s,
            phase: moment.phase,
            ops: ops(&moment.interval.stats, Detail::Quantiles),
            targets: places(&moment.interval.stats.targets, &self.ids),
            mountpaths: places(&moment.interval.stats.mountpaths, &self.ids),
            own_cpu_s: moment.cpu.own_s,
            machine_cpu_s: moment.cpu.machine_s,
            inflight: moment.interval.inflight,
            dropped: moment.interval.stats.open.dropped,
        }))
    }

    fn end(&mut self, whole: &FinalLine) -> io::Result<()> {
        self.write(&Line::Final(Box::new(whole.clone())))
    }
}

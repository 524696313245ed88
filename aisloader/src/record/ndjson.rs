//! The NDJSON log: a line at the begin, one each second, one at the end.

use super::lines::{Detail, ops};
use super::schema::{FinalLine, IntervalLine, Line, Phase, RunLine};
use crate::cpu::CpuSample;
use crate::engine::{Interval, RunEnd};
use std::fs::File;
use std::io::{self, BufWriter, Write};

/// A span below this is no interval of its own.
const SPAN_LEAST_S: f64 = 0.001;

/// Writes the log of one run.
pub struct Ndjson {
    out: BufWriter<File>,
    path: String,
    cpu: CpuSample,
    at_s: f64,
    failure: Option<io::Error>,
}

impl Ndjson {
    /// Makes the file and writes the first line.
    ///
    /// # Errors
    /// When that cannot be done; the text names the file.
    pub fn new(path: &str, run: RunLine) -> io::Result<Self> {
        let file = File::create(path).map_err(|e| named(path, &e))?;
        let mut log = Self {
            out: BufWriter::new(file),
            path: path.to_owned(),
            cpu: CpuSample::now(),
            at_s: 0.0,
            failure: None,
        };
        log.write(&Line::Run(run)).map_err(|e| named(path, &e))?;
        Ok(log)
    }

    /// After a second. A full disk shall not end the measurement: the end reports it.
    pub fn interval(&mut self, interval: &Interval) {
        let at_s = interval.number as f64 * crate::engine::INTERVAL.as_secs_f64();
        self.push(interval, at_s, Phase::Steady);
    }

    /// After the run: what came after the last whole second, and the whole.
    ///
    /// # Errors
    /// When the log could not be written; the text names the file.
    pub fn end(mut self, end: &RunEnd) -> io::Result<()> {
        let window_s = end.window.as_secs_f64();
        let is_after = window_s - self.at_s < SPAN_LEAST_S;
        if end.rest.stats.ops() > 0 || end.rest.stats.error_count() > 0 {
            let phase = if is_after { Phase::Drain } else { Phase::Steady };
            self.push(&end.rest, window_s.max(self.at_s), phase);
        }
        let line = Line::Final(Box::new(FinalLine {
            window_s,
            is_interrupted: end.is_interrupted,
            ops: ops(&end.stats, Detail::Histogram),
            own_cpu_s: end.cpu.own_s,
            machine_cpu_s: end.cpu.machine_s,
            dropped: end.stats.open.dropped,
            ..FinalLine::default()
        }));
        let result = match self.failure.take() {
            Some(failure) => Err(failure),
            None => self.write(&line),
        };
        result.map_err(|e| named(&self.path, &e))
    }

    fn push(&mut self, interval: &Interval, at_s: f64, phase: Phase) {
        let cpu = CpuSample::now();
        let used = cpu.since(&self.cpu);
        let line = Line::Interval(IntervalLine {
            at_s,
            span_s: at_s - self.at_s,
            phase,
            ops: ops(&interval.stats, Detail::Quantiles),
            own_cpu_s: used.own_s,
            machine_cpu_s: used.machine_s,
            inflight: interval.inflight,
            dropped: interval.stats.open.dropped,
            ..IntervalLine::default()
        });
        (self.cpu, self.at_s) = (cpu, at_s);
        if self.failure.is_none() {
            self.failure = self.write(&line).err();
        }
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")?;
        // Whole lines only: somebody may follow the file.
        self.out.flush()
    }
}

fn named(path: &str, error: &io::Error) -> io::Error {
    io::Error::other(format!("-ndjson: {path:?}: {error}"))
}

//! Everything that is written while a run goes on, fed from one place.

use super::csv::Csv;
use super::exporter::Exporter;
use super::hdr_log::HdrLogs;
use super::ndjson::Ndjson;
use super::schema::{FinalLine, Phase, RunLine};
use super::sink::{Moment, Sink};
use crate::recorder::cpu::CpuSample;
use crate::recorder::{INTERVAL, Interval};
use crate::settings::{Config, Warmup};
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

/// A span below this is no interval of its own.
const SPAN_LEAST_S: f64 = 0.001;

/// All that the flags ask for.
pub struct Sinks {
    /// Each sink with its first error: then it is left alone, as a full disk shall not end the measurement.
    all: Vec<(Box<dyn Sink>, Option<io::Error>)>,
    cpu: CpuSample,
    at_s: f64,
    /// Warm-up that is known beforehand.
    warmup_s: f64,
}

impl Sinks {
    /// Opens what the flags ask for; `ids` are the servers' by their addresses.
    ///
    /// # Errors
    /// When a file cannot be made or an address not be listened on; the text names it.
    pub fn open(config: &Config, run: RunLine, ids: &BTreeMap<String, String>) -> io::Result<Self> {
        let output = &config.output;
        let started = UNIX_EPOCH + Duration::from_millis(run.started_unix_ms);
        let mut all: Vec<Box<dyn Sink>> = Vec::new();
        if !output.hdr_prefix.is_empty() {
            all.push(Box::new(HdrLogs::new(&output.hdr_prefix, started)));
        }
        if !output.csv.is_empty() {
            let csv = Csv::new(&output.csv).map_err(|e| named(&format!("-csv={}", output.csv), &e))?;
            all.push(Box::new(csv));
        }
        if !output.prom_listen.is_empty() {
            let name = format!("-prom-listen={}", output.prom_listen);
            all.push(Box::new(Exporter::new(&output.prom_listen).map_err(|e| named(&name, &e))?));
        }
        if !output.ndjson.is_empty() {
            let log = Ndjson::new(&output.ndjson, run, ids.clone());
            all.push(Box::new(log.map_err(|e| named(&format!("-ndjson={}", output.ndjson), &e))?));
        }
        let all = all.into_iter().map(|sink| (sink, None)).collect();
        let warmup_s = match config.warmup {
            Warmup::Auto => 0.0,
            Warmup::Fixed { seconds } => seconds as f64,
        };
        Ok(Self { all, cpu: CpuSample::now(), at_s: 0.0, warmup_s })
    }

    /// At the begin, lest what came before it be counted.
    pub fn begin(&mut self) {
        self.cpu = CpuSample::now();
    }

    /// After an interval of the engine.
    pub fn interval(&mut self, interval: &Interval) {
        let at_s = interval.number as f64 * INTERVAL.as_secs_f64();
        let phase = if at_s <= self.warmup_s { Phase::Warmup } else { Phase::Steady };
        self.push(interval, at_s, phase);
    }

    /// Writes the part after the last whole interval, in a run whose window is so long.
    pub fn rest(&mut self, rest: &Interval, window: Duration) {
        if rest.stats.ops() == 0 && rest.stats.error_count() == 0 {
            return;
        }
        let window_s = window.as_secs_f64();
        let phase = if window_s - self.at_s < SPAN_LEAST_S { Phase::Drain } else { Phase::Steady };
        self.push(rest, window_s.max(self.at_s), phase);
    }

    /// After the run.
    ///
    /// # Errors
    /// The first thing that could not be written; the text names the flag.
    pub fn end(mut self, whole: &FinalLine) -> io::Result<()> {
        for (sink, failure) in &mut self.all {
            let result = match failure.take() {
                Some(failure) => Err(failure),
                None => sink.end(whole),
            };
            result.map_err(|e| named(sink.name(), &e))?;
        }
        Ok(())
    }

    fn push(&mut self, interval: &Interval, at_s: f64, phase: Phase) {
        let now = CpuSample::now();
        let (cpu, span_s) = (interval.cpu.unwrap_or_else(|| now.since(&self.cpu)), at_s - self.at_s);
        (self.cpu, self.at_s) = (now, at_s);
        let moment = Moment { at_s, span_s, phase, interval, cpu };
        for (sink, failure) in self.all.iter_mut().filter(|(_, failure)| failure.is_none()) {
            *failure = sink.moment(&moment).err();
        }
    }
}

fn named(name: &str, error: &io::Error) -> io::Error {
    io::Error::other(format!("{name}: {error}"))
}

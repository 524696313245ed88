//! Everything about a run, written to one place.

use super::{agents, json, rows, summary};
use crate::honesty::Judgement;
use crate::honesty::text::text;
use crate::recorder::{INTERVAL, Interval, RunEnd, Stats};
use crate::settings::Config;
use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

/// Writes everything about a run to one place.
pub struct Reporter {
    out: Box<dyn Write>,
    is_json: bool,
    is_quiet: bool,
    interval: Duration,
    total: Stats,
    /// Since the last row.
    since: Stats,
}

impl Reporter {
    /// Opens the place that the flags name.
    ///
    /// # Errors
    /// When the file cannot be made; the text names it.
    pub fn new(config: &Config) -> io::Result<Self> {
        let output = &config.output;
        let out: Box<dyn Write> = if output.file.is_empty() {
            Box::new(io::stdout())
        } else {
            let file = File::create(&output.file);
            Box::new(file.map_err(|e| io::Error::other(format!("-stats-output: {:?}: {e}", output.file)))?)
        };
        Ok(Self {
            out,
            is_json: output.is_json,
            is_quiet: output.is_quiet,
            interval: output.interval.unwrap_or_default(),
            total: Stats::default(),
            since: Stats::default(),
        })
    }

    /// Where everything is written.
    pub fn place(&mut self) -> &mut dyn Write {
        &mut *self.out
    }

    /// Before the first operation: the parameters and the head of the rows.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn begin(&mut self, config: &Config, names: u64) -> io::Result<()> {
        if self.is_json {
            return self.out.write_all(b"[\n");
        }
        if !self.is_quiet {
            self.out.write_all(summary::parameters(config, names).as_bytes())?;
        }
        if !self.interval.is_zero() {
            self.out.write_all(rows::head(config.open.is_some()).as_bytes())?;
        }
        self.out.flush()
    }

    /// After an interval of the engine: when it completes one of rows, a row for each kind of operation.
    pub fn interval(&mut self, interval: &Interval) {
        if self.interval.is_zero() {
            return;
        }
        self.total.merge(&interval.stats);
        self.since.merge(&interval.stats);
        let at = INTERVAL.saturating_mul(u32::try_from(interval.number).unwrap_or(u32::MAX));
        let is_due = at.as_nanos().checked_rem(self.interval.as_nanos()) == Some(0);
        if !is_due {
            return;
        }
        let stats = &std::mem::take(&mut self.since);
        let text = if self.is_json {
            let row = json::interval(at, self.interval, stats, interval.inflight);
            format!("{row},\n")
        } else {
            rows::interval(&rows::Moment {
                at,
                length: self.interval,
                stats,
                total: &self.total,
                inflight: interval.inflight,
            })
        };
        // A full disk or a closed pipe shall not end the measurement; the end reports it.
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    /// After the run.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn end(&mut self, config: &Config, end: &RunEnd, judgement: &Judgement) -> io::Result<()> {
        let text = if self.is_json {
            let mut row = json::end(config, end);
            if let Some(fields) = row.as_object_mut() {
                fields.insert("verdict".into(), serde_json::to_value(&judgement.verdict)?);
                fields.insert("agents".into(), agents::json(judgement));
                fields.insert("steadiness".into(), judgement.evidence.steadiness.text.as_str().into());
            }
            format!("{row}\n]\n")
        } else {
            format!("{}{}{}", agents::table(judgement), summary::table(config, end), text(judgement))
        };
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

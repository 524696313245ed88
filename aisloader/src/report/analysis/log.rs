//! Reading the NDJSON log of one run.

use crate::report::record::schema::{FinalLine, IntervalLine, Line, Phase, RunLine, SCHEMA};
use std::fs::File;
use std::io::{BufRead, BufReader};

/// The log of one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunLog {
    /// The file, as it was named.
    pub path: String,
    /// The run's configuration and host.
    pub run: RunLine,
    /// The seconds, in the order of the file.
    pub intervals: Vec<IntervalLine>,
    /// The whole; `None` when the run did not end well.
    pub end: Option<FinalLine>,
    /// Oddities of the file, for the user.
    pub warnings: Vec<String>,
}

/// Why a file cannot be used: the file, the line where there is one, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogError(pub String);

impl std::fmt::Display for LogError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for LogError {}

impl RunLog {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is no log of schema 1. That the last line is cut off, as a killed run leaves it, is
    /// a warning only.
    pub fn read(path: &str) -> Result<Self, LogError> {
        let file = File::open(path).map_err(|e| LogError(format!("{path}: {e}")))?;
        Self::parse(path, BufReader::new(file))
    }

    /// Reads from anywhere; `path` is for the messages.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(path: &str, mut from: impl BufRead) -> Result<Self, LogError> {
        let mut log = Self { path: path.to_owned(), ..Self::default() };
        let mut bytes = Vec::new();
        let mut is_begun = false;
        for number in 1u64.. {
            bytes.clear();
            from.read_until(b'\n', &mut bytes)
                .map_err(|e| LogError(format!("{path}: line {number}: {e}")))?;
            if bytes.is_empty() {
                break;
            }
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<Line>(&bytes) {
                Ok(line) => {
                    let taken = log.take(line, is_begun);
                    taken.map_err(|why| LogError(format!("{path}: line {number}: {why}")))?;
                    is_begun = true;
                }
                Err(_) if is_begun && !bytes.ends_with(b"\n") => {
                    log.warnings.push(format!("line {number} is cut off and was left out"));
                }
                Err(e) => return Err(LogError(format!("{path}: line {number}: {}", explained(&e)))),
            }
        }
        if !is_begun {
            return Err(LogError(format!("{path}: the file is empty")));
        }
        if log.end.is_none() {
            log.warnings.push("there is no final line: the run was killed, or still goes on".to_owned());
        }
        Ok(log)
    }

    /// True when the run's figures may be quoted: it ended, and no rule refuses it.
    #[must_use]
    pub fn is_admissible(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.verdict.is_admissible)
    }

    /// The seconds that count.
    pub fn steady(&self) -> impl Iterator<Item = &IntervalLine> {
        self.intervals.iter().filter(|interval| interval.phase == Phase::Steady && interval.span_s > 0.0)
    }

    /// The kinds of operation that were done or failed, in alphabetical order.
    #[must_use]
    pub fn kinds(&self) -> Vec<&str> {
        let ends = self.end.iter().flat_map(|end| end.ops.iter());
        let all = self.intervals.iter().flat_map(|interval| interval.ops.iter()).chain(ends);
        let active = all.filter(|(_, op)| op.ops > 0 || op.errors > 0);
        let mut kinds: Vec<&str> = active.map(|(kind, _)| kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    fn take(&mut self, line: Line, is_begun: bool) -> Result<(), String> {
        match line {
            Line::Run(_) if is_begun => Err("a second run begins here; a file is the log of one run".into()),
            Line::Run(run) if run.schema != SCHEMA => {
                Err(format!("this is schema {}, and this version reads schema {SCHEMA}", run.schema))
            }
            Line::Run(run) => {
                self.run = run;
                Ok(())
            }
            _ if !is_begun => {
                Err("the first line is not of type \"run\": is this the file of -ndjson?".into())
            }
            _ if self.end.is_some() => Err("the run ended in a line before".into()),
            Line::Interval(interval) if !is_sound(&interval) => {
                Err(format!("at_s {} and span_s {} are no times", interval.at_s, interval.span_s))
            }
            Line::Interval(interval) => {
                self.intervals.push(interval);
                Ok(())
            }
            Line::Final(end) => {
                // Where the warm-up ends is found out at the end of the run.
                let early = self.intervals.iter_mut().filter(|interval| interval.at_s <= end.warmup_s);
                early.for_each(|interval| interval.phase = Phase::Warmup);
                self.end = Some(*end);
                Ok(())
            }
            Line::Other => Ok(()),
        }
    }
}

/// Times that arithmetic can be done with: a thousand years at most.
fn is_sound(interval: &IntervalLine) -> bool {
    let is_time = |seconds: f64| (0.0..3.2e10).contains(&seconds);
    is_time(interval.at_s) && is_time(interval.span_s)
}

/// Serde counts lines within the line; the column is what helps.
fn explained(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let bare = text.rsplit_once(" at line ").map_or(text.as_str(), |(bare, _)| bare);
    format!("column {}: {bare}", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RUN: &str = r#"{"type":"run","schema":1,"version":"0.1.0"}"#;
    const INTERVAL: &str = r#"{"type":"interval","at_s":1,"span_s":1,"ops":{"get":{"ops":5},"put":{}}}"#;
    const FINAL: &str = r#"{"type":"final","window_s":1}"#;

    fn parse(text: &str) -> Result<RunLog, LogError> {
        RunLog::parse("x.ndjson", text.as_bytes())
    }

    #[test]
    fn a_whole_log() {
        let log = parse(&format!("{RUN}\n{INTERVAL}\n\n{{\"type\":\"novelty\"}}\n{FINAL}\n")).unwrap();
        assert_eq!((log.intervals.len(), log.steady().count(), log.warnings.len()), (1, 1, 0));
        assert_eq!(log.kinds(), ["get"]);
        assert!(log.is_admissible());
    }

    #[test]
    fn the_end_says_where_the_warm_up_was() {
        let late = INTERVAL.replace("\"at_s\":1", "\"at_s\":2");
        let log =
            parse(&format!("{RUN}\n{INTERVAL}\n{late}\n{{\"type\":\"final\",\"warmup_s\":1}}\n")).unwrap();
        assert_eq!(log.steady().map(|interval| interval.at_s).collect::<Vec<_>>(), [2.0]);
    }

    #[test]
    fn a_killed_run_is_read_with_warnings() {
        let log = parse(&format!("{RUN}\n{INTERVAL}\n{}", &INTERVAL[..30])).unwrap();
        assert_eq!(log.intervals.len(), 1);
        assert_eq!(log.warnings.len(), 2);
        assert!(log.warnings[0].contains("line 3"), "{:?}", log.warnings);
        assert!(!log.is_admissible());
    }

    #[test]
    fn errors_name_the_file_the_line_and_the_reason() {
        let table = [
            (String::new(), "x.ndjson: the file is empty"),
            (INTERVAL.to_owned(), "line 1: the first line is not of type"),
            ("{\"type\":\"ru".to_owned(), "line 1: column 11: EOF"),
            (format!("{RUN}\nnot json\n"), "line 2: column 2: expected"),
            (format!("{RUN}\n{{\"at_s\":1}}\n"), "line 2: column 10: missing field `type`"),
            (format!("{RUN}\n{RUN}\n"), "line 2: a second run"),
            (format!("{RUN}\n{FINAL}\n{INTERVAL}\n"), "line 3: the run ended"),
            (r#"{"type":"run","schema":2}"#.to_owned(), "line 1: this is schema 2"),
            (format!("{RUN}\n{}", INTERVAL.replace("\"at_s\":1", "\"at_s\":-1")), "line 2: at_s -1"),
            (format!("{RUN}\n{}\n", INTERVAL.replace(":5", ":\"5\"")), "line 2: column"),
        ];
        for (text, want) in table {
            let error = parse(&text).unwrap_err();
            assert!(error.0.starts_with("x.ndjson: ") && error.0.contains(want), "{error}");
        }
        let missing = RunLog::read("no/such/file.ndjson").unwrap_err();
        assert!(missing.0.starts_with("no/such/file.ndjson: "), "{missing}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, cut in 0usize..300) {
            let _ = RunLog::parse("x", bytes.as_slice());
            let whole = format!("{RUN}\n{INTERVAL}\n{FINAL}\n");
            let part = whole.get(..cut.min(whole.len())).unwrap_or(&whole);
            let _ = RunLog::parse("x", part.as_bytes());
        }
    }
}

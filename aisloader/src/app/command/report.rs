//! `aisloader report`: a page about one run or several.

use super::words::{Known, Words};
use crate::report::analysis::log::RunLog;
use crate::report::html::page::page;
use std::process::ExitCode;

/// The usage text of the command.
pub(super) const SYNOPSIS: &str = "aisloader report RUN.ndjson [MORE.ndjson...] [-o report.html]
        one HTML page with figures, charts and configuration, that needs nothing but itself; several runs are
        overlaid and compared with the first";

const KNOWN: [Known; 1] = [Known { name: "o", has_value: true }];
/// More lines in one chart cannot be told apart.
const RUNS_MOST: usize = 12;

/// Reads the files, writes the page.
pub(super) fn run(words: &[String]) -> Result<ExitCode, String> {
    let words = Words::parse(words, &KNOWN)?;
    let count = words.files.len();
    if count == 0 || count > RUNS_MOST {
        return Err(format!("1 to {RUNS_MOST} files are needed, not {count}\n{SYNOPSIS}"));
    }
    let logs: Vec<RunLog> = words
        .files
        .iter()
        .map(|path| RunLog::read(path))
        .collect::<Result<_, _>>()
        .map_err(|e| e.to_string())?;
    for log in &logs {
        log.warnings
            .iter()
            .for_each(|warning| eprintln!("aisloader report: warning: {}: {warning}", log.path));
    }
    let out = words.value("o").unwrap_or("report.html");
    std::fs::write(out, page(&logs)).map_err(|e| format!("{out}: {e}"))?;
    println!("{out}");
    Ok(ExitCode::SUCCESS)
}

//! A table for people, a file for programs.

use crate::error::Result;
use crate::figures::Figures;
use crate::host;
use crate::rounds::{Ratio, Series};
use crate::scenario::{Context, Outcome};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// Prints medians and ratios.
pub(crate) fn print(outcome: &Outcome) -> Result<()> {
    let table = table(outcome).map_err(|e| format!("table: {e}"))?;
    std::io::stdout().write_all(table.as_bytes()).map_err(|e| format!("standard output: {e}"))
}

fn table(outcome: &Outcome) -> std::result::Result<String, std::fmt::Error> {
    let mut text = String::new();
    let rounds = outcome.series.first().map_or(0, |series| series.rounds.len());
    writeln!(text, "\n{}: {}; medians of {rounds} alternating rounds", outcome.scenario, outcome.what)?;
    write!(text, "{:<26}", "")?;
    outcome.columns.iter().try_for_each(|name| write!(text, " {name:>22}"))?;
    writeln!(text)?;
    for series in &outcome.series {
        write!(text, "{:<26}", series.name)?;
        for name in outcome.columns {
            let value = series.medians.get(name).map_or_else(|| "-".to_owned(), |value| short(*value));
            write!(text, "{value:>23}")?;
        }
        writeln!(text)?;
    }
    writeln!(text, "ratios (median of the rounds' ratios, then their range)")?;
    for ratio in &outcome.ratios {
        let least = ratio.of_rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ratio.of_rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let pair = format!("{} / {}", ratio.of, ratio.to);
        let middle = ratio.median_of_rounds;
        writeln!(text, "  {pair:<42} {:<24} {middle:>7.3}  ({least:.3} to {most:.3})", ratio.figure)?;
    }
    Ok(text)
}

/// Four digits or so.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 1000.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.4}"),
    }
}

/// Writes the result file.
pub(crate) fn write_json(outcome: &Outcome, context: &Context) -> Result<()> {
    let mut document = frame(outcome.scenario, &outcome.what, &outcome.servers, context);
    document.insert("round_seconds".to_owned(), json!(context.options.seconds));
    document.insert("contenders".to_owned(), outcome.series.iter().map(series).collect());
    document.insert("ratios".to_owned(), outcome.ratios.iter().map(ratio).collect());
    save(&context.result_path(outcome.scenario), &Value::Object(document))
}

/// The facts that every result states: what was run, where, and of which commit.
pub(crate) fn frame(scenario: &str, what: &str, servers: &[String], context: &Context) -> Map<String, Value> {
    let facts = [
        ("scenario", json!(scenario)),
        ("what", json!(what)),
        ("command", json!(host::command_line())),
        ("date", json!(host::date())),
        ("git_commit", json!(host::git_commit())),
        ("host", host::facts(context.work.path())),
        ("servers", json!(servers)),
    ];
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Writes a document to a file, and makes the directory for it.
pub(crate) fn save(path: &Path, document: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(document).map_err(|e| format!("result: {e}"))?;
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    }
    std::fs::write(path, text + "\n").map_err(|e| format!("{}: {e}", path.display()))
}

/// A contender's rounds and medians.
pub(crate) fn series(series: &Series) -> Value {
    json!({
        "name": series.name,
        "command": series.command,
        "medians": numbers(&series.medians),
        "rounds": series.rounds.iter().map(numbers).collect::<Vec<_>>(),
    })
}

/// A ratio of two contenders.
pub(crate) fn ratio(ratio: &Ratio) -> Value {
    json!({
        "figure": ratio.figure,
        "of": ratio.of,
        "to": ratio.to,
        "of_medians": rounded(ratio.of_medians),
        "median_of_rounds": rounded(ratio.median_of_rounds),
        "of_rounds": ratio.of_rounds.iter().copied().map(rounded).collect::<Vec<_>>(),
    })
}

/// Names and rounded values.
pub(crate) fn numbers(figures: &Figures) -> Map<String, Value> {
    figures.iter().map(|(name, value)| ((*name).to_owned(), json!(rounded(*value)))).collect()
}

/// Six digits behind the point are more than any of this means.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

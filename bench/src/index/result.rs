//! The comparison as a table for people and a file for programs.

use super::{Kind, keys, legend};
use crate::error::Result;
use crate::host;
use crate::report::{ratio, save, series, short};
use crate::rounds::{Ratio, Series, ratios};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// The findings of the run.
pub(super) struct Comparison {
    pub(super) keys: u32,
    pub(super) series: Vec<Series>,
}

impl Comparison {
    /// Every figure of an engine over that of another, where both have one: of the foreign ones, and of ours to each of them.
    pub(super) fn ratios(&self) -> Vec<Ratio> {
        let names: Vec<&'static str> = legend::LEGEND.iter().map(|(name, _)| *name).collect();
        let [fjall, redb, lsm, log] = [Kind::Fjall, Kind::Redb, Kind::Lsm, Kind::LsmLog].map(Kind::name);
        let pairs = [(redb, fjall), (lsm, fjall), (lsm, redb), (log, fjall), (log, redb)];
        let all = ratios(&self.series, &pairs, &names);
        all.into_iter().filter(|ratio| ratio.of_medians.is_finite()).collect()
    }
}

/// A line for each figure, a column for each series.
pub(super) fn print(comparison: &Comparison) -> Result<()> {
    let table = table(comparison).map_err(|e| format!("table: {e}"))?;
    std::io::stdout().write_all(table.as_bytes()).map_err(|e| format!("standard output: {e}"))
}

fn table(comparison: &Comparison) -> std::result::Result<String, std::fmt::Error> {
    let mut text = String::new();
    let rounds = comparison.series.first().map_or(0, |series| series.rounds.len());
    writeln!(text, "\nindex-engines: {}; medians of {rounds} alternating rounds", what(comparison))?;
    write!(text, "{:<36}", "")?;
    comparison.series.iter().try_for_each(|series| write!(text, "{:>12}", series.name))?;
    writeln!(text)?;
    for (name, meaning) in legend::LEGEND {
        write!(text, "{name:<36}")?;
        for series in &comparison.series {
            let figure = series.medians.get(name).map_or_else(|| "-".to_owned(), |figure| short(*figure));
            write!(text, "{figure:>12}")?;
        }
        writeln!(text, "  {meaning}")?;
    }
    Ok(text)
}

fn what(comparison: &Comparison) -> String {
    format!(
        "{} objects in {} lanes and {} buckets, keys of 32 bytes and values of 70, in random order, {} to a batch over \
         all lanes with a counter in each; no flush but at checkpoints, of which there are about 32; malloc of glibc",
        comparison.keys,
        keys::LANES,
        keys::BUCKETS,
        keys::BATCH,
    )
}

/// Writes the result file.
pub(super) fn write_json(path: &Path, comparison: &Comparison, work: &Path) -> Result<()> {
    let legend: Map<String, Value> =
        legend::LEGEND.iter().map(|(name, meaning)| ((*name).to_owned(), json!(meaning))).collect();
    let document = json!({
        "scenario": "index-engines",
        "what": what(comparison),
        "command": host::command_line(),
        "date": host::date(),
        "git_commit": host::git_commit(),
        "host": host::facts(work),
        "legend": legend,
        "contenders": comparison.series.iter().map(series).collect::<Vec<_>>(),
        "ratios": comparison.ratios().iter().map(ratio).collect::<Vec<_>>(),
    });
    save(path, &document)
}

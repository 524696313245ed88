//! The facts of a run: configuration, host, command.

use super::headline::key;
use super::markup::{Element, el};
use super::named::Named;
use super::units::size;
use crate::report::analysis::log::RunLog;
use crate::report::analysis::settings::{Difference, differences, settings};
use std::collections::BTreeMap;

/// The section.
#[must_use]
pub fn section(runs: &[Named]) -> Vec<Element> {
    let mut found = vec![el("h2").text("Configuration and host")];
    for run in runs {
        if runs.len() > 1 {
            found.push(key(run));
        }
        found.push(el("p").text(host(run.log)));
        let words = std::iter::once("aisloader".to_owned()).chain(run.log.run.command.iter().cloned());
        let command = words.collect::<Vec<_>>().join(" ");
        found.push(el("pre").with(el("code").text(command)));
    }
    let logs: Vec<&RunLog> = runs.iter().map(|run| run.log).collect();
    let differing = differences(&logs);
    if runs.len() > 1 {
        found.push(el("p").text(told(&differing)));
    }
    found.push(table(runs, &differing));
    found
}

fn told(differing: &[Difference]) -> String {
    let serious: Vec<&str> =
        differing.iter().filter(|found| !found.is_harmless()).map(|found| found.name.as_str()).collect();
    if serious.is_empty() {
        "The runs were configured alike, as far as it matters.".to_owned()
    } else {
        format!("The runs differ in: {}. Compare with care.", serious.join(", "))
    }
}

fn host(log: &RunLog) -> String {
    let host = &log.run.host;
    let cores = if host.cores > 0 { format!("{} cores", host.cores) } else { String::new() };
    let memory = if host.memory_bytes > 0 { size(host.memory_bytes as f64) } else { String::new() };
    let parts = [host.hostname.clone(), host.cpu.clone(), cores, memory, host.kernel.clone()];
    let known: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if known.is_empty() { "The host is not known.".to_owned() } else { known.join(" · ") }
}

fn table(runs: &[Named], differing: &[Difference]) -> Element {
    let all: Vec<BTreeMap<String, String>> = runs.iter().map(|run| settings(run.log)).collect();
    let mut names: Vec<&String> = all.iter().flat_map(BTreeMap::keys).collect();
    names.sort_unstable();
    names.dedup();
    let row = |name: &String| {
        let is_different = differing.iter().any(|found| found.name == *name && !found.is_harmless());
        let cells = all.iter().map(|run| run.get(name).map_or("–", String::as_str));
        let row = el("tr").class(if is_different { "differs" } else { "same" });
        row.with(el("th").text(name)).all(cells.map(|text| el("td").text(text)))
    };
    let head = runs.iter().map(|run| if runs.len() > 1 { run.name.as_str() } else { "value" });
    let head = el("tr").with(el("th").text("setting")).all(head.map(|text| el("th").text(text)));
    el("table").with(el("thead").with(head)).with(el("tbody").all(names.into_iter().map(row)))
}

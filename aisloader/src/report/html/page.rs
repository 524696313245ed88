//! The page: its sections in the order in which they are read.

use super::markup::{Element, el};
use super::named::Named;
use super::{facts, headline, latency, places, timeline};
use crate::report::analysis::log::RunLog;

/// The whole document about these runs, in the order in which they are given.
#[must_use]
pub fn page(logs: &[RunLog]) -> String {
    let runs = Named::all(logs);
    let main = el("main")
        .all(headline::section(&runs))
        .all(work(&runs))
        .all(kinds(&runs).into_iter().flat_map(|kind| latency::section(&runs, kind)))
        .all(places::section(&runs))
        .with(el("h2").text("Processors and pressure"))
        .with(el("div").class("pair").all(timeline::processors(&runs)).all(timeline::pressure(&runs)))
        .with(el("h2").text("Errors"))
        .with(timeline::errors(&runs))
        .all(facts::section(&runs))
        .with(footer());
    let title = logs.iter().map(|log| log.path.as_str()).collect::<Vec<_>>().join(", ");
    let head = el("head")
        .with(el("meta").set("charset", "utf-8"))
        .with(el("meta").set("name", "viewport").set("content", "width=device-width, initial-scale=1"))
        .with(el("title").text(format!("aisloader: {title}")))
        .with(el("style").trusted(include_str!("style.css")));
    format!(
        "<!DOCTYPE html>\n{}\n",
        el("html").set("lang", "en").with(head).with(el("body").with(main)).render()
    )
}

fn work(runs: &[Named]) -> [Element; 2] {
    [el("h2").text("Throughput"), timeline::throughput(runs)]
}

/// Kinds that occurred in any run.
fn kinds<'l>(runs: &[Named<'l>]) -> Vec<&'l str> {
    let mut kinds: Vec<&str> = runs.iter().flat_map(|run| run.log.kinds()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn footer() -> Element {
    let text = "Rates and processor time are of the steady seconds; percentiles are of the whole run's histogram, and \
         those over time of each second's own. Point at a chart to read its values.";
    el("footer").text(text)
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;

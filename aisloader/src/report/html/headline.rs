//! The headline, for a reader who reads nothing else: the figures, what limited them, whether they may be quoted.

use super::frame::mark;
use super::markup::{Element, el};
use super::named::Named;
use super::units::{Measure, count, moment, span};
use crate::honesty::verdict::Refusal;
use crate::report::analysis::compare::{Comparison, compare};
use crate::report::analysis::log::RunLog;
use crate::report::analysis::quantity::{Metric, Quantity, Unit};
use crate::report::analysis::sample::measure;

const GIB: f64 = (1u64 << 30) as f64;
/// A difference below this is not worth a verdict.
const MARGIN: f64 = 0.02;
/// Any number will do, as long as it is the same tomorrow.
const SEED: u64 = 0x5eed;

/// Title, verdicts, and the figures: as tiles for one run, as a table for several.
#[must_use]
pub fn section(runs: &[Named]) -> Vec<Element> {
    let logs: Vec<&RunLog> = runs.iter().map(|run| run.log).collect();
    let quantities = Quantity::common(&logs, &Metric::ALL);
    let mut found = vec![
        el("p").class("eyebrow").text(format!("aisloader · {}", when(runs))),
        el("h1").text(title(runs, &quantities)),
    ];
    match runs {
        [one] => {
            found.extend(verdict(one.log));
            found.push(tiles(one.log, &quantities));
        }
        _ => {
            let entry = |run: &Named| el("div").with(key(run)).all(verdict(run.log));
            found.extend(runs.iter().map(entry));
            found.push(el("h2").text("Figures"));
            let note = "Under each value: its ratio to the first run, the 95 % interval of that ratio from the seconds of \
                 both runs, and what it shows beyond a margin of 2 %. What changes from run to run only is not seen.";
            found.push(el("p").class("note").text(note));
            found.push(el("div").class("wide").with(table(runs, &quantities)));
        }
    }
    found
}

/// The run's mark, letter and file.
#[must_use]
pub fn key(run: &Named) -> Element {
    let svg =
        el("svg").set("viewBox", "0 0 14 14").set("aria-hidden", "true").with(mark(run.tone, (7.0, 7.0)));
    el("p")
        .class("key")
        .with(svg)
        .with(el("b").text(&run.name))
        .text(" ")
        .with(el("code").text(&run.log.path))
}

fn when(runs: &[Named]) -> String {
    let begins = runs.iter().map(|run| run.log.run.started_unix_ms).filter(|ms| *ms > 0);
    let version = runs.first().map_or("", |run| &run.log.run.version);
    begins.min().map_or_else(|| version.to_owned(), |ms| format!("{version} · {}", moment(ms)))
}

fn title(runs: &[Named], quantities: &[Quantity]) -> String {
    let [run] = runs else { return format!("{} runs compared", runs.len()) };
    let of = |wanted: fn(&Quantity) -> bool| {
        let quantity = quantities.iter().find(|quantity| wanted(quantity))?;
        Some((quantity, value(run.log, quantity)?))
    };
    let rate = of(|quantity| matches!(quantity, Quantity::Throughput { .. }));
    let tail = of(|quantity| matches!(quantity, Quantity::Latency { metric: Metric::P99, .. }));
    let kinds = run.log.kinds().join(" + ").to_uppercase();
    match (rate, tail) {
        (Some((rate, at)), Some((tail, ns))) => {
            let name = if run.log.kinds().len() > 1 { caption(tail) } else { "p99".to_owned() };
            format!("{kinds}: {}, {name} {}", shown(rate, at), shown(tail, ns))
        }
        (Some((rate, at)), None) => format!("{kinds}: {}", shown(rate, at)),
        _ => "A run without steady seconds".to_owned(),
    }
}

/// Badge, what limited the run, every rule that found something.
fn verdict(log: &RunLog) -> Vec<Element> {
    let Some(end) = &log.end else {
        let text = "The log has no final line: the run was killed, or still goes on.";
        return vec![el("p").with(badge(false, "✕ not admissible")).text(text)];
    };
    let told = &end.verdict;
    let badge =
        if told.is_admissible { badge(true, "✓ admissible") } else { badge(false, "✕ not admissible") };
    let limit = serde_json::to_value(told.limit).ok().and_then(|limit| Some(limit.as_str()?.to_owned()));
    let limit = limit.filter(|limit| limit != "unknown").map(|limit| format!("Limited by {limit}: "));
    let text = format!("{}{}", limit.unwrap_or_default(), told.text);
    let text = if text.is_empty() { "What limited the run is not known." } else { text.as_str() };
    let mut found = vec![el("p").with(badge).text(text)];
    if end.is_interrupted {
        found.push(el("p").text("The user ended the run before its time."));
    }
    if !told.refusals.is_empty() {
        found.push(el("ul").class("refusals").all(told.refusals.iter().map(refusal)));
    }
    let warnings = log.warnings.iter().map(|warning| el("p").class("note").text(format!("Log: {warning}.")));
    found.into_iter().chain(warnings).collect()
}

fn refusal(refusal: &Refusal) -> Element {
    let mark = if refusal.is_overridden { " (allowed by the user)" } else { "" };
    el("li").with(el("code").text(&refusal.rule)).text(format!(": {}{mark}", refusal.text))
}

fn badge(is_good: bool, text: &str) -> Element {
    el("span").class(if is_good { "badge good" } else { "badge bad" }).text(text)
}

fn tiles(log: &RunLog, quantities: &[Quantity]) -> Element {
    let measured = quantities
        .iter()
        .filter_map(|quantity| Some((caption(quantity), shown(quantity, value(log, quantity)?))));
    let seconds: f64 = log.steady().map(|interval| interval.span_s).sum();
    let (ops, errors) = counts(log);
    let more = [
        ("Operations".to_owned(), count(ops)),
        ("Errors".to_owned(), count(errors)),
        ("Steady time".to_owned(), span(seconds)),
    ];
    let tile = |(name, text): (String, String)| {
        el("div").class("tile").with(el("span").text(name)).with(el("b").text(text))
    };
    el("div").class("tiles").all(measured.chain(more).map(tile))
}

/// Operations and errors of the whole run.
fn counts(log: &RunLog) -> (f64, f64) {
    let lines: Vec<_> = match &log.end {
        Some(end) => end.ops.values().collect(),
        None => log.intervals.iter().flat_map(|interval| interval.ops.values()).collect(),
    };
    lines.iter().fold((0.0, 0.0), |(ops, errors), op| (ops + op.ops as f64, errors + op.errors as f64))
}

fn table(runs: &[Named], quantities: &[Quantity]) -> Element {
    let head = runs.iter().map(|run| el("th").class("figure").text(&run.name));
    let head = el("thead").with(el("tr").with(el("th").text("")).all(head));
    let mut rows = Vec::new();
    for quantity in quantities {
        let cell = |run: &Named| {
            let at = value(run.log, quantity);
            let text = at.map_or("–".to_owned(), |at| shown(quantity, at));
            el("td").class("figure").text(text).all(against(runs, run, quantity))
        };
        rows.push(el("tr").with(el("th").text(caption(quantity))).all(runs.iter().map(cell)));
    }
    let row = |pick: fn((f64, f64)) -> f64| {
        runs.iter().map(move |run| el("td").class("figure").text(count(pick(counts(run.log)))))
    };
    rows.push(el("tr").with(el("th").text("Operations")).all(row(|(ops, _)| ops)));
    rows.push(el("tr").with(el("th").text("Errors")).all(row(|(_, errors)| errors)));
    el("table").with(head).with(el("tbody").all(rows))
}

/// The ratio to the first run; nothing for the first run itself.
fn against(runs: &[Named], run: &Named, quantity: &Quantity) -> Option<Element> {
    let first = runs.first().filter(|first| first.tone != run.tone)?;
    let found: Comparison = compare(&[first.log], &[run.log], quantity, MARGIN, SEED)?;
    let interval = match &found.interval {
        Ok((low, high)) => format!(" ({low:.3} to {high:.3})"),
        Err(_) => String::new(),
    };
    Some(el("small").text(format!("×{:.3}{interval} {}", found.ratio(), found.verdict.text())))
}

fn value(log: &RunLog, quantity: &Quantity) -> Option<f64> {
    measure(log, quantity, SEED).map(|measured| measured.value)
}

fn caption(quantity: &Quantity) -> String {
    match quantity {
        Quantity::Throughput { kind, .. } => {
            format!("Throughput {}", kind.as_deref().unwrap_or("all").to_uppercase())
        }
        Quantity::Latency { kind, metric, is_intended } => {
            let name = if *metric == Metric::P999 { "p99.9" } else { metric.name() };
            let from = if *is_intended { " (intended start)" } else { "" };
            format!("{name} {}{from}", kind.to_uppercase())
        }
        Quantity::Cpu { is_machine: true, .. } => "CPU, whole machine".to_owned(),
        Quantity::Cpu { is_machine: false, .. } => "CPU, loader".to_owned(),
    }
}

fn shown(quantity: &Quantity, value: f64) -> String {
    match quantity {
        Quantity::Throughput { unit: Unit::Bytes, .. } => Measure::BytesPerSecond.show(value),
        Quantity::Throughput { unit: Unit::Names, .. } => Measure::PerSecond("names/s").show(value),
        Quantity::Throughput { unit: Unit::Ops, .. } => Measure::PerSecond("ops/s").show(value),
        Quantity::Latency { .. } => Measure::LatencyNs.show(value),
        Quantity::Cpu { unit: Unit::Bytes, .. } => Measure::CpuPerGib.show(value * GIB),
        Quantity::Cpu { .. } => Measure::CpuPerOp.show(value * 1e6),
    }
}

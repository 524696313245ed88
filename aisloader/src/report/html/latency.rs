//! Latency: over time, and as a distribution.

use super::distribution::{Named as Distribution, histogram, percentiles, sound_note};
use super::frame::{Size, figure};
use super::lines::Series;
use super::markup::{Element, el};
use super::named::Named;
use super::timeline::{chart, per_run};
use super::units::Measure;
use crate::report::analysis::histogram::open;
use crate::report::record::schema::{IntervalLine, LatencyLine, OpLine};

/// A percentile: its name, and how it is taken from a line.
type Level = (&'static str, fn(&LatencyLine) -> u64);

/// Percentiles as they are drawn.
const LEVELS: [Level; 3] = [
    ("p50", |latency| latency.p50_ns),
    ("p99", |latency| latency.p99_ns),
    ("p99.9", |latency| latency.p999_ns),
];

/// Everything about the latency of one kind of operation.
#[must_use]
pub fn section(runs: &[Named], kind: &str) -> Vec<Element> {
    let is_open = |op: &OpLine| op.intended.is_some();
    let intervals = || runs.iter().flat_map(|run| &run.log.intervals);
    let is_intended = intervals().any(|interval| interval.ops.get(kind).is_some_and(is_open));
    let title = format!("Latency of {}", kind.to_uppercase());
    let note = if is_intended {
        "Open loop: counted from the moment an operation was due, so that waiting for a free connection counts too."
    } else {
        "Counted from the request to the end of the answer."
    };
    let mut found = vec![el("h2").text(title), el("p").class("note").text(note)];
    found.extend(over_time(runs, kind, is_intended));
    found.push(el("div").class("pair").all(spread(runs, kind, is_intended)));
    found
}

fn chosen(op: &OpLine, is_intended: bool) -> &LatencyLine {
    op.intended.as_ref().filter(|_| is_intended).unwrap_or(&op.latency)
}

fn over_time(runs: &[Named], kind: &str, is_intended: bool) -> Vec<Element> {
    let level = |of: fn(&LatencyLine) -> u64| {
        move |interval: &IntervalLine| {
            let op = interval.ops.get(kind).filter(|op| op.ops > 0)?;
            Some(of(chosen(op, is_intended)) as f64).filter(|ns| *ns > 0.0)
        }
    };
    if let [_] = runs {
        let line = |(tone, (name, of)): (usize, Level)| {
            let own = per_run(runs, level(of)).into_iter();
            own.map(move |series| Series { name: name.to_owned(), tone, ..series }).collect::<Vec<_>>()
        };
        let series = LEVELS.into_iter().enumerate().flat_map(line).collect();
        let mut chart = chart("latency over time", Size::WIDE, Measure::LatencyNs, series, runs);
        chart.is_log = true;
        return vec![figure("Percentiles of each second", "", chart.draw())];
    }
    let draw = |(name, of): Level| {
        let title = format!("{name} of each second");
        let mut chart = chart(&title, Size::HALF, Measure::LatencyNs, per_run(runs, level(of)), runs);
        chart.is_log = true;
        figure(&title, "", chart.draw())
    };
    vec![el("div").class("pair").all(LEVELS.map(draw))]
}

fn spread(runs: &[Named], kind: &str, is_intended: bool) -> Vec<Element> {
    let mut found: Vec<Distribution> = Vec::new();
    let mut troubles = Vec::new();
    for run in runs {
        let op = run.log.end.as_ref().and_then(|end| end.ops.get(kind));
        match op.map(|op| open(chosen(op, is_intended))) {
            Some(Ok(Some(histogram))) if !histogram.is_empty() => {
                // The end of the curve is worth more than the letter of a single run.
                let name = if runs.len() > 1 { run.name.clone() } else { "max".to_owned() };
                found.push((name, run.tone, histogram));
            }
            Some(Err(why)) => {
                let text = format!("Run {}: the histogram in the log cannot be read: {why}.", run.name);
                troubles.push(el("p").class("note").text(text));
            }
            _ => {}
        }
    }
    let mut figures = Vec::new();
    if found.is_empty() {
        figures.push(el("p").class("note").text("The log has no histogram of the whole run."));
    } else {
        figures.push(figure(
            "Distribution",
            "16 columns for each factor of ten",
            histogram(Size::HALF, &found),
        ));
        let note = sound_note(&found);
        figures.push(figure("Percentiles of the whole run", &note, percentiles(Size::HALF, &found)));
    }
    figures.extend(troubles);
    figures
}

//! Charts of the changes during the run: throughput, processors, operations in flight, failures.

use super::frame::{Size, figure};
use super::lines::{Series, TimeChart};
use super::markup::{Element, el};
use super::named::Named;
use super::units::{Measure, count};
use crate::report::analysis::log::RunLog;
use crate::report::analysis::quantity::{Unit, sum_of};
use crate::report::record::schema::{IntervalLine, Phase};

const GIB: f64 = (1u64 << 30) as f64;

/// A line for each run: of each interval, a value where there is one.
pub(super) fn per_run(runs: &[Named], value: impl Fn(&IntervalLine) -> Option<f64>) -> Vec<Series> {
    let series = |run: &Named| Series {
        name: run.name.clone(),
        tone: run.tone,
        points: run.log.intervals.iter().map(|interval| (interval.at_s, value(interval))).collect(),
    };
    runs.iter().map(series).collect()
}

/// A single run needs no letter: its line says what it shows.
fn called(runs: &[Named], name: &str, mut series: Vec<Series>) -> Vec<Series> {
    if let ([_], [one]) = (runs, series.as_mut_slice()) {
        name.clone_into(&mut one.name);
    }
    series
}

/// A chart of these lines with the run's phases, when there is one run.
pub(super) fn chart(
    name: &str,
    size: Size,
    measure: Measure,
    series: Vec<Series>,
    runs: &[Named],
) -> TimeChart {
    let shades = if let [run] = runs { shades(run.log) } else { Vec::new() };
    TimeChart { name: name.to_owned(), measure, is_log: false, series, shades, level: None, size }
}

/// Throughput: of each kind for one run, of all kinds together for several.
#[must_use]
pub fn throughput(runs: &[Named]) -> Element {
    let unit = Unit::best(runs.iter().map(|run| run.log), None);
    let measure = match unit {
        Unit::Bytes => Measure::BytesPerSecond,
        Unit::Names => Measure::PerSecond("names/s"),
        Unit::Ops => Measure::PerSecond("ops/s"),
    };
    let rate = |kind: Option<&str>, interval: &IntervalLine| {
        (interval.span_s > 0.0).then(|| sum_of(interval, kind, unit) / interval.span_s)
    };
    let series = match runs {
        [run] => {
            let kinds = run.log.kinds();
            let has = |kind: &&str| run.log.intervals.iter().any(|i| sum_of(i, Some(kind), unit) > 0.0);
            let of = |(tone, kind): (usize, &str)| Series {
                name: kind.to_uppercase(),
                tone,
                points: run.log.intervals.iter().map(|i| (i.at_s, rate(Some(kind), i))).collect(),
            };
            kinds.into_iter().filter(has).enumerate().map(of).collect()
        }
        _ => per_run(runs, |interval| rate(None, interval)),
    };
    let mut chart = chart("throughput over time", Size::WIDE, measure, series, runs);
    let note = match runs {
        [run] => {
            let mean = steady_mean(run.log, unit);
            chart.level = mean.filter(|_| chart.series.len() == 1).map(|mean| (mean, String::new()));
            mean.map(|mean| format!("Mean of the steady seconds: {} (dashed).", measure.show(mean)))
                .filter(|_| chart.level.is_some())
                .unwrap_or_default()
        }
        _ => "All kinds of operation together.".to_owned(),
    };
    figure("Throughput over time", &note, chart.draw())
}

fn steady_mean(log: &RunLog, unit: Unit) -> Option<f64> {
    let (sum, seconds) = log.steady().fold((0.0, 0.0), |(sum, seconds), interval| {
        (sum + sum_of(interval, None, unit), seconds + interval.span_s)
    });
    (seconds > 0.0).then(|| sum / seconds)
}

/// Processors in use and what the payload costs: of the loader, and of the whole machine.
#[must_use]
pub fn processors(runs: &[Named]) -> Vec<Element> {
    let cores =
        |cpu_s: f64, interval: &IntervalLine| (interval.span_s > 0.0).then(|| cpu_s / interval.span_s);
    let unit = Unit::best(runs.iter().map(|run| run.log), None);
    let (cost_measure, scale, unit) = match unit {
        Unit::Bytes => (Measure::CpuPerGib, GIB, unit),
        Unit::Names | Unit::Ops => (Measure::CpuPerOp, 1e6, Unit::Ops),
    };
    let cost = |cpu_s: f64, interval: &IntervalLine| {
        let amount = sum_of(interval, None, unit);
        (amount > 0.0).then(|| cpu_s / amount * scale)
    };
    let machine = |interval: &IntervalLine| interval.machine_cpu_s;
    if let [_] = runs {
        let both = |of: &dyn Fn(f64, &IntervalLine) -> Option<f64>| {
            let own = per_run(runs, |interval| of(interval.own_cpu_s, interval));
            let all = per_run(runs, |interval| of(machine(interval)?, interval));
            let named = |series: Vec<Series>, name: &'static str, tone| {
                series.into_iter().map(move |series| Series { name: name.to_owned(), tone, ..series })
            };
            named(own, "loader", 0).chain(named(all, "machine", 1)).collect::<Vec<_>>()
        };
        let used = chart("processors in use", Size::HALF, Measure::Cores, both(&cores), runs);
        let costs = chart("processor time for the payload", Size::HALF, cost_measure, both(&cost), runs);
        return vec![
            figure("Processors in use", &of_cores(runs), used.draw()),
            figure("Processor time for the payload", "", costs.draw()),
        ];
    }
    let draw = |title: &str, measure, series| {
        figure(title, "", chart(title, Size::HALF, measure, series, runs).draw())
    };
    vec![
        draw("Processors in use, whole machine", Measure::Cores, per_run(runs, |i| cores(machine(i)?, i))),
        draw("Processors in use, loader", Measure::Cores, per_run(runs, |i| cores(i.own_cpu_s, i))),
        draw("Cost, whole machine", cost_measure, per_run(runs, |i| cost(machine(i)?, i))),
        draw("Cost, loader", cost_measure, per_run(runs, |i| cost(i.own_cpu_s, i))),
    ]
}

fn of_cores(runs: &[Named]) -> String {
    let cores = runs.first().map_or(0, |run| run.log.run.host.cores);
    if cores > 0 { format!("The loader may use {cores}.") } else { String::new() }
}

/// Operations in flight, and what failed or was dropped, where anything was.
#[must_use]
pub fn pressure(runs: &[Named]) -> Vec<Element> {
    let rate =
        |count: u64, interval: &IntervalLine| (interval.span_s > 0.0).then(|| count as f64 / interval.span_s);
    let errors =
        |interval: &IntervalLine| interval.ops.values().map(|op| op.errors).fold(0, u64::saturating_add);
    let draw = |title: &str, measure, series| {
        figure(title, "", chart(title, Size::HALF, measure, series, runs).draw())
    };
    let any = |of: &dyn Fn(&IntervalLine) -> u64| {
        runs.iter().flat_map(|run| &run.log.intervals).any(|interval| of(interval) > 0)
    };
    let mut found = Vec::new();
    if any(&|interval| interval.inflight) {
        let series = called(runs, "in flight", per_run(runs, |interval| Some(interval.inflight as f64)));
        found.push(draw("Operations in flight", Measure::Count("operations"), series));
    }
    if any(&errors) {
        let series = called(runs, "failed", per_run(runs, |interval| rate(errors(interval), interval)));
        found.push(draw("Failed operations", Measure::PerSecond("errors/s"), series));
    }
    if any(&|interval| interval.dropped) {
        let series = called(runs, "dropped", per_run(runs, |interval| rate(interval.dropped, interval)));
        found.push(draw("Operations due and not begun", Measure::PerSecond("dropped/s"), series));
    }
    found
}

/// A table of the failures, by kind; or a line that says that nothing failed.
#[must_use]
pub fn errors(runs: &[Named]) -> Element {
    let mut rows = Vec::new();
    for run in runs {
        let Some(end) = &run.log.end else { continue };
        for (kind, op) in end.ops.iter().filter(|(_, op)| op.errors > 0) {
            let share = op.errors as f64 / (op.ops as f64 + op.errors as f64);
            let cells = [kind.to_uppercase(), count(op.errors as f64), Measure::Share.show(share)];
            let cells = cells.map(|text| el("td").class("figure").text(text));
            rows.push(el("tr").with(el("th").text(&run.name)).all(cells));
        }
    }
    if rows.is_empty() {
        return el("p").text("No operation failed.");
    }
    let head = ["", "kind", "failed", "share"].map(|text| el("th").class("figure").text(text));
    el("table").with(el("thead").with(el("tr").all(head))).with(el("tbody").all(rows))
}

/// The parts of a run that do not count.
fn shades(log: &RunLog) -> Vec<(f64, f64, &'static str)> {
    let mut found: Vec<(f64, f64, &'static str)> = Vec::new();
    for interval in &log.intervals {
        let name = match interval.phase {
            Phase::Warmup => "warm-up",
            Phase::Drain => "drain",
            Phase::Steady => continue,
        };
        let (from, to) = (interval.at_s - interval.span_s, interval.at_s);
        match found.last_mut() {
            Some(last) if last.2 == name && from - last.1 < 1e-3 => last.1 = to,
            _ => found.push((from, to, name)),
        }
    }
    found
}

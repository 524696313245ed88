//! Where the load went: targets and mountpaths, and how evenly.

use super::bars::{Place, draw};
use super::frame::{Size, figure};
use super::lines::Series;
use super::markup::{Element, el};
use super::named::Named;
use super::timeline::chart;
use super::units::{Measure, count};
use crate::report::analysis::balance::Balance;
use crate::report::analysis::log::RunLog;
use crate::report::record::schema::{IntervalLine, PlaceLine};
use std::collections::BTreeMap;

type Places = BTreeMap<String, PlaceLine>;
type Pick = fn(&IntervalLine) -> &Places;
/// A name, how to take its places from an interval, and how from the whole.
type Kind = (&'static str, Pick, fn(&RunLog) -> Option<&Places>);

/// Bars of the targets and of the mountpaths of each run, and their throughput over time. Empty when the logs know no
/// places.
#[must_use]
pub fn section(runs: &[Named]) -> Vec<Element> {
    let kinds: [Kind; 2] = [
        ("Targets", |interval| &interval.targets, |log| log.end.as_ref().map(|end| &end.targets)),
        ("Mountpaths", |interval| &interval.mountpaths, |log| log.end.as_ref().map(|end| &end.mountpaths)),
    ];
    let mut found = Vec::new();
    for (name, pick, whole) in kinds {
        for run in runs {
            let places = whole(run.log).filter(|places| !places.is_empty()).cloned();
            let places = places.unwrap_or_else(|| summed(run.log, pick));
            let seconds = run.log.end.as_ref().map_or(0.0, |end| end.window_s);
            let seconds = if seconds > 0.0 { seconds } else { run.log.steady().map(|i| i.span_s).sum() };
            let title = if runs.len() > 1 { format!("{name}, run {}", run.name) } else { name.to_owned() };
            found.extend(bars(&title, &places, seconds));
            if places.len() > 1 {
                found.push(over_time(&title, run, pick, &places));
            }
        }
    }
    if !found.is_empty() {
        found.insert(0, el("h2").text("Balance"));
    }
    found
}

/// The sum of the seconds, for a log that has no whole.
fn summed(log: &RunLog, pick: Pick) -> Places {
    let mut sums = Places::new();
    for (id, place) in log.steady().flat_map(pick) {
        let sum = sums.entry(id.clone()).or_default();
        sum.ops = sum.ops.saturating_add(place.ops);
        sum.bytes = sum.bytes.saturating_add(place.bytes);
        sum.errors = sum.errors.saturating_add(place.errors);
    }
    sums
}

/// Bytes, or operations where there is no payload.
fn load(place: &PlaceLine, has_bytes: bool) -> f64 {
    if has_bytes { place.bytes as f64 } else { place.ops as f64 }
}

fn has_bytes(places: &Places) -> bool {
    places.values().any(|place| place.bytes > 0)
}

fn measure(has_bytes: bool) -> Measure {
    if has_bytes { Measure::BytesPerSecond } else { Measure::PerSecond("ops/s") }
}

fn bars(title: &str, places: &Places, seconds: f64) -> Option<Element> {
    let has_bytes = has_bytes(places);
    let rate = |place: &PlaceLine| load(place, has_bytes) / seconds.max(1e-9);
    let rates: Vec<f64> = places.values().map(rate).collect();
    let balance = Balance::of(&rates)?;
    let detail = |place: &PlaceLine| {
        let tail = if place.p99_ns > 0 {
            format!("p99 {}", Measure::LatencyNs.show(place.p99_ns as f64))
        } else {
            format!("{} ops", count(place.ops as f64))
        };
        if place.errors > 0 { format!("{tail}, {} errors", count(place.errors as f64)) } else { tail }
    };
    let rows: Vec<Place> =
        places.iter().map(|(id, place)| (id.clone(), rate(place), detail(place))).collect();
    let note = format!(
        "{} places; max/min {}, Jain index {:.4} (1 is even), coefficient of variation {}.",
        rates.len(),
        if balance.max_over_min.is_finite() {
            format!("{:.3}", balance.max_over_min)
        } else {
            "∞".to_owned()
        },
        balance.jain,
        Measure::Share.show(balance.variation),
    );
    Some(figure(title, &note, draw(title, &rows, balance.mean, measure(has_bytes))))
}

fn over_time(title: &str, run: &Named, pick: Pick, places: &Places) -> Element {
    let has_bytes = has_bytes(places);
    let is_many = places.len() > super::frame::TONES;
    let line = |(number, id): (usize, &String)| Series {
        name: if is_many { String::new() } else { id.chars().take(12).collect() },
        tone: if is_many { 0 } else { number },
        points: run
            .log
            .intervals
            .iter()
            .map(|interval| (interval.at_s, rate(interval, pick, id, has_bytes)))
            .collect(),
    };
    let series = places.keys().enumerate().map(line).collect();
    let name = format!("{title} over time");
    let chart = chart(&name, Size::WIDE, measure(has_bytes), series, std::slice::from_ref(run));
    let note = if is_many { "A thin line for each: a slow one stands apart." } else { "" };
    figure(&name, note, chart.draw())
}

fn rate(interval: &IntervalLine, pick: Pick, id: &str, has_bytes: bool) -> Option<f64> {
    let amount = pick(interval).get(id).map_or(0.0, |place| load(place, has_bytes));
    (interval.span_s > 0.0).then(|| amount / interval.span_s)
}

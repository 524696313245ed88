//! Charts of a distribution of latencies, from its HDR histogram.

use super::axis::{Axis, Tick};
use super::frame::{Size, TONES, frame, mark, names, rect};
use super::markup::{Element, el, px};
use super::units::{Measure, count};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Columns of the histogram for a factor of ten in latency.
const COLUMNS_PER_DECADE: f64 = 16.0;
/// With fewer values beyond a percentile, it is a guess.
const VALUES_SOUND: f64 = 100.0;
/// Steps of the percentile curve for each nine.
const STEPS_PER_NINE: u32 = 40;

/// One histogram with its name and its tone.
pub type Named = (String, usize, Histogram<u64>);

/// A chart of the frequency of each latency.
#[must_use]
pub fn histogram(size: Size, found: &[Named]) -> Element {
    let all: Vec<(&Named, BTreeMap<i32, f64>)> =
        found.iter().map(|named| (named, shares(&named.2))).collect();
    let most = all.iter().flat_map(|(_, columns)| columns.values().copied()).fold(0.0, f64::max);
    let (x, y) = (latency_axis(size, found), share_axis(size, most));
    let mut svg = frame(size, "histogram of latency", (&x, "latency, log scale"), (&y, "% of operations"));
    let base = size.upward().0;
    for ((name, tone, _), columns) in &all {
        if let [_] = found {
            let bar = |(number, share): (&i32, &f64)| {
                let (left, right) = (x.px(edge(*number)), x.px(edge(number.saturating_add(1))));
                let top = y.px(*share);
                let text = format!(
                    "{} to {}: {}",
                    Measure::LatencyNs.show(edge(*number)),
                    Measure::LatencyNs.show(edge(number.saturating_add(1))),
                    Measure::Share.show(*share)
                );
                rect("column area", (left, top), right - left - 0.6, base - top).with(el("title").text(text))
            };
            svg = svg.all(columns.iter().map(bar));
        } else {
            let (path, peak) = steps(columns, &x, &y, *tone);
            svg = svg.with(path.with(el("title").text(name))).all(peak.map(|at| mark(*tone, at)));
        }
    }
    let labels = if found.len() > 1 { stacked(size, found) } else { Vec::new() };
    svg.all(names(size, labels))
}

/// A chart of the latency that each share of operations does not exceed.
#[must_use]
pub fn percentiles(size: Size, found: &[Named]) -> Element {
    let (left, right) = size.across();
    let most = found.iter().map(|(_, _, histogram)| histogram.len()).max().unwrap_or(1).max(10) as f64;
    let nines = most.log10();
    let known = [
        (0.0, "0"),
        (std::f64::consts::LOG10_2, "50"),
        (1.0, "90"),
        (2.0, "99"),
        (3.0, "99.9"),
        (4.0, "99.99"),
        (5.0, "99.999"),
    ];
    let far = (6..=20u32).map(|n| (f64::from(n), ""));
    let ticks = known.into_iter().chain(far).take_while(|(at, _)| *at <= nines + 0.01);
    let ticks = ticks.map(|(at, text)| Tick { at, label: text.to_owned() }).collect();
    let (x, y) = (Axis::fixed(0.0, nines, ticks, left, right), upward_latency(size, found));
    let names_of = "percentile, %, each step to the right is ten times rarer";
    let mut svg = frame(size, "percentiles of latency", (&x, names_of), (&y, "latency, log scale"));
    let mut ends = Vec::new();
    for (name, tone, histogram) in found {
        let total = histogram.len() as f64;
        let sound = (total / VALUES_SOUND).max(1.0).log10();
        let end = total.max(1.0).log10();
        for (from, to, class) in [(0.0, sound, ""), (sound, end, " guess")] {
            svg = svg.with(curve(histogram, (from, to), &x, &y, &format!("line l{}{class}", tone % TONES)));
        }
        let at = |n: f64| (x.px(n), y.px(value_at(histogram, n)));
        svg = svg.all([1.0, 2.0, 3.0].into_iter().filter(|n| *n <= sound).map(|n| mark(*tone, at(n))));
        ends.push((y.px(histogram.max() as f64), *tone, name.clone()));
    }
    svg.all(names(size, ends))
}

/// A line for a level that a share of the operations stays below.
#[must_use]
pub fn sound_note(found: &[Named]) -> String {
    let fewest = found.iter().map(|(_, _, histogram)| histogram.len()).min().unwrap_or(0);
    format!("dotted where fewer than {VALUES_SOUND} of {} operations are slower", count(fewest as f64))
}

fn shares(histogram: &Histogram<u64>) -> BTreeMap<i32, f64> {
    let mut columns = BTreeMap::new();
    let total = histogram.len().max(1) as f64;
    for step in histogram.iter_recorded() {
        let ns = step.value_iterated_to().max(1) as f64;
        // At most 64 bits of nanoseconds: 20 decades.
        let column = (ns.log10() * COLUMNS_PER_DECADE).floor() as i32;
        *columns.entry(column).or_insert(0.0) += step.count_at_value() as f64 / total;
    }
    columns
}

/// The lower end of a column, in nanoseconds.
fn edge(column: i32) -> f64 {
    10f64.powf(f64::from(column) / COLUMNS_PER_DECADE)
}

/// The outline of a histogram, and its highest point.
fn steps(columns: &BTreeMap<i32, f64>, x: &Axis, y: &Axis, tone: usize) -> (Element, Option<(f64, f64)>) {
    let mut data = String::new();
    let (Some((first, _)), Some((last, _))) = (columns.first_key_value(), columns.last_key_value()) else {
        return (el("g"), None);
    };
    let _ = write!(data, "M{} {}", px(x.px(edge(*first))), px(y.px(0.0)));
    for column in *first..=*last {
        let top = px(y.px(columns.get(&column).copied().unwrap_or(0.0)));
        // Writing to a string cannot fail.
        let _ = write!(data, "V{top}H{}", px(x.px(edge(column.saturating_add(1)))));
    }
    let _ = write!(data, "V{}", px(y.px(0.0)));
    let highest = columns.iter().max_by(|a, b| a.1.total_cmp(b.1));
    let peak = highest.map(|(column, share)| (x.px(edge(*column) * 1.07), y.px(*share)));
    (el("path").class(format!("line l{}", tone % TONES)).set("d", data), peak)
}

fn curve(histogram: &Histogram<u64>, (from, to): (f64, f64), x: &Axis, y: &Axis, class: &str) -> Element {
    let steps = ((to - from) * f64::from(STEPS_PER_NINE)).ceil().clamp(1.0, 2000.0);
    let mut data = String::new();
    for step in 0..=2000u32 {
        let part = f64::from(step) / steps;
        if part > 1.0 {
            break;
        }
        let at = from + (to - from) * part;
        let verb = if step == 0 { 'M' } else { 'L' };
        // Writing to a string cannot fail.
        let _ = write!(data, "{verb}{} {}", px(x.px(at)), px(y.px(value_at(histogram, at))));
    }
    el("path").class(class).set("d", data)
}

/// The latency at 1 - 10^-nines.
fn value_at(histogram: &Histogram<u64>, nines: f64) -> f64 {
    histogram.value_at_quantile(1.0 - 10f64.powf(-nines)) as f64
}

fn bounds(found: &[Named]) -> (f64, f64) {
    let filled = || found.iter().filter(|(_, _, histogram)| !histogram.is_empty());
    let least = filled().map(|(_, _, histogram)| histogram.min()).min().unwrap_or(1);
    let most = filled().map(|(_, _, histogram)| histogram.max()).max().unwrap_or(1);
    (least as f64, most as f64)
}

/// Along the lower edge there is room for fewer labels than along the side.
fn latency_axis(size: Size, found: &[Named]) -> Axis {
    let (left, right) = size.across();
    let (least, most) = bounds(found);
    let mut axis = Axis::of_latency(least, most, left, right);
    let room = (right - left) / 52.0;
    let keep = axis.ticks.len() as f64 > room;
    axis.ticks.retain(|tick| !keep || is_power_of_ten(tick.at));
    axis
}

fn is_power_of_ten(value: f64) -> bool {
    (value.log10() - value.log10().round()).abs() < 1e-6
}

fn upward_latency(size: Size, found: &[Named]) -> Axis {
    let ((low, high), (least, most)) = (size.upward(), bounds(found));
    Axis::of_latency(least, most, low, high)
}

fn share_axis(size: Size, most: f64) -> Axis {
    let (low, high) = size.upward();
    Axis::from_zero(most, Measure::Share, low, high)
}

fn stacked(size: Size, found: &[Named]) -> Vec<(f64, usize, String)> {
    found.iter().map(|(name, tone, _)| (size.upward().1, *tone, name.clone())).collect()
}

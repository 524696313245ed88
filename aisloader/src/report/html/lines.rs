//! Line charts over time.

use super::axis::Axis;
use super::frame::{Size, TONES, frame, label, line, mark, names, rect};
use super::markup::{Element, el, px};
use super::units::{Measure, span};
use std::fmt::Write as _;

/// More columns than this cannot be told apart on a page.
const COLUMNS: usize = 360;
/// Marks along a line.
const MARKS: usize = 7;

/// Seconds since the start, and the value where there is one.
pub type Point = (f64, Option<f64>);

/// A line.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name beside its end; short. Empty: one of many, thin and without marks.
    pub name: String,
    /// The number of its colour and mark.
    pub tone: usize,
    /// Ascending in time; a gap where there is no value.
    pub points: Vec<Point>,
}

/// Lines over time.
#[derive(Clone, Debug)]
pub struct TimeChart {
    /// For those who cannot see it.
    pub name: String,
    /// The measure of the values.
    pub measure: Measure,
    /// Logarithmic instead of from zero; for latencies only.
    pub is_log: bool,
    /// The lines.
    pub series: Vec<Series>,
    /// Parts of the run that do not count: from, to, name.
    pub shades: Vec<(f64, f64, &'static str)>,
    /// A level to compare with.
    pub level: Option<(f64, String)>,
    /// The size of the chart.
    pub size: Size,
}

impl TimeChart {
    /// Draws it; without any value it is a frame that says so.
    #[must_use]
    pub fn draw(&self) -> Element {
        let (x, y) = self.axes();
        let time = format!("time since the start, {}", x.unit);
        let unit = if self.is_log { "latency, log scale" } else { y.unit };
        let mut svg = frame(self.size, &self.name, (&x, &time), (&y, unit));
        svg = svg.all(self.shaded(&x));
        if let Some((value, name)) = &self.level {
            let ((left, right), at) = (self.size.across(), y.px(*value));
            svg = svg.with(line("level", (left, at), (right, at)));
            svg = svg.with(label("tick", (left + 6.0, at - 5.0), name));
        }
        let mut ends = Vec::new();
        for series in &self.series {
            let thinned = thin(&series.points);
            svg = svg.with(path(&thinned, &x, &y, &class(series))).all(self.marks(series, &thinned, &x, &y));
            if let Some(last) = thinned.iter().rev().find_map(|(_, value)| *value) {
                ends.push((y.px(last), series.tone, series.name.clone()));
            }
        }
        if ends.is_empty() {
            let ((left, right), (low, high)) = (self.size.across(), self.size.upward());
            svg = svg.with(label("nothing middle", (left.midpoint(right), low.midpoint(high)), "no data"));
        }
        ends.retain(|(_, _, name)| !name.is_empty());
        svg.all(names(self.size, ends)).with(self.hints(&x))
    }

    fn axes(&self) -> (Axis, Axis) {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let values = || points().filter_map(|(_, value)| *value);
        let end = points().map(|(at, _)| *at).fold(0.0, f64::max);
        let level = self.level.as_ref().map_or(0.0, |(value, _)| *value);
        let most = values().fold(level, f64::max);
        let ((left, right), (low, high)) = (self.size.across(), self.size.upward());
        let y = if self.is_log {
            let least = values().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
            Axis::of_latency(least, most, low, high)
        } else {
            Axis::from_zero(most, self.measure, low, high)
        };
        (Axis::of_time(end, left, right), y)
    }

    fn shaded(&self, x: &Axis) -> Vec<Element> {
        let (low, high) = self.size.upward();
        let draw = |(from, to, name): &(f64, f64, &str)| {
            let (left, right) = (x.px(*from), x.px(*to));
            let area = rect("shade", (left, high), right - left, low - high);
            let text = if right - left > 60.0 { *name } else { "" };
            el("g").with(area.with(el("title").text(name))).with(label(
                "tick",
                (left + 4.0, high + 12.0),
                text,
            ))
        };
        self.shades.iter().map(draw).collect()
    }

    fn marks(&self, series: &Series, points: &[Point], x: &Axis, y: &Axis) -> Vec<Element> {
        if self.series.len() < 2 || series.name.is_empty() {
            return Vec::new();
        }
        let step = points.len().div_ceil(MARKS).max(1);
        // Series begin at different places, so that marks of lines that lie on each other are all seen.
        let first = (series.tone % TONES) * step / TONES;
        let chosen = points.iter().skip(first).step_by(step);
        chosen.filter_map(|(at, value)| Some(mark(series.tone, (x.px(*at), y.px((*value)?))))).collect()
    }

    /// Columns that show the values of all lines when pointed at.
    fn hints(&self, x: &Axis) -> Element {
        let Some(longest) = self.series.iter().max_by_key(|series| series.points.len()) else {
            return el("g");
        };
        let step = longest.points.len().div_ceil(COLUMNS / 2).max(1);
        let (low, high) = self.size.upward();
        let mut left = self.size.across().0;
        let mut columns = Vec::new();
        for (at, _) in longest.points.iter().skip(step.saturating_sub(1)).step_by(step) {
            let right = x.px(*at);
            let lines = self.series.iter().filter(|series| !series.name.is_empty()).filter_map(|series| {
                let next = series.points.partition_point(|(time, _)| time < at);
                let value = series.points.get(next)?.1?;
                Some(format!("\n{} {}", series.name, self.measure.show(value)))
            });
            let text = format!("at {}{}", span(*at), lines.collect::<String>());
            columns.push(rect("hint", (left, high), right - left, low - high).with(el("title").text(text)));
            left = right;
        }
        el("g").all(columns)
    }
}

/// Leaves of each column its first, least, greatest and last value: the line looks as with all of them.
fn thin(points: &[Point]) -> Vec<Point> {
    if points.len() <= COLUMNS * 4 {
        return points.to_vec();
    }
    let columns = points.chunks(points.len().div_ceil(COLUMNS).max(1));
    columns.flat_map(outline).collect()
}

fn outline(column: &[Point]) -> Vec<Point> {
    let value = |at: usize| column.get(at).and_then(|(_, value)| *value);
    let order = |a: &usize, b: &usize| value(*a).unwrap_or(0.0).total_cmp(&value(*b).unwrap_or(0.0));
    let indexes = 0..column.len();
    let gap = indexes.clone().find(|at| value(*at).is_none());
    let (least, most) = (indexes.clone().min_by(order), indexes.clone().max_by(order));
    let mut keep: Vec<usize> = [Some(0), least, most, gap, indexes.last()].into_iter().flatten().collect();
    keep.sort_unstable();
    keep.dedup();
    keep.into_iter().filter_map(|at| column.get(at).copied()).collect()
}

fn class(series: &Series) -> String {
    let weight = if series.name.is_empty() { " thin" } else { "" };
    format!("line l{}{weight}", series.tone % TONES)
}

fn path(points: &[Point], x: &Axis, y: &Axis, class: &str) -> Element {
    let mut data = String::new();
    let mut is_down = false;
    for (at, value) in points {
        if let Some(value) = value {
            // A single value between gaps would be a line without length, and not be seen.
            let (step, dot) = if is_down { ('L', "") } else { ('M', "h0.1") };
            // Writing to a string cannot fail.
            let _ = write!(data, "{step}{} {}{dot}", px(x.px(*at)), px(y.px(*value)));
        }
        is_down = value.is_some();
    }
    el("path").class(class).set("d", data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn thinning_keeps_the_extremes(values in prop::collection::vec(0.0f64..1e9, 1..5000)) {
            let points: Vec<_> = values.iter().enumerate().map(|(n, v)| (n as f64, Some(*v))).collect();
            let kept: Vec<f64> = thin(&points).iter().filter_map(|(_, v)| *v).collect();
            let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
            let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
            prop_assert_eq!((most(&kept), least(&kept)), (most(&values), least(&values)));
            prop_assert!(kept.len() <= COLUMNS * 5);
        }
    }

    #[test]
    fn gaps_break_the_line() {
        let axis = Axis::of_time(4.0, 0.0, 4.0);
        let points = [(0.0, Some(1.0)), (1.0, None), (2.0, Some(2.0)), (3.0, Some(3.0))];
        let text = path(&points, &axis, &axis, "line").render();
        assert!(text.contains("d=\"M0 1h0.1M2 2h0.1L3 3\""), "{text}");
    }
}

//! Bars: one for each target or mountpath.

use super::axis::Axis;
use super::frame::{Size, frame, label, line, rect};
use super::markup::{Element, el};
use super::units::Measure;

/// More places than this get columns without names instead of bars with names.
const BARS_MOST: usize = 24;
const BAR_PX: f64 = 20.0;
const NAME_CHARS: usize = 34;

/// A place: name, value, what else there is to say about it.
pub type Place = (String, f64, String);

/// Bars from the left with names, or columns when there are many; with a line for the mean.
#[must_use]
pub fn draw(name: &str, places: &[Place], mean: f64, measure: Measure) -> Element {
    if places.len() > BARS_MOST {
        columns(name, places, mean, measure)
    } else {
        bars(name, places, mean, measure)
    }
}

fn bars(name: &str, places: &[Place], mean: f64, measure: Measure) -> Element {
    let height = 52.0 + BAR_PX * places.len() as f64;
    let (left, right, low, high) = (250.0, 780.0, height - 34.0, 14.0);
    let x = Axis::from_zero(most(places), measure, left, right);
    let mut svg = el("svg")
        .set("viewBox", format!("0 0 1000 {height}"))
        .set("role", "img")
        .set("aria-label", name)
        .class("chart");
    for tick in &x.ticks {
        let at = x.px(tick.at);
        svg = svg.with(line("grid", (at, high), (at, low)));
        svg = svg.with(label("tick middle", (at, low + 16.0), &tick.label));
    }
    svg = svg.with(label("name end", (right, low + 32.0), x.unit));
    for (number, (id, value, detail)) in places.iter().enumerate() {
        let top = high + 4.0 + BAR_PX * number as f64;
        let text = format!("{id}: {}, {detail}", measure.show(*value));
        let bar = rect("column", (left, top), x.px(*value) - left, BAR_PX - 7.0);
        svg = svg
            .with(bar.with(el("title").text(text)))
            .with(label("end", (left - 10.0, top + 11.0), &shortened(id)).with(el("title").text(id)))
            .with(label("tick", (right + 12.0, top + 11.0), &format!("{}, {detail}", measure.show(*value))));
    }
    let at = x.px(mean);
    svg.with(line("level", (at, high), (at, low))).with(label("tick middle", (at, high - 3.0), "mean"))
}

fn columns(name: &str, places: &[Place], mean: f64, measure: Measure) -> Element {
    let size = Size::WIDE;
    let ((left, right), (low, high)) = (size.across(), size.upward());
    let y = Axis::from_zero(most(places), measure, low, high);
    let x = Axis::fixed(0.0, places.len() as f64, Vec::new(), left, right);
    let mut svg = frame(size, name, (&x, "one column each, in the order of their names"), (&y, y.unit));
    for (number, (id, value, detail)) in places.iter().enumerate() {
        let (from, to, top) = (x.px(number as f64), x.px(number as f64 + 1.0), y.px(*value));
        let text = format!("{id}: {}, {detail}", measure.show(*value));
        let gap = ((to - from) * 0.2).min(2.0);
        svg = svg.with(rect("column", (from, top), to - from - gap, low - top).with(el("title").text(text)));
    }
    let at = y.px(mean);
    svg.with(line("level", (left, at), (right, at))).with(label("tick", (right + 6.0, at + 4.0), "mean"))
}

fn most(places: &[Place]) -> f64 {
    places.iter().map(|(_, value, _)| *value).fold(0.0, f64::max)
}

/// The ends of a long name say more than its middle.
fn shortened(name: &str) -> String {
    let count = name.chars().count();
    if count <= NAME_CHARS {
        return name.to_owned();
    }
    let half = NAME_CHARS / 2;
    let head: String = name.chars().take(half).collect();
    let tail: String = name.chars().skip(count.saturating_sub(half)).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_their_ends() {
        let name = format!("{}/mnt/nvme7", "t".repeat(60));
        let short = shortened(&name);
        assert!(short.ends_with("tt/mnt/nvme7") && short.chars().count() <= NAME_CHARS + 1, "{short}");
        assert_eq!(shortened("/mnt/a"), "/mnt/a");
    }

    #[test]
    fn every_place_is_drawn() {
        for count in [1usize, 24, 25, 200] {
            let places: Vec<Place> = (0..count).map(|n| (format!("d{n}"), n as f64, String::new())).collect();
            let text = draw("x", &places, 1.0, Measure::BytesPerSecond).render();
            assert_eq!(text.matches("class=\"column\"").count(), count);
        }
    }
}

//! The common parts of all charts: the frame with its grid and labels, marks of series, labels that do not overlap.

use super::axis::Axis;
use super::markup::{Element, el};

/// Colours and marks repeat after this many series.
pub const TONES: usize = 6;
/// Least distance of two lines of text.
const LINE_PX: f64 = 14.0;

/// The size of a drawing and the margins around what is drawn in it.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// The width of the whole, in pixels.
    pub width: f64,
    /// The height of the whole.
    pub height: f64,
    /// For labels of the y axis.
    pub left: f64,
    /// For names of series.
    pub right: f64,
}

impl Size {
    /// The size of a chart over the whole page.
    pub const WIDE: Self = Self { width: 1000.0, height: 280.0, left: 62.0, right: 128.0 };
    /// Two in a row.
    pub const HALF: Self = Self { width: 490.0, height: 250.0, left: 58.0, right: 92.0 };
    const TOP: f64 = 26.0;
    const BOTTOM: f64 = 40.0;

    /// Pixels of the x axis.
    #[must_use]
    pub fn across(self) -> (f64, f64) {
        (self.left, self.width - self.right)
    }

    /// Pixels of the y axis, from its lower end to its upper one.
    #[must_use]
    pub fn upward(self) -> (f64, f64) {
        (self.height - Self::BOTTOM, Self::TOP)
    }
}

/// The drawing with grid, ticks and the names of both axes; `name` is for those who cannot see it.
#[must_use]
pub fn frame(size: Size, name: &str, x: (&Axis, &str), y: (&Axis, &str)) -> Element {
    let ((left, right), (low, high)) = (size.across(), size.upward());
    let mut svg = el("svg")
        .set("viewBox", format!("0 0 {} {}", size.width, size.height))
        .set("role", "img")
        .set("aria-label", name)
        .class("chart");
    for tick in &y.0.ticks {
        let at = y.0.px(tick.at);
        svg = svg.with(line("grid", (left, at), (right, at)));
        svg = svg.with(label("tick end", (left - 8.0, at + 4.0), &tick.label));
    }
    for tick in &x.0.ticks {
        let at = x.0.px(tick.at);
        svg = svg.with(line("notch", (at, low), (at, low + 4.0)));
        svg = svg.with(label("tick middle", (at, low + 17.0), &tick.label));
    }
    svg.with(line("base", (left, low), (right, low)))
        .with(label("name", (left, high - 12.0), y.1))
        .with(label("name end", (right, low + 34.0), x.1))
}

/// A straight line.
#[must_use]
pub fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> Element {
    el("line").class(class).at(&[("x1", from.0), ("y1", from.1), ("x2", to.0), ("y2", to.1)])
}

/// Text at a point.
#[must_use]
pub fn label(class: &str, at: (f64, f64), text: &str) -> Element {
    el("text").class(class).at(&[("x", at.0), ("y", at.1)]).text(text)
}

/// A rectangle; negative sizes are empty.
#[must_use]
pub fn rect(class: &str, from: (f64, f64), width: f64, height: f64) -> Element {
    let size = [("x", from.0), ("y", from.1), ("width", width.max(0.0)), ("height", height.max(0.0))];
    el("rect").class(class).at(&size)
}

/// The shape of a series, so that it is known without its colour.
#[must_use]
pub fn mark(tone: usize, (x, y): (f64, f64)) -> Element {
    let points = |corners: &[(f64, f64)]| -> String {
        let shown = corners.iter().map(|(dx, dy)| format!("{:.1},{:.1}", x + dx, y + dy));
        shown.collect::<Vec<_>>().join(" ")
    };
    let shape = match tone % TONES {
        0 => el("circle").at(&[("cx", x), ("cy", y), ("r", 3.6)]),
        1 => el("polygon").set("points", points(&[(-3.4, -3.4), (3.4, -3.4), (3.4, 3.4), (-3.4, 3.4)])),
        2 => el("polygon").set("points", points(&[(0.0, -4.6), (4.4, 3.4), (-4.4, 3.4)])),
        3 => el("polygon").set("points", points(&[(0.0, -5.0), (5.0, 0.0), (0.0, 5.0), (-5.0, 0.0)])),
        4 => el("polygon").set("points", points(&[(0.0, 4.6), (4.4, -3.4), (-4.4, -3.4)])),
        _ => el("polygon").set("points", points(&[(-4.6, -1.2), (4.6, -1.2), (4.6, 1.2), (-4.6, 1.2)])),
    };
    shape.class(format!("mark t{}", tone % TONES))
}

/// Names beside the ends of their series, moved apart where they would overlap. (height, tone, text).
#[must_use]
pub fn names(size: Size, mut wanted: Vec<(f64, usize, String)>) -> Vec<Element> {
    let (low, high) = size.upward();
    wanted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut at = high - LINE_PX;
    for name in &mut wanted {
        at = name.0.max(at + LINE_PX);
        name.0 = at;
    }
    let mut limit = low + LINE_PX;
    for name in wanted.iter_mut().rev() {
        name.0 = name.0.min(limit - LINE_PX);
        limit = name.0;
    }
    let x = size.width - size.right + 14.0;
    let draw = |(y, tone, text): (f64, usize, String)| {
        el("g").with(mark(tone, (x, y))).with(label("series", (x + 9.0, y + 4.0), &text))
    };
    wanted.into_iter().map(draw).collect()
}

/// A chart with its title and what to notice in it.
#[must_use]
pub fn figure(title: &str, note: &str, drawing: Element) -> Element {
    let mut caption = el("figcaption").with(el("h3").text(title));
    if !note.is_empty() {
        caption = caption.with(el("p").text(note));
    }
    el("figure").with(caption).with(drawing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_distance_and_stay_inside() {
        let wanted = (0..6).map(|n| (30.0 + f64::from(n), 0, n.to_string())).collect();
        let text = el("g").all(names(Size::WIDE, wanted)).render();
        let cut = text.split("cy=\"").skip(1);
        let heights: Vec<f64> = cut.map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect();
        assert_eq!(heights.len(), 6);
        assert!(heights.windows(2).all(|pair| pair[1] - pair[0] > LINE_PX - 0.2), "{heights:?}");
        let (low, high) = Size::WIDE.upward();
        assert!(heights.iter().all(|y| (high..=low).contains(y)));
    }
}

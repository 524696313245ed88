//! The picture: throughput over N with the straight line, fio, every round of ours and the law's interval; beside it
//! what each disk gave.

use super::figures::Row;
use super::model::Experiment;
use super::usl::Estimate;
use super::verdict::Verdict;
use std::fmt::Write as _;

const WIDTH: f64 = 1120.0;
const HEIGHT: f64 = 600.0;
const MIB: f64 = (1u64 << 20) as f64;
const INK: &str = "#1c2733";
const SOFT: &str = "#6b7885";
const GRID: &str = "#e3e8ed";
const OURS: &str = "#0b6bcb";
const FIO: &str = "#c2571a";
const GOOD: &str = "#1a7f4b";
const BAD: &str = "#b3261e";

/// A rectangle of the picture and the values that its sides stand for.
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    x_max: f64,
    y_max: f64,
}

impl Frame {
    fn x(&self, value: f64) -> f64 {
        self.left + value / self.x_max * self.width
    }

    fn y(&self, value: f64) -> f64 {
        self.top + self.height - value / self.y_max * self.height
    }

    fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

/// Draws it. All text is ours, so nothing needs escaping but the verdict.
#[must_use]
pub fn draw(experiment: &Experiment, rows: &[Row], estimate: Option<&Estimate>, verdict: &Verdict) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" font-family=\"DejaVu Sans, Helvetica, Arial, sans-serif\" font-size=\"13\" fill=\"{INK}\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    heading(&mut out, verdict);
    let most = rows.last().map_or(1.0, |row| row.disks as f64);
    let highest = rows.iter().map(|row| row.bytes_per_s.max(row.fio_bytes_per_s) / MIB).fold(1.0, f64::max);
    let top = nice_above(highest * 1.04);
    let frame = Frame { left: 78.0, top: 112.0, width: 590.0, height: 390.0, x_max: most + 0.5, y_max: top };
    grid(&mut out, &frame, rows);
    throughput(&mut out, &frame, experiment, rows, estimate);
    legend(&mut out, &frame, estimate.is_some());
    if let Some(last) = rows.last() {
        per_disk(&mut out, experiment, last);
    }
    table(&mut out, rows);
    out.push_str("</svg>\n");
    out
}

fn heading(out: &mut String, verdict: &Verdict) {
    let (word, colour) = if verdict.is_linear { ("straight line", GOOD) } else { ("no proof", BAD) };
    text(out, 40.0, 36.0, &format!("font-size=\"20\" font-weight=\"bold\" fill=\"{colour}\""), word);
    let mut lines = wrap(&verdict.text, 150);
    if lines.len() > 2 {
        lines.truncate(2);
        if let Some(last) = lines.last_mut() {
            last.push_str(" ...");
        }
    }
    for (at, line) in lines.iter().enumerate() {
        text(out, 40.0, 58.0 + at as f64 * 17.0, "", line);
    }
}

fn grid(out: &mut String, frame: &Frame, rows: &[Row]) {
    for step in 0..=4u32 {
        let value = frame.y_max * f64::from(step) / 4.0;
        let y = frame.y(value);
        line(out, frame.left, y, frame.left + frame.width, y, GRID, "");
        text(
            out,
            frame.left - 8.0,
            y + 4.0,
            &format!("text-anchor=\"end\" fill=\"{SOFT}\""),
            &format!("{value:.0}"),
        );
    }
    for row in rows {
        let x = frame.x(row.disks as f64);
        line(out, x, frame.bottom(), x, frame.bottom() + 5.0, SOFT, "");
        text(
            out,
            x,
            frame.bottom() + 20.0,
            &format!("text-anchor=\"middle\" fill=\"{SOFT}\""),
            &row.disks.to_string(),
        );
    }
    let middle = frame.left + frame.width / 2.0;
    text(out, middle, frame.bottom() + 40.0, "text-anchor=\"middle\"", "disks (N)");
    text(out, frame.left - 48.0, frame.top - 14.0, "", "GET payload, MiB/s");
}

fn throughput(
    out: &mut String,
    frame: &Frame,
    experiment: &Experiment,
    rows: &[Row],
    estimate: Option<&Estimate>,
) {
    if let Some(estimate) = estimate {
        band(out, frame, estimate);
    }
    // The ideal: N times one disk as fio has it with nothing else running.
    let one = rows.first().map_or(0.0, |row| row.fio_bytes_per_s / row.disks.max(1) as f64) / MIB;
    let end = frame.x_max.min(frame.y_max / one.max(1e-9));
    line(
        out,
        frame.x(0.0),
        frame.y(0.0),
        frame.x(end),
        frame.y(one * end),
        INK,
        "stroke-dasharray=\"6 5\" stroke-width=\"1.4\"",
    );
    for row in rows {
        let (x, y) = (frame.x(row.disks as f64), frame.y(row.fio_bytes_per_s / MIB));
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"14\" height=\"14\" fill=\"none\" stroke=\"{FIO}\" stroke-width=\"1.8\"/>",
            x - 7.0,
            y - 7.0
        );
    }
    for level in &experiment.levels {
        let middle = level.load.len().saturating_sub(1) as f64 / 2.0;
        for (at, round) in level.load.iter().enumerate() {
            let x = frame.x(level.disks as f64) + (at as f64 - middle) * 3.0;
            dot(out, x, frame.y(round.bytes_per_s / MIB), 3.0, "fill-opacity=\"0.75\"");
        }
    }
}

fn band(out: &mut String, frame: &Frame, estimate: &Estimate) {
    let edge = |high: bool| {
        estimate
            .band
            .iter()
            .zip(1u32..)
            .map(move |(interval, n)| (f64::from(n), if high { interval.high } else { interval.low }))
    };
    let mut points = String::new();
    let backwards: Vec<(f64, f64)> = edge(false).collect();
    for (n, value) in edge(true).chain(backwards.into_iter().rev()) {
        // Writing to a string cannot fail.
        let _ = write!(points, "{:.1},{:.1} ", frame.x(n), frame.y((value / MIB).clamp(0.0, frame.y_max)));
    }
    let _ = writeln!(
        out,
        "<polygon points=\"{points}\" fill=\"{OURS}\" fill-opacity=\"0.16\" stroke=\"{OURS}\" stroke-opacity=\"0.35\"/>"
    );
}

fn legend(out: &mut String, frame: &Frame, has_band: bool) {
    let (x, mut y) = (frame.left + 18.0, frame.top + 12.0);
    line(out, x, y, x + 26.0, y, INK, "stroke-dasharray=\"6 5\" stroke-width=\"1.4\"");
    text(out, x + 36.0, y + 4.5, "", "N x one disk (fio)");
    y += 22.0;
    let _ = writeln!(
        out,
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"14\" height=\"14\" fill=\"none\" stroke=\"{FIO}\" stroke-width=\"1.8\"/>",
        x + 6.0,
        y - 7.0
    );
    text(out, x + 36.0, y + 4.5, "", "fio on all N disks at once");
    y += 22.0;
    dot(out, x + 13.0, y, 3.5, "");
    text(out, x + 36.0, y + 4.5, "", "Straightline, each round");
    if has_band {
        y += 22.0;
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"26\" height=\"12\" fill=\"{OURS}\" fill-opacity=\"0.16\" stroke=\"{OURS}\" stroke-opacity=\"0.35\"/>",
            y - 6.0
        );
        text(out, x + 36.0, y + 4.5, "", "scaling law, 95 % (skew and queues taken out)");
    }
}

/// Bars: what each disk gave the loader, against what it gave fio.
fn per_disk(out: &mut String, experiment: &Experiment, row: &Row) {
    let Some(level) = experiment.levels.iter().find(|level| level.disks == row.disks) else { return };
    // A round's bytes as the devices shared them: the round's ends, where nothing moves, do not count.
    let moved = |disk: usize| -> Option<f64> {
        let rates: Option<Vec<f64>> = level
            .load
            .iter()
            .map(|round| {
                let all: f64 = round.device_bytes.iter().sum();
                Some(round.bytes_per_s * round.device_bytes.get(disk)? / all.max(1.0))
            })
            .collect();
        rates.map(super::model::mean)
    };
    let count = row.disk_bytes_per_s.len().max(1) as f64;
    let highest = row.disk_bytes_per_s.iter().copied().fold(1.0, f64::max) / MIB;
    let frame = Frame {
        left: 760.0,
        top: 112.0,
        width: 320.0,
        height: 178.0,
        x_max: count,
        y_max: nice_above(highest * 1.1),
    };
    text(out, frame.left - 40.0, frame.top - 14.0, "", &format!("each disk at N={}, MiB/s", row.disks));
    for value in [0.0, frame.y_max / 2.0, frame.y_max] {
        let y = frame.y(value);
        line(out, frame.left, y, frame.left + frame.width, y, GRID, "");
        text(
            out,
            frame.left - 8.0,
            y + 4.0,
            &format!("text-anchor=\"end\" fill=\"{SOFT}\""),
            &format!("{value:.0}"),
        );
    }
    let step = frame.width / count;
    for (disk, fio) in row.disk_bytes_per_s.iter().enumerate() {
        let x = frame.x(disk as f64) + step * 0.18;
        if let Some(ours) = moved(disk) {
            let y = frame.y((ours / MIB).min(frame.y_max));
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{OURS}\"/>",
                step * 0.64,
                frame.bottom() - y
            );
        }
        let y = frame.y(fio / MIB);
        line(out, x - step * 0.08, y, x + step * 0.72, y, FIO, "stroke-width=\"2.2\"");
        text(
            out,
            x + step * 0.32,
            frame.bottom() + 17.0,
            &format!("text-anchor=\"middle\" fill=\"{SOFT}\""),
            &disk.to_string(),
        );
    }
}

fn table(out: &mut String, rows: &[Row]) {
    let (left, top) = (720.0, 348.0);
    let columns = [14.0, 76.0, 138.0, 200.0, 268.0, 340.0];
    let mut write = |y: f64, style: &str, cells: [String; 6]| {
        for (x, cell) in columns.iter().zip(cells) {
            text(out, left + x, y, &format!("text-anchor=\"middle\" {style}"), &cell);
        }
    };
    write(
        top,
        &format!("fill=\"{SOFT}\""),
        ["N", "eta", "ceiling", "server", "max/min", "CPU-s/GiB"].map(str::to_owned),
    );
    for (at, row) in rows.iter().enumerate() {
        let balance = row.balance.map_or("-".to_owned(), |balance| format!("{:.3}", balance.max_over_min));
        let cells = [
            row.disks.to_string(),
            format!("{:.3}", row.eta),
            format!("{:.3}", row.ceiling.reach),
            format!("{:.3}", row.eta_server),
            balance,
            format!("{:.2}", row.cpu_s_per_gib),
        ];
        write(top + 24.0 + at as f64 * 22.0, "", cells);
    }
    let notes = [
        "eta: ours over fio on the same disks, in the same minute",
        "ceiling: what skew and queues allow in such a round",
        "server: eta over the ceiling",
        "max/min: bytes of the busiest and the idlest disk, skew apart",
    ];
    let y = top + 40.0 + rows.len() as f64 * 22.0;
    for (at, note) in notes.iter().enumerate() {
        text(out, left, y + at as f64 * 17.0, &format!("font-size=\"11.5\" fill=\"{SOFT}\""), note);
    }
}

fn text(out: &mut String, x: f64, y: f64, style: &str, content: &str) {
    let safe = content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    // Writing to a string cannot fail.
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{safe}</text>");
}

fn line(out: &mut String, x1: f64, y1: f64, x2: f64, y2: f64, colour: &str, style: &str) {
    let _ = writeln!(
        out,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" {style}/>"
    );
}

fn dot(out: &mut String, x: f64, y: f64, radius: f64, style: &str) {
    let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{OURS}\" {style}/>");
}

/// A round number that is not below the value.
fn nice_above(value: f64) -> f64 {
    let unit = 10f64.powf(value.max(1e-9).log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.iter().map(|step| step * unit).find(|step| *step >= value).unwrap_or(value)
}

/// Lines of at most so many characters, broken at spaces.
fn wrap(content: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in content.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count().saturating_add(word.chars().count()) < most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::figures::{points, rows};
    use super::super::simulated::{Machine, experiment};
    use super::super::usl::estimate;
    use super::super::verdict::{Bars, Evidence, judge};
    use super::*;
    use proptest::prelude::*;

    fn drawn(machine: &Machine) -> String {
        let experiment = experiment(machine);
        let rows = rows(&experiment);
        let estimate = estimate(&points(&experiment), 100, 1);
        let evidence = Evidence {
            rows: &rows,
            estimate: estimate.as_ref(),
            solo_bytes_per_s: &experiment.solo_bytes_per_s,
            client_ceiling_bytes_per_s: None,
        };
        draw(&experiment, &rows, estimate.as_ref(), &judge(&evidence, &Bars::default()))
    }

    #[test]
    fn it_shows_every_round_and_every_disk() {
        let svg = drawn(&Machine::default());
        assert_eq!(
            svg.matches("<circle").count(),
            4 * super::super::simulated::ROUNDS + 1,
            "and the legend's"
        );
        assert!(svg.contains("straight line") && svg.contains("each disk at N=8"));
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        // The pipeline that turns a picture into pixels is shown this one.
        if let Some(file) = std::env::var_os("SCALE_PICTURE") {
            std::fs::write(file, svg).unwrap();
        }
    }

    #[test]
    fn a_refuted_run_says_so_and_is_escaped() {
        let svg = drawn(&Machine { last_disk: 0.5, ..Machine::default() });
        assert!(svg.contains("no proof") && !svg.contains("straight line<"));
        let mut out = String::new();
        text(&mut out, 0.0, 0.0, "", "a<b & c");
        assert!(out.contains("a&lt;b &amp; c"));
    }

    #[test]
    fn nothing_measured_is_drawn_without_a_panic() {
        let experiment = Experiment::default();
        let verdict =
            Verdict { is_linear: false, limit: "unknown", findings: Vec::new(), text: String::new() };
        assert!(draw(&experiment, &[], None, &verdict).ends_with("</svg>\n"));
    }

    proptest! {
        #[test]
        fn axes_end_at_or_above_the_highest_value(value in 0.001..1e7f64) {
            let top = nice_above(value);
            prop_assert!(top >= value && top <= value * 2.1, "{value} {top}");
        }
    }
}

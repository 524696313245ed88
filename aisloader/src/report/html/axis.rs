//! Axes: from values to pixels, and where the ticks go.

use super::units::{Measure, number};

/// One tick.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// The value.
    pub at: f64,
    /// The text beside it; empty: a line only.
    pub label: String,
}

/// A range of values laid over a range of pixels.
#[derive(Clone, Debug)]
pub struct Axis {
    is_log: bool,
    low: f64,
    high: f64,
    from_px: f64,
    to_px: f64,
    /// Its ticks, ascending.
    pub ticks: Vec<Tick>,
    /// The unit of the labels.
    pub unit: &'static str,
}

impl Axis {
    /// An axis from zero to a round number that is not below `most`.
    #[must_use]
    pub fn from_zero(most: f64, measure: Measure, from_px: f64, to_px: f64) -> Self {
        let most = if most.is_finite() && most > 0.0 { most.clamp(1e-12, 1e30) } else { 1.0 };
        let unit = measure.unit(most);
        let step = nice_step(most / unit.size / 4.5);
        let steps = (most / unit.size / step - 1e-9).ceil().clamp(1.0, 10.0);
        let tick = |n: f64| Tick { at: n * step * unit.size, label: tick_label(n * step, step) };
        let ticks = (0..=10u32).map(f64::from).take_while(|n| *n <= steps).map(tick).collect();
        let high = steps * step * unit.size;
        Self { is_log: false, low: 0.0, high, from_px, to_px, ticks, unit: unit.name }
    }

    /// Time in seconds from 0 to `most`, with the steps of clocks.
    #[must_use]
    pub fn of_time(most: f64, from_px: f64, to_px: f64) -> Self {
        const STEPS: [f64; 16] = [
            0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0,
            21600.0,
        ];
        let most = if most.is_finite() && most > 0.0 { most.clamp(1e-3, 1e12) } else { 1.0 };
        let (size, unit) = match most {
            m if m <= 180.0 => (1.0, "s"),
            m if m <= 10_800.0 => (60.0, "min"),
            _ => (3600.0, "h"),
        };
        let fitting = STEPS.into_iter().find(|step| most / step <= 10.0);
        let step = fitting.unwrap_or_else(|| nice_step(most / 10.0 / size) * size);
        let tick = |n: f64| Tick { at: n * step, label: tick_label(n * step / size, step / size) };
        let ticks = (0..=10u32).map(|n| tick(f64::from(n))).take_while(|tick| tick.at <= most).collect();
        Self { is_log: false, low: 0.0, high: most, from_px, to_px, ticks, unit }
    }

    /// Latencies in nanoseconds on a logarithmic scale, from below `least` to above `most`.
    #[must_use]
    pub fn of_latency(least: f64, most: f64, from_px: f64, to_px: f64) -> Self {
        let least = if least.is_finite() && least >= 1.0 { least.min(1e19) } else { 1.0 };
        let most = if most.is_finite() { most.clamp(least, 2e19) } else { least };
        let (low, high) = (round_down(least), round_up(most.max(least * 1.5)));
        let marks: &[f64] = match (high / low).log10() {
            decades if decades <= 1.5 => &[1.0, 2.0, 3.0, 5.0, 7.0],
            decades if decades <= 3.2 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let mut ticks = Vec::new();
        for power in 0..21i32 {
            for mark in marks {
                let at = mark * 10f64.powi(power);
                if at >= low * 0.999 && at <= high * 1.001 {
                    let unit = Measure::LatencyNs.unit(at);
                    ticks.push(Tick { at, label: format!("{} {}", plain(at / unit.size), unit.name) });
                }
            }
        }
        Self { is_log: true, low, high, from_px, to_px, ticks, unit: "" }
    }

    /// An axis whose ticks and bounds are known.
    #[must_use]
    pub fn fixed(low: f64, high: f64, ticks: Vec<Tick>, from_px: f64, to_px: f64) -> Self {
        Self { is_log: false, low, high, from_px, to_px, ticks, unit: "" }
    }

    /// Where a value lies, kept within the axis.
    #[must_use]
    pub fn px(&self, value: f64) -> f64 {
        let part = if self.is_log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        let part = if part.is_nan() { 0.0 } else { part.clamp(0.0, 1.0) };
        self.from_px + (self.to_px - self.from_px) * part
    }
}

/// 1, 2, 2.5 or 5 times a power of ten, not below `least`.
fn nice_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0].map(|mark| mark * power);
    steps.into_iter().find(|step| *step >= least * 0.999_999).unwrap_or(10.0 * power)
}

fn round_down(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [5.0, 2.0, 1.0].into_iter().map(|mark| mark * power).find(|at| *at <= value * 1.001).unwrap_or(power)
}

fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let mut marks = [1.0, 2.0, 5.0].into_iter().map(|mark| mark * power);
    marks.find(|at| *at >= value * 0.999).unwrap_or(10.0 * power)
}

/// A label with as many decimals as the step needs.
fn tick_label(value: f64, step: f64) -> String {
    match step {
        _ if value >= 10_000.0 => number(value),
        s if s >= 1.0 && s.fract() == 0.0 => format!("{value:.0}"),
        s if s >= 0.1 && (s * 10.0).fract() < 1e-9 => format!("{value:.1}"),
        s if s >= 0.01 => format!("{value:.2}"),
        _ => number(value),
    }
}

fn plain(value: f64) -> String {
    if value >= 10_000.0 { number(value) } else { format!("{value:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round() {
        let rate = Axis::from_zero(1.44 * 1_073_741_824.0, Measure::BytesPerSecond, 200.0, 0.0);
        assert_eq!((labels(&rate), rate.unit), (vec!["0.0", "0.5", "1.0", "1.5"], "GiB/s"));
        let time = Axis::of_time(60.0, 0.0, 600.0);
        assert_eq!(labels(&time), ["0", "10", "20", "30", "40", "50", "60"]);
        assert_eq!(Axis::of_time(1800.0, 0.0, 1.0).unit, "min");
        let latency = Axis::of_latency(1.1e6, 9e7, 0.0, 1.0);
        assert_eq!(labels(&latency), ["1 ms", "2 ms", "5 ms", "10 ms", "20 ms", "50 ms", "100 ms"]);
        assert_eq!(latency.px(1e6), 0.0);
        assert!((latency.px(1e7) - 0.5).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn any_value_lies_on_its_axis(most: f64, least: f64, value: f64) {
            let axes = [
                Axis::from_zero(most, Measure::BytesPerSecond, 300.0, 10.0),
                Axis::of_time(most, 10.0, 300.0),
                Axis::of_latency(least, most, 10.0, 300.0),
            ];
            for axis in axes {
                prop_assert!((10.0..=300.0).contains(&axis.px(value)));
                prop_assert!(axis.ticks.len() <= 24, "{:?}", axis.ticks);
                prop_assert!(axis.ticks.iter().all(|tick| tick.at.is_finite()));
            }
        }
    }
}

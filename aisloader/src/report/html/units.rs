//! Values as an axis and a reader want them: one unit for all, no more digits than are needed.

/// The kind of quantity that a value measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Payload in a second.
    BytesPerSecond,
    /// Something counted in a second.
    PerSecond(&'static str),
    /// Time of an operation, in nanoseconds.
    LatencyNs,
    /// Processors in use.
    Cores,
    /// Processor seconds for a GiB.
    CpuPerGib,
    /// Processor microseconds for an operation.
    CpuPerOp,
    /// Things.
    Count(&'static str),
    /// A share, 0 to 1.
    Share,
}

/// A unit and how much of the base unit it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaled {
    /// The number of base units in it.
    pub size: f64,
    /// Its prefix and name.
    pub name: &'static str,
}

const BYTES: [(f64, &str); 6] = [
    (1.0, "B/s"),
    (1024.0, "KiB/s"),
    (1_048_576.0, "MiB/s"),
    (1_073_741_824.0, "GiB/s"),
    (1_099_511_627_776.0, "TiB/s"),
    (1_125_899_906_842_624.0, "PiB/s"),
];
const TIMES: [(f64, &str); 4] = [(1.0, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s")];

impl Measure {
    /// The unit in which a value of this size is read best.
    #[must_use]
    pub fn unit(self, value: f64) -> Scaled {
        let of = |table: &[(f64, &'static str)]| {
            let fits = table.iter().rev().find(|(size, _)| value >= *size).or(table.first());
            fits.map_or(Scaled { size: 1.0, name: "" }, |(size, name)| Scaled { size: *size, name })
        };
        match self {
            Self::BytesPerSecond => of(&BYTES),
            Self::LatencyNs => of(&TIMES),
            Self::PerSecond(name) | Self::Count(name) => Scaled { size: 1.0, name },
            Self::Cores => Scaled { size: 1.0, name: "cores" },
            Self::CpuPerGib => Scaled { size: 1.0, name: "CPU-s/GiB" },
            Self::CpuPerOp => Scaled { size: 1.0, name: "CPU-µs/op" },
            Self::Share => Scaled { size: 0.01, name: "%" },
        }
    }

    /// A value with its unit: `1.44 GiB/s`.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        let unit = self.unit(value);
        format!("{} {}", number(value / unit.size), unit.name).trim_end().to_owned()
    }
}

/// Three significant digits, thousands apart; what is no number is a dash.
#[must_use]
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let size = value.abs();
    match size {
        0.0 => "0".to_owned(),
        s if s >= 1e15 => format!("{value:.2e}"),
        s if s >= 99.95 => grouped(value.round()),
        s if s >= 9.995 => format!("{value:.1}"),
        s if s >= 0.9995 => format!("{value:.2}"),
        s if s >= 0.001 => format!("{value:.3}"),
        _ => format!("{value:.1e}"),
    }
}

/// A count: all its digits.
#[must_use]
pub fn count(value: f64) -> String {
    if value.abs() < 1e15 { grouped(value.round()) } else { number(value) }
}

/// A whole number with thin spaces between thousands.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut out = String::new();
    if value < 0.0 {
        out.push('−');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len().saturating_sub(at) % 3 == 0 {
            out.push('\u{2009}');
        }
        out.push(digit);
    }
    out
}

/// A length of time in seconds, as people say it.
#[must_use]
pub fn span(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => "–".to_owned(),
        s if s < 120.0 => format!("{} s", number(s)),
        s if s < 7200.0 => format!("{} min", number(s / 60.0)),
        s => format!("{} h", number(s / 3600.0)),
    }
}

/// A size in bytes.
#[must_use]
pub fn size(bytes: f64) -> String {
    Measure::BytesPerSecond.show(bytes).trim_end_matches("/s").to_owned()
}

/// A moment as `2026-11-21 14:05:00 UTC`.
#[must_use]
pub fn moment(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March of year 0, in the proleptic Gregorian calendar: leap days come last.
    let days = days.saturating_add(719_468);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_three_digits_and_a_unit() {
        let table = [
            (Measure::BytesPerSecond, 1.5 * 1_073_741_824.0, "1.50 GiB/s"),
            (Measure::BytesPerSecond, 0.0, "0 B/s"),
            (Measure::LatencyNs, 12_345_678.0, "12.3 ms"),
            (Measure::LatencyNs, 999.0, "999 ns"),
            (Measure::PerSecond("ops/s"), 1_234_567.0, "1\u{2009}234\u{2009}567 ops/s"),
            (Measure::Share, 0.0123, "1.23 %"),
            (Measure::CpuPerGib, f64::NAN, "– CPU-s/GiB"),
        ];
        for (measure, value, want) in table {
            assert_eq!(measure.show(value), want);
        }
        assert_eq!(
            (number(99.96), number(9.996), number(0.00012)),
            ("100".into(), "10.0".into(), "1.2e-4".into())
        );
        assert_eq!(
            (span(60.0), span(1800.0), size(1536.0)),
            ("60.0 s".into(), "30.0 min".into(), "1.50 KiB".into())
        );
    }

    #[test]
    fn counts_keep_their_digits() {
        assert_eq!((count(20.0), count(0.0), count(1e18)), ("20".into(), "0".into(), "1.00e18".into()));
    }

    #[test]
    fn moments_are_of_the_gregorian_calendar() {
        assert_eq!(moment(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(moment(951_782_400_000), "2000-02-29 00:00:00 UTC");
        assert_eq!(moment(1_795_270_500_999), "2026-11-21 14:15:00 UTC");
        let _ = moment(u64::MAX);
    }
}

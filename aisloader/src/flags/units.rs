//! Sizes and durations as people write them: Go's syntax, binary units.

use std::fmt::Write as _;
use std::time::Duration;

/// Reads a size: a number, fractions allowed, with an optional suffix. As in AIStore, every suffix is binary, so
/// `1K`, `1KB` and `1KiB` are all 1024; case does not matter; nothing at all is 0.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.is_empty() {
        return Some(0);
    }
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(split)?;
    let suffix = suffix.trim().to_ascii_lowercase();
    let shift = match suffix.strip_suffix("ib").or_else(|| suffix.strip_suffix('b')).unwrap_or(&suffix) {
        "" if suffix != "ib" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    let unit = 1u64 << shift;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(unit).filter(|bytes| i64::try_from(*bytes).is_ok());
    }
    let bytes = number.parse::<f64>().ok()? * unit as f64;
    // Sizes are signed on the wire; that is the bound for fractions too.
    (bytes < i64::MAX as f64).then_some(bytes as u64)
}

/// Reads a Go duration (`1h30m`, `90s`, `1.5s`, `250ms`); a bare `0` is allowed, any other bare number is not.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total_ns = 0f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|at| *at > 0)?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(unit_end)?;
        total_ns += number.parse::<f64>().ok()? * unit_ns(unit)?;
        rest = tail;
    }
    let positive = !text.is_empty() && total_ns < i64::MAX as f64;
    positive.then(|| Duration::from_nanos(total_ns.round() as u64))
}

fn unit_ns(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        _ => return None,
    })
}

/// A size with three digits and a binary unit: `1.00MiB`.
#[must_use]
pub fn show_size(bytes: f64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes;
    let mut unit = "B";
    for name in UNITS {
        unit = name;
        if value < 1024.0 {
            break;
        }
        if name != "PiB" {
            value /= 1024.0;
        }
    }
    if unit == "B" { format!("{value:.0}B") } else { format!("{value:.2}{unit}") }
}

/// A duration with three digits and the unit that fits: `1.234ms`.
#[must_use]
pub fn show_duration_ns(ns: u64) -> String {
    let mut out = String::new();
    let value = ns as f64;
    // Writing to a string cannot fail.
    let _ = match ns {
        0..1_000 => write!(out, "{ns}ns"),
        1_000..1_000_000 => write!(out, "{:.1}us", value / 1e3),
        1_000_000..1_000_000_000 => write!(out, "{:.2}ms", value / 1e6),
        _ => write!(out, "{:.2}s", value / 1e9),
    };
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary_whatever_the_suffix() {
        let table: [(&str, Option<u64>); 18] = [
            ("", Some(0)),
            ("0", Some(0)),
            ("17", Some(17)),
            ("17b", Some(17)),
            ("1K", Some(1024)),
            ("1KB", Some(1024)),
            ("1KiB", Some(1024)),
            ("1kib", Some(1024)),
            ("1.5m", Some(3 << 19)),
            (" 2 GiB ", Some(2 << 30)),
            ("1T", Some(1 << 40)),
            ("0.5K", Some(512)),
            ("1ib", None),
            ("-1", None),
            ("1X", None),
            ("K", None),
            ("1.2.3K", None),
            ("99999P", None),
        ];
        for (text, want) in table {
            assert_eq!(parse_size(text), want, "{text:?}");
        }
    }

    #[test]
    fn durations_are_go_durations() {
        let table: [(&str, Option<u64>); 12] = [
            ("0", Some(0)),
            ("10s", Some(10_000)),
            ("1h30m", Some(5_400_000)),
            ("1.5s", Some(1_500)),
            ("250ms", Some(250)),
            ("2m3s4ms", Some(123_004)),
            ("0s", Some(0)),
            ("", None),
            ("10", None),
            ("s", None),
            ("-1s", None),
            ("1d", None),
        ];
        for (text, want) in table {
            assert_eq!(parse_duration(text), want.map(Duration::from_millis), "{text:?}");
        }
        assert_eq!(parse_duration("3us"), Some(Duration::from_micros(3)));
    }

    #[test]
    fn shown_values_keep_three_digits() {
        assert_eq!(show_size(0.0), "0B");
        assert_eq!(show_size(1536.0), "1.50KiB");
        assert_eq!(show_size(1024.0 * 1024.0), "1.00MiB");
        assert_eq!(show_duration_ns(999), "999ns");
        assert_eq!(show_duration_ns(1_234_567), "1.23ms");
        assert_eq!(show_duration_ns(61_000_000_000), "61.00s");
    }
}

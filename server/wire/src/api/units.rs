//! The two quantities of AIStore's configuration: durations as Go strings, sizes as IEC strings.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A duration in nanoseconds, negative allowed; JSON text as Go writes it (`"10s"`, `"2m"`, `"1h30m"`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(pub i64);

/// A size in bytes; JSON text with a binary unit (`"1GiB"`, `"10MiB"`, `"0B"`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SizeIec(pub i64);

/// Units of a duration in nanoseconds; two-letter ones first, so that `ms` is not read as `m`.
const DURATION_UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Units of a size, the greatest first.
const SIZE_UNITS: [(char, i64); 4] = [('T', 1 << 40), ('G', 1 << 30), ('M', 1 << 20), ('K', 1 << 10)];

impl GoDuration {
    /// A number of whole seconds.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        GoDuration(secs.saturating_mul(1_000_000_000))
    }

    /// A number of milliseconds.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        GoDuration(millis.saturating_mul(1_000_000))
    }

    /// The duration as the standard type; a negative one is zero.
    #[must_use]
    pub fn to_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    /// Reads Go's syntax (`1h30m`, `1.5s`, `-2ms`), or a bare integer of nanoseconds.
    ///
    /// # Errors
    /// A text that names the input.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("invalid duration {text:?}");
        if let Ok(nanos) = text.parse() {
            return Ok(GoDuration(nanos));
        }
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest.is_empty() {
            return Err(bad());
        }
        let mut total = 0f64;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
            let (number, after) = rest.split_at(digits);
            let unit = |(name, size): &(&str, i64)| after.strip_prefix(name).map(|rest| (*size, rest));
            let (size, next) = DURATION_UNITS.iter().find_map(unit).ok_or_else(bad)?;
            total += number.parse::<f64>().map_err(|_| bad())? * size as f64;
            rest = next;
        }
        if total > i64::MAX as f64 {
            return Err(bad());
        }
        let nanos = total.round() as i64;
        Ok(GoDuration(if negative { -nanos } else { nanos }))
    }
}

impl fmt::Display for GoDuration {
    /// Go's `Duration.String`, without the trailing zero minutes and seconds (as AIStore prints it).
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            to.write_str("-")?;
        }
        match nanos {
            0 => return to.write_str("0s"),
            1..1_000 => return write!(to, "{nanos}ns"),
            1_000..1_000_000 => return write!(to, "{}µs", nanos as f64 / 1e3),
            1_000_000..1_000_000_000 => return write!(to, "{}ms", nanos as f64 / 1e6),
            _ => {}
        }
        let (hours, minutes) = (nanos / 3_600_000_000_000, nanos / 60_000_000_000 % 60);
        let rest = nanos % 60_000_000_000;
        if hours > 0 {
            write!(to, "{hours}h")?;
        }
        if minutes > 0 || (hours > 0 && rest > 0) {
            write!(to, "{minutes}m")?;
        }
        if rest > 0 {
            let fraction = format!("{:09}", rest % 1_000_000_000);
            let fraction = fraction.trim_end_matches('0');
            let dot = if fraction.is_empty() { "" } else { "." };
            write!(to, "{}{dot}{fraction}s", rest / 1_000_000_000)?;
        }
        Ok(())
    }
}

impl SizeIec {
    /// Reads a number with an optional unit: `k`, `kb` and `KiB` all mean 1024, any case; `B` or nothing
    /// means bytes. Fractions are allowed (`1.5GiB`).
    ///
    /// # Errors
    /// A text that names the input.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("invalid size {text:?}");
        let trimmed = text.trim();
        if let Ok(bytes) = trimmed.parse() {
            return Ok(SizeIec(bytes));
        }
        let upper = trimmed.to_ascii_uppercase();
        let stem = upper.strip_suffix("IB").or_else(|| upper.strip_suffix('B')).unwrap_or(&upper);
        let unit = SIZE_UNITS.iter().find_map(|(c, size)| stem.strip_suffix(*c).map(|n| (n, *size)));
        let (number, size) = unit.unwrap_or((stem, 1));
        let number = number.trim();
        // Whole numbers stay exact; only fractions go through floating point.
        if let Ok(whole) = number.parse::<i64>() {
            return whole.checked_mul(size).map(SizeIec).ok_or_else(bad);
        }
        let value: f64 = number.parse().map_err(|_| bad())?;
        let bytes = value * size as f64;
        if !bytes.is_finite() || bytes.abs() >= i64::MAX as f64 {
            return Err(bad());
        }
        Ok(SizeIec(bytes.round() as i64))
    }
}

impl fmt::Display for SizeIec {
    /// The greatest unit that divides the size, so that reading it back gives the same number.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, size) in SIZE_UNITS {
            if self.0 != 0 && self.0 % size == 0 {
                return write!(to, "{}{unit}iB", self.0 / size);
            }
        }
        write!(to, "{}B", self.0)
    }
}

/// A quantity as clients send it: text, or a bare number in the base unit.
#[derive(Deserialize)]
#[serde(untagged)]
enum Raw {
    Number(i64),
    Text(String),
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Raw::deserialize(from)? {
            Raw::Number(nanos) => Ok(GoDuration(nanos)),
            Raw::Text(text) => GoDuration::parse(&text).map_err(D::Error::custom),
        }
    }
}

impl Serialize for SizeIec {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SizeIec {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Raw::deserialize(from)? {
            Raw::Number(bytes) => Ok(SizeIec(bytes)),
            Raw::Text(text) => SizeIec::parse(&text).map_err(D::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_print_as_aistore_prints_them() {
        for (nanos, text) in [
            (0, "0s"),
            (100_000_000, "100ms"),
            (10_000_000_000, "10s"),
            (60_000_000_000, "1m"),
            (120_000_000_000, "2m"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h"),
            (5_400_000_000_000, "1h30m"),
            (3_601_000_000_000, "1h0m1s"),
            (1_500_000_000, "1.5s"),
            (-2_000_000, "-2ms"),
            (1_500, "1.5µs"),
        ] {
            assert_eq!(GoDuration(nanos).to_string(), text);
            assert_eq!(GoDuration::parse(text), Ok(GoDuration(nanos)), "{text}");
        }
        assert_eq!(GoDuration::parse("120m").unwrap().to_string(), "2h");
        for bad in ["", "-", "s", "1x", "1.5.5s", "10 s", "99999999999999h"] {
            assert!(GoDuration::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_take_every_spelling() {
        for (text, bytes) in [
            ("1GiB", 1 << 30),
            ("10mb", 10 << 20),
            ("256kb", 256 << 10),
            ("1T", 1 << 40),
            ("0", 0),
            ("0B", 0),
            ("123", 123),
            ("1.5KiB", 1536),
            ("-1", -1),
        ] {
            assert_eq!(SizeIec::parse(text), Ok(SizeIec(bytes)), "{text}");
        }
        for bad in ["", "x", "1QB", "nanKB", "infT"] {
            assert!(SizeIec::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(SizeIec(3 << 29).to_string(), "1536MiB");
    }

    proptest! {
        #[test]
        fn sizes_survive_their_text(bytes: i64) {
            prop_assert_eq!(SizeIec::parse(&SizeIec(bytes).to_string()), Ok(SizeIec(bytes)));
        }

        #[test]
        fn durations_survive_their_text(millis in 0i64..10_000_000_000) {
            let d = GoDuration::from_millis(millis);
            prop_assert_eq!(GoDuration::parse(&d.to_string()), Ok(d));
        }

        #[test]
        fn parsers_never_panic(text in "\\PC{0,20}") {
            let _ = (GoDuration::parse(&text), SizeIec::parse(&text));
        }
    }
}

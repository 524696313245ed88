//! Times as text, in Go's layouts. Pure: nanoseconds since 1970 in, UTC text out.
//!
//! Clients of the native API pass a layout in Go's own notation (`"02 Jan 06 15:04 MST"`), so the formatter
//! understands the notation rather than a list of names.

/// Go's RFC822, the default of list-objects.
pub const RFC822: &str = "02 Jan 06 15:04 MST";
/// Go's RFC3339.
pub const RFC3339: &str = "2006-01-02T15:04:05Z07:00";
/// Go's RFC3339Nano: a fraction only when there is one.
pub const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";
/// The date of HTTP headers such as `Last-Modified`.
pub const HTTP_DATE: &str = "Mon, 02 Jan 2006 15:04:05 GMT";
/// The creation time in a cluster map.
pub const DATE_TIME: &str = "2006-01-02 15:04:05";
/// The text that Go prints for a time that was never set; our zero is 1970.
pub const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// A moment taken apart, in UTC.
struct Civil {
    year: i64,
    month: usize,
    day: i64,
    weekday: usize,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: i64,
}

impl Civil {
    /// Howard Hinnant's `civil_from_days`.
    fn from_nanos(unix_nanos: i64) -> Civil {
        let secs = unix_nanos.div_euclid(1_000_000_000);
        let days = secs.div_euclid(86_400);
        let second_of_day = secs.rem_euclid(86_400);
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: usize::try_from(month - 1).unwrap_or(0),
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            weekday: usize::try_from((days + 4).rem_euclid(7)).unwrap_or(0),
            hour: second_of_day / 3_600,
            minute: second_of_day / 60 % 60,
            second: second_of_day % 60,
            nanos: unix_nanos.rem_euclid(1_000_000_000),
        }
    }

    fn month_name(&self) -> &'static str {
        MONTHS.get(self.month).copied().unwrap_or("Jan")
    }

    fn day_name(&self) -> &'static str {
        DAYS.get(self.weekday).copied().unwrap_or("Sun")
    }
}

/// The elements of a layout, longer ones before their prefixes.
const ELEMENTS: [&str; 19] = [
    "2006", "Mon", "Jan", "MST", "Z07:00", "-07:00", "-0700", "_2", "01", "02", "03", "04", "05", "06", "15",
    "PM", "1", "3", "2",
];

/// Formats a moment (nanoseconds since 1970) in UTC. `layout` is Go's notation, empty for [`RFC822`]; the
/// words `unix_nano`, `unix-ns` and `unixnano` give the bare number.
#[must_use]
pub fn format_nanos(unix_nanos: i64, layout: &str) -> String {
    let layout = match layout {
        "" => RFC822,
        "unix_nano" | "unix-ns" | "unixnano" => return unix_nanos.to_string(),
        other => other,
    };
    let at = Civil::from_nanos(unix_nanos);
    let mut out = String::with_capacity(layout.len() + 8);
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        if let Some((text, after)) = fraction(rest, at.nanos) {
            out.push_str(&text);
            rest = after;
            continue;
        }
        let element = ELEMENTS.iter().find_map(|e| rest.strip_prefix(e).map(|after| (*e, after)));
        match element {
            Some((element, after)) => {
                out.push_str(&value(&at, element));
                rest = after;
            }
            None => {
                out.push(first);
                rest = rest.strip_prefix(first).unwrap_or("");
            }
        }
    }
    out
}

/// The text of one layout element.
fn value(at: &Civil, element: &str) -> String {
    let hour12 = if at.hour % 12 == 0 { 12 } else { at.hour % 12 };
    match element {
        "2006" => format!("{:04}", at.year),
        "06" => format!("{:02}", at.year.rem_euclid(100)),
        "Jan" => at.month_name().to_owned(),
        "01" => format!("{:02}", at.month + 1),
        "1" => (at.month + 1).to_string(),
        "Mon" => at.day_name().to_owned(),
        "02" => format!("{:02}", at.day),
        "_2" => format!("{:2}", at.day),
        "2" => at.day.to_string(),
        "15" => format!("{:02}", at.hour),
        "03" => format!("{hour12:02}"),
        "3" => hour12.to_string(),
        "PM" => if at.hour < 12 { "AM" } else { "PM" }.to_owned(),
        "04" => format!("{:02}", at.minute),
        "05" => format!("{:02}", at.second),
        "MST" => "UTC".to_owned(),
        "Z07:00" => "Z".to_owned(),
        "-07:00" => "+00:00".to_owned(),
        _ => "+0000".to_owned(),
    }
}

/// A fraction of a second at the start of the layout: `.000` (fixed) or `.999` (no trailing zeros).
fn fraction(layout: &str, nanos: i64) -> Option<(String, &str)> {
    let after_dot = layout.strip_prefix('.')?;
    let digit = after_dot.chars().next().filter(|c| *c == '0' || *c == '9')?;
    let rest = after_dot.trim_start_matches(digit);
    let places = after_dot.len() - rest.len();
    if rest.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digits: String = format!("{nanos:09}").chars().take(places).collect();
    if digit == '0' {
        return Some((format!(".{digits}"), rest));
    }
    let trimmed = digits.trim_end_matches('0');
    Some(if trimmed.is_empty() { (String::new(), rest) } else { (format!(".{trimmed}"), rest) })
}

/// A time in a job's snapshot: RFC 3339, or Go's zero time for 0.
#[must_use]
pub fn snap_time(unix_nanos: i64) -> String {
    if unix_nanos == 0 { ZERO_TIME.to_owned() } else { format_nanos(unix_nanos, RFC3339_NANO) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2006-01-02 15:04:05.123456789 UTC.
    const AT: i64 = 1_136_214_245_123_456_789;

    #[test]
    fn layouts() {
        for (layout, want) in [
            ("", "02 Jan 06 15:04 UTC"),
            (RFC822, "02 Jan 06 15:04 UTC"),
            (RFC3339, "2006-01-02T15:04:05Z"),
            (RFC3339_NANO, "2006-01-02T15:04:05.123456789Z"),
            (HTTP_DATE, "Mon, 02 Jan 2006 15:04:05 GMT"),
            (DATE_TIME, "2006-01-02 15:04:05"),
            ("Jan _2 15:04:05.000000", "Jan  2 15:04:05.123456"),
            ("3:04PM", "3:04PM"),
            ("02 Jan 06 15:04 -0700", "02 Jan 06 15:04 +0000"),
            ("unix-ns", "1136214245123456789"),
            ("é ü", "é ü"),
        ] {
            assert_eq!(format_nanos(AT, layout), want, "{layout}");
        }
    }

    #[test]
    fn dates_around_leap_days_and_epochs() {
        for (secs, want) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_709_251_199, "2024-02-29 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
            (-1, "1969-12-31 23:59:59"),
        ] {
            assert_eq!(format_nanos(secs * 1_000_000_000, DATE_TIME), want);
        }
        assert_eq!(snap_time(0), ZERO_TIME);
        assert_eq!(snap_time(1_000_000_000), "1970-01-01T00:00:01Z");
    }

    proptest! {
        #[test]
        fn never_panics(nanos: i64, layout in "\\PC{0,40}") {
            let _ = format_nanos(nanos, &layout);
        }
    }
}

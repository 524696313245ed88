//! HTTP dates.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 9999-12-31 23:59:59: the last second that the format can name.
const LAST_UNIX_S: u64 = 253_402_300_799;

/// The IMF-fixdate of a Unix time in seconds: `Sun, 06 Nov 1994 08:49:37 GMT`. Times before 1970 and after
/// the year 9999 have no such form here and become the nearest that has.
pub fn format_http_date(unix_s: i64) -> String {
    let since = u64::try_from(unix_s).unwrap_or(0).min(LAST_UNIX_S);
    httpdate::fmt_http_date(UNIX_EPOCH.checked_add(Duration::from_secs(since)).unwrap_or(UNIX_EPOCH))
}

/// The Unix time in seconds of an HTTP date in any of the three forms (IMF-fixdate, RFC 850, asctime).
/// `None` for anything else, and for dates before 1970.
pub fn parse_http_date(text: &str) -> Option<i64> {
    let time: SystemTime = httpdate::parse_http_date(text).ok()?;
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(parse_http_date(text), Some(784_111_777), "{text}");
        }
        assert_eq!(format_http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn out_of_range_is_clamped() {
        assert_eq!(format_http_date(i64::MIN), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(format_http_date(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
        for bad in [
            "",
            "0",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse_http_date(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn round_trip(unix_s in 0..253_402_300_800_i64) {
            proptest::prop_assert_eq!(parse_http_date(&format_http_date(unix_s)), Some(unix_s));
        }

        #[test]
        fn never_panics(text in ".{0,40}", letters in "[A-Za-z0-9:, -]{0,40}") {
            let _ = (parse_http_date(&text), parse_http_date(&letters));
        }
    }
}

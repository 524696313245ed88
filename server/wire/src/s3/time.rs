//! Times as S3 writes them: in signatures (`20130524T000000Z`) and in documents (`2013-05-24T00:00:00.000Z`).

use time::{Date, Month, OffsetDateTime, Time};

/// Bytes of `YYYYMMDD`.
const DAY_BYTES: usize = 8;
/// The last second of the year 9999.
const LAST_UNIX_S: i64 = 253_402_300_799;

/// A time as signatures write it: `20130524T000000Z`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmzTime {
    text: String,
    unix_s: i64,
}

impl AmzTime {
    /// From seconds since 1970; times that have no such form become the nearest that has.
    #[must_use]
    pub fn from_unix_s(unix_s: i64) -> Self {
        let unix_s = unix_s.clamp(0, LAST_UNIX_S);
        let at = OffsetDateTime::from_unix_timestamp(unix_s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let ((year, month, day), (hour, minute, second)) = (at.to_calendar_date(), at.to_hms());
        let month = u8::from(month);
        Self { text: format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"), unix_s }
    }

    /// From its text; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (day, rest) = text.split_at_checked(DAY_BYTES)?;
        let clock = rest.strip_prefix('T')?.strip_suffix('Z').filter(|clock| clock.len() == 6)?;
        let part = |text: &str, from: usize, to: usize| number(text.get(from..to)?);
        let date = date(part(day, 0, 4)?, part(day, 4, 6)?, part(day, 6, 8)?)?;
        let unix_s = unix_s(date, part(clock, 0, 2)?, part(clock, 2, 4)?, part(clock, 4, 6)?)?;
        Some(Self::from_unix_s(unix_s)).filter(|time| time.text == text)
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `YYYYMMDD`.
    #[must_use]
    pub fn day(&self) -> &str {
        self.text.get(..DAY_BYTES).unwrap_or_default()
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn unix_s(&self) -> i64 {
        self.unix_s
    }
}

/// A time in a document: `2009-10-12T17:50:30.000Z`. Times that have no such form become the nearest that has.
#[must_use]
pub fn iso_from_unix_ms(unix_ms: i64) -> String {
    let unix_s = unix_ms.div_euclid(1000).clamp(0, LAST_UNIX_S);
    let at = OffsetDateTime::from_unix_timestamp(unix_s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let ((year, month, day), (hour, minute, second)) = (at.to_calendar_date(), at.to_hms());
    let (month, milli) = (u8::from(month), unix_ms.rem_euclid(1000));
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Milliseconds since 1970 of a time in a document, with any number of decimals, in UTC; `None` for any other text.
#[must_use]
pub fn unix_ms_from_iso(text: &str) -> Option<i64> {
    let (day, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let mut parts = day.splitn(3, '-');
    let mut next = || number(parts.next()?);
    let date = date(next()?, next()?, next()?)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.splitn(3, ':');
    let mut next = || number(parts.next()?);
    let unix_s = unix_s(date, next()?, next()?, next()?)?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let milli: String = fraction.chars().chain("000".chars()).take(3).collect();
    unix_s.checked_mul(1000)?.checked_add(i64::from(number(&milli)?))
}

fn number(text: &str) -> Option<u16> {
    // A sign is no digit.
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn date(year: u16, month: u16, day: u16) -> Option<Date> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()
}

fn unix_s(date: Date, hour: u16, minute: u16, second: u16) -> Option<i64> {
    let small = |number: u16| u8::try_from(number).ok();
    let time = Time::from_hms(small(hour)?, small(minute)?, small(second)?).ok()?;
    Some(date.with_time(time).assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (unix_s, want) in [
            (1_369_353_600, "20130524T000000Z"),
            (0, "19700101T000000Z"),
            (-5, "19700101T000000Z"),
            (1_709_210_096, "20240229T123456Z"),
            (i64::MAX, "99991231T235959Z"),
        ] {
            let time = AmzTime::from_unix_s(unix_s);
            assert_eq!((time.as_str(), time.day()), (want, &want[..8]));
            assert_eq!(AmzTime::parse(want).unwrap(), time);
        }
        let bad = [
            "",
            "20130524T000000",
            "20130524T000060Z",
            "20130229T000000Z",
            "+0130524T000000Z",
            "20130524T0000é",
        ];
        assert!(bad.iter().all(|text| AmzTime::parse(text).is_none()));
    }

    #[test]
    fn times_of_documents() {
        for (unix_ms, want) in
            [(0, "1970-01-01T00:00:00.000Z"), (1_255_369_830_007, "2009-10-12T17:50:30.007Z")]
        {
            assert_eq!(iso_from_unix_ms(unix_ms), want);
            assert_eq!(unix_ms_from_iso(want), Some(unix_ms));
        }
        let at = |text| unix_ms_from_iso(text);
        assert_eq!(at("1970-01-01T00:00:01Z"), Some(1000));
        assert_eq!(at("1970-01-01T00:00:01.123456Z"), Some(1123));
        assert_eq!(at("1970-01-01T00:00:01.5Z"), Some(1500));
        for bad in [
            "1970-01-01T00:00:01+00:00",
            "1970-01-01",
            "1970-13-01T00:00:00Z",
            "1970-01-01T00:00:00.xZ",
            "Z",
            "T.Z",
        ] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn there_and_back(unix_ms in 0..LAST_UNIX_S * 1000, text in "[0-9TZ:.-]{0,30}") {
            proptest::prop_assert_eq!(unix_ms_from_iso(&iso_from_unix_ms(unix_ms)), Some(unix_ms));
            let time = AmzTime::from_unix_s(unix_ms / 1000);
            proptest::prop_assert_eq!(AmzTime::parse(time.as_str()), Some(time));
            let _ = (AmzTime::parse(&text), unix_ms_from_iso(&text));
        }
    }
}

//! Numbers as Go's JSON writes them, and the forms that it accepts from clients.
//!
//! 64-bit values travel as strings (`"size": "5"`); readers here take a string or a bare number. A `null`
//! where a value is expected means the type's zero.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, de::Error};

/// A number or its decimal text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Either {
    Unsigned(u64),
    Signed(i64),
    Text(String),
    Nothing,
}

fn read<'de, D: Deserializer<'de>, T>(from: D) -> Result<T, D::Error>
where
    T: FromStr + Default + TryFrom<u64> + TryFrom<i64>,
{
    let wrong = || D::Error::custom("expected a 64-bit number, quoted or bare");
    match Either::deserialize(from)? {
        Either::Unsigned(n) => T::try_from(n).map_err(|_| wrong()),
        Either::Signed(n) => T::try_from(n).map_err(|_| wrong()),
        Either::Text(s) if s.trim().is_empty() => Ok(T::default()),
        Either::Text(s) => s.trim().parse().map_err(|_| wrong()),
        Either::Nothing => Ok(T::default()),
    }
}

/// `#[serde(with = "quoted_u64")]`: written as a string.
pub(crate) mod quoted_u64 {
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        super::read(from)
    }
}

/// `#[serde(with = "quoted_i64")]`: written as a string.
pub(crate) mod quoted_i64 {
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &i64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
        super::read(from)
    }
}

/// `#[serde(deserialize_with = "null_is_default")]`: a null reads as the zero value.
pub(crate) fn null_is_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// For `skip_serializing_if` on numbers.
pub(crate) fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// AIStore's boolean words, any case: `Some(true)` for `1 t true y yes on`, `Some(false)` for
/// `0 f false n no off` and the empty string, `None` for anything else.
#[must_use]
pub fn parse_bool(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["1", "t", "true", "y", "yes", "on"]) {
        Some(true)
    } else if is(&["0", "f", "false", "n", "no", "off", ""]) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Sample {
        #[serde(with = "quoted_u64")]
        u: u64,
        #[serde(with = "quoted_i64")]
        i: i64,
    }

    #[test]
    fn numbers_are_written_quoted_and_read_either_way() {
        let text = serde_json::to_string(&Sample { u: u64::MAX, i: -5 }).unwrap();
        assert_eq!(text, r#"{"u":"18446744073709551615","i":"-5"}"#);
        assert_eq!(serde_json::from_str::<Sample>(&text).unwrap(), Sample { u: u64::MAX, i: -5 });
        assert_eq!(serde_json::from_str::<Sample>(r#"{"u":7,"i":-5}"#).unwrap(), Sample { u: 7, i: -5 });
        assert_eq!(serde_json::from_str::<Sample>(r#"{"u":null,"i":""}"#).unwrap(), Sample { u: 0, i: 0 });
        for bad in [r#"{"u":-1,"i":0}"#, r#"{"u":"x","i":0}"#, r#"{"u":1.5,"i":0}"#, r#"{"u":[],"i":0}"#] {
            assert!(serde_json::from_str::<Sample>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn booleans_have_many_words() {
        for (text, want) in
            [("True", Some(true)), ("YES", Some(true)), ("", Some(false)), ("Off", Some(false)), ("2", None)]
        {
            assert_eq!(parse_bool(text), want, "{text}");
        }
    }
}

//! Go's habit of quoting 64-bit numbers (`"version": "2"`).

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Writes the number as a string.
pub(crate) fn serialize<S: Serializer>(value: &i64, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// Reads a string or, from clients that do not quote, a bare number.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }
    match Either::deserialize(from)? {
        Either::Number(n) => Ok(n),
        Either::Text(s) => s.trim().parse().map_err(D::Error::custom),
    }
}

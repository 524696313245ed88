//! Ids of nodes and jobs. Clients check them before they send, so the rules are AIStore's.

/// The fewest characters of a node's id.
pub const MIN_DAEMON_ID: usize = 8;
/// The fewest characters of a job's, listing's or cluster's id.
pub const MIN_UUID: usize = 9;
/// The most characters of any id.
pub const MAX_ID: usize = 32;

const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const LETTERS: u64 = 52;

fn is_inner(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// Letters, digits, `-` and `_`, the latter two not at the ends; the length within `least` and [`MAX_ID`].
fn well_formed(id: &str, least: usize) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    (least..=MAX_ID).contains(&id.len())
        && id.chars().all(is_inner)
        && edge(id.chars().next())
        && edge(id.chars().next_back())
}

/// Checks a node's id: 8 to 32 letters, digits, `-`, `_`, the first a letter.
///
/// # Errors
/// A text for the client.
pub fn validate_daemon_id(id: &str) -> Result<(), String> {
    if well_formed(id, MIN_DAEMON_ID) && id.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Ok(());
    }
    Err(format!(
        "node ID {id:?} is invalid: expected {MIN_DAEMON_ID} to {MAX_ID} letters, digits, '-' and '_'"
    ))
}

/// True if this is the id of a rebalance: `g` and a number.
#[must_use]
pub fn is_rebalance_id(id: &str) -> bool {
    id.strip_prefix('g')
        .is_some_and(|n| !n.is_empty() && n.len() < 20 && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Checks a job's id: 9 to 32 letters, digits, `-`, `_` (not at the ends), or a rebalance's `g<number>`.
///
/// # Errors
/// A text for the client.
pub fn validate_uuid(id: &str) -> Result<(), String> {
    if well_formed(id, MIN_UUID) || is_rebalance_id(id) {
        return Ok(());
    }
    Err(format!("ID {id:?} is invalid: expected {MIN_UUID} to {MAX_ID} letters, digits, '-' and '_'"))
}

/// `count` letters and digits from random bits (62^10 is a little less than 2^60, so up to 10 are fair).
fn spell(mut bits: u64, count: usize, out: &mut String) {
    for _ in 0..count {
        let at = usize::try_from(bits % 62).unwrap_or(0);
        out.push(char::from(ALPHABET.get(at).copied().unwrap_or(b'a')));
        bits /= 62;
    }
}

/// A letter, never `g`, which would look like a rebalance.
fn first_letter(bits: u64) -> char {
    let at = usize::try_from(bits % LETTERS).unwrap_or(0);
    match ALPHABET.get(at) {
        None | Some(b'g') => 'x',
        Some(letter) => char::from(*letter),
    }
}

/// A new id of a job, listing or cluster, from 128 random bits: 11 letters and digits, the first a letter.
#[must_use]
pub fn uuid_from(high: u64, low: u64) -> String {
    let mut id = String::with_capacity(11);
    id.push(first_letter(high));
    spell(low, 10, &mut id);
    id
}

/// A new id with a kind's prefix (`dnl-`, `etl-`, `tco-`, `inv-`, `gbt-`, `srt-`).
#[must_use]
pub fn prefixed_uuid_from(prefix: &str, high: u64, low: u64) -> String {
    format!("{prefix}{}", uuid_from(high, low))
}

/// A new id of a node: `p` or `t`, and 8 letters and digits.
#[must_use]
pub fn daemon_id_from(is_proxy: bool, random: u64) -> String {
    let mut id = String::from(if is_proxy { "p" } else { "t" });
    spell(random, 8, &mut id);
    id
}

/// The id of the `number`th rebalance.
#[must_use]
pub fn rebalance_id(number: u64) -> String {
    format!("g{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rules() {
        for good in ["pAAAAAAA", "t12345678", "node-with_signs1"] {
            assert_eq!(validate_daemon_id(good), Ok(()), "{good}");
        }
        for bad in ["", "short", "1AAAAAAA", "pAAAAAA-", "p AAAAAA", "p[AAAAAAA]", &"p".repeat(33)] {
            assert!(validate_daemon_id(bad).is_err(), "{bad}");
        }
        for good in ["xJob12345", "123456789", "g1", "g42", "tco-abcdefghij"] {
            assert_eq!(validate_uuid(good), Ok(()), "{good}");
        }
        for bad in ["", "12345678", "-23456789", "12345678_", "g", "gx", "1234 56789", &"x".repeat(33)] {
            assert!(validate_uuid(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn new_ids_are_valid(high: u64, low: u64, is_proxy: bool) {
            let id = uuid_from(high, low);
            prop_assert_eq!(id.len(), 11);
            prop_assert!(validate_uuid(&id).is_ok() && !is_rebalance_id(&id));
            prop_assert!(validate_uuid(&prefixed_uuid_from("dnl-", high, low)).is_ok());
            prop_assert!(validate_daemon_id(&daemon_id_from(is_proxy, low)).is_ok());
            prop_assert!(is_rebalance_id(&rebalance_id(high % 1_000_000)));
        }
    }
}

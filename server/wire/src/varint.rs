//! Numbers of as few bytes as they need: seven bits a byte, low ones first. Each number has one form only.

/// The most bytes of a number.
pub const MAX_BYTES: usize = 10;

/// Appends a number.
pub fn put(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number off the front; `None` for bytes that [`put`] does not write.
pub fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, left) = rest.split_first()?;
        *rest = left;
        let bits = u64::from(byte & 0x7f);
        let overflows = shift == 63 && bits > 1;
        let has_empty_end = byte == 0 && shift > 0;
        if overflows || has_empty_end {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A signed number as one whose size is that of its distance from zero.
#[must_use]
pub fn zigzag(number: i64) -> u64 {
    (number.wrapping_shl(1) ^ (number >> 63)) as u64
}

/// Undoes [`zigzag`].
#[must_use]
pub fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_comes_back_and_has_one_form(number: u64, bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut out = Vec::new();
            put(number >> (number % 64), &mut out);
            prop_assert!(out.len() <= MAX_BYTES);
            prop_assert_eq!(take(&mut out.as_slice()), Some(number >> (number % 64)));
            for cut in 0..out.len() {
                prop_assert_eq!(take(&mut &out[..cut]), None);
            }
            let mut rest = bytes.as_slice();
            if let Some(number) = take(&mut rest) {
                let mut again = Vec::new();
                put(number, &mut again);
                prop_assert!(bytes.starts_with(&again) && rest.len() + again.len() == bytes.len());
            }
        }

        #[test]
        fn signs_come_back(number: i64) {
            prop_assert_eq!(unzigzag(zigzag(number)), number);
            prop_assert_eq!(zigzag(number >> 40) < 1 << 24, true);
        }
    }
}

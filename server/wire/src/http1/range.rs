//! Range requests (RFC 9110 section 14).

/// The part of the object to send for a Range header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RangeOutcome {
    /// No usable range: send everything with 200.
    Whole,
    /// One range within the object: 206. `len` is at least 1 and `start + len` at most the size.
    Part {
        /// Offset of the first byte.
        start: u64,
        /// Bytes to send.
        len: u64,
    },
    /// A well-formed range that holds no byte of the object: 416.
    Unsatisfiable,
    /// Several ranges, all well formed. The caller decides: the whole object is always a legal answer.
    Multiple,
}

/// Reads a Range header for an object of `size` bytes. A header that is not well formed or is in another
/// unit than bytes counts as absent, as the RFC asks.
pub fn parse_range(header: Option<&str>, size: u64) -> RangeOutcome {
    let Some((unit, set)) = header.and_then(|text| text.trim_matches([' ', '\t']).split_once('=')) else {
        return RangeOutcome::Whole;
    };
    if !unit.eq_ignore_ascii_case("bytes") {
        return RangeOutcome::Whole;
    }
    let mut first = None;
    let mut several = false;
    // Empty list elements are legal and mean nothing.
    for spec in set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty()) {
        let Some(outcome) = parse_spec(spec, size) else { return RangeOutcome::Whole };
        several |= first.is_some();
        first = first.or(Some(outcome));
    }
    if several { RangeOutcome::Multiple } else { first.unwrap_or(RangeOutcome::Whole) }
}

/// One `a-b`, `a-` or `-n`; `None` when it is none of these.
fn parse_spec(spec: &str, size: u64) -> Option<RangeOutcome> {
    let (first, last) = spec.split_once('-')?;
    let (start, end) = match (first, last) {
        ("", suffix) => (size.saturating_sub(parse_position(suffix)?), size),
        (first, "") => (parse_position(first)?, size),
        (first, last) => {
            let (first, last) = (parse_position(first)?, parse_position(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(size))
        }
    };
    let len = end.saturating_sub(start);
    Some(if len == 0 { RangeOutcome::Unsatisfiable } else { RangeOutcome::Part { start, len } })
}

/// A decimal position. One too large for 64 bits is still well formed, and past every object: it saturates.
fn parse_position(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte.wrapping_sub(b'0')))?;
        Some(sum.saturating_mul(10).saturating_add(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::RangeOutcome::{Multiple, Unsatisfiable, Whole};
    use super::*;

    fn part(start: u64, len: u64) -> RangeOutcome {
        RangeOutcome::Part { start, len }
    }

    #[test]
    fn table() {
        let cases = [
            ("bytes=0-0", 10, part(0, 1)),
            ("bytes=0-9", 10, part(0, 10)),
            ("bytes=2-99", 10, part(2, 8)),
            ("bytes=9-", 10, part(9, 1)),
            ("bytes=-3", 10, part(7, 3)),
            ("bytes=-30", 10, part(0, 10)),
            ("Bytes=1-1", 10, part(1, 1)),
            (" bytes= 1-1 ", 10, part(1, 1)),
            ("bytes=,1-1,", 10, part(1, 1)),
            ("bytes=0-18446744073709551616", 10, part(0, 10)),
            ("bytes=5-18446744073709551615", u64::MAX, part(5, u64::MAX - 5)),
            ("bytes=-0", 10, Unsatisfiable),
            ("bytes=10-", 10, Unsatisfiable),
            ("bytes=10-11", 10, Unsatisfiable),
            ("bytes=99999999999999999999999-", 10, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-5", 0, Unsatisfiable),
            ("bytes=0-1,3-4", 10, Multiple),
            ("bytes=0-1 , -1", 10, Multiple),
            ("bytes=0-1,20-", 10, Multiple),
            ("bytes=3-2", 10, Whole),
            ("bytes=0-1,x", 10, Whole),
            ("bytes=", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes=--1", 10, Whole),
            ("bytes=1", 10, Whole),
            ("bytes=+1-2", 10, Whole),
            ("bytes=1 - 2", 10, Whole),
            ("bytes = 1-2", 10, Whole),
            ("items=0-1", 10, Whole),
            ("", 10, Whole),
        ];
        for (text, size, expected) in cases {
            assert_eq!(parse_range(Some(text), size), expected, "{text} of {size}");
        }
        assert_eq!(parse_range(None, 10), Whole);
    }
}

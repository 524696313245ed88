//! Reading a part of an object: which part, and whether the answer is that part.

use super::random::scale;
use serde::Serialize;
use std::fmt;

/// Where the parts that a run reads begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RangeMode {
    /// All at the same offset.
    Fixed,
    /// Anywhere.
    Random,
    /// At multiples of the length.
    Aligned,
}

/// The parts of objects that a run reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RangeRead {
    /// No part begins before this.
    pub offset_bytes: u64,
    /// Length of every part; `None`: to the object's end.
    pub len_bytes: Option<u64>,
    /// Where parts begin.
    pub mode: RangeMode,
}

/// One part; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// Its first byte.
    pub first: u64,
    /// Its last byte; `None`: the object's.
    pub last: Option<u64>,
}

impl RangeMode {
    /// The mode that the flag names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "fixed" => Some(Self::Fixed),
            "random" => Some(Self::Random),
            "aligned" => Some(Self::Aligned),
            _ => None,
        }
    }
}

impl RangeRead {
    /// True when parts depend on how large the object is.
    #[must_use]
    pub fn needs_sizes(&self) -> bool {
        self.mode != RangeMode::Fixed
    }

    /// The next part, of an object of `size_bytes`, where that is known; `random` is uniform over 64 bits. `None`: it
    /// would have to be known.
    #[must_use]
    pub fn pick(&self, size_bytes: Option<u64>, random: u64) -> Option<ByteRange> {
        let len = self.len_bytes.unwrap_or(0);
        let first = match self.mode {
            RangeMode::Fixed => self.offset_bytes,
            RangeMode::Random => {
                let starts =
                    size_bytes?.saturating_sub(self.offset_bytes).saturating_sub(len).saturating_add(1);
                self.offset_bytes.saturating_add(scale(random, starts))
            }
            RangeMode::Aligned => {
                let blocks =
                    size_bytes?.saturating_sub(self.offset_bytes).checked_div(len).unwrap_or(1).max(1);
                self.offset_bytes.saturating_add(scale(random, blocks).saturating_mul(len))
            }
        };
        let last = self.len_bytes.map(|len| first.saturating_add(len).saturating_sub(1));
        Some(ByteRange { first, last })
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "bytes={}-", self.first)?;
        self.last.map_or(Ok(()), |last| write!(out, "{last}"))
    }
}

impl ByteRange {
    /// Checks a successful answer to a request for this part. An object that ends inside it has a shorter one.
    ///
    /// # Errors
    /// The answer does not fit the request; the error says why.
    pub fn check(self, status: u16, content_range: &str, body_bytes: u64) -> Result<(), String> {
        if status != 206 {
            return Err(format!("asked for {self}, answered with status {status}, which is not 206"));
        }
        let wrong = || format!("asked for {self}, answered with {body_bytes} bytes of {content_range:?}");
        let (first, last, total) = parse_content_range(content_range).ok_or_else(wrong)?;
        let end = total.saturating_sub(1);
        let wanted = self.last.map_or(end, |last| last.min(end));
        let is_right = first == self.first && last == wanted && first <= last;
        let is_whole = last.saturating_sub(first).saturating_add(1) == body_bytes;
        if is_right && is_whole { Ok(()) } else { Err(wrong()) }
    }
}

/// First byte, last byte and the object's size.
fn parse_content_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, total.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement::mix;
    use std::collections::HashSet;

    fn read(offset_bytes: u64, len_bytes: Option<u64>, mode: RangeMode) -> RangeRead {
        RangeRead { offset_bytes, len_bytes, mode }
    }

    #[test]
    fn fixed_ranges_are_all_the_same() {
        let part = |len| read(100, len, RangeMode::Fixed).pick(None, 7).map(|range| range.to_string());
        assert_eq!(part(Some(50)).as_deref(), Some("bytes=100-149"));
        assert_eq!(part(None).as_deref(), Some("bytes=100-"));
    }

    #[test]
    fn random_ranges_reach_every_place_and_stay_inside() {
        for (mode, want) in [(RangeMode::Random, 81), (RangeMode::Aligned, 5)] {
            let ranges = (0..20_000).map(|n| read(100, Some(20), mode).pick(Some(200), mix(n)).unwrap());
            let seen: HashSet<u64> = ranges
                .inspect(|range| assert!(range.first >= 100 && range.last <= Some(199)))
                .map(|range| range.first)
                .collect();
            assert_eq!(seen.len(), want, "{mode:?}");
            assert!(mode == RangeMode::Random || seen.iter().all(|first| first % 20 == 0));
            assert_eq!(read(0, Some(20), mode).pick(None, 1), None);
            // An object smaller than a part is read from its start.
            assert_eq!(read(0, Some(20), mode).pick(Some(5), u64::MAX).unwrap().first, 0);
        }
    }

    #[test]
    fn answers_are_checked() {
        let range = ByteRange { first: 10, last: Some(19) };
        let open = ByteRange { first: 10, last: None };
        let table = [
            (range, 206, "bytes 10-19/100", 10, true),
            (range, 206, "bytes 10-14/15", 5, true),
            (open, 206, "bytes 10-99/100", 90, true),
            (range, 200, "", 100, false),
            (range, 206, "", 10, false),
            (range, 206, "bytes 0-9/100", 10, false),
            (range, 206, "bytes 10-19/100", 9, false),
            (range, 206, "bytes 10-14/100", 5, false),
            (range, 206, "bytes 10-19/*", 10, false),
            (range, 206, "bytes 10-9/10", 0, false),
            (open, 206, "bytes 10-98/100", 89, false),
        ];
        for (range, status, content_range, bytes, want) in table {
            assert_eq!(range.check(status, content_range, bytes).is_ok(), want, "{content_range} {bytes}");
        }
    }
}

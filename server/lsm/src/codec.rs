//! Numbers in bytes: little-endian or of variable length, read without trusting any of them.

/// Bytes of the longest variable-length number.
const VARINT_BYTES_MAX: usize = 5;

/// Appends a number in groups of seven bits, the lowest first.
pub(super) fn put_varint(to: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// Bytes that [`put_varint`] appends.
pub(super) fn varint_len(value: u32) -> usize {
    (32 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Takes values from the front of a slice; `None` when too few bytes are left.
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn left(&self) -> usize {
        self.0.len()
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// `count` little-endian numbers.
    pub(super) fn u32s(&mut self, count: usize) -> Option<impl ExactSizeIterator<Item = u32> + use<'a>> {
        let (words, _) = self.take(count.checked_mul(4)?)?.as_chunks::<4>();
        Some(words.iter().map(|word| u32::from_le_bytes(*word)))
    }

    pub(super) fn varint(&mut self) -> Option<u32> {
        let (&first, rest) = self.0.split_first()?;
        if first < 0x80 {
            self.0 = rest;
            return Some(first.into());
        }
        let mut value = 0u32;
        for at in 0..VARINT_BYTES_MAX {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let group = u32::from(byte & 0x7f);
            // A value that does not fit is no number of ours.
            value |= group.checked_shl(7 * at as u32).filter(|v| v >> (7 * at) == group)?;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

/// The number of bytes that two slices begin with in common.
pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let (words_a, _) = a.as_chunks::<8>();
    let (words_b, _) = b.as_chunks::<8>();
    let mut at = 0;
    for (x, y) in words_a.iter().zip(words_b) {
        let differ = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differ != 0 {
            return at + differ.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let tails = a.iter().zip(b).skip(at);
    at + tails.take_while(|(x, y)| x == y).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(values in prop::collection::vec(prop_oneof![0u32..300, any::<u32>()], 0..20)) {
            let mut bytes = Vec::new();
            for &value in &values {
                let before = bytes.len();
                put_varint(&mut bytes, value);
                prop_assert_eq!(bytes.len() - before, varint_len(value));
            }
            let mut input = Input::new(&bytes);
            for &value in &values {
                prop_assert_eq!(input.varint(), Some(value));
            }
            prop_assert_eq!(input.left(), 0);
            prop_assert_eq!(input.varint(), None);
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut input = Input::new(&bytes);
            while input.varint().is_some() {}
            let mut input = Input::new(&bytes);
            prop_assert!(input.take(bytes.len() + 1).is_none());
            prop_assert_eq!(input.u64().is_some(), bytes.len() >= 8);
        }

        #[test]
        fn common_prefixes(a in "[ab]{0,30}", b in "[ab]{0,30}", front in "[a-c]{0,30}") {
            let (a, b) = (format!("{front}{a}"), format!("{front}{b}"));
            let slow = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
            prop_assert_eq!(common_prefix(a.as_bytes(), b.as_bytes()), slow);
        }
    }
}

//! Lower-case hexadecimal as the bytes that it stands for: half as many.

/// The bytes; `None` for a text that is no lower-case hexadecimal of whole bytes, or empty.
#[must_use]
pub fn pack(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    let packed: Option<Vec<u8>> = pairs
        .map(|pair| <&[u8; 2]>::try_from(pair).ok().and_then(|&[a, b]| Some(digit(a)? << 4 | digit(b)?)))
        .collect();
    packed.filter(|bytes| !bytes.is_empty())
}

/// Undoes [`pack`].
#[must_use]
pub fn unpack(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    push(&mut text, bytes);
    text
}

/// Appends the text of some bytes.
pub fn push(text: &mut String, bytes: &[u8]) {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    text.extend(digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back(bytes in prop::collection::vec(any::<u8>(), 1..40), other in "[0-9a-gA-F]{0,9}") {
            prop_assert_eq!(pack(&unpack(&bytes)), Some(bytes));
            if let Some(packed) = pack(&other) {
                prop_assert_eq!(unpack(&packed), other);
            }
        }
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        for text in ["", "a", "abc", "AB", "0x", "zz", " a"] {
            assert_eq!(pack(text), None, "{text}");
        }
    }
}

//! Bytes as text: a comment can carry no others.

/// Lower-case hexadecimal digits.
pub(super) fn encode(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    bytes.iter().flat_map(move |byte| [digit(byte >> 4), digit(byte & 15)])
}

/// Undoes [`encode`]; upper case too.
pub(super) fn decode(digits: &[u8]) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| u8::try_from(nibble(*high)? * 16 + nibble(*low)?).ok());
    if rest.is_empty() { bytes.collect() } else { None }
}

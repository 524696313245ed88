//! Bytes as text, where zeros and control characters would trouble a reader: base64 without padding at its end.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;

/// The length of the text of so many bytes.
pub(crate) const fn text_len(bytes: usize) -> usize {
    bytes.saturating_mul(4).div_ceil(3)
}

/// The most bytes whose text is no longer than this.
pub(crate) const fn bytes_in(text_len: usize) -> usize {
    text_len / 4 * 3
}

/// Appends the text of some bytes.
pub(crate) fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start.saturating_add(text_len(bytes.len())), 0);
    let written = BASE64.encode_slice(bytes, out.get_mut(start..).unwrap_or_default());
    assert_eq!(
        written.ok(),
        Some(out.len().saturating_sub(start)),
        "a text has the length that was foreseen"
    );
}

/// Undoes [`put`]; `None` for what [`put`] does not write.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_back_and_are_unique() {
        for len in 0..200 {
            let bytes: Vec<u8> = (0..len).map(|at| (at * 89) as u8).collect();
            let mut text = b"before".to_vec();
            put(&mut text, &bytes);
            assert_eq!((text.len() - 6, decode(&text[6..])), (text_len(len), Some(bytes)));
            assert!(text_len(bytes_in(len)) <= len);
        }
        for other in ["QQ==", "QR", "Q", "QQ\n", "Q-"] {
            assert_eq!(decode(other.as_bytes()), None, "{other}");
        }
    }
}

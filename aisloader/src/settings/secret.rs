//! The token that agents and their coordinators share.

use std::fmt;

/// Shorter ones could be guessed by whoever listens.
const TOKEN_BYTES_MIN: usize = 16;
const TOKEN_BYTES_MAX: usize = 4096;

/// The token. Its text is never shown.
#[derive(Clone)]
pub(crate) struct Token(Vec<u8>);

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token")
    }
}

impl Token {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or what it holds is no token.
    pub(crate) fn read(path: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("-token-file: {path:?}: {e}"))?;
        Self::new(text.trim()).map_err(|why| format!("-token-file: {path:?}: {why}"))
    }

    /// The token that a text is.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain || !(TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&text.len()) {
            return Err(format!(
                "a token has {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} printable characters without spaces, such as \
                 `openssl rand -hex 32` makes"
            ));
        }
        Ok(Self(text.as_bytes().to_vec()))
    }

    /// The bytes that a proof is made with.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_token_is_refused_and_none_is_shown() {
        for text in ["", "short", "0123456789 abcdef", &"x".repeat(5000)] {
            assert!(Token::new(text).is_err(), "{text}");
        }
        assert!(!format!("{:?}", Token::new("0123456789abcdef").unwrap()).contains("0123"));
        assert!(Token::read("/nowhere/x").unwrap_err().contains("/nowhere/x"));
    }
}

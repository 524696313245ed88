//! `-tokenfile`.

use crate::flags::{FlagError, Parsed};
use serde::Deserialize;

#[derive(Deserialize)]
struct TokenFile {
    token: String,
}

/// The token that every request carries: of AIStore's JSON its `token`, of any other file its text.
///
/// # Errors
/// When the file cannot be read, or has no token that could stand in a header.
pub(crate) fn token(flags: &Parsed) -> Result<Option<String>, FlagError> {
    let path = flags.text("tokenfile");
    if path.is_empty() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).map_err(|e| FlagError(format!("-tokenfile: {path:?}: {e}")))?;
    let token = serde_json::from_str::<TokenFile>(&text).map_or(text, |file| file.token);
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(FlagError(format!("-tokenfile: {path:?} has no token")));
    }
    Ok(Some(token.to_owned()))
}

//! The document in which a server tells of a failure.

use super::reader::{Found, TEXT_CHARS_MAX, read};
use super::writer::Writer;
use std::fmt;

/// A failure as a server tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorText {
    /// One word, such as `SlowDown`.
    pub code: String,
    /// A sentence.
    pub message: String,
    /// The bucket's region, where the request was signed for another.
    pub region: String,
    /// The address to go to, in redirects.
    pub endpoint: String,
    /// The name that it is about, in answers about several.
    pub key: String,
}

impl ErrorText {
    /// Takes an element's text in.
    pub(super) fn take(&mut self, name: &str, text: &str) {
        let field = match name {
            "Code" => &mut self.code,
            "Message" => &mut self.message,
            "Region" => &mut self.region,
            "Endpoint" => &mut self.endpoint,
            "Key" => &mut self.key,
            _ => return,
        };
        field.clear();
        field.push_str(text);
    }
}

impl fmt::Display for ErrorText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| text.chars().take(TEXT_CHARS_MAX).collect::<String>();
        write!(out, "{}: {}", shown(&self.code), shown(self.message.trim()))
    }
}

/// The failure in the body of an answer; `None` when it is no such document.
#[must_use]
pub fn read_error(bytes: &[u8]) -> Option<ErrorText> {
    let mut error = ErrorText::default();
    let mut is_error = false;
    let outcome = super::reader::walk(bytes, &mut |path, found| {
        if !is_error && path != "/Error" {
            // Anything else is read by whoever knows it.
            return Err(super::XmlError::new("it is no Error"));
        }
        is_error = true;
        if let (Some(name), Found::Text(text)) = (path.strip_prefix("/Error/"), found) {
            error.take(name, text);
        }
        Ok(())
    });
    outcome.ok().map(|()| error)
}

/// The body of a failed answer. `more` are elements that belong to some codes, such as `Region` or `ActualObjectSize`. It
/// is kept short: some clients cannot read an error that is longer than the range they asked for.
#[must_use]
pub fn write_error(
    code: &str,
    message: &str,
    resource: &str,
    request_id: &str,
    more: &[(&str, &str)],
) -> String {
    let mut out = Writer::declared("Error");
    out.text("Code", code).text("Message", message);
    for (name, text) in more {
        out.text(name, text);
    }
    out.text("Resource", resource).text("RequestId", request_id);
    out.finish()
}

/// Reads the errors in a document of several, with the path that each has there.
pub(super) fn read_errors(bytes: &[u8], root: &str, place: &str) -> Result<Vec<ErrorText>, super::XmlError> {
    let mut errors: Vec<ErrorText> = Vec::new();
    read(bytes, root, &mut |path, found| {
        match found {
            Found::Begin if path == place => errors.push(ErrorText::default()),
            Found::Text(text) => {
                let name = path.strip_prefix(place).and_then(|rest| rest.strip_prefix('/'));
                if let (Some(name), Some(error)) = (name, errors.last_mut()) {
                    error.take(name, text);
                }
            }
            Found::Begin => {}
        }
        Ok(())
    })?;
    Ok(errors)
}

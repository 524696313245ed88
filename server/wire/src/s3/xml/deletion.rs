//! Deleting many objects at once.

use super::failure::{ErrorText, read_errors};
use super::reader::{Found, XmlError, boolean, read};
use super::writer::Writer;

/// Names that one request may have.
const NAMES_MAX: usize = 1000;

/// A request for deletions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deletion {
    /// Names and, where a version of one is meant, its id.
    pub objects: Vec<(String, Option<String>)>,
    /// Only failures are told.
    pub is_quiet: bool,
}

/// The body that deletes these names, at most 1,000, and is answered with failures only.
#[must_use]
pub fn deletion(names: &[&str]) -> String {
    let mut out = Writer::plain("Delete");
    out.value("Quiet", true);
    for name in names {
        out.within("Object", |out| {
            out.text("Key", name);
        });
    }
    out.finish()
}

/// Reads a request for deletions.
///
/// # Errors
/// When it is none, has no name, an empty one, or more than 1,000: `MalformedXML` in S3's terms.
pub fn read_deletion(bytes: &[u8]) -> Result<Deletion, XmlError> {
    let mut deletion = Deletion::default();
    read(bytes, "Delete", &mut |path, found| {
        match (path, found) {
            ("Object", Found::Begin) if deletion.objects.len() >= NAMES_MAX => {
                return Err(XmlError::new("there are more than 1000 objects"));
            }
            ("Object", Found::Begin) => deletion.objects.push(Default::default()),
            ("Quiet", Found::Text(text)) => deletion.is_quiet = boolean("Quiet", text)?,
            ("Object/Key", Found::Text(text)) => {
                if let Some((name, _)) = deletion.objects.last_mut() {
                    text.clone_into(name);
                }
            }
            ("Object/VersionId", Found::Text(text)) => {
                if let Some((_, version)) = deletion.objects.last_mut() {
                    *version = Some(text.trim().to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    if deletion.objects.is_empty() || deletion.objects.iter().any(|(name, _)| name.is_empty()) {
        return Err(XmlError::new("an object has no name, or there is none"));
    }
    Ok(deletion)
}

/// The answer: names that are gone, and those that are not and why.
#[must_use]
pub fn write_delete_result<'n>(
    deleted: impl Iterator<Item = &'n str>,
    failed: &[ErrorText],
    is_quiet: bool,
) -> String {
    let mut out = Writer::answer("DeleteResult");
    for name in deleted.filter(|_| !is_quiet) {
        out.within("Deleted", |out| {
            out.text("Key", name);
        });
    }
    for error in failed {
        out.within("Error", |out| {
            out.text("Key", &error.key).text("Code", &error.code).text("Message", &error.message);
        });
    }
    out.finish()
}

/// The names that could not be deleted, and why.
///
/// # Errors
/// When the document does not tell.
pub fn read_delete_result(bytes: &[u8]) -> Result<Vec<ErrorText>, XmlError> {
    read_errors(bytes, "DeleteResult", "Error")
}

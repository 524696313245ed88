//! Looks at something that may be damaged, and that moves meanwhile.

use crate::error::{Error, Kind, Result};

/// Something that moves is looked at again so often.
pub(super) const TRIES: usize = 5;

/// An error that is a finding about what was read, in words.
pub(super) fn readable<T>(outcome: Result<T>) -> Result<Result<T, String>> {
    match outcome {
        Ok(value) => Ok(Ok(value)),
        Err(Error { kind: Kind::Io | Kind::Corrupt, text, .. }) => Ok(Err(text)),
        Err(e) => Err(e),
    }
}

//! How something that may be damaged, and that moves while it is looked at, is looked at.

use crate::error::{Error, Kind, Result};

/// How often something that moves is looked at again.
pub(super) const TRIES: usize = 5;

/// An error that is a finding about what was read, in words.
pub(super) fn readable<T>(outcome: Result<T>) -> Result<Result<T, String>> {
    match outcome {
        Ok(value) => Ok(Ok(value)),
        Err(Error { kind: Kind::Io | Kind::Corrupt, text, .. }) => Ok(Err(text)),
        Err(e) => Err(e),
    }
}

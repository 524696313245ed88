//! Why an experiment could not be made.

use std::fmt;
use std::io;
use std::path::Path;

/// Why the experiment could not be made, in words for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

/// The outcome of a part of the experiment.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(super) fn interrupted() -> Self {
        Self("interrupted".to_owned())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Names the file that an error is about.
pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> Failure {
    move |e| Failure(format!("{}: {e}", path.display()))
}

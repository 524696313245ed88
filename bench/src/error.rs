//! Errors are texts for the operator.

/// An outcome, or what to tell the operator.
pub(crate) type Result<T> = std::result::Result<T, String>;

//! The ways in which a tool may end.

/// The outcome of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Clean,
    /// It ran, and something is wrong.
    Findings,
}

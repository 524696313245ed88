//! Bounds of a connection.

use wire::http1::HeadLimits;

/// The bounds of a connection in bytes and time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamLimits {
    pub(crate) head: HeadLimits,
    /// The limit between requests.
    pub(crate) idle_timeout_ms: u64,
    /// The limit from one byte of a head to the next; see [`super::stream`].
    pub(crate) head_timeout_ms: u64,
    /// The limit from one byte of a body to the next; see [`super::stream`].
    pub(crate) body_timeout_ms: u64,
    /// Sends from this size on try to go without a copy.
    pub(crate) zero_copy_bytes_min: usize,
}

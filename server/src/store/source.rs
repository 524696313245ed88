//! Where the bytes of an object come from: a request's body, or another object.

use crate::error::Result;
use std::ops::Range;
use uring::Buf;

/// A source's word on the bytes to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// There are no more.
    End,
    /// A few are there, and more will be slow: they are not worth a buffer, see [`ByteSource::take`].
    Few,
    /// They are worth a buffer: they are there, or come fast.
    Flow,
}

/// The way in which a buffer was filled, and the number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    Full(usize),
    /// The source has ended.
    Ended(usize),
    /// The rest would hold the buffer for too long.
    Slow(usize),
}

impl Fill {
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Full(count) | Self::Ended(count) | Self::Slow(count) => count,
        }
    }
}

/// A source of bytes.
pub(crate) trait ByteSource {
    /// Waits until there is something to say of the next bytes. The caller holds no buffer meanwhile. `is_plenty` tells
    /// if there are so many free buffers that one may go to a source that is not known yet.
    async fn arrive(&mut self, is_plenty: &dyn Fn() -> bool) -> Result<Arrival>;

    /// Fills `range` of the buffer, which comes back in any case.
    async fn fill(&mut self, buf: Buf, range: Range<usize>) -> (Result<Fill>, Buf);

    /// Appends at most `bytes_max` of the bytes that are there, without waiting.
    fn take(&mut self, bytes_max: usize, to: &mut Vec<u8>) -> Result<()>;
}

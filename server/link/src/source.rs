//! Where the body of a request comes from.

use crate::error::LinkError;
use std::ops::Range;
use uring::StableBytes;

/// Bytes to send: a range of memory that the ring may keep until it has sent them.
#[derive(Clone, Debug)]
pub struct Piece<B> {
    /// The memory.
    pub bytes: B,
    /// The part of it that is sent.
    pub range: Range<usize>,
}

impl<B: StableBytes> Piece<B> {
    /// The bytes that are sent.
    #[must_use]
    pub fn slice(&self) -> &[u8] {
        self.bytes.slice().get(self.range.clone()).unwrap_or_default()
    }
}

/// A body, piece by piece. The head states its length; a source that gives another one breaks the connection.
pub trait Source {
    /// The memory of its pieces, for example `Rc<[u8]>`, or [`uring::Chunk`] for registered memory.
    type Bytes: StableBytes;

    /// The piece of this number, from 0 on in order; `None` behind the last. The one before is not held any more, so both
    /// may lie in the same memory. A request that is sent again on a new connection begins at 0 again: a source that
    /// cannot do that fails then. What it takes to get the piece is no time of the peer's.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Source`]; the exchange ends with it, and the peer sees its connection cut.
    fn piece(&mut self, index: usize) -> impl Future<Output = Result<Option<Piece<Self::Bytes>>, LinkError>>;
}

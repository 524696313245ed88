//! Bytes of an object on their way to a client.

use std::ops::Range;
use std::rc::Rc;
use uring::Chunk;

/// A verified part of an object: these bytes of this buffer are wanted.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) chunk: Chunk,
    pub(crate) range: Range<usize>,
}

impl Piece {
    /// The same bytes once more.
    pub(crate) fn share(&self) -> Self {
        Self { chunk: Rc::clone(&self.chunk), range: self.range.clone() }
    }
}

//! Values that may be handed to the kernel as bytes to send or write.

use crate::pool::Buf;
use std::ops::Range;
use std::rc::Rc;

/// Bytes whose address does not change while the value is moved around and only shared.
///
/// # Safety
/// `slice` must return the same address and length on every call, wherever the value itself has been moved, for as
/// long as the value is not mutated. (A `Vec` qualifies, a `[u8; N]` does not.)
pub unsafe trait StableBytes: 'static {
    /// The bytes.
    fn slice(&self) -> &[u8];
}

/// True if the range lies inside so many bytes.
pub(crate) fn is_part(range: &Range<usize>, len: usize) -> bool {
    range.start <= range.end && range.end <= len
}

// SAFETY: a pool buffer points into a mapping that never moves.
unsafe impl StableBytes for Buf {
    fn slice(&self) -> &[u8] {
        self
    }
}
// SAFETY: as above; the count does not change the address.
unsafe impl StableBytes for Rc<Buf> {
    fn slice(&self) -> &[u8] {
        self
    }
}
// SAFETY: heap memory of a vector that is not mutated does not move with the vector.
unsafe impl StableBytes for Vec<u8> {
    fn slice(&self) -> &[u8] {
        self
    }
}
// SAFETY: heap memory behind the count.
unsafe impl StableBytes for Rc<[u8]> {
    fn slice(&self) -> &[u8] {
        self
    }
}
// SAFETY: static memory.
unsafe impl StableBytes for &'static [u8] {
    fn slice(&self) -> &[u8] {
        self
    }
}

//! The fate of the bytes of an answer.

use crate::content::Verifier;
use crate::recorder::OpError;
use wire::cksum::Hasher;

/// A body that is kept may not be larger.
const KEPT_BYTES_MAX: usize = 256 << 20;

/// The fate of the bytes.
pub(crate) enum Sink<'a> {
    /// Nothing.
    Discard,
    /// Nothing, and the kernel may drop them without a copy.
    Drop,
    /// They are hashed, once it is known how.
    Hash(&'a mut Option<Hasher>),
    /// They are compared with what must have been written.
    Verify(&'a mut Verifier),
    /// They are kept.
    Collect(&'a mut Vec<u8>),
}

impl Sink<'_> {
    /// Takes bytes in, in their order.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), OpError> {
        match self {
            Self::Discard | Self::Drop => {}
            Self::Hash(hasher) => {
                if let Some(hasher) = hasher {
                    hasher.update(bytes);
                }
            }
            Self::Verify(verifier) => verifier.take(bytes),
            Self::Collect(kept) if kept.len().saturating_add(bytes.len()) > KEPT_BYTES_MAX => {
                return Err(OpError::protocol("the answer is too large to be kept"));
            }
            Self::Collect(kept) => kept.extend_from_slice(bytes),
        }
        Ok(())
    }
}

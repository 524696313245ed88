//! The operations, one family a file. Each is a value with its memory and an `Operation` implementation.

mod accept;
mod disk;
mod misc;
mod socket;
mod zero_copy;

pub use accept::AcceptStream;
pub(crate) use misc::Readable;
pub use zero_copy::ZcVerdict;

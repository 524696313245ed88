//! As many random numbers as one decision needs, for samplers that may reject some.

use placement::mix;
use rand::TryRng;
use std::convert::Infallible;

/// A short stream of numbers that depends on nothing but its key.
pub(super) struct Draws {
    key: u64,
    taken: u64,
}

impl Draws {
    /// The numbers that belong to `key`, itself uniform over 64 bits.
    pub(super) fn new(key: u64) -> Self {
        Self { key, taken: 0 }
    }
}

impl TryRng for Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        // The upper half of 64 bits always fits.
        self.try_next_u64().map(|wide| u32::try_from(wide >> 32).unwrap_or(u32::MAX))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.taken = self.taken.wrapping_add(1);
        Ok(mix(self.key ^ mix(self.taken)))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for part in to.chunks_mut(8) {
            let number = self.try_next_u64()?.to_le_bytes();
            for (slot, byte) in part.iter_mut().zip(number) {
                *slot = byte;
            }
        }
        Ok(())
    }
}

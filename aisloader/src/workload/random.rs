//! Random numbers that depend on nothing but their coordinates.
//!
//! Every decision of a run draws from a stream of its own: (seed, decision, worker, count). So no two decisions are
//! correlated (AIStore's loader hashes one counter for all of them, and then every PUT of a 30/30 mix is multipart),
//! and the same seed gives the same run, whatever the cores do in between.

use placement::mix;

/// Rounds of the permutation's network.
const ROUNDS: u64 = 4;
/// The same when half of a place has fewer than [`SMALL_HALF_BITS`] bits.
const ROUNDS_SMALL: u64 = 12;
const SMALL_HALF_BITS: u32 = 8;

/// The purpose that a number is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The kind of the next operation.
    Kind = 1,
    /// The size of an object.
    Size = 2,
    /// The name of a new object.
    Name = 3,
    /// The object that is read.
    Pick = 4,
    /// Where in the payload pool an object starts.
    Payload = 5,
    /// The order in which names are visited.
    Order = 6,
    /// The choice that makes an UPDATE of a read.
    Update = 7,
    /// The size of the object that an UPDATE writes.
    UpdateSize = 8,
    /// Where its payload starts.
    UpdatePayload = 9,
    /// The object that is deleted.
    Delete = 10,
    /// The part of an object that is read.
    Range = 11,
    /// The gateway that is asked.
    Gateway = 12,
    /// The choice that makes a shard of a new object.
    Shard = 13,
    /// The size of a file of a shard.
    Member = 14,
    /// The choice that makes a PUT in parts.
    Multipart = 15,
    /// The names that are the hot ones.
    Scatter = 32,
    /// When an operation of an open loop is due.
    Arrival = 20,
}

/// The number at these coordinates, uniform over all 64 bits.
#[must_use]
pub fn draw(seed: u64, stream: Stream, worker: u64, count: u64) -> u64 {
    mix(mix(mix(seed ^ ((stream as u64) << 56)) ^ worker) ^ count)
}

/// Scales a 64-bit number to `0..bound` without bias that matters; 0 when there is nothing to choose from.
#[must_use]
pub fn scale(random: u64, bound: u64) -> u64 {
    let product = u128::from(random) * u128::from(bound);
    u64::try_from(product >> 64).unwrap_or(u64::MAX)
}

/// The place of `index` in a pseudo-random order of `0..len`: each place exactly once, in constant memory.
///
/// A Feistel network over the next even number of bits; values outside walk on along their cycle until they are
/// inside, which takes under four steps on average. In a small domain few rounds leave a visible bias.
#[must_use]
pub fn permute(key: u64, index: u64, len: u64) -> u64 {
    if len < 2 {
        return 0;
    }
    let bits = u64::BITS.saturating_sub(len.saturating_sub(1).leading_zeros());
    let half_bits = bits.div_ceil(2).max(1);
    let rounds = if half_bits < SMALL_HALF_BITS { ROUNDS_SMALL } else { ROUNDS };
    let mask = (1u64 << half_bits.min(32)).wrapping_sub(1);
    let mut value = index.checked_rem(len).unwrap_or(0);
    loop {
        let (mut left, mut right) = (value >> half_bits, value & mask);
        for round in 0..rounds {
            // The key of the round; its number keeps keys of a few bits from having equal ones.
            let key = key.rotate_left(11u32.wrapping_mul(round as u32)) ^ (round << 60);
            let next = left ^ (mix(right ^ key) & mask);
            left = right;
            right = next;
        }
        value = (left << half_bits) | right;
        if value < len {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn streams_are_independent() {
        // Chi-square over the joint table of two decisions of the same operation.
        let mut table = [[0f64; 8]; 8];
        for n in 0..64_000 {
            let a = scale(draw(7, Stream::Kind, 3, n), 8) as usize;
            let b = scale(draw(7, Stream::Size, 3, n), 8) as usize;
            table[a][b] += 1.0;
        }
        let chi: f64 = table.iter().flatten().map(|got| (got - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi < 130.0, "{chi}");
    }

    proptest! {
        #[test]
        fn a_permutation_visits_each_place_once(key: u64, len in 1u64..3000) {
            let mut seen = vec![false; len as usize];
            for index in 0..len {
                let at = permute(key, index, len) as usize;
                prop_assert!(!seen[at]);
                seen[at] = true;
            }
        }

        #[test]
        fn scaled_numbers_are_below_the_bound(random: u64, bound in 1u64..) {
            prop_assert!(scale(random, bound) < bound);
        }
    }
}

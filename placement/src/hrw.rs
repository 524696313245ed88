//! Rendezvous hashing (highest random weight), bit-compatible with AIStore.

use xxhash_rust::xxh64::xxh64;

/// The seed of every XXH64 that takes part in placement (AIStore's `MLCG32`).
pub const SEED: u64 = 1_103_515_245;

/// XXH64 of `bytes` with the placement [`SEED`]: of a node id, a cleaned mountpath or a uname.
#[must_use]
pub fn digest(bytes: &[u8]) -> u64 {
    xxh64(bytes, SEED)
}

/// AIStore's mixing step: the first xoshiro256** output of a state seeded by splitmix64. A bijection, so
/// distinct arguments never tie.
#[must_use]
pub fn mix(seed: u64) -> u64 {
    const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    let first = finalise(seed.wrapping_add(GAMMA));
    let second = finalise(first.wrapping_add(GAMMA));
    second.wrapping_mul(5).rotate_left(7).wrapping_mul(9)
}

/// The output function of splitmix64.
fn finalise(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The weight of a candidate (node or mountpath) for a name; the greatest wins.
#[must_use]
pub fn weight(id_digest: u64, name_digest: u64) -> u64 {
    mix(id_digest ^ name_digest)
}

/// The candidate of greatest weight for `name_digest`; of equal weights the last one, as in AIStore.
///
/// A candidate is `(digest of its id, whatever the caller wants back)`. `None` only when there is none.
pub fn pick<T>(candidates: impl IntoIterator<Item = (u64, T)>, name_digest: u64) -> Option<T> {
    let weighed = candidates.into_iter().map(|(id, item)| (weight(id, name_digest), item));
    weighed.max_by_key(|(w, _)| *w).map(|(_, item)| item)
}

/// Like [`pick`], with every candidate's share of the names proportional to its capacity (any unit, the same
/// for all). A candidate is `(digest of its id, capacity, item)`; those of capacity 0 never win.
///
/// The logarithm method: with `u` uniform in (0, 1], the smallest `-ln(u) / capacity` wins. Growing one
/// candidate moves names only to it, and equal capacities choose exactly as [`pick`] does.
pub fn pick_weighted<T>(candidates: impl IntoIterator<Item = (u64, u64, T)>, name_digest: u64) -> Option<T> {
    let mut best: Option<(f64, T)> = None;
    for (id, capacity, item) in candidates {
        if capacity == 0 {
            continue;
        }
        let score = -unit(weight(id, name_digest)).ln() / capacity as f64;
        if best.as_ref().is_none_or(|(least, _)| score <= *least) {
            best = Some((score, item));
        }
    }
    best.map(|(_, item)| item)
}

/// The upper 53 bits of a hash as a number in (0, 1].
fn unit(hash: u64) -> f64 {
    ((hash >> 11) + 1) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_vectors_of_the_mixing_step() {
        assert_eq!(mix(0), 1_905_207_664_160_064_169);
        assert_eq!(mix(4_573_842), 5_026_071_747_115_404_967);
    }

    #[test]
    fn digest_is_plain_xxh64_with_the_seed() {
        // The seeded example in python-xxhash's manual, then ours.
        assert_eq!(xxh64(b"xxhash", 20_141_025), 0xb559_b98d_844e_0635);
        assert_eq!(digest(b"tBBBBBBB"), xxh64(b"tBBBBBBB", 1_103_515_245));
    }

    #[test]
    fn the_last_of_equals_wins_and_nothing_gives_nothing() {
        assert_eq!(pick([(7, 'a'), (7, 'b')], 99), Some('b'));
        assert_eq!(pick(std::iter::empty::<(u64, ())>(), 99), None);
        assert_eq!(pick_weighted([(7, 0, 'a')], 99), None);
    }

    /// Counts how many of `names` each of the targets `0..capacities.len()` receives.
    fn shares(capacities: &[u64], names: u64) -> Vec<u64> {
        let nodes: Vec<(u64, u64, usize)> =
            capacities.iter().enumerate().map(|(i, c)| (digest(format!("t{i}").as_bytes()), *c, i)).collect();
        let mut count = vec![0; capacities.len()];
        for n in 0..names {
            let name = digest(format!("ais/@#/b/o{n}").as_bytes());
            let at = pick_weighted(nodes.iter().copied(), name).unwrap();
            count[at] += 1;
        }
        count
    }

    #[test]
    fn equal_targets_get_equal_shares() {
        for share in shares(&[1; 8], 40_000) {
            assert!((4_700..5_300).contains(&share), "{share}");
        }
    }

    #[test]
    fn shares_follow_capacity() {
        let got = shares(&[1, 2, 5], 40_000);
        for (share, want) in got.iter().zip([5_000u64, 10_000, 25_000]) {
            assert!(share.abs_diff(want) < want / 15, "{got:?}");
        }
    }

    proptest! {
        #[test]
        fn equal_capacities_choose_as_the_plain_pick(ids in prop::collection::vec(any::<u64>(), 1..20), name: u64) {
            let plain = pick(ids.iter().map(|id| (*id, *id)), name);
            let weighted = pick_weighted(ids.iter().map(|id| (*id, 3, *id)), name);
            prop_assert_eq!(plain, weighted);
        }

        #[test]
        fn removing_a_loser_changes_nothing(ids in prop::collection::hash_set(any::<u64>(), 2..20), name: u64) {
            let all: Vec<u64> = ids.into_iter().collect();
            let winner = pick(all.iter().map(|id| (*id, *id)), name).unwrap();
            for loser in all.iter().filter(|id| **id != winner) {
                let rest = all.iter().filter(|id| *id != loser).map(|id| (*id, *id));
                prop_assert_eq!(pick(rest, name), Some(winner));
            }
        }
    }
}

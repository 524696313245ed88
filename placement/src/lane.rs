//! Lanes: how one mountpath is shared among cores without locks.
//!
//! A name belongs to one lane of its mountpath for ever (the number of lanes is fixed when the mountpath is
//! formatted), and a lane belongs to one core for as long as the process runs.

use crate::hrw::mix;

/// Decorrelates the lane from the choice of target and mountpath, which mix the same name digest with the
/// digests of ids. Any constant that is nobody's id digest does; this one is the fraction of pi.
const LANE_SALT: u64 = 0x243f_6a88_85a3_08d3;

/// A lane's number within its mountpath, less than the mountpath's number of lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(u16);

impl LaneId {
    /// The lane with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        LaneId(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The number as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The lane of a name among `lanes` (0 counts as 1). Independent of the target and the mountpath that
/// [`crate::pick`] chooses for the same digest, so that the names of one disk spread over all its lanes.
#[must_use]
pub fn lane_of(name_digest: u64, lanes: u16) -> LaneId {
    let hash = u128::from(mix(name_digest ^ LANE_SALT));
    // Multiply and shift: uniform over any count, and cheaper than a division. The result is below `lanes`.
    LaneId(((hash * u128::from(lanes.max(1))) >> 64) as u16)
}

/// The core (below `cores`, 0 counts as 1) that owns `lane` of the mountpath with this index on its node.
///
/// Lanes are dealt like cards, mountpath after mountpath. So the lanes of one disk reach as many cores as
/// there are, and over the whole node no core owns more than one lane more than another.
#[must_use]
pub fn lane_owner(mountpath_index: usize, lane: LaneId, lanes: u16, cores: usize) -> usize {
    let dealt_before = mountpath_index.wrapping_mul(usize::from(lanes));
    dealt_before.wrapping_add(lane.index()) % cores.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hrw::{digest, pick};
    use proptest::prelude::*;

    #[test]
    fn lanes_of_one_mountpath_are_even() {
        // 8 mountpaths x 16 lanes: chi-square over the joint table shows any dependence at once.
        let disks: Vec<(u64, usize)> = (0..8).map(|i| (digest(format!("/mnt/{i}").as_bytes()), i)).collect();
        let mut table = vec![0f64; 8 * 16];
        let names = 128_000;
        for n in 0..names {
            let name = digest(format!("ais/@#/b/{n:08}").as_bytes());
            let disk = pick(disks.iter().copied(), name).unwrap();
            table[disk * 16 + lane_of(name, 16).index()] += 1.0;
        }
        let want = f64::from(names) / 128.0;
        let chi: f64 = table.iter().map(|got| (got - want).powi(2) / want).sum();
        // 127 degrees of freedom: mean 127, deviation 16; 200 is far beyond chance.
        assert!(chi < 200.0, "chi-square {chi}");
    }

    #[test]
    fn lanes_are_even_within_one_target_too() {
        let nodes: Vec<(u64, usize)> = (0..4).map(|i| (digest(format!("t{i}").as_bytes()), i)).collect();
        let mut count = [0u32; 16];
        for n in 0..64_000 {
            let name = digest(format!("ais/@#/b/{n}").as_bytes());
            if pick(nodes.iter().copied(), name) == Some(2) {
                count[lane_of(name, 16).index()] += 1;
            }
        }
        for c in count {
            assert!((850..1_150).contains(&c), "{count:?}");
        }
    }

    proptest! {
        #[test]
        fn a_lane_is_below_the_count(name: u64, lanes: u16) {
            prop_assert!(lane_of(name, lanes).get() < lanes.max(1));
        }

        #[test]
        fn cores_differ_by_one_lane_at_most(disks in 1usize..12, lanes in 1u16..40, cores in 1usize..40) {
            let mut owned = vec![0usize; cores];
            for disk in 0..disks {
                let mut here = vec![0usize; cores];
                for lane in 0..lanes {
                    let core = lane_owner(disk, LaneId::new(lane), lanes, cores);
                    owned[core] += 1;
                    here[core] += 1;
                }
                prop_assert!(here.iter().max().unwrap() - here.iter().min().unwrap() <= 1);
            }
            prop_assert!(owned.iter().max().unwrap() - owned.iter().min().unwrap() <= 1);
        }
    }
}

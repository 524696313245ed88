//! `-read-partition`: several loaders that read disjoint shares of the same names.

use crate::workload::random::scale;
use placement::{digest, mix};
use serde::Serialize;

/// One loader's share. A name belongs to a loader by its own hash, not by its place in a list: so the shares are
/// disjoint and complete even when the loaders list while others write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Partition {
    loader: u64,
    loaders: u64,
}

impl Partition {
    /// The share of `loader` (from 0) among `loaders`; `None` when there is no such loader.
    #[must_use]
    pub fn new(loader: u64, loaders: u64) -> Option<Self> {
        (loader < loaders).then_some(Self { loader, loaders })
    }

    /// True if this loader reads `name`.
    #[must_use]
    pub fn owns(self, name: &str) -> bool {
        // Mixed once more, so that shares do not follow placement, which hashes names too.
        scale(mix(digest(name.as_bytes())), self.loaders) == self.loader
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares_are_about_equal() {
        for loaders in [2u64, 3, 8] {
            for loader in 0..loaders {
                let share = Partition::new(loader, loaders).unwrap();
                let owned = (0..20_000).filter(|n| share.owns(&format!("train/{n:06}.tar"))).count() as f64;
                let want = 20_000.0 / loaders as f64;
                assert!((owned - want).abs() < 5.0 * want.sqrt(), "{loader} of {loaders}: {owned}");
            }
        }
        assert_eq!((Partition::new(2, 2), Partition::new(0, 0)), (None, None));
    }

    proptest! {
        #[test]
        fn each_name_has_one_owner(name in ".{0,80}", loaders in 1u64..20) {
            let owners = (0..loaders).filter(|loader| Partition::new(*loader, loaders).unwrap().owns(&name));
            prop_assert_eq!(owners.count(), 1);
        }
    }
}

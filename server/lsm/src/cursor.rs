//! An ordered scan of a lane.

use super::merge::{Merge, Step};
use crate::error::Result;

/// Deleted entries that a scan passes over before it lets others go first.
const DELETED_MAX: usize = 4096;

/// A scan from some key on, over what was there when it began: entries that stay are seen once, in order; what is
/// changed meanwhile may be seen as it was or as it is. It may be kept over flushes and merges, but keeps the disk
/// space of the runs that it reads.
pub struct Cursor {
    merge: Merge,
}

impl Cursor {
    pub(super) fn new(merge: Merge) -> Self {
        Self { merge }
    }

    /// Goes to the next entry. After [`Step::NeedsBlock`], call [`Cursor::load`] and then this again.
    pub fn step(&mut self) -> Step {
        for _ in 0..DELETED_MAX {
            match self.merge.step() {
                Step::Item if self.merge.value().is_none() => {}
                step => return step,
            }
        }
        Step::NeedsBlock
    }

    /// The key of the entry, after [`Step::Item`].
    pub fn key(&self) -> &[u8] {
        self.merge.key()
    }

    /// The value of the entry, after [`Step::Item`].
    pub fn value(&self) -> &[u8] {
        self.merge.value().unwrap_or_default()
    }

    /// Brings what the next step needs into memory.
    ///
    /// # Errors
    /// `Corrupt` when a block that is needed is damaged; what the disk says otherwise.
    pub async fn load(&mut self) -> Result<()> {
        uring::yield_now().await;
        self.merge.load().await
    }
}

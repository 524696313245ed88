//! A scan of a lane, which tells the lane of damage that it meets.

use super::Lane;
use crate::error::Result;
use lsm::{Cursor, LaneIndex, Step};
use std::rc::Rc;

/// A scan from some key on. It goes on over what was there when it began, also when the index is replaced.
pub(crate) struct LaneCursor {
    lane: Rc<Lane>,
    index: Rc<LaneIndex>,
    cursor: Cursor,
}

impl Lane {
    /// A scan of all entries from the first key that is not smaller than `from`.
    ///
    /// # Errors
    /// `Rebuilding`.
    pub(crate) fn cursor(self: &Rc<Self>, from: &[u8]) -> Result<LaneCursor> {
        self.check_standing()?;
        let index = self.index();
        let cursor = index.cursor(from);
        Ok(LaneCursor { lane: Rc::clone(self), index, cursor })
    }
}

impl LaneCursor {
    /// Goes to the next entry, through the waits in between; false behind the last.
    ///
    /// # Errors
    /// `Rebuilding` for damage; what the disk says otherwise.
    pub(crate) async fn next(&mut self) -> Result<bool> {
        loop {
            match self.cursor.step() {
                Step::Item => return Ok(true),
                Step::End => return Ok(false),
                Step::NeedsBlock => {
                    let loaded = self.cursor.load().await;
                    loaded.map_err(|e| self.lane.heard(&self.index, e.into()))?;
                }
            }
        }
    }

    /// The key of the entry that [`LaneCursor::next`] went to.
    pub(crate) fn key(&self) -> &[u8] {
        self.cursor.key()
    }

    /// Its value.
    pub(crate) fn value(&self) -> &[u8] {
        self.cursor.value()
    }

    /// The lane that is scanned.
    pub(crate) fn lane(&self) -> &Rc<Lane> {
        &self.lane
    }

    /// The answer for an entry that makes no sense.
    pub(crate) fn heard(&self, error: crate::error::Error) -> crate::error::Error {
        self.lane.heard(&self.index, error)
    }
}

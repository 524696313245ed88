//! Room on a file system that new objects may not take.
//!
//! A deletion is a record, the upkeep writes before it removes, and a start may have to write an index out: all of that
//! needs room on a disk that is full. So writes are refused a little before the file system would refuse them.

use super::disk::Disk;
use crate::error::{Error, Kind, Result};
use std::cell::Cell;
use std::ops::RangeInclusive;

/// This part of the file system is kept, within bounds: a lone deletion takes a page, and each core may be copying what is
/// in use of a segment. Of a tiny file system it is a larger part.
const KEPT_SHARE: u64 = 20;
const KEPT_BYTES: RangeInclusive<u64> = 16 << 20..=4 << 30;
const KEPT_SHARE_MAX: u64 = 8;
/// What a core takes of the room that it has seen before it looks again, in parts of it for each core.
const LOOKS: u64 = 4;

/// The room of one mountpath as one core sees it.
pub(crate) struct Room {
    disk: Disk,
    cores: u64,
    /// May be taken before the next look.
    left_bytes: Cell<u64>,
}

impl Room {
    pub(crate) fn new(disk: Disk, cores: usize) -> Self {
        Self { disk, cores: cores.max(1) as u64, left_bytes: Cell::new(0) }
    }

    /// Has room for `size_bytes` of an object.
    ///
    /// # Errors
    /// `NoSpace`.
    pub(crate) async fn take(&self, size_bytes: u64) -> Result<()> {
        if let Some(left) = self.left_bytes.get().checked_sub(size_bytes) {
            self.left_bytes.set(left);
            return Ok(());
        }
        let available = self.disk.available_bytes().await?;
        let total = self.disk.mountpath().file_system.total_bytes;
        let kept =
            (total / KEPT_SHARE).clamp(*KEPT_BYTES.start(), *KEPT_BYTES.end()).min(total / KEPT_SHARE_MAX);
        let free = available.saturating_sub(kept);
        let Some(left) = free.checked_sub(size_bytes) else {
            let path = self.disk.mountpath().path.display();
            let text =
                format!("mountpath {path} is full: {size_bytes} bytes are wanted, {free} may be taken");
            return Err(Error { kind: Kind::NoSpace, ..Error::internal(text) });
        };
        self.left_bytes.set(left / (LOOKS * self.cores));
        Ok(())
    }
}

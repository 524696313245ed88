//! Room on a file system that new objects may not take: bytes, and inodes.
//!
//! A deletion is a record, the upkeep writes before it removes, and a start may have to write an index out: all of that
//! needs room on a disk that is full, and files of its own. So writes are refused a little before the file system would
//! refuse them.

use super::disk::Disk;
use crate::error::{Error, Kind, Result};
use std::cell::Cell;
use std::ops::RangeInclusive;
use uring::sys::FileSystem;

/// This part of the file system is kept, within bounds: a lone deletion takes a page, and each core may be copying what is
/// in use of a segment. Of a tiny file system it is a larger part.
const KEPT_SHARE: u64 = 20;
const KEPT_BYTES: RangeInclusive<u64> = 16 << 20..=4 << 30;
const KEPT_SHARE_MAX: u64 = 8;
/// Inodes that are kept, besides those of lanes; many more than these are never needed at once.
const KEPT_INODES: RangeInclusive<u64> = 32..=16 << 10;
/// A lane makes these at once at most: a segment for deletions, another one for what is reclaimed, two runs and a manifest.
const KEPT_INODES_LANE: u64 = 5;
/// A core takes one of so many parts, for each core, of the room that it has seen before it looks again.
const LOOKS: u64 = 4;
/// And at most so many bytes: a few segments, each of which is a file.
const LOOK_BYTES_MAX: u64 = 256 << 20;

/// Files that a change makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    /// So many of its own.
    Own(u64),
    /// One that many changes share: a segment. Half of what is kept may go into these.
    Shared,
}

impl Files {
    pub(crate) const NONE: Self = Self::Own(0);

    /// The files of a large object: its work file, which becomes the object, a side file for checksums, and directories
    /// that may have to be made: one for each part of the name, more for long parts, and the bucket's.
    pub(crate) fn of_object(name: &str) -> Self {
        let parts = name.bytes().filter(|byte| *byte == b'/').count() + name.len() / 240;
        Self::Own(parts as u64 + 4)
    }
}

/// The part of a file system that may be taken, and the part that must stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Free {
    bytes: u64,
    /// `u64::MAX` where inodes are not counted.
    inodes: u64,
    kept_inodes: u64,
}

impl Free {
    fn of(now: &FileSystem, lanes: u64) -> Self {
        let total = now.total_bytes;
        let kept =
            (total / KEPT_SHARE).clamp(*KEPT_BYTES.start(), *KEPT_BYTES.end()).min(total / KEPT_SHARE_MAX);
        let bytes = now.available_bytes.saturating_sub(kept);
        // Some file systems make inodes as they need them and count none; XFS counts those that it has room for.
        if now.total_inodes == 0 {
            return Self { bytes, inodes: u64::MAX, kept_inodes: 0 };
        }
        let least = (*KEPT_INODES.start() + KEPT_INODES_LANE * lanes).min(*KEPT_INODES.end());
        let kept_inodes = (now.total_inodes / KEPT_SHARE)
            .clamp(least, *KEPT_INODES.end())
            .min(now.total_inodes / KEPT_SHARE_MAX);
        Self { bytes, inodes: now.available_inodes.saturating_sub(kept_inodes / 2), kept_inodes }
    }

    /// The rest when a change has taken its part; `None` when it may not.
    fn less(self, size_bytes: u64, files: Files) -> Option<Self> {
        let bytes = self.bytes.checked_sub(size_bytes)?;
        let inodes = match files {
            Files::Own(0) => self.inodes,
            Files::Own(files) => {
                // The other half of what is kept.
                self.inodes.checked_sub(self.kept_inodes.div_ceil(2))?.checked_sub(files)?;
                self.inodes.saturating_sub(files)
            }
            Files::Shared => self.inodes.checked_sub(1)?,
        };
        Some(Self { bytes, inodes, ..self })
    }
}

/// The room of one mountpath as one core sees it.
pub(crate) struct Room {
    disk: Disk,
    cores: u64,
    /// May be taken before the next look.
    left_bytes: Cell<u64>,
    /// Files that changes of their own may make before that.
    left_files: Cell<u64>,
}

impl Room {
    pub(crate) fn new(disk: Disk, cores: usize) -> Self {
        Self { disk, cores: cores.max(1) as u64, left_bytes: Cell::new(0), left_files: Cell::new(0) }
    }

    /// Has room for `size_bytes` of an object, and for its files.
    ///
    /// # Errors
    /// `NoSpace`.
    pub(crate) async fn take(&self, size_bytes: u64, files: Files) -> Result<()> {
        // A segment is shared by so many that the part of one is next to nothing.
        let own = match files {
            Files::Own(files) => files,
            Files::Shared => 0,
        };
        let left = self.left_bytes.get().checked_sub(size_bytes).zip(self.left_files.get().checked_sub(own));
        if let Some((bytes, files)) = left {
            self.left_bytes.set(bytes);
            self.left_files.set(files);
            return Ok(());
        }
        let now = self.disk.space_now().await?;
        let free = Free::of(&now, u64::from(self.disk.mountpath().lanes));
        let Some(left) = free.less(size_bytes, files) else {
            return Err(self.full(&free, size_bytes, files));
        };
        let part = LOOKS * self.cores;
        self.left_bytes.set((left.bytes / part).min(LOOK_BYTES_MAX));
        self.left_files.set(left.inodes.saturating_sub(left.kept_inodes.div_ceil(2)) / part);
        Ok(())
    }

    fn full(&self, free: &Free, size_bytes: u64, files: Files) -> Error {
        let path = self.disk.mountpath().path.display();
        let text = if free.bytes < size_bytes {
            format!("mountpath {path} is full: {size_bytes} bytes are wanted, {} may be taken", free.bytes)
        } else {
            format!(
                "mountpath {path} has no inodes left: {files:?} are wanted, {} are free and {} are kept for deletions",
                free.inodes.saturating_add(free.kept_inodes / 2),
                free.kept_inodes
            )
        };
        Error { kind: Kind::NoSpace, ..Error::internal(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_system(total_inodes: u64, available_inodes: u64) -> FileSystem {
        FileSystem {
            device: 0,
            kind: "ext4",
            total_bytes: 10 << 30,
            available_bytes: 5 << 30,
            total_inodes,
            available_inodes,
            id: [0, 0],
        }
    }

    #[test]
    fn inodes_are_kept_for_deletions() {
        let free = |available| Free::of(&file_system(2000, available), 16);
        // 32 and 5 for each of 16 lanes.
        assert_eq!(free(2000).kept_inodes, 112);
        assert!(free(200).less(1 << 20, Files::Own(3)).is_some());
        assert!(free(114).less(1 << 20, Files::Own(3)).is_none());
        assert!(free(115).less(1 << 20, Files::Own(3)).is_some());
        // Small objects go on for a while, and then they stop too.
        assert!(free(114).less(4096, Files::Shared).is_some());
        assert!(free(57).less(4096, Files::Shared).is_some());
        assert!(free(56).less(4096, Files::Shared).is_none());
        // The bytes of an object that has its files already.
        assert!(free(0).less(4096, Files::NONE).is_some());
    }

    #[test]
    fn a_tiny_file_system_is_not_kept_as_a_whole() {
        let free = Free::of(&file_system(400, 400), 1024);
        assert_eq!(free.kept_inodes, 50);
        assert!(free.less(0, Files::Own(300)).is_some());
    }

    #[test]
    fn inodes_that_nobody_counts_never_run_out() {
        let free = Free::of(&file_system(0, 0), 16);
        assert!(free.less(0, Files::Own(1 << 40)).is_some() && free.less(0, Files::Shared).is_some());
    }

    #[test]
    fn bytes_are_kept_as_well() {
        let free = Free::of(&file_system(2000, 2000), 16);
        assert_eq!(free.bytes, (5 << 30) - 512 * (1 << 20));
        assert!(
            free.less(free.bytes, Files::NONE).is_some() && free.less(free.bytes + 1, Files::NONE).is_none()
        );
    }

    #[test]
    fn files_of_an_object_count_its_directories() {
        assert_eq!(Files::of_object("plain"), Files::Own(4));
        assert_eq!(Files::of_object("a/b/c"), Files::Own(6));
        assert_eq!(Files::of_object(&"x".repeat(1000)), Files::Own(8));
    }
}

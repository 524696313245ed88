//! Segments made and enlarged by a helper: all of that may wait for the disk.

use crate::error::Result;
use crate::store::disk::{Disk, Doomed};
use crate::store::layout::{BEGUN_DIR, begun_path, file_name, lane_dir};
use crate::store::mountpath::Mountpath;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use uring::{DirectFile, LEAF_BYTES, OpenMode, Opened, sys};

/// Zeros behind what has been written: they end the archive, in a segment that is closed too.
pub(super) const END_BYTES: u64 = LEAF_BYTES as u64;
/// A segment is allocated in steps that double from this one on.
const STEP_BYTES_MIN: u64 = 64 << 10;

/// The work that is to be done before the next batch can begin.
pub(super) struct Plan {
    /// A segment that is full, and where it ends.
    pub(super) full: Option<(Rc<OwnedFd>, u64)>,
    /// The segment to enlarge; without it a new one is made.
    pub(super) open: Option<(Rc<OwnedFd>, u64)>,
    pub(super) lane: u16,
    pub(super) number: u64,
    /// So much must be allocated of it, the zeros at its end included.
    pub(super) needed: u64,
    /// Bytes that are allocated ahead at most.
    pub(super) step_bytes_max: u64,
}

/// Its outcome.
pub(super) struct Prepared {
    /// A segment that has been made.
    pub(super) made: Option<DirectFile>,
    pub(super) allocated: u64,
}

impl Plan {
    /// Has a helper carry it out.
    pub(super) async fn carry_out(self, disk: &Disk) -> Result<Prepared> {
        let Self { full, open, lane, number, needed, step_bytes_max } = self;
        let mountpath = disk.mountpath();
        let clone = |fd: &OwnedFd| fd.try_clone().map_err(|e| mountpath.failed("prepare a segment", &e));
        let full = full.map(|(fd, end)| clone(&fd).map(|fd| (fd, end))).transpose()?;
        let open = open.map(|(fd, allocated)| clone(&fd).map(|fd| (fd, allocated))).transpose()?;
        let work = move |mountpath: &Arc<Mountpath>| {
            if let Some((full, end)) = full {
                cut(mountpath, &full, end)?;
            }
            if let Some((open, allocated)) = open {
                return Ok((None, allocate(mountpath, &open, allocated, needed, step_bytes_max)?));
            }
            let path = format!("{}/{}", lane_dir(lane), file_name(number));
            let made = uring::fault::step("segment-create")
                .and_then(|()| Opened::open(mountpath.dir(), &path, OpenMode::CreateNew))
                .map_err(|e| mountpath.failed("begin a segment", &e))?;
            // Goes again if it cannot be used, or if nobody waits for it any more.
            let doomed = Doomed::new(mountpath, path);
            let begun = begin(mountpath, lane).and_then(|()| mountpath.flush_dir(&lane_dir(lane)));
            begun.map_err(|e| mountpath.failed("begin a segment", &e))?;
            let allocated = allocate(mountpath, &made, 0, needed, step_bytes_max)?;
            Ok((Some((made, doomed)), allocated))
        };
        let (made, allocated) = disk.change(work).await?;
        let made = made.map(|(file, doomed)| {
            doomed.keep();
            file.into()
        });
        Ok(Prepared { made, allocated })
    }
}

/// Notes that a lane has had a segment: one that has nothing any more has lost it, then.
fn begin(mountpath: &Mountpath, lane: u16) -> io::Result<()> {
    match sys::make_file_beneath(mountpath.dir(), &begun_path(lane)) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e),
        Ok(()) => sys::flush(sys::open_dir_beneath(mountpath.dir(), BEGUN_DIR)?.as_fd()),
    }
}

/// Has a helper end a segment: what was allocated and not used is cut off, but for the zeros that end an archive.
pub(super) async fn end(disk: &Disk, file: &OwnedFd, end: u64) -> Result<()> {
    let file = file.try_clone().map_err(|e| disk.mountpath().failed("end a segment", &e))?;
    disk.change(move |mountpath| cut(mountpath, &file, end)).await
}

fn cut(mountpath: &Mountpath, file: impl AsFd, end: u64) -> Result<()> {
    sys::truncate(file.as_fd(), end + END_BYTES).map_err(|e| mountpath.failed("end a segment", &e))
}

/// Allocates up to `needed` at least and returns up to where; space that is not there is found out before anything is
/// promised.
fn allocate(
    mountpath: &Mountpath,
    file: impl AsFd,
    allocated: u64,
    needed: u64,
    step_bytes_max: u64,
) -> Result<u64> {
    let step = allocated.clamp(STEP_BYTES_MIN, step_bytes_max.max(STEP_BYTES_MIN));
    let wanted = (allocated + step).max(needed);
    let allocate = |bytes| sys::allocate(file.as_fd(), bytes).map(|()| bytes);
    let done = uring::fault::step("segment-allocate").and_then(|()| match allocate(wanted) {
        Err(e) if e.kind() == io::ErrorKind::StorageFull => allocate(needed),
        other => other,
    });
    done.map_err(|e| mountpath.failed("allocate room in a segment", &e))
}

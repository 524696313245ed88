//! Files that a change has put aside: they go when the change is durable, and are the object if it never will be.
//!
//! A new version of a large object and the one before it exchange their names, so the older one waits among the work files
//! until the flush. When that fails, or a crash comes first, the next start finds it there and looks which of the two
//! counts: the one whose generation the log and the index name, if its bytes are right.

use super::layout::{TRASH_DIR, WORK_DIR};
use super::meta::read_meta;
use super::mountpath::Mountpath;
use super::sidecar;
use crate::store::mountpath::Displaced;
use std::fs;
use std::io;
use std::path::PathBuf;
use uring::{OpenMode, Opened, sys};
use wire::lom::{BlockCrcs, Generation};

type Remove = fn(PathBuf) -> io::Result<()>;

impl Displaced {
    /// The file at a path, if it has all that an object's file has.
    pub(crate) fn at(mountpath: &Mountpath, path: String) -> Option<Self> {
        let file = Opened::open(mountpath.dir(), &path, OpenMode::Read).ok()?;
        let meta = read_meta(&mountpath.path, &file).ok()??;
        Some(Self { path, meta })
    }

    /// The displaced file of one generation, on a mountpath that fails: no start has given it its name again.
    pub(crate) fn find(mountpath: &Mountpath, generation: Generation) -> Option<String> {
        let work = fs::read_dir(mountpath.path.join(WORK_DIR)).ok()?;
        let names = work.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut files = names.filter_map(|name| Self::at(mountpath, format!("{WORK_DIR}/{name}")));
        files.find(|file| file.meta.generation == generation).map(|file| file.path)
    }

    /// Removes it with its block checksums.
    pub(crate) fn remove(&self, mountpath: &Mountpath) {
        let removed = sys::unlink_beneath(mountpath.dir(), &self.path);
        if let Err(e) = removed.map_err(|e| mountpath.failed("remove a work file", &e)) {
            tracing::error!(path = self.path, error = %e, "left over and not removed");
            return;
        }
        if matches!(self.meta.block_crcs, BlockCrcs::Sidecar { .. }) {
            sidecar::remove(mountpath, self.meta.generation);
        }
    }

    /// Removes it alone: the object of its name is the same file under its own name, as a crash between the two ends of a
    /// rename may leave it where nothing orders them.
    pub(super) fn remove_twin(&self, mountpath: &Mountpath) {
        if let Err(e) = sys::unlink_beneath(mountpath.dir(), &self.path) {
            tracing::error!(path = self.path, error = %e, "left over and not removed");
        }
    }
}

impl Mountpath {
    /// Removes what a crash may have left: files being written, buckets being destroyed. Returns how many. What cannot be
    /// removed takes room and does no harm, so it keeps no node from starting. Files that are complete are left to
    /// [`Self::take_displaced`].
    ///
    /// # Errors
    /// When it cannot be told what there is.
    pub(crate) fn sweep(&self) -> io::Result<usize> {
        let mut removed = 0;
        for (dir, remove) in
            [(WORK_DIR, fs::remove_file as Remove), (TRASH_DIR, fs::remove_dir_all as Remove)]
        {
            let dir = self.path.join(dir);
            let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", dir.display()));
            for entry in fs::read_dir(&dir).map_err(named)? {
                let entry = entry.map_err(named)?;
                let path = entry.path();
                let is_work = dir.ends_with(WORK_DIR);
                let name = entry.file_name().into_string().ok().filter(|_| is_work);
                let displaced = name.and_then(|name| Displaced::at(self, format!("{WORK_DIR}/{name}")));
                if let Some(displaced) = displaced {
                    self.displaced().push(displaced);
                    continue;
                }
                match remove(path.clone()) {
                    Ok(()) => removed += 1,
                    Err(e) => {
                        tracing::error!(path = %path.display(), error = %e, "left over and not removed")
                    }
                }
            }
        }
        Ok(removed)
    }
}

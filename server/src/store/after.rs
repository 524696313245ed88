//! What a change does to plain files once its record is written.

use super::mountpath::Mountpath;
use super::undo::Unsettled;
use super::{META_XATTR, names, sidecar};
use crate::error::Result;
use crate::fault;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use uring::sys;
use wire::api::bprops::Durability;

/// The part of a change that follows its record.
pub(crate) enum After {
    /// The record is all.
    Nothing,
    /// A work file gets its name.
    Rename(Box<Rename>),
    /// A file is no longer wanted.
    Unlink(Unlink),
    /// A file's metadata is replaced.
    SetMeta { file: Rc<OwnedFd>, value: Vec<u8> },
}

/// A work file on its way to its name.
pub(crate) struct Rename {
    pub(crate) file: Rc<OwnedFd>,
    pub(crate) work_path: String,
    pub(crate) path: String,
    /// Sidecar of the file that was there before.
    pub(crate) old_sidecar: Option<u64>,
    /// Sidecar of this one, to be removed with it if it cannot get its name.
    pub(crate) sidecar: Option<u64>,
    pub(crate) unsettled: Unsettled,
}

/// A file that is no longer wanted.
pub(crate) struct Unlink {
    pub(crate) path: String,
    pub(crate) sidecar: Option<u64>,
}

/// What a change has done to files.
#[derive(Default)]
pub(crate) struct Took {
    /// What must be flushed for it, if that is more than the log.
    pub(crate) changed: Option<Rc<OwnedFd>>,
    /// The path that a work file got.
    pub(crate) renamed: Option<String>,
    /// A file that is still there: it goes when the record is durable, so that a failed flush takes nothing away.
    pub(crate) unwanted: Option<Unlink>,
}

impl After {
    /// Does it, but for what has to wait until the record is durable.
    pub(crate) fn run(self, mountpath: &Mountpath, durability: Durability) -> Result<Took> {
        match self {
            Self::Nothing => Ok(Took::default()),
            Self::Rename(rename) => rename.run(mountpath),
            Self::Unlink(unlink) if durability == Durability::None => {
                unlink.run_or_leave(mountpath);
                Ok(Took::default())
            }
            Self::Unlink(unlink) => Ok(Took { unwanted: Some(unlink), ..Took::default() }),
            Self::SetMeta { file, value } => {
                let set = uring::fault::step("set-meta")
                    .and_then(|()| sys::set_xattr(file.as_fd(), META_XATTR, &value));
                set.map_err(|e| mountpath.failed("write metadata", &e))?;
                Ok(Took { changed: Some(file), ..Took::default() })
            }
        }
    }

    /// Clears away what was made for it.
    pub(crate) fn give_up(self, mountpath: &Mountpath) {
        if let Self::Rename(rename) = self {
            rename.give_up(mountpath);
        }
    }
}

impl Rename {
    fn run(self, mountpath: &Mountpath) -> Result<Took> {
        if let Err(e) = self.rename(mountpath) {
            let error = mountpath.failed("rename into place", &e);
            self.give_up(mountpath);
            return Err(error);
        }
        self.unsettled.settle();
        fault::point("file-renamed");
        self.old_sidecar.into_iter().for_each(|id| sidecar::remove(mountpath, id));
        Ok(Took { changed: Some(self.file), renamed: Some(self.path), unwanted: None })
    }

    fn rename(&self, mountpath: &Mountpath) -> io::Result<()> {
        uring::fault::step("rename")?;
        match sys::rename_beneath(mountpath.dir(), &self.work_path, &self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                sys::make_dirs_beneath(mountpath.dir(), names::parent(&self.path))?;
                sys::rename_beneath(mountpath.dir(), &self.work_path, &self.path)
            }
            other => other,
        }
    }

    fn give_up(self, mountpath: &Mountpath) {
        // What cannot be removed now is swept at the next start.
        let _ = sys::unlink_beneath(mountpath.dir(), &self.work_path);
        self.sidecar.into_iter().for_each(|id| sidecar::remove(mountpath, id));
    }
}

impl Unlink {
    /// Removes the file if it is there; returns the directory that has changed.
    pub(crate) fn run(&self, mountpath: &Mountpath) -> Result<Option<Rc<OwnedFd>>> {
        let fail = |e: io::Error| mountpath.failed("remove a file", &e);
        let dir = match sys::open_dir_beneath(mountpath.dir(), names::parent(&self.path)) {
            Ok(dir) => dir,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(fail(e)),
        };
        let removed =
            uring::fault::step("remove").and_then(|()| sys::unlink_beneath(mountpath.dir(), &self.path));
        match removed {
            Ok(()) => fault::point("file-removed"),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(fail(e)),
        }
        self.remove_sidecar(mountpath);
        Ok(Some(Rc::new(dir)))
    }

    /// Removes the file whose record says that it is gone. One that cannot be removed takes room and does no harm.
    pub(crate) fn run_or_leave(&self, mountpath: &Mountpath) {
        if let Err(e) = self.run(mountpath) {
            tracing::error!(path = self.path, error = %e, "a file that is no longer wanted is left in place");
        }
    }

    pub(crate) fn remove_sidecar(&self, mountpath: &Mountpath) {
        self.sidecar.into_iter().for_each(|id| sidecar::remove(mountpath, id));
    }
}

//! What a change does to plain files once its record is written.

use super::lane::Lane;
use super::mountpath::Mountpath;
use super::{META_XATTR, names, sidecar};
use crate::error::{Error, Result};
use crate::fault;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use uring::sys;

/// The part of a change that follows its record.
pub(crate) enum After {
    /// The record is all.
    Nothing,
    /// A work file gets its name.
    Rename(Box<Rename>),
    /// A file is no longer wanted.
    Unlink { path: String, sidecar: Option<u64> },
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
    pub(crate) undo: Undo,
}

/// How the index gets back to what it said before.
pub(crate) struct Undo {
    pub(crate) bucket_id: u64,
    pub(crate) key: Vec<u8>,
    pub(crate) generation: u64,
    pub(crate) old: Option<Rc<super::Entry>>,
}

impl After {
    /// Does it; returns what must be flushed for it, if that is more than the log.
    pub(crate) fn run(self, mountpath: &Mountpath, lane: &Lane) -> Result<Option<Rc<OwnedFd>>> {
        match self {
            Self::Nothing => Ok(None),
            Self::Rename(rename) => rename.run(mountpath, lane),
            Self::Unlink { path, sidecar } => unlink(mountpath, &path, sidecar),
            Self::SetMeta { file, value } => {
                let set = sys::set_xattr(file.as_fd(), META_XATTR, &value);
                set.map_err(|e| Error::disk("write metadata", &e))?;
                Ok(Some(file))
            }
        }
    }
}

impl Rename {
    fn run(self, mountpath: &Mountpath, lane: &Lane) -> Result<Option<Rc<OwnedFd>>> {
        let outcome = self.rename(mountpath);
        lane.unsettle_done(self.undo.generation);
        if let Err(e) = outcome {
            lane.withdraw(&self.undo);
            // What cannot be removed now is swept at the next start.
            let _ = sys::unlink_beneath(mountpath.dir(), &self.work_path);
            self.sidecar.into_iter().for_each(|id| sidecar::remove(mountpath, id));
            return Err(Error::disk("rename into place", &e));
        }
        fault::point("file-renamed");
        self.old_sidecar.into_iter().for_each(|id| sidecar::remove(mountpath, id));
        Ok(Some(self.file))
    }

    fn rename(&self, mountpath: &Mountpath) -> io::Result<()> {
        match sys::rename_beneath(mountpath.dir(), &self.work_path, &self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                sys::make_dirs_beneath(mountpath.dir(), names::parent(&self.path))?;
                sys::rename_beneath(mountpath.dir(), &self.work_path, &self.path)
            }
            other => other,
        }
    }
}

fn unlink(mountpath: &Mountpath, path: &str, sidecar: Option<u64>) -> Result<Option<Rc<OwnedFd>>> {
    let fail = |e: io::Error| Error::disk("remove", &e);
    let dir = match sys::open_dir_beneath(mountpath.dir(), names::parent(path)) {
        Ok(dir) => dir,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(fail(e)),
    };
    match sys::unlink_beneath(mountpath.dir(), path) {
        Ok(()) => fault::point("file-removed"),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(fail(e)),
    }
    sidecar.into_iter().for_each(|id| sidecar::remove(mountpath, id));
    Ok(Some(Rc::new(dir)))
}

//! A change's work on plain files once its record is written.
//!
//! All of a round is done by one helper, in order, at one hand-over ([`Deed`]); what belongs to the core waits for the
//! outcome ([`Pending`]).

use super::mountpath::Mountpath;
use super::{META_XATTR, meta, names, sidecar};
use crate::error::Result;
use crate::fault;
use crate::store::layout::WORK_DIR;
use crate::store::unsettled::Unsettled;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use uring::sys;
use wire::api::bprops::Durability;
use wire::lom::Generation;

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
    pub(crate) naming: Naming,
    pub(crate) unsettled: Unsettled,
}

/// The same for the helper that does it.
pub(crate) struct Naming {
    pub(crate) work_path: String,
    pub(crate) path: String,
    /// Set before, if that has not been done.
    pub(crate) finish: Option<Finish>,
    /// A file that has this name already stays, under the name of the work file, until the change is durable.
    pub(crate) keeps_old: bool,
    /// Sidecar of the file that was there before.
    pub(crate) old_sidecar: Option<Generation>,
    /// Sidecar of this one, to be removed with it if it cannot get its name.
    pub(crate) sidecar: Option<Generation>,
}

/// Makes a file that holds all its bytes an object's.
pub(crate) struct Finish {
    pub(crate) file: OwnedFd,
    /// The metadata as an attribute.
    pub(crate) value: Vec<u8>,
    /// Where it is cut off, if it is longer.
    pub(crate) cut_at: Option<u64>,
}

/// A file that is no longer wanted.
pub(crate) struct Unlink {
    pub(crate) path: String,
    pub(crate) sidecar: Option<Generation>,
}

/// A helper's work for a change.
pub(crate) enum Deed {
    Name(Naming),
    Remove(Unlink),
    SetMeta { file: OwnedFd, value: Vec<u8> },
}

/// The part that waits for a deed.
#[derive(Default)]
pub(crate) struct Pending {
    took: Took,
    unsettled: Option<Unsettled>,
}

/// The traces that a change has left among files.
#[derive(Default)]
pub(crate) struct Took {
    /// The path that a work file got.
    pub(crate) renamed: Option<String>,
    /// A file that is still there: it goes when the record is durable, so that a failed flush takes nothing away.
    pub(crate) unwanted: Option<Unlink>,
    /// The file that had the path before, under the work file's name. It goes then too.
    pub(crate) displaced: Option<Unlink>,
}

impl After {
    /// Parts what a helper has to do now from what waits for that.
    pub(crate) fn begin(
        self,
        mountpath: &Mountpath,
        durability: Durability,
    ) -> Result<(Option<Deed>, Pending)> {
        let mut pending = Pending::default();
        let deed = match self {
            Self::Nothing => None,
            Self::Rename(rename) => {
                let Rename { mut naming, unsettled } = *rename;
                naming.keeps_old = durability != Durability::None;
                pending.took.renamed = Some(naming.path.clone());
                pending.unsettled = Some(unsettled);
                Some(Deed::Name(naming))
            }
            Self::Unlink(unlink) if durability == Durability::None => Some(Deed::Remove(unlink)),
            Self::Unlink(unlink) => {
                pending.took.unwanted = Some(unlink);
                None
            }
            Self::SetMeta { file, value } => {
                let fd = file.try_clone().map_err(|e| mountpath.failed("write metadata", &e))?;
                Some(Deed::SetMeta { file: fd, value })
            }
        };
        Ok((deed, pending))
    }

    /// The files that were made for it and are not wanted when it is given up.
    pub(crate) fn files(&self) -> Vec<String> {
        match self {
            Self::Rename(rename) => rename.naming.files(),
            _ => Vec::new(),
        }
    }
}

impl Pending {
    /// The deed is done, and has put this file aside.
    pub(crate) fn done(self, displaced: Option<Unlink>) -> Took {
        self.unsettled.into_iter().for_each(Unsettled::settle);
        Took { displaced, ..self.took }
    }
}

impl Deed {
    /// Does it; returns a file that it has put aside and that is to go when the change is durable.
    pub(crate) fn run(self, mountpath: &Mountpath) -> Result<Option<Unlink>> {
        match self {
            Self::Name(naming) => naming.run(mountpath),
            Self::Remove(unlink) => {
                unlink.run_or_leave(mountpath);
                Ok(None)
            }
            Self::SetMeta { file, value } => {
                let set = uring::fault::step("set-meta")
                    .and_then(|()| sys::set_xattr(file.as_fd(), META_XATTR, &value));
                set.map_err(|e| mountpath.failed("write metadata", &e))?;
                flush_file(mountpath, &file).map(|()| None)
            }
        }
    }
}

impl Naming {
    fn run(self, mountpath: &Mountpath) -> Result<Option<Unlink>> {
        // Where nothing orders the two, a file is whole on the disk before it gets its name.
        let finished = self.finish.as_ref().map_or(Ok(()), |finish| {
            finish.run(mountpath).and_then(|()| flush_file(mountpath, &finish.file))
        });
        let rename = || self.rename(mountpath).map_err(|e| mountpath.failed("rename into place", &e));
        let has_displaced = match finished.and_then(|()| rename()) {
            Ok(has_displaced) => has_displaced,
            Err(error) => {
                // On a disk that fails nobody knows which file has which name by now: the next start looks.
                if !mountpath.is_suspect() {
                    self.files().iter().for_each(|path| drop(sys::unlink_beneath(mountpath.dir(), path)));
                }
                return Err(error);
            }
        };
        fault::point("file-renamed");
        let flushed = mountpath.flush_name(&self.path).and_then(|()| mountpath.flush_dir(WORK_DIR));
        flushed.map_err(|e| mountpath.lost("flush a directory", &e))?;
        if has_displaced {
            return Ok(Some(Unlink { path: self.work_path, sidecar: self.old_sidecar }));
        }
        self.old_sidecar.into_iter().for_each(|id| sidecar::remove(mountpath, id));
        Ok(None)
    }

    /// Gives the file its name; true when another one has been put aside for it.
    fn rename(&self, mountpath: &Mountpath) -> io::Result<bool> {
        uring::fault::step("rename")?;
        match self.rename_once(mountpath) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                sys::make_dirs_beneath(mountpath.dir(), names::parent(&self.path))?;
                self.rename_once(mountpath)
            }
            other => other,
        }
    }

    fn rename_once(&self, mountpath: &Mountpath) -> io::Result<bool> {
        if self.keeps_old {
            match sys::exchange_beneath(mountpath.dir(), &self.work_path, &self.path) {
                Err(e) if e.kind() == io::ErrorKind::Unsupported => {}
                other => return other,
            }
        }
        sys::rename_beneath(mountpath.dir(), &self.work_path, &self.path).map(|()| false)
    }

    fn files(&self) -> Vec<String> {
        let beside = self.sidecar.into_iter().flat_map(sidecar::files_of);
        [self.work_path.clone()].into_iter().chain(beside).collect()
    }
}

impl Finish {
    pub(crate) fn run(&self, mountpath: &Mountpath) -> Result<()> {
        if let Some(size_bytes) = self.cut_at {
            let cut = sys::truncate(self.file.as_fd(), size_bytes);
            cut.map_err(|e| mountpath.failed("truncate", &e))?;
        }
        meta::write_meta(mountpath, &self.file, &self.value)
    }
}

/// Flushes a file that has been changed, where nothing else makes that durable in time.
fn flush_file(mountpath: &Mountpath, file: &OwnedFd) -> Result<()> {
    if !mountpath.flushes_each() {
        return Ok(());
    }
    sys::flush(file.as_fd()).map_err(|e| mountpath.lost("flush a file", &e))
}

impl Unlink {
    /// Removes the file if it is there.
    pub(crate) fn run(&self, mountpath: &Mountpath) -> Result<()> {
        let removed =
            uring::fault::step("remove").and_then(|()| sys::unlink_beneath(mountpath.dir(), &self.path));
        match removed {
            Ok(()) => fault::point("file-removed"),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(mountpath.failed("remove a file", &e)),
        }
        // It must not come back when its deletion has long been forgotten.
        let flushed = mountpath.flush_dir(names::parent(&self.path));
        flushed.map_err(|e| mountpath.lost("flush a directory", &e))?;
        self.remove_sidecar(mountpath);
        Ok(())
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

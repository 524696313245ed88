//! Files opened for direct I/O, beneath a directory that names cannot escape.

use crate::sys;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// Why a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Read an existing file.
    Read,
    /// Read and write an existing file.
    Write,
    /// Make a new file; an existing one is an error.
    CreateNew,
}

/// A file opened with `O_DIRECT`.
#[derive(Clone, Debug)]
pub struct DirectFile {
    fd: Rc<OwnedFd>,
    align_bytes: usize,
}

impl DirectFile {
    /// Opens `path` beneath `dir`; symbolic links and `..` never lead out of it.
    ///
    /// # Errors
    /// What `openat2` says; `InvalidInput` when the file system does no direct I/O.
    pub fn open(dir: BorrowedFd<'_>, path: &str, mode: OpenMode) -> io::Result<Self> {
        let access = match mode {
            OpenMode::Read => OFlags::RDONLY,
            OpenMode::Write => OFlags::RDWR,
            OpenMode::CreateNew => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        };
        let flags = access | OFlags::DIRECT | OFlags::CLOEXEC | OFlags::NOATIME;
        let fd = open_or_without_noatime(dir, path, flags, mode)?;
        let align_bytes = sys::direct_io_alignment(fd.as_fd())?;
        Ok(Self { fd: Rc::new(fd), align_bytes })
    }

    /// The descriptor, in the form that operations keep alive.
    pub fn fd(&self) -> &Rc<OwnedFd> {
        &self.fd
    }

    /// Offsets, lengths and addresses must be multiples of this; at most 4096.
    pub fn align_bytes(&self) -> usize {
        self.align_bytes
    }

    /// Size now.
    ///
    /// # Errors
    /// What `statx` says.
    pub fn size_bytes(&self) -> io::Result<u64> {
        Ok(rustix::fs::statx(self.fd.as_fd(), "", AtFlags::EMPTY_PATH, StatxFlags::SIZE)?.stx_size)
    }
}

fn open_or_without_noatime(
    dir: BorrowedFd<'_>,
    path: &str,
    flags: OFlags,
    mode: OpenMode,
) -> io::Result<OwnedFd> {
    let create = if mode == OpenMode::CreateNew { Mode::from_raw_mode(0o644) } else { Mode::empty() };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(dir, path, flags, create, resolve) {
        // NOATIME is for owners only; a store that was copied here by another user is still readable.
        Err(rustix::io::Errno::PERM) => {
            Ok(rustix::fs::openat2(dir, path, flags.difference(OFlags::NOATIME), create, resolve)?)
        }
        other => Ok(other?),
    }
}

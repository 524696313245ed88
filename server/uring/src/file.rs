//! Files opened for direct I/O, beneath a directory that names cannot escape.

use crate::helpers::Helpers;
use crate::sys;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Deref;
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

/// A file opened with `O_DIRECT` that has not come to its core yet.
#[derive(Debug)]
pub struct Opened {
    fd: OwnedFd,
    align_bytes: usize,
}

impl Opened {
    /// As [`DirectFile::open`], for a helper thread to do.
    ///
    /// # Errors
    /// As there.
    pub fn open(dir: BorrowedFd<'_>, path: &str, mode: OpenMode) -> io::Result<Self> {
        let access = match mode {
            OpenMode::Read => OFlags::RDONLY,
            OpenMode::Write => OFlags::RDWR,
            OpenMode::CreateNew => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        };
        let flags = access | OFlags::DIRECT | OFlags::CLOEXEC | OFlags::NOATIME;
        let fd = open_or_without_noatime(dir, path, flags, mode)?;
        Self::of(fd)
    }

    /// One that is open for direct I/O.
    pub(crate) fn of(fd: OwnedFd) -> io::Result<Self> {
        let align_bytes = sys::direct_io_alignment(fd.as_fd())?;
        Ok(Self { fd, align_bytes })
    }

    /// Size now.
    ///
    /// # Errors
    /// The error of `statx`.
    pub fn size_bytes(&self) -> io::Result<u64> {
        size_bytes(self.fd.as_fd())
    }
}

impl AsFd for Opened {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Opened> for DirectFile {
    fn from(opened: Opened) -> Self {
        Self { fd: Rc::new(opened.fd), align_bytes: opened.align_bytes }
    }
}

impl DirectFile {
    /// Opens `path` beneath `dir`; symbolic links and `..` never lead out of it. This may wait for the disk.
    ///
    /// # Errors
    /// The error of `openat2`; `InvalidInput` when the file system does no direct I/O.
    pub fn open(dir: BorrowedFd<'_>, path: &str, mode: OpenMode) -> io::Result<Self> {
        Opened::open(dir, path, mode).map(Self::from)
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
    /// The error of `statx`.
    pub fn size_bytes(&self) -> io::Result<u64> {
        size_bytes(self.fd.as_fd())
    }
}

/// A file whose last descriptor a helper closes when its last name is gone: the kernel then frees what it held, and waits
/// for the disk to do so.
#[derive(Debug)]
pub struct ClosedAside {
    file: ManuallyDrop<DirectFile>,
    helpers: Helpers,
}

impl ClosedAside {
    /// A file that is closed by these helpers.
    pub fn new(file: DirectFile, helpers: &Helpers) -> Self {
        Self { file: ManuallyDrop::new(file), helpers: helpers.clone() }
    }
}

impl Deref for ClosedAside {
    type Target = DirectFile;

    fn deref(&self) -> &DirectFile {
        &self.file
    }
}

impl Drop for ClosedAside {
    fn drop(&mut self) {
        // SAFETY: this is dropped once, and the file is not looked at afterwards.
        let file = unsafe { ManuallyDrop::take(&mut self.file) };
        let has_name = rustix::fs::fstat(&*file.fd).is_ok_and(|stat| stat.st_nlink > 0);
        // An operation that is given up keeps it open a little longer.
        if let Some(fd) = Rc::into_inner(file.fd).filter(|_| !has_name) {
            self.helpers.post(move || drop(fd));
        }
    }
}

fn size_bytes(file: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::SIZE)?.stx_size)
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

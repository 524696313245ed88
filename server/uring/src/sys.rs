//! Plain system calls: what is cached answers in under a microsecond here and in twenty through a ring.

use crate::LEAF_BYTES;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags, StatxFlags, XattrFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Opens a directory by its path, for use as the root of everything beneath.
///
/// # Errors
/// The kernel's error.
pub fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(CWD, path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Opens a directory beneath another; names cannot lead out of it.
///
/// # Errors
/// The kernel's error.
pub fn open_dir_beneath(dir: BorrowedFd<'_>, path: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat2(
        dir,
        path,
        flags,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
    )?)
}

/// Makes `path` and every directory above it, beneath `dir`.
///
/// # Errors
/// The kernel's error; directories that exist are fine.
pub fn make_dirs_beneath(dir: BorrowedFd<'_>, path: &str) -> io::Result<()> {
    let mut above: Option<OwnedFd> = None;
    let path = path.strip_suffix('/').unwrap_or(path);
    for name in path.split('/') {
        let at = above.as_ref().map_or(dir, AsFd::as_fd);
        match rustix::fs::mkdirat(at, plain_name(name)?, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(e) => return Err(e.into()),
        }
        above = Some(open_dir_for_lookup(at, name)?);
    }
    Ok(())
}

/// Makes an empty file beneath a directory; one that exists is an error.
///
/// # Errors
/// The kernel's error.
pub fn make_file_beneath(dir: BorrowedFd<'_>, path: &str) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(dir, path, flags, Mode::from_raw_mode(0o644), resolve)?;
    Ok(())
}

/// Renames beneath one directory; an existing target is replaced in one step.
///
/// # Errors
/// The kernel's error.
pub fn rename_beneath(dir: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
    rename_with(dir, from, to, RenameFlags::empty())
}

/// Renames beneath one directory without losing anything: an existing target gets the old name in the same step. Says
/// whether there was one.
///
/// # Errors
/// The kernel's error; `Unsupported` where the file system cannot do it.
pub fn exchange_beneath(dir: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<bool> {
    let unsupported = |e: io::Error| match e.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => io::ErrorKind::Unsupported.into(),
        _ => e,
    };
    match rename_with(dir, from, to, RenameFlags::NOREPLACE).map_err(unsupported) {
        Ok(()) => Ok(false),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            rename_with(dir, from, to, RenameFlags::EXCHANGE).map_err(unsupported)?;
            Ok(true)
        }
        Err(e) => Err(e),
    }
}

fn rename_with(dir: BorrowedFd<'_>, from: &str, to: &str, flags: RenameFlags) -> io::Result<()> {
    in_parent(dir, from, |from_dir, from| {
        in_parent(dir, to, |to_dir, to| rustix::fs::renameat_with(from_dir, from, to_dir, to, flags))
            .map_err(|e| rustix::io::Errno::from_io_error(&e).unwrap_or(rustix::io::Errno::IO))
    })
}

/// Removes a file beneath a directory.
///
/// # Errors
/// The kernel's error.
pub fn unlink_beneath(dir: BorrowedFd<'_>, path: &str) -> io::Result<()> {
    in_parent(dir, path, |parent, name| rustix::fs::unlinkat(parent, name, AtFlags::empty()))
}

/// Removes an empty directory beneath a directory.
///
/// # Errors
/// The kernel's error.
pub fn remove_dir_beneath(dir: BorrowedFd<'_>, path: &str) -> io::Result<()> {
    in_parent(dir, path, |parent, name| rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR))
}

/// Calls `act` with the directory that holds the last part of `path`, and that part. `renameat`, `unlinkat` and
/// `mkdirat` know no "beneath": so the directory is looked up with `openat2`, and the part must be a plain name.
fn in_parent<T>(
    dir: BorrowedFd<'_>,
    path: &str,
    act: impl FnOnce(BorrowedFd<'_>, &str) -> rustix::io::Result<T>,
) -> io::Result<T> {
    let Some((parent, name)) = path.rsplit_once('/') else {
        return Ok(act(dir, plain_name(path)?)?);
    };
    if parent.is_empty() {
        return Err(rustix::io::Errno::XDEV.into());
    }
    let parent = open_dir_for_lookup(dir, parent)?;
    Ok(act(parent.as_fd(), plain_name(name)?)?)
}

fn open_dir_for_lookup(dir: BorrowedFd<'_>, path: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Ok(rustix::fs::openat2(dir, path, flags, Mode::empty(), resolve)?)
}

/// The same error as `openat2` gives for a path that leads out.
fn plain_name(name: &str) -> io::Result<&str> {
    match name {
        "" | "." | ".." => Err(rustix::io::Errno::XDEV.into()),
        _ => Ok(name),
    }
}

/// Reads an extended attribute whole; `None` when it is not there.
///
/// # Errors
/// The kernel's error otherwise.
pub fn get_xattr(file: BorrowedFd<'_>, name: &str) -> io::Result<Option<Vec<u8>>> {
    let mut value = Vec::with_capacity(LEAF_BYTES);
    loop {
        match rustix::fs::fgetxattr(file, name, rustix::buffer::spare_capacity(&mut value)) {
            Ok(_) => return Ok(Some(value)),
            Err(rustix::io::Errno::NODATA) => return Ok(None),
            // XFS values reach 64 KiB.
            Err(rustix::io::Errno::RANGE) if value.capacity() < 1 << 16 => value.reserve(1 << 16),
            Err(e) => return Err(e.into()),
        }
    }
}

/// Sets an extended attribute.
///
/// # Errors
/// The kernel's error; `StorageFull` when the inode has no room.
pub fn set_xattr(file: BorrowedFd<'_>, name: &str, value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::fsetxattr(file, name, value, XattrFlags::empty())?)
}

/// Cuts or extends a file.
///
/// # Errors
/// The kernel's error.
pub fn truncate(file: BorrowedFd<'_>, size_bytes: u64) -> io::Result<()> {
    Ok(rustix::fs::ftruncate(file, size_bytes)?)
}

/// Sets a file's times to now: the smallest change that a journal orders after all earlier ones.
///
/// # Errors
/// The error of `utimensat`.
pub fn touch(file: BorrowedFd<'_>) -> io::Result<()> {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    Ok(rustix::fs::futimens(file, &rustix::fs::Timestamps { last_access: now, last_modification: now })?)
}

/// Flushes a file or a directory to the medium.
///
/// # Errors
/// The kernel's error; then nothing is known of what was written since the last flush.
pub fn flush(file: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::fs::fsync(file)?)
}

/// Gives a new file its size and its blocks. Direct writes that neither extend a file nor allocate run in the ring
/// itself; others are handed to a kernel thread, at the price of two task switches each.
///
/// # Errors
/// `StorageFull` when there is no room; file systems without the call are fine.
pub fn allocate(file: BorrowedFd<'_>, size_bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, size_bytes) {
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// The number that direct I/O on this file must be a multiple of.
///
/// # Errors
/// `InvalidInput` when the file system does no direct I/O or wants more than a page.
pub fn direct_io_alignment(file: BorrowedFd<'_>) -> io::Result<usize> {
    let stat = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN)?;
    if !stat.stx_mask.contains_dioalign() {
        // Kernels before 6.1 do not tell; a page suits every block device.
        return Ok(LEAF_BYTES);
    }
    let align = stat.stx_dio_mem_align.max(stat.stx_dio_offset_align) as usize;
    if align == 0 || align > LEAF_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("the file system offers no direct I/O that fits (alignment {align})"),
        ));
    }
    Ok(align)
}

trait ContainsDioAlign {
    fn contains_dioalign(&self) -> bool;
}

impl ContainsDioAlign for u32 {
    fn contains_dioalign(&self) -> bool {
        self & StatxFlags::DIOALIGN.bits() != 0
    }
}

/// Device, file-system type and space of the file system that holds a path.
#[derive(Clone, Debug)]
pub struct FileSystem {
    /// Device number; mountpaths with the same one share a disk and its flushes.
    pub device: u64,
    /// Type as `statfs` names it, for example `ext4` or `xfs`.
    pub kind: &'static str,
    /// Bytes in all.
    pub total_bytes: u64,
    /// Bytes that may still be used.
    pub available_bytes: u64,
    /// Files and directories in all; 0 where they are not counted.
    pub total_inodes: u64,
    /// Files and directories that may still be made.
    pub available_inodes: u64,
    /// File-system id.
    pub id: [i32; 2],
}

/// Looks at the file system of an open directory.
///
/// # Errors
/// The kernel's error.
pub fn file_system(dir: BorrowedFd<'_>) -> io::Result<FileSystem> {
    let stat = rustix::fs::fstat(dir)?;
    let fs = rustix::fs::fstatfs(dir)?;
    let block = fs.f_bsize as u64;
    Ok(FileSystem {
        device: stat.st_dev,
        kind: kind_name(fs.f_type as u64),
        total_bytes: fs.f_blocks * block,
        available_bytes: fs.f_bavail * block,
        total_inodes: fs.f_files,
        available_inodes: fs.f_ffree,
        id: [(stat.st_dev & 0xffff_ffff) as i32, (stat.st_dev >> 32) as i32],
    })
}

fn kind_name(magic: u64) -> &'static str {
    match magic {
        0xef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x0102_1994 => "tmpfs",
        0x794c_7630 => "overlay",
        0x2fc1_2fc1 => "zfs",
        0x6573_5546 => "fuse",
        _ => "other",
    }
}

/// Locks a file for this process until it is closed; false when another process has it.
///
/// # Errors
/// The kernel's error otherwise.
pub fn try_lock(file: impl AsFd) -> io::Result<bool> {
    match rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

//! A file system must be able to do what a mountpath needs. That is tried once at the start on files of its own.
//!
//! So it is the start that says what is missing, and not the first request that needs it.

use super::META_XATTR;
use crate::store::layout::WORK_DIR;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use uring::{LEAF_BYTES, OpenMode, Opened, sys};
use wire::lom::MAX_ATTRIBUTE;

/// The abilities that a file system was found to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// Bytes that fit into an object's attribute.
    pub(crate) attribute_bytes: usize,
    /// Two files can exchange their names.
    pub(crate) exchanges: bool,
}

impl Abilities {
    /// As of a file system that can do all.
    pub(crate) const ALL: Self = Self { attribute_bytes: MAX_ATTRIBUTE, exchanges: true };
}

/// The smallest attribute that is of use: what does not fit goes to a file beside it.
const ATTRIBUTE_BYTES_MIN: usize = 256;
/// With less room than this it cannot be told whether an attribute is too large or the disk is full.
const ROOM_BYTES_MIN: u64 = 1 << 20;

/// Tries everything in the directory of work files. A disk that is full is no reason to refuse it: what could not be tried
/// for want of room is taken for granted.
///
/// # Errors
/// The ability that is missing.
pub(super) fn probe(dir: BorrowedFd<'_>, available_bytes: u64) -> io::Result<Abilities> {
    let names = ["probe", "probe-2"].map(|name| format!("{WORK_DIR}/{name}"));
    let remove = || names.iter().for_each(|name| drop(sys::unlink_beneath(dir, name)));
    remove();
    let outcome = try_all(dir, &names, available_bytes);
    remove();
    match outcome {
        Err(e) if is_full(&e) => Ok(Abilities::ALL),
        outcome => outcome,
    }
}

fn try_all(dir: BorrowedFd<'_>, names: &[String; 2], available_bytes: u64) -> io::Result<Abilities> {
    let [first, second] = names;
    let file = make(dir, first)?;
    direct_io(&file)?;
    let attribute_bytes = attribute(&file, available_bytes)?;
    tried("flush a file", sys::flush(file.as_fd()))?;
    tried("rename a file", sys::rename_beneath(dir, first, second))?;
    drop(make(dir, first)?);
    let exchanges = match sys::exchange_beneath(dir, first, second) {
        Err(e) if e.kind() == io::ErrorKind::Unsupported => false,
        other => tried("exchange the names of two files", other)?,
    };
    let work = tried("open a directory", sys::open_dir_beneath(dir, WORK_DIR))?;
    tried("flush a directory", sys::flush(work.as_fd()))?;
    Ok(Abilities { attribute_bytes, exchanges })
}

/// Names what has failed.
fn tried<T>(what: &str, outcome: io::Result<T>) -> io::Result<T> {
    outcome.map_err(|e| io::Error::new(e.kind(), format!("it cannot {what}: {e}")))
}

fn make(dir: BorrowedFd<'_>, name: &str) -> io::Result<Opened> {
    // In two steps: a file that cannot be made is another fault than one that cannot be written directly.
    tried("make a file", sys::make_file_beneath(dir, name))?;
    tried("open a file for direct I/O (O_DIRECT)", Opened::open(dir, name, OpenMode::Write))
}

/// Writes a page directly, and reads it back.
fn direct_io(file: &Opened) -> io::Result<()> {
    // Direct I/O wants memory at a multiple of the page.
    let mut memory = vec![0x5a_u8; 2 * LEAF_BYTES];
    let skip = memory.as_ptr().align_offset(LEAF_BYTES);
    let page =
        memory.get_mut(skip..skip + LEAF_BYTES).ok_or_else(|| io::Error::other("no aligned memory"))?;
    let whole = |count: usize| match count == LEAF_BYTES {
        true => Ok(()),
        false => Err(io::Error::other(format!("{count} of {LEAF_BYTES} bytes"))),
    };
    let written = rustix::io::pwrite(file.as_fd(), page, 0).map_err(io::Error::from).and_then(whole);
    tried("write directly (O_DIRECT)", written)?;
    page.fill(0);
    let read = rustix::io::pread(file.as_fd(), &mut *page, 0).map_err(io::Error::from).and_then(whole);
    tried("read directly (O_DIRECT)", read)?;
    match page.iter().all(|byte| *byte == 0x5a) {
        true => Ok(()),
        false => Err(io::Error::other("it cannot read back what was written directly")),
    }
}

/// The largest attribute that a file takes, up to the largest that an object may need.
fn attribute(file: &Opened, available_bytes: u64) -> io::Result<usize> {
    let value = vec![0x5a; MAX_ATTRIBUTE];
    let fits = |bytes: usize| {
        let set = sys::set_xattr(file.as_fd(), META_XATTR, value.get(..bytes).unwrap_or_default());
        match set {
            Ok(()) => Ok(true),
            Err(e) if is_too_large(&e) => Ok(false),
            Err(e) => tried("store an attribute of users (user.*)", Err(e)),
        }
    };
    if fits(MAX_ATTRIBUTE)? || available_bytes < ROOM_BYTES_MIN {
        return Ok(MAX_ATTRIBUTE);
    }
    let (mut fit, mut too_large) = (0, MAX_ATTRIBUTE);
    while too_large - fit > 1 {
        let middle = fit.midpoint(too_large);
        if fits(middle)? { fit = middle } else { too_large = middle }
    }
    if fit < ATTRIBUTE_BYTES_MIN {
        return Err(io::Error::other(format!("it cannot store an attribute of more than {fit} bytes")));
    }
    Ok(fit)
}

fn is_too_large(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let too_large = [Errno::NOSPC, Errno::TOOBIG, Errno::RANGE, Errno::DQUOT];
    error.raw_os_error().is_some_and(|raw| too_large.iter().any(|errno| errno.raw_os_error() == raw))
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_file_system_of_the_test_can_do_all() {
        // Beside the test's own binary: on a disk that can do direct I/O, which a temporary directory need not be.
        let beside = std::env::current_exe().unwrap();
        let dir = tempfile::tempdir_in(beside.parent().unwrap()).unwrap();
        fs::create_dir_all(dir.path().join(WORK_DIR)).unwrap();
        // One that a crash has left.
        fs::write(dir.path().join(WORK_DIR).join("probe"), b"old").unwrap();
        let opened = sys::open_dir(dir.path()).unwrap();
        assert_eq!(probe(opened.as_fd(), 1 << 30).unwrap(), Abilities::ALL);
        assert!(fs::read_dir(dir.path().join(WORK_DIR)).unwrap().next().is_none());
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        let procfs = sys::open_dir(std::path::Path::new("/proc/self")).unwrap();
        let said = probe(procfs.as_fd(), 1 << 30).unwrap_err().to_string();
        assert!(said.contains("it cannot make a file"), "{said}");
    }
}

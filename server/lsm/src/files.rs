//! The files of a lane's index: their names, reading them whole, appending to them, flushing.

use super::PAGE_BYTES;
use super::cache::{BULK_BUF_BYTES, IndexCache};
use crate::error::{Error, Result};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use uring::{DirectFile, Driver, Offload, OpenMode, Opened, fault, sys};

/// The file that names all others: without it there is no index.
pub const MANIFEST: &str = "index.manifest";
const MANIFEST_ASIDE: &str = "index.manifest.tmp";
const RUN_PREFIX: &str = "run-";
const CHECKPOINT_PREFIX: &str = "checkpoint-";
/// Asked for to see whether the file system still works. It is never set; any name would do.
const PROBE_XATTR: &str = "user.straightline";

/// Name of a run's file.
pub(super) fn run_name(seq: u64) -> String {
    format!("{RUN_PREFIX}{seq:016x}")
}

fn c_name(name: &str) -> Result<CString> {
    CString::new(name).map_err(|_| Error::internal(format!("a file of the index is called {name:?}")))
}

/// Name of a checkpoint's file.
pub(super) fn checkpoint_name(seq: u64) -> String {
    format!("{CHECKPOINT_PREFIX}{seq:016x}")
}

/// True if this is the name of a run or of a checkpoint.
fn is_numbered(name: &str) -> bool {
    [RUN_PREFIX, CHECKPOINT_PREFIX].into_iter().any(|prefix| {
        let seq = name.strip_prefix(prefix).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        seq.is_some_and(|seq| format!("{prefix}{seq:016x}") == name)
    })
}

/// The things that an index works with.
#[derive(Clone)]
pub struct Home {
    /// The ring of its core.
    pub driver: Driver,
    /// Its directory.
    pub dir: Rc<OwnedFd>,
    /// The memory that the indexes of the core share.
    pub cache: Rc<IndexCache>,
    /// Threads for calls that may wait for the disk and that no ring makes well: opening a file, and the last close of
    /// one without a name, which frees its blocks.
    pub helpers: Offload,
}

impl std::fmt::Debug for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Home({:?})", self.dir)
    }
}

impl Home {
    /// The files of runs and checkpoints that are there, named by the manifest or not.
    pub(super) fn numbered_files(&self) -> Result<Vec<String>> {
        let fail = |e: rustix::io::Errno| Error::disk("list the index", e.into());
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&*self.dir).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_str().ok().filter(|name| is_numbered(name));
            names.extend(name.map(str::to_owned));
        }
        Ok(names)
    }

    /// Opens a file to read it, and says how long it is; `None` when it is not there.
    pub(super) async fn open(&self, name: &str) -> Result<Option<(Rc<OwnedFd>, u64)>> {
        let dir = self.dir.try_clone().map_err(|e| Error::unread(format!("open {name}"), e))?;
        let path = name.to_owned();
        let open = move || {
            let file = Opened::open(dir.as_fd(), &path, OpenMode::Read)?;
            let size_bytes = file.size_bytes()?;
            Ok((file, size_bytes))
        };
        match self.helpers.run(open).await {
            Ok((file, size_bytes)) => Ok(Some((Rc::clone(DirectFile::from(file).fd()), size_bytes))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::unread(format!("open {name}"), e)),
        }
    }

    /// Removes a file if it is there.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        match sys::unlink_beneath(self.dir.as_fd(), name) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::disk(format!("remove {name}"), e)),
            _ => Ok(()),
        }
    }

    /// The same while the core serves others.
    pub(super) async fn remove_by_ring(&self, name: &str) -> Result<()> {
        match self.driver.unlink(&self.dir, c_name(name)?).await {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::disk(format!("remove {name}"), e)),
            _ => Ok(()),
        }
    }

    /// Reads whole pages, piece by piece.
    pub(super) async fn read(&self, file: &Rc<OwnedFd>, offset: u64, len: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len as usize);
        while (bytes.len() as u64) < len {
            let wanted = (len - bytes.len() as u64).min(BULK_BUF_BYTES as u64) as usize;
            let mut buf = self.cache.buffer(wanted).await?;
            let piece = buf.read(&self.driver, file, offset + bytes.len() as u64, wanted).await?;
            if piece.is_empty() || !piece.len().is_multiple_of(PAGE_BYTES) {
                return Err(Error::corrupt("a file of the index ends too early"));
            }
            bytes.extend_from_slice(piece);
        }
        Ok(bytes)
    }

    /// Flushes a file or a directory.
    pub(super) async fn flush(&self, changed: &Rc<OwnedFd>) -> Result<()> {
        let flushed = self.driver.fsync(changed, false).await.and_then(|()| fault::step("index-flush"));
        // XFS may report success for the flush of a directory although it has shut down. An attribute then cannot be
        // read any more; file systems without attributes are fine.
        let outcome = flushed.and_then(|()| match sys::get_xattr(changed.as_fd(), PROBE_XATTR) {
            Err(e) if e.kind() != io::ErrorKind::Unsupported => Err(e),
            _ => Ok(()),
        });
        outcome.map_err(|e| Error::disk("flush the index", e))
    }

    /// Makes these bytes the manifest, all or nothing, and keeps the files that it is the first to name; durable on
    /// return. After an error the old manifest may be in place or the new one; files that the new one names are kept if
    /// so.
    pub(super) async fn replace_manifest(&self, bytes: Vec<u8>, named: Vec<NewFile>) -> Result<()> {
        self.remove_by_ring(MANIFEST_ASIDE).await?;
        let mut aside = NewFile::create(self, MANIFEST_ASIDE).await?;
        aside.pending = bytes;
        aside.seal().await?;
        // The name of a new file must not come into being later than the manifest that holds it.
        self.flush(&self.dir).await?;
        named.into_iter().for_each(NewFile::keep);
        let renamed = match fault::step("manifest-rename") {
            Ok(()) => self.driver.rename(&self.dir, c_name(MANIFEST_ASIDE)?, c_name(MANIFEST)?).await,
            Err(e) => Err(e),
        };
        renamed.map_err(|e| Error::disk("replace the manifest", e))?;
        aside.keep();
        self.flush(&self.dir).await
    }

    /// Removes what a crash has left of a manifest that was being written.
    pub(super) fn sweep_aside(&self) -> Result<()> {
        self.remove(MANIFEST_ASIDE)
    }
}

/// A file that is being written from its beginning to its end. Removed again unless it is kept.
pub(super) struct NewFile {
    home: Home,
    name: String,
    file: DirectFile,
    written: u64,
    /// Whole pages that are still to be written.
    pub(super) pending: Vec<u8>,
    kept: bool,
}

impl NewFile {
    pub(super) async fn create(home: &Home, name: &str) -> Result<Self> {
        let file = match fault::step("index-create") {
            Ok(()) => home.driver.create_direct(&home.dir, c_name(name)?).await,
            Err(e) => Err(e),
        };
        let file = file.map_err(|e| Error::disk(format!("create {name}"), e))?;
        Ok(Self {
            home: home.clone(),
            name: name.to_owned(),
            file,
            written: 0,
            pending: Vec::new(),
            kept: false,
        })
    }

    /// Bytes so far, those to be written included.
    pub(super) fn bytes(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    /// True if as much is pending as one write takes.
    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= BULK_BUF_BYTES
    }

    /// Writes what is pending.
    pub(super) async fn write_out(&mut self) -> Result<()> {
        let mut done = 0;
        while let Some(rest) = self.pending.get(done..).filter(|rest| !rest.is_empty()) {
            let mut buf = self.home.cache.buffer(rest.len()).await?;
            let fd = self.file.fd();
            let count = buf.write(&self.home.driver, fd, self.written + done as u64, rest).await?;
            done += count;
        }
        self.pending.clear();
        self.written += done as u64;
        Ok(())
    }

    /// Writes what is pending and flushes. The file's name is durable only after a flush of the directory.
    pub(super) async fn seal(&mut self) -> Result<()> {
        self.write_out().await?;
        self.home.flush(self.file.fd()).await
    }

    pub(super) fn fd(&self) -> &Rc<OwnedFd> {
        self.file.fd()
    }

    /// Leaves the file where it is.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            // A file that cannot be removed now is swept when the index is opened.
            // The manifest's is removed before the next one is made: two removals could overtake each other.
            if let Ok(name) = c_name(&self.name)
                && self.name != MANIFEST_ASIDE
            {
                self.home.driver.unlink(&self.home.dir, name).detach();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_numbered_files() {
        assert!(is_numbered(&run_name(0xabc)) && is_numbered(&checkpoint_name(u64::MAX)));
        for other in
            ["run-1", "run-00000000000000AB", "run-000000000000000000", "index.manifest", "checkpoint-0"]
        {
            assert!(!is_numbered(other), "{other}");
        }
    }
}

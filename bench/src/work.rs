//! The work directory of a run, and the data sets in it.

use crate::child::check_interrupted;
use crate::error::Result;
use rustix::fs::{Advice, fadvise};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The size of a large object and of a write to a data set.
pub(crate) const MIB: usize = 1 << 20;

/// A directory that goes away at the end.
pub(crate) struct WorkDir {
    path: PathBuf,
}

impl WorkDir {
    /// Makes a directory of its own under `parent`.
    pub(crate) fn create(parent: &Path) -> Result<Self> {
        let path = parent.join(format!("run-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let path = path.canonicalize().map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Free bytes of the file system.
    pub(crate) fn free_bytes(&self) -> Result<u64> {
        let stat = rustix::fs::statvfs(&self.path).map_err(|e| format!("{}: {e}", self.path.display()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Fails when the file system has less than this free.
    pub(crate) fn require_gib(&self, gib: u64) -> Result<()> {
        let free = self.free_bytes()? >> 30;
        if free < gib {
            return Err(format!("the work directory needs {gib} GiB and has {free}; see --work"));
        }
        Ok(())
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("bench: {}: {error}", self.path.display());
        }
    }
}

/// A mebibyte that does not compress (xorshift64*).
pub(crate) fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes()
    };
    std::iter::repeat_with(next).take(MIB / 8).flatten().collect()
}

/// Writes `blocks` times `block` to a new file, to the disk, and out of the page cache.
pub(crate) fn write_file(path: &Path, block: &[u8], blocks: u64) -> Result<()> {
    let say = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut file = File::create(path).map_err(say)?;
    for _ in 0..blocks {
        check_interrupted()?;
        file.write_all(block).map_err(say)?;
    }
    file.sync_data().map_err(say)?;
    // Pages that stay in memory make no difference to direct reads; this only returns the memory early.
    let _ = fadvise(&file, 0, None, Advice::DontNeed);
    Ok(())
}

/// A file per name.
pub(crate) fn write_files(dir: &Path, names: &[String], block: &[u8]) -> Result<()> {
    fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    names.iter().try_for_each(|name| write_file(&dir.join(name), block, 1))
}

/// The space that the files of a directory take on the disk.
pub(crate) fn allocated_bytes(dir: &Path) -> Result<f64> {
    let mut sum = 0.0;
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        let say = |e: std::io::Error| format!("{}: {e}", dir.display());
        for entry in fs::read_dir(&dir).map_err(say)? {
            let path = entry.map_err(say)?.path();
            // A segment may be gone between the two.
            let Ok(facts) = fs::symlink_metadata(&path) else { continue };
            sum += facts.blocks() as f64 * 512.0;
            if facts.is_dir() {
                dirs.push(path);
            }
        }
    }
    Ok(sum)
}

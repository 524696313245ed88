//! Records of jobs on the disk: `jobs.json` in the data directory, written as a whole when a job begins and when it ends.
//!
//! Jobs are no data: when the file is damaged it is put aside with a warning, and the node starts without it.

use super::job::Record;
use crate::durable::write_large_json;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const FILE: &str = "jobs.json";
/// Where a damaged one goes, in the place of the last one that did.
const ASIDE: &str = "jobs.json.damaged";
/// More than records can have.
const BYTES_MAX: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
struct Saved {
    jobs: Vec<Record>,
}

#[derive(Debug)]
pub(super) struct JobFile {
    path: PathBuf,
    /// Changes that it has.
    written: Mutex<u64>,
}

impl JobFile {
    /// The file of a data directory, and what it says.
    ///
    /// # Errors
    /// One that cannot be read and cannot be put aside either; the text names it.
    pub(super) fn open(data_dir: &Path) -> io::Result<(Self, Vec<Record>)> {
        let path = data_dir.join(FILE);
        let records = match read(&path) {
            Ok(records) => records,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                let aside = data_dir.join(ASIDE);
                fs::rename(&path, &aside).map_err(|e| about(&path, &e))?;
                let (path, aside) = (path.display(), aside.display());
                tracing::warn!(%error, "{path} cannot be read and is now {aside}: earlier jobs are forgotten");
                Vec::new()
            }
        };
        Ok((Self { path, written: Mutex::new(0) }, records))
    }

    /// Writes down all records, unless a write that has this change already has been made meanwhile. `records` are taken
    /// with the number of the last change that they have. It waits for the disk.
    ///
    /// # Errors
    /// Errors of the disk; the text names the file.
    pub(super) fn write(&self, change: u64, records: impl FnOnce() -> (u64, Vec<Record>)) -> io::Result<()> {
        // One write after the other; nothing can be left half-changed under the lock.
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if *written >= change {
            return Ok(());
        }
        let (upto, jobs) = records();
        write_large_json(&self.path, &Saved { jobs }).map_err(|e| about(&self.path, &e))?;
        *written = upto;
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<Vec<Record>> {
    if fs::metadata(path)?.len() > BYTES_MAX {
        return Err(io::Error::other("it is too long"));
    }
    let saved: Saved = serde_json::from_slice(&fs::read(path)?)?;
    Ok(saved.jobs)
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

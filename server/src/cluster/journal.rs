//! The state on the disk: a snapshot, and beside it the commands that have come since, so that a change costs what it
//! changes and not what there is.
//!
//! `cluster.json` is the snapshot; it says which journal goes on from it. A journal (`cluster.journal.<n>`) has one line for
//! each batch of commands and of this node's own notes: the CRC-32C of the rest in hexadecimal, a blank, a JSON array. A batch is flushed before the
//! next one is written, so a crash can only tear the last line: that is cut off, for it was never acknowledged. A line that
//! is damaged with a good one anywhere behind it is an error, and so is a journal that is missing.
//!
//! When a journal has grown as large as the snapshot, the next one is begun and a thread writes a new snapshot that names
//! it; only then the older ones go. A crash in between leaves a longer chain of journals, no more.

use super::replica::{Entry, Replica, Saved};
use crate::durable;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use wire::cksum::crc32c;

/// The snapshot in the data directory.
pub(crate) const STATE_FILE: &str = "cluster.json";
const JOURNAL_PREFIX: &str = "cluster.journal.";
/// No snapshot is taken for less.
const SNAPSHOT_BYTES_MIN: u64 = 1 << 20;
const CRC_DIGITS: usize = 8;

/// The state of the cluster as a data directory has it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) replica: Replica,
    /// The last journal, and where its last whole line ends; none where there were no journals yet.
    last: Option<(u64, u64)>,
    snapshot_bytes: u64,
}

/// The open end of the chain of journals.
pub(crate) struct Journal {
    dir: PathBuf,
    number: u64,
    file: fs::File,
    bytes: u64,
    /// A write or a flush has failed: nobody knows what the file says.
    broken: bool,
    /// Of the last snapshot.
    snapshot_bytes: Arc<AtomicU64>,
    snapshot: Option<JoinHandle<()>>,
}

/// The state in a data directory; `None` when there is none. Nothing is changed, and a node may be at work there.
///
/// # Errors
/// When it is damaged or cannot be read; the text names the file.
pub(crate) fn read_state(dir: &Path) -> io::Result<Option<Found>> {
    let mut before = None;
    loop {
        let Some((saved, bytes)) = read_snapshot(dir)? else { return Ok(None) };
        let first = saved.journal;
        match follow(dir, saved, bytes) {
            // The node has just written the next snapshot and removed the journals before it.
            Err(e) if e.kind() == io::ErrorKind::NotFound && before != Some(first) => before = Some(first),
            outcome => return outcome.map(Some),
        }
    }
}

/// The content of the snapshot, and its length.
fn read_snapshot(dir: &Path) -> io::Result<Option<(Saved, u64)>> {
    let file = dir.join(STATE_FILE);
    match fs::read(&file) {
        Ok(bytes) => {
            let saved = serde_json::from_slice(&bytes).map_err(|e| damaged(&file, e))?;
            Ok(Some((saved, bytes.len() as u64)))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(about(&file, e)),
    }
}

/// Goes on from a snapshot through its journals.
fn follow(dir: &Path, saved: Saved, snapshot_bytes: u64) -> io::Result<Found> {
    let first = saved.journal;
    let mut replica = Replica::from_saved(saved).map_err(|why| damaged(&dir.join(STATE_FILE), why))?;
    let mut last = None;
    let mut torn: Option<PathBuf> = None;
    for number in first.into_iter().flat_map(|first| first..) {
        let file = journal_path(dir, number);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound && last.is_some() => break,
            Err(e) => return Err(about(&file, e)),
        };
        if let Some(torn) = torn.as_ref().filter(|_| !bytes.is_empty()) {
            return Err(damaged(torn, "its end is missing"));
        }
        let end = replay(&file, &bytes, &mut replica)?;
        // Behind one that is torn only such can follow as were begun after a failure and never used.
        if torn.is_none() {
            last = Some((number, end));
        }
        if end < bytes.len() as u64 {
            torn = Some(file);
        }
    }
    Ok(Found { replica, last, snapshot_bytes })
}

/// Applies the entries of a journal; returns where the last whole line ends.
fn replay(file: &Path, bytes: &[u8], replica: &mut Replica) -> io::Result<u64> {
    let mut end = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(json) = whole(line) else {
            let behind = bytes.get(end + line.len()..).unwrap_or_default();
            if behind.split_inclusive(|byte| *byte == b'\n').any(|line| whole(line).is_some()) {
                return Err(damaged(file, format!("the line at byte {end}")));
            }
            break;
        };
        let wrong = |why: String| damaged(file, format!("the line at byte {end}: {why}"));
        let entries: Vec<Entry> = serde_json::from_slice(json).map_err(|e| wrong(e.to_string()))?;
        for entry in entries {
            replica.apply(entry).map_err(|e| wrong(e.text))?;
        }
        end += line.len();
    }
    Ok(end as u64)
}

/// The JSON of a line that is whole.
fn whole(line: &[u8]) -> Option<&[u8]> {
    let (digits, rest) = line.strip_suffix(b"\n")?.split_at_checked(CRC_DIGITS)?;
    let json = rest.strip_prefix(b" ")?;
    (format!("{:08x}", crc32c(json)).as_bytes() == digits).then_some(json)
}

fn line_of(entries: &[String]) -> Vec<u8> {
    let json = format!("[{}]", entries.join(","));
    format!("{:08x} {json}\n", crc32c(json.as_bytes())).into_bytes()
}

impl Journal {
    /// Opens the chain of journals to go on with it; what a crash has torn is cut off.
    ///
    /// # Errors
    /// The disk's error.
    pub(crate) fn open(dir: &Path, found: &Found) -> io::Result<Self> {
        let Some((number, end)) = found.last else { return Self::create(dir, &found.replica) };
        let path = journal_path(dir, number);
        let file = fs::OpenOptions::new().append(true).open(&path).map_err(|e| about(&path, e))?;
        if file.metadata()?.len() > end {
            tracing::warn!(file = %path.display(), end, "a crash has torn the last change: it is cut off");
            file.set_len(end)?;
            file.sync_all()?;
        }
        Ok(Self::new(dir, number, file, end, found.snapshot_bytes))
    }

    /// The first journal and the first snapshot, or those of a data directory that had no journals yet.
    ///
    /// # Errors
    /// The disk's error.
    pub(crate) fn create(dir: &Path, replica: &Replica) -> io::Result<Self> {
        let file = begin(dir, 1)?;
        let snapshot_bytes = durable::write_large_json(&dir.join(STATE_FILE), &replica.written(1))?;
        Ok(Self::new(dir, 1, file, 0, snapshot_bytes))
    }

    fn new(dir: &Path, number: u64, file: fs::File, bytes: u64, snapshot_bytes: u64) -> Self {
        let snapshot_bytes = Arc::new(AtomicU64::new(snapshot_bytes));
        Self { dir: dir.to_owned(), number, file, bytes, broken: false, snapshot_bytes, snapshot: None }
    }

    /// Makes entries durable that lead from `before` to another state; each is JSON.
    ///
    /// # Errors
    /// The disk's error. Then they may come to light after a crash, like any request without an answer.
    pub(crate) fn append(&mut self, entries: &[String], before: &Replica) -> io::Result<()> {
        if self.broken {
            self.start_over(before)?;
        }
        let line = line_of(entries);
        self.broken = true;
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        self.broken = false;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// After a failure: a snapshot of what is known to have happened, and an empty journal. A flush that is tried again
    /// would say nothing of what was lost before.
    fn start_over(&mut self, replica: &Replica) -> io::Result<()> {
        self.wait();
        let next = self.number + 1;
        let file = begin(&self.dir, next)?;
        let bytes = durable::write_large_json(&self.dir.join(STATE_FILE), &replica.written(next))?;
        self.snapshot_bytes.store(bytes, Ordering::Relaxed);
        remove_before(&self.dir, next);
        (self.file, self.number, self.bytes, self.broken) = (file, next, 0, false);
        Ok(())
    }

    /// Has a thread write a snapshot, once the journal is long enough for that.
    ///
    /// # Errors
    /// The disk's error. The journal goes on as it is.
    pub(crate) fn snapshot_if_due(&mut self, replica: &Replica) -> io::Result<()> {
        let due = self.bytes >= self.snapshot_bytes.load(Ordering::Relaxed).max(SNAPSHOT_BYTES_MIN);
        let busy = self.snapshot.as_ref().is_some_and(|thread| !thread.is_finished());
        if self.broken || busy || !due {
            return Ok(());
        }
        let next = self.number + 1;
        let file = begin(&self.dir, next)?;
        (self.file, self.number, self.bytes) = (file, next, 0);
        let (dir, replica, written) = (self.dir.clone(), replica.clone(), Arc::clone(&self.snapshot_bytes));
        let write = move || match durable::write_large_json(&dir.join(STATE_FILE), &replica.written(next)) {
            Ok(bytes) => {
                written.store(bytes, Ordering::Relaxed);
                remove_before(&dir, next);
            }
            Err(error) => {
                tracing::error!(%error, "the cluster's state was not written as a whole: its journals stay")
            }
        };
        self.snapshot = Some(std::thread::Builder::new().name("snapshot".to_owned()).spawn(write)?);
        Ok(())
    }

    /// Returns when no snapshot is being written.
    pub(crate) fn wait(&mut self) {
        if let Some(Err(_)) = self.snapshot.take().map(JoinHandle::join) {
            tracing::error!("the thread that writes the cluster's state panicked");
        }
    }
}

/// Makes an empty journal whose name is durable.
fn begin(dir: &Path, number: u64) -> io::Result<fs::File> {
    let path = journal_path(dir, number);
    // One that was begun and never named: what is in it was never acknowledged, or is in the snapshot.
    let file = fs::OpenOptions::new().create(true).append(true).open(&path).map_err(|e| about(&path, e))?;
    file.set_len(0)?;
    file.sync_all()?;
    fs::File::open(dir)?.sync_all()?;
    Ok(file)
}

/// Removes the journals before this one; those that cannot be removed now are, with the next snapshot.
fn remove_before(dir: &Path, number: u64) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let old = name.to_str().and_then(|name| name.strip_prefix(JOURNAL_PREFIX)?.parse::<u64>().ok());
        if old.is_some_and(|old| old < number)
            && let Err(error) = fs::remove_file(entry.path())
        {
            tracing::warn!(file = %entry.path().display(), %error, "an old journal was not removed");
        }
    }
}

fn journal_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{JOURNAL_PREFIX}{number}"))
}

fn damaged(file: &Path, why: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{} is damaged: {why}", file.display()))
}

fn about(file: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;

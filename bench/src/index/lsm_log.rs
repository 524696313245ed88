//! A log for our index, as a lane's segments are one in the server: opening the index reads from it what is not written
//! out yet.
//!
//! Files are named by the position of their first batch; in them lies, batch after batch,
//! `crc32c of the rest (4) | entries (4) | position (8) | {lane (1), key (32), value (70)} of each entry`.

use super::keys::{Entry, Key, Value};
use crate::error::Result;
use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use uring::Driver;
use wire::cksum::crc32c;

/// A file is followed by the next when it has become this large.
const FILE_BYTES: u64 = 8 << 20;
const PREFIX: &str = "log-";
const ENTRY_BYTES: usize = 1 + size_of::<Key>() + size_of::<Value>();

/// An open log. Batches are numbered by their position, from 0 on.
pub(super) struct Log {
    path: PathBuf,
    dir: Rc<OwnedFd>,
    file_bytes_max: u64,
    next: Cell<u64>,
    /// The positions that the files begin with, in order.
    files: RefCell<Vec<u64>>,
    /// The last of them, unless it is from before the opening.
    last: RefCell<Option<Last>>,
    /// Files that are followed by another, and directories, which are to be flushed.
    unflushed: RefCell<Vec<Rc<OwnedFd>>>,
}

struct Last {
    file: File,
    /// The same, to be flushed.
    fd: Rc<OwnedFd>,
    bytes: u64,
}

impl Log {
    /// Opens the log in a directory and hands over each entry that is in it, with the position of its batch, in order.
    /// A torn end that a crash left is passed over. New batches get positions from `position_min` on.
    pub(super) fn open(
        path: &Path,
        position_min: u64,
        each: &mut dyn FnMut(u64, &Entry) -> Result<()>,
    ) -> Result<Self> {
        let files = list(path)?;
        let mut next = position_min;
        for first in &files {
            let bytes = fs::read(path.join(name(*first))).map_err(say)?;
            let mut rest = bytes.as_slice();
            while let Some((position, entries)) = take_batch(&mut rest) {
                entries.iter().try_for_each(|entry| each(position, entry))?;
                next = next.max(position + 1);
            }
        }
        Ok(Self {
            path: path.to_path_buf(),
            dir: Rc::new(uring::sys::open_dir(path).map_err(say)?),
            file_bytes_max: FILE_BYTES,
            next: Cell::new(next),
            files: RefCell::new(files),
            last: RefCell::default(),
            unflushed: RefCell::default(),
        })
    }

    /// The position of the next batch.
    pub(super) fn position(&self) -> u64 {
        self.next.get()
    }

    /// Appends a batch. It is durable after [`Log::flush`].
    pub(super) fn append(&self, entries: &[Entry]) -> Result<()> {
        let mut last = self.last.borrow_mut();
        let old = last.take_if(|last| last.bytes >= self.file_bytes_max);
        self.unflushed.borrow_mut().extend(old.map(|old| Rc::new(old.file.into())));
        let mut now = match last.take() {
            Some(now) => now,
            None => self.begin_file()?,
        };
        let bytes = encode(self.next.get(), entries);
        let written = now.file.write_all(&bytes);
        now.bytes += bytes.len() as u64;
        *last = Some(now);
        self.next.set(self.next.get() + 1);
        written.map_err(say)
    }

    fn begin_file(&self) -> Result<Last> {
        let first = self.next.get();
        // An older file of that name holds nothing but a batch that a crash has torn.
        let file = File::create(self.path.join(name(first))).map_err(say)?;
        let mut files = self.files.borrow_mut();
        if files.last() != Some(&first) {
            files.push(first);
        }
        self.unflushed.borrow_mut().push(Rc::new(uring::sys::open_dir(&self.path).map_err(say)?));
        let fd = Rc::new(file.try_clone().map_err(say)?.into());
        Ok(Last { file, fd, bytes: 0 })
    }

    /// Makes durable what was appended.
    pub(super) async fn flush(&self, driver: &Driver) -> Result<()> {
        let mut changed = self.unflushed.borrow().clone();
        changed.extend(self.last.borrow().as_ref().map(|last| Rc::clone(&last.fd)));
        for file in &changed {
            driver.fsync(file, true).await.map_err(say)?;
        }
        // Files that were added meanwhile stay.
        let is_flushed = |one: &Rc<OwnedFd>| changed.iter().any(|other| Rc::ptr_eq(one, other));
        self.unflushed.borrow_mut().retain(|one| !is_flushed(one));
        Ok(())
    }

    /// Removes the files that have nothing from this position on.
    pub(super) async fn trim(&self, driver: &Driver, from: u64) -> Result<()> {
        for first in self.forget_before(from) {
            let name = CString::new(name(first)).map_err(say)?;
            driver.unlink(&self.dir, name).await.map_err(say)?;
        }
        Ok(())
    }

    fn forget_before(&self, from: u64) -> Vec<u64> {
        let mut files = self.files.borrow_mut();
        let ends = files.iter().skip(1).copied().chain([self.next.get()]);
        let count = ends.take_while(|end| *end <= from).count().min(files.len());
        if count == files.len() {
            self.last.take();
        }
        files.drain(..count).collect()
    }
}

fn name(first: u64) -> String {
    format!("{PREFIX}{first:016x}")
}

fn list(dir: &Path) -> Result<Vec<u64>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(say)? {
        let name = entry.map_err(say)?.file_name();
        let first = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        files.extend(first.and_then(|first| u64::from_str_radix(first, 16).ok()));
    }
    files.sort_unstable();
    Ok(files)
}

fn encode(position: u64, entries: &[Entry]) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    bytes.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&position.to_le_bytes());
    for entry in entries {
        bytes.push(entry.lane as u8);
        bytes.extend_from_slice(&entry.key);
        bytes.extend_from_slice(&entry.value);
    }
    if let Some((crc, rest)) = bytes.split_first_chunk_mut() {
        *crc = crc32c(rest).to_le_bytes();
    }
    bytes
}

/// The batch at the front of the bytes, if a whole one is there.
fn take_batch(bytes: &mut &[u8]) -> Option<(u64, Vec<Entry>)> {
    let (crc, rest) = bytes.split_first_chunk()?;
    let (count, _) = rest.split_first_chunk()?;
    let len = (u32::from_le_bytes(*count) as usize).checked_mul(ENTRY_BYTES)?.checked_add(12)?;
    let (batch, rest) = rest.split_at_checked(len)?;
    if crc32c(batch) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (position, entries) = batch.get(4..)?.split_first_chunk()?;
    let (entries, _) = entries.as_chunks::<ENTRY_BYTES>();
    let entries = entries.iter().map(take_entry).collect::<Option<_>>()?;
    *bytes = rest;
    Some((u64::from_le_bytes(*position), entries))
}

fn take_entry(bytes: &[u8; ENTRY_BYTES]) -> Option<Entry> {
    let (lane, rest) = bytes.split_first()?;
    let (key, value) = rest.split_first_chunk()?;
    Some(Entry { lane: usize::from(*lane), key: *key, value: value.try_into().ok()? })
}

fn say(error: impl Display) -> String {
    format!("log: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::keys::KeySet;
    use proptest::prelude::*;
    use uring::{DriverConfig, PoolConfig, block_on};

    type Seen = Vec<(u64, usize, Key, Value)>;

    fn open(dir: &Path, position_min: u64) -> (Log, Seen) {
        let mut seen = Vec::new();
        let mut each = |position, entry: &Entry| {
            seen.push((position, entry.lane, entry.key, entry.value));
            Ok(())
        };
        let log = Log::open(dir, position_min, &mut each).unwrap();
        (log, seen)
    }

    /// Batches of a set from one on to before another, as they are seen.
    fn batches(set: &KeySet, from: u64, to: u64) -> (Vec<Vec<Entry>>, Seen) {
        let (mut all, mut seen) = (Vec::new(), Vec::new());
        for batch in from..to {
            let mut entries = Vec::new();
            set.fill(batch, &mut entries);
            seen.extend(entries.iter().map(|entry| (batch, entry.lane, entry.key, entry.value)));
            all.push(entries);
        }
        (all, seen)
    }

    #[test]
    fn files_go_when_nothing_needs_them() {
        let set = KeySet::new(1000);
        let dir = tempfile::tempdir().unwrap();
        let pool = PoolConfig { size_bytes_max: 0 };
        let driver = Driver::new(DriverConfig { entries: 8, pool }).unwrap();
        let (mut log, _) = open(dir.path(), 0);
        // Two batches to a file.
        log.file_bytes_max = 8000;
        let trim = |log: &Log, from| {
            block_on(&driver, log.flush(&driver)).unwrap().unwrap();
            assert!(log.unflushed.borrow().is_empty());
            block_on(&driver, log.trim(&driver, from)).unwrap().unwrap();
            list(dir.path()).unwrap()
        };
        for batch in batches(&set, 0, 7).0 {
            log.append(&batch).unwrap();
        }
        assert_eq!(trim(&log, 0), [0, 2, 4, 6]);
        assert_eq!(trim(&log, 3), [2, 4, 6]);
        assert_eq!(open(dir.path(), 0).1, batches(&set, 2, 7).1);
        assert_eq!(trim(&log, 6), [6]);
        assert_eq!(trim(&log, 7), [0; 0]);
        // The positions go on, whether the log remembers or the index does.
        for batch in batches(&set, 7, 9).0 {
            log.append(&batch).unwrap();
        }
        assert_eq!(trim(&log, 7), [7]);
        assert_eq!(open(dir.path(), 0).0.position(), 9);
        assert_eq!(open(dir.path(), 20).0.position(), 20);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn what_is_torn_is_passed_over(cut: prop::sample::Index, flip: Option<prop::sample::Index>) {
            let set = KeySet::new(500);
            let dir = tempfile::tempdir().unwrap();
            let (log, _) = open(dir.path(), 0);
            let (all, seen) = batches(&set, 0, 6);
            let mut ends = vec![0];
            for batch in &all {
                log.append(batch).unwrap();
                ends.push(ends.last().unwrap() + encode(0, batch).len());
            }
            drop(log);
            let file = dir.path().join(name(0));
            let mut bytes = fs::read(&file).unwrap();
            bytes.truncate(cut.index(bytes.len() + 1));
            let mut good = bytes.len();
            if let (Some(flip), false) = (flip, bytes.is_empty()) {
                let at = flip.index(bytes.len());
                bytes[at] ^= 1;
                good = at;
            }
            fs::write(&file, &bytes).unwrap();
            let whole = ends.iter().filter(|end| **end <= good).count() - 1;
            let (log, found) = open(dir.path(), 0);
            let expected: Seen = seen.iter().filter(|(batch, ..)| (*batch as usize) < whole).copied().collect();
            prop_assert_eq!(found, expected);
            // The log goes on behind that batch.
            let mut again = Vec::new();
            set.fill(whole as u64, &mut again);
            log.append(&again).unwrap();
            let (_, found) = open(dir.path(), 0);
            prop_assert_eq!(found, batches(&set, 0, whole as u64 + 1).1);
        }
    }
}

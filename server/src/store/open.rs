//! An object's file, open for reading, with the checksums of its blocks.

use super::disk::Disk;
use super::entry::Key;
use super::mountpath::Mountpath;
use super::{BLOCK_BYTES, sidecar};
use crate::error::{Error, Result};
use crate::store::meta::read_meta;
use crate::store::mountpath::Displaced;
use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use uring::{ClosedAside, OpenMode, Opened};
use wire::cksum::crc32c;
use wire::lom::Generation;

/// An open object. Immutable: an overwrite is another file.
#[derive(Debug)]
pub(crate) struct OpenObject {
    pub(crate) file: ClosedAside,
    pub(crate) size_bytes: u64,
    /// The write that made it.
    pub(crate) generation: Generation,
    crcs: Box<[u32]>,
}

/// Files that are kept open, by generation. One with a long table of checksums counts for as many as would hold the same memory.
pub(crate) type OpenFiles = Cache<Generation, Rc<OpenObject>, MemoryWeight>;

/// Memory that an open file is counted with.
const OPEN_FILE_BYTES: usize = 4 << 10;

/// Room for this many open files.
pub(crate) fn open_files(count: usize) -> OpenFiles {
    Cache::with_weighter(count, count as u64, MemoryWeight)
}

/// Weighs open files by the memory that they hold.
#[derive(Clone, Debug)]
pub(crate) struct MemoryWeight;

impl Weighter<Generation, Rc<OpenObject>> for MemoryWeight {
    fn weight(&self, _: &Generation, open: &Rc<OpenObject>) -> u64 {
        (size_of_val(&*open.crcs).div_ceil(OPEN_FILE_BYTES) as u64).max(1)
    }
}

/// Files that helpers open. One that is overwritten or removed meanwhile must not be kept open: it would hold its blocks.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    under_way: Cell<usize>,
    /// Generations that have gone since the first of those under way began.
    gone: RefCell<HashSet<Generation>>,
}

impl Opening {
    pub(super) fn begin(&self) -> OneOpening<'_> {
        let (under_way, gone) = (self.under_way.get(), self.gone.borrow().len());
        assert!(under_way > 0 || gone == 0, "no file is being opened, and {gone} have gone meanwhile");
        self.under_way.set(under_way + 1);
        OneOpening(self)
    }

    pub(super) fn is_gone(&self, generation: Generation) -> bool {
        self.gone.borrow().contains(&generation)
    }

    /// Notes a generation that nobody wants any more.
    pub(crate) fn forget(&self, generation: Generation) {
        if self.under_way.get() > 0 {
            self.gone.borrow_mut().insert(generation);
        }
    }
}

pub(super) struct OneOpening<'o>(&'o Opening);

impl Drop for OneOpening<'_> {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
        if self.0.under_way.get() == 0 {
            self.0.gone.borrow_mut().clear();
        }
    }
}

impl OpenObject {
    /// Opens the file at a key's path, expecting a certain generation.
    pub(crate) async fn load(disk: &Disk, key: &Key, generation: Generation) -> Result<Self> {
        let key = key.clone();
        let loaded = disk.look(move |mountpath| load(mountpath, &key, generation)).await?;
        let file = ClosedAside::new(loaded.file.into(), disk.mountpath().changers());
        Ok(Self { file, size_bytes: loaded.size_bytes, generation, crcs: loaded.crcs })
    }

    /// Checks whole blocks (the last one may be short) that start at block number `first`.
    pub(crate) fn verify(&self, first: usize, bytes: &[u8]) -> Result<()> {
        for (at, block) in bytes.chunks(BLOCK_BYTES).enumerate() {
            if self.crcs.get(first + at) != Some(&crc32c(block)) {
                return Err(Error::corrupt(format!("block {} does not match its checksum", first + at)));
            }
        }
        Ok(())
    }
}

/// A file on its way to the core that asked for it.
struct Loaded {
    file: Opened,
    size_bytes: u64,
    crcs: Box<[u32]>,
}

/// The helper's part in opening an object.
fn load(mountpath: &Mountpath, key: &Key, generation: Generation) -> Result<Loaded> {
    let in_place = load_at(mountpath, key, &key.path(), generation);
    if in_place.is_ok() || !mountpath.is_suspect() {
        return in_place;
    }
    // A change that has failed with its disk may have put the file aside.
    match Displaced::find(mountpath, generation) {
        Some(path) => load_at(mountpath, key, &path, generation),
        None => in_place,
    }
}

fn load_at(mountpath: &Mountpath, key: &Key, path: &str, generation: Generation) -> Result<Loaded> {
    let whose = || format!("ais://{}/{}", key.bucket.name, key.name);
    let file = Opened::open(mountpath.dir(), path, OpenMode::Read)
        .map_err(|e| Error::disk(&format!("open {}", whose()), &e))?;
    let meta = read_meta(&mountpath.path, &file)?
        .ok_or_else(|| Error::corrupt(format!("{} has lost its metadata", whose())))?;
    if meta.generation != generation || meta.name != key.name {
        return Err(Error::corrupt(format!("{}: the file is not the one that was written", whose())));
    }
    let crcs = sidecar::load(mountpath, generation, meta.block_crcs)?;
    if crcs.len() as u64 != meta.size.div_ceil(BLOCK_BYTES as u64) {
        return Err(Error::corrupt(format!("{} has {} block checksums", whose(), crcs.len())));
    }
    Ok(Loaded { file, size_bytes: meta.size, crcs })
}

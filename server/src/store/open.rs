//! An object's file, open for reading, with the checksums of its blocks.

use super::disk::Disk;
use super::displaced::Displaced;
use super::engine::Store;
use super::entry::{Entry, Key};
use super::mountpath::Mountpath;
use super::{BLOCK_BYTES, META_XATTR, sidecar};
use crate::error::{Error, Result};
use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::os::fd::AsFd;
use std::path::Path;
use std::rc::Rc;
use uring::{ClosedAside, OpenMode, Opened, sys};
use wire::cksum::crc32c;
use wire::lom::{Apart, Generation, LomError, ObjectMeta, Stored};

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
    fn begin(&self) -> OneOpening<'_> {
        self.under_way.set(self.under_way.get() + 1);
        OneOpening(self)
    }

    fn is_gone(&self, generation: Generation) -> bool {
        self.gone.borrow().contains(&generation)
    }

    /// Notes a generation that nobody wants any more.
    pub(crate) fn forget(&self, generation: Generation) {
        if self.under_way.get() > 0 {
            self.gone.borrow_mut().insert(generation);
        }
    }
}

struct OneOpening<'o>(&'o Opening);

impl Drop for OneOpening<'_> {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
        if self.0.under_way.get() == 0 {
            self.0.gone.borrow_mut().clear();
        }
    }
}

impl OpenObject {
    /// Opens the file of an entry, or takes it from the cache of open files.
    pub(crate) async fn open(store: &Store, key: &Key, entry: &Entry) -> Result<Rc<Self>> {
        if let Some(open) = store.open_files.borrow_mut().get(&entry.generation) {
            return Ok(Rc::clone(open));
        }
        let _opening = store.opening.begin();
        let open = Rc::new(Self::load(store.disk(entry.mountpath)?, key, entry.generation).await?);
        if !store.opening.is_gone(entry.generation) {
            store.open_files.borrow_mut().insert(entry.generation, Rc::clone(&open));
        }
        Ok(open)
    }

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

/// What a helper does to open an object.
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

/// An attribute is read again so often whose file has been replaced meanwhile.
const TRIES: usize = 8;

/// The metadata of a file beneath a mountpath; `None` when it carries none.
pub(crate) fn read_meta(mountpath: &Path, file: impl AsFd) -> Result<Option<ObjectMeta>> {
    read_stored(mountpath, file).map(|stored| stored.map(|(meta, _)| meta))
}

/// The same, with where they are if they did not fit into the attribute.
fn read_stored(mountpath: &Path, file: impl AsFd) -> Result<Option<(ObjectMeta, Option<Apart>)>> {
    let damaged = |e: LomError| Error::corrupt(format!("damaged metadata: {e}"));
    let mut before = None;
    for _ in 0..TRIES {
        let value = sys::get_xattr(file.as_fd(), META_XATTR).map_err(|e| Error::disk("read metadata", &e))?;
        let Some(value) = value else { return Ok(None) };
        let apart = match Stored::decode(&value).map_err(damaged)? {
            Stored::Here(meta) => return Ok(Some((meta, None))),
            Stored::Apart(apart) => apart,
        };
        match sidecar::load_meta(mountpath, apart) {
            Ok(Some(meta)) => return Ok(Some((meta, Some(apart)))),
            // A change of metadata that comes in between writes both files in turn.
            Ok(None) if before != Some(apart) => before = Some(apart),
            Ok(None) => break,
            Err(e) => return Err(Error::disk("read metadata beside a file", &e)),
        }
    }
    Err(Error::corrupt("damaged metadata: the file beside it does not match its checksum"))
}

/// The value of the attribute that holds metadata.
pub(crate) fn encode_meta(meta: &ObjectMeta) -> Result<Vec<u8>> {
    let mut value = Vec::new();
    // What cannot be encoded is too large: names and custom metadata have been checked to be well-formed.
    meta.encode(&mut value).map_err(|e| Error::bad(format!("metadata: {e}")))?;
    Ok(value)
}

/// A file whose metadata are about to be replaced.
pub(crate) struct PreparedMeta {
    pub(crate) file: Opened,
    pub(crate) meta: ObjectMeta,
    /// The new attribute.
    pub(crate) value: Vec<u8>,
    /// Block checksums did not fit any more and lie in a file beside it now.
    pub(crate) moved_out: bool,
}

/// Prepares the replacement of a file's custom metadata: opens it, and has written beside it what does not
/// fit into its attribute.
pub(crate) fn prepare_meta(
    mountpath: &Mountpath,
    path: &str,
    custom: Vec<(String, String)>,
) -> Result<PreparedMeta> {
    let file = Opened::open(mountpath.dir(), path, OpenMode::Write)
        .map_err(|e| mountpath.failed("open to change metadata", &e))?;
    let stored = read_stored(&mountpath.path, &file)?;
    let (meta, apart) = stored.ok_or_else(|| Error::corrupt("the object has lost its metadata"))?;
    if apart.is_some() {
        // A power cut may leave the attribute as it was before the last change: the file that it named is free only now.
        sys::flush(file.as_fd()).map_err(|e| mountpath.lost("flush a file", &e))?;
    }
    let mut meta = ObjectMeta { custom, ..meta };
    let slot = apart.map_or(0, |apart| 1 - apart.slot);
    let (value, moved_out) = sidecar::encode(mountpath, &mut meta, slot)?;
    Ok(PreparedMeta { file, meta, value, moved_out })
}

/// Sets the metadata of a file.
pub(crate) fn write_meta(mountpath: &Mountpath, file: impl AsFd, value: &[u8]) -> Result<()> {
    let set = uring::fault::step("write-meta").and_then(|()| sys::set_xattr(file.as_fd(), META_XATTR, value));
    set.map_err(|e| mountpath.failed("write metadata", &e))
}

//! The store of one core, tying index, caches, commit groups and mountpaths together.

use super::commit::Committer;
use super::entry::{BucketRef, Entry, Key};
use super::index::{Index, Scan, ScanQuery};
use super::mountpath::Mountpath;
use super::open::OpenObject;
use super::reader::{Piece, Reader};
use super::recover::Recovered;
use super::writer::{NewObject, Writer};
use super::{names, open, sidecar};
use crate::error::{Error, Kind, Result};
use quick_cache::unsync::Cache;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use uring::{DirectFile, Driver, LEAF_BYTES, OpenMode, sys};
use wire::api::bprops::Durability;
use wire::lom::ObjectMeta;

/// Bounds of one core's store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreConfig {
    /// Bytes of registered memory that may hold small objects.
    pub(crate) cache_bytes: usize,
    /// Objects up to this size are cached whole.
    pub(crate) cache_object_bytes_max: usize,
    /// Files kept open for reading.
    pub(crate) open_files: usize,
    /// Bytes that the index may take.
    pub(crate) index_bytes: usize,
}

/// What a core's store holds and has done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StoreStats {
    pub(crate) objects: u64,
    pub(crate) index_bytes: u64,
    pub(crate) cache_hits: u64,
    pub(crate) cache_misses: u64,
    pub(crate) flushes: u64,
    pub(crate) commits: u64,
    pub(crate) corrupt_reads: u64,
}

/// A small object in memory.
#[derive(Clone)]
struct Body {
    piece: Rc<Piece>,
    /// The fields of its answer as a façade has written them, with the variant they were written for.
    fields: Option<(bool, Rc<[u8]>)>,
}

#[derive(Clone)]
struct BodyWeight;

impl quick_cache::Weighter<u64, Body> for BodyWeight {
    fn weight(&self, _: &u64, body: &Body) -> u64 {
        // The fields are part of the budget as well.
        let fields_bytes = body.fields.as_ref().map_or(0, |(_, fields)| fields.len());
        (body.piece.chunk.len() + fields_bytes) as u64
    }
}

/// One core's objects.
pub(crate) struct Store {
    pub(super) driver: Driver,
    pub(super) open_files: RefCell<Cache<u64, Rc<OpenObject>>>,
    config: StoreConfig,
    core: u64,
    mountpaths: Arc<[Arc<Mountpath>]>,
    committers: Vec<Rc<Committer>>,
    index: RefCell<Index>,
    bodies: RefCell<Cache<u64, Body, BodyWeight>>,
    /// Buckets destroyed since the start: a write that was under way must not bring one back.
    destroyed: RefCell<HashSet<u64>>,
    last_generation: Cell<u64>,
    counters: Cell<StoreStats>,
}

impl Store {
    pub(crate) fn new(
        driver: Driver,
        core: usize,
        mountpaths: Arc<[Arc<Mountpath>]>,
        config: StoreConfig,
        recovered: Vec<Recovered>,
    ) -> Rc<Self> {
        let committers = mountpaths.iter().map(|mp| Committer::new(driver.clone(), Arc::clone(mp))).collect();
        let bodies_expected = (config.cache_bytes / LEAF_BYTES).max(1);
        let bodies = Cache::with_weighter(bodies_expected, config.cache_bytes as u64, BodyWeight);
        let store = Self {
            driver,
            open_files: RefCell::new(Cache::new(config.open_files)),
            config,
            core: core as u64,
            mountpaths,
            committers,
            index: RefCell::default(),
            bodies: RefCell::new(bodies),
            destroyed: RefCell::default(),
            last_generation: Cell::new(0),
            counters: Cell::default(),
        };
        for object in recovered {
            store.adopt(object);
        }
        Rc::new(store)
    }

    /// Takes over an object found on disk. Of two files with one name the later one counts.
    fn adopt(&self, object: Recovered) {
        let mut index = self.index.borrow_mut();
        let known = index.get(object.bucket_id, &object.name);
        if known.is_none_or(|known| known.generation < object.meta.generation) {
            self.last_generation.set(self.last_generation.get().max(object.meta.generation));
            let entry = Entry::from_meta(&object.meta, object.mountpath);
            index.insert(object.bucket_id, &object.name, Rc::new(entry));
        }
    }

    /// The tasks that flush; spawn each once.
    pub(crate) fn commit_loops(&self) -> impl Iterator<Item = impl Future<Output = ()> + use<>> {
        self.committers.clone().into_iter().map(Committer::run)
    }

    /// An object's metadata, if there is one of that name.
    pub(crate) fn find(&self, key: &Key) -> Option<Rc<Entry>> {
        self.index.borrow().get(key.bucket.id, &key.name).cloned()
    }

    /// Opens a range of an object for reading.
    pub(crate) fn read(&self, key: &Key, entry: &Entry, wanted: Range<u64>) -> Result<Reader> {
        let object = OpenObject::open(self, key, entry).inspect_err(|e| self.count_corrupt(e))?;
        Ok(Reader::new(self.driver.clone(), object, wanted))
    }

    /// A small object whole, from memory if it is there.
    pub(crate) async fn read_small(&self, key: &Key, entry: &Entry) -> Result<Piece> {
        if let Some(body) = self.bodies.borrow_mut().get(&entry.generation) {
            self.count(|c| c.cache_hits += 1);
            return Ok(body.piece.share());
        }
        self.count(|c| c.cache_misses += 1);
        let mut reader = self.read(key, entry, 0..entry.size_bytes)?;
        let piece = reader.next().await.inspect_err(|e| self.count_corrupt(e))?;
        let piece = piece.ok_or_else(|| Error::internal("an object without bytes was read"))?;
        let body = Body { piece: Rc::new(piece.share()), fields: None };
        self.bodies.borrow_mut().insert(entry.generation, body);
        Ok(piece)
    }

    /// What `write` makes of an object that is in memory, kept beside it; `None` for one that is not.
    pub(crate) fn kept_fields(
        &self,
        entry: &Entry,
        variant: bool,
        write: impl FnOnce() -> Vec<u8>,
    ) -> Option<Rc<[u8]>> {
        if !self.is_small(entry.size_bytes) {
            return None;
        }
        let mut bodies = self.bodies.borrow_mut();
        let mut body = bodies.get_mut(&entry.generation)?;
        match &body.fields {
            Some((kept, fields)) if *kept == variant => Some(Rc::clone(fields)),
            _ => {
                let fields: Rc<[u8]> = write().into();
                body.fields = Some((variant, Rc::clone(&fields)));
                Some(fields)
            }
        }
    }

    /// Whether objects of this size are cached whole.
    pub(crate) fn is_small(&self, size_bytes: u64) -> bool {
        (1..=self.config.cache_object_bytes_max as u64).contains(&size_bytes)
    }

    /// Starts writing an object.
    pub(crate) fn writer(self: &Rc<Self>, key: &Key, new: NewObject) -> Result<Writer> {
        Writer::create(Rc::clone(self), key.clone(), new)
    }

    /// Removes an object; false when there was none.
    pub(crate) async fn remove(&self, key: &Key, durability: Durability) -> Result<bool> {
        self.check_alive(&key.bucket)?;
        let Some(entry) = self.find(key) else { return Ok(false) };
        let mountpath = self.writable(entry.mountpath)?;
        let path = key.path();
        let fail = |e: io::Error| Error::disk("remove", &e);
        let dir = sys::open_dir_beneath(mountpath.dir(), names::parent(&path)).map_err(fail)?;
        match sys::unlink_beneath(mountpath.dir(), &path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(fail(e)),
            _ => {}
        }
        self.index.borrow_mut().remove(key.bucket.id, &key.name);
        self.forget_caches(&entry, mountpath);
        self.committer(entry.mountpath)?.commit(Rc::new(dir), durability).await?;
        Ok(true)
    }

    /// Replaces an object's custom metadata.
    pub(crate) async fn set_custom(
        &self,
        key: &Key,
        custom: Vec<(String, String)>,
        durability: Durability,
    ) -> Result<Rc<Entry>> {
        let missing = || Error::object_missing(&key.bucket.name, &key.name);
        let entry = self.find(key).ok_or_else(missing)?;
        let mountpath = self.writable(entry.mountpath)?;
        let file = DirectFile::open(mountpath.dir(), &key.path(), OpenMode::Write)
            .map_err(|e| Error::disk("open to change metadata", &e))?;
        let meta =
            open::read_meta(&file)?.ok_or_else(|| Error::corrupt("the object has lost its metadata"))?;
        let mut meta = ObjectMeta { custom, ..meta };
        let moved_out = sidecar::move_out(&self.driver, mountpath, &mut meta).await?;
        if self.find(key).is_none_or(|now| now.generation != entry.generation) {
            return Err(Error::client(Kind::Conflict, "the object was overwritten meanwhile"));
        }
        open::write_meta(&file, &meta)?;
        let has_sidecar = entry.has_sidecar || moved_out;
        let changed = Rc::new(Entry { has_sidecar, ..Entry::from_meta(&meta, entry.mountpath) });
        changed.atime_ns.set(entry.atime_ns.get());
        self.index.borrow_mut().insert(key.bucket.id, &key.name, Rc::clone(&changed));
        if let Some(mut body) = self.bodies.borrow_mut().get_mut(&entry.generation) {
            body.fields = None;
        }
        self.committer(entry.mountpath)?.commit(Rc::clone(file.fd()), durability).await?;
        Ok(changed)
    }

    /// One core's share of a listing page.
    pub(crate) fn scan(&self, query: &ScanQuery) -> Scan {
        self.index.borrow().scan(query)
    }

    /// (objects, bytes, smallest, largest) beneath a prefix.
    pub(crate) fn summarize(&self, bucket_id: u64, prefix: &str) -> (u64, u64, u64, u64) {
        self.index.borrow().summarize(bucket_id, prefix)
    }

    /// Drops a destroyed bucket from memory; its files are moved away by the control plane.
    pub(crate) fn forget_bucket(&self, bucket: &BucketRef) {
        self.destroyed.borrow_mut().insert(bucket.id);
        for entry in self.index.borrow_mut().remove_bucket(bucket.id) {
            if let Ok(mountpath) = self.mountpath(entry.mountpath) {
                self.forget_caches(&entry, mountpath);
            }
        }
    }

    pub(crate) fn stats(&self) -> StoreStats {
        let index = self.index.borrow();
        let flushes = self.committers.iter().map(|c| c.counts());
        let (flushes, commits) = flushes.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let (objects, index_bytes) = (index.objects(), index.memory_bytes() as u64);
        StoreStats { objects, index_bytes, flushes, commits, ..self.counters.get() }
    }

    /// Notes a read that found damage.
    pub(crate) fn count_corrupt(&self, error: &Error) {
        if error.kind == Kind::Corrupt {
            self.count(|c| c.corrupt_reads += 1);
        }
    }

    pub(super) fn mountpath(&self, index: usize) -> Result<&Arc<Mountpath>> {
        self.mountpaths.get(index).ok_or_else(|| Error::internal(format!("there is no mountpath {index}")))
    }

    /// A mountpath that may be written to.
    pub(super) fn writable(&self, index: usize) -> Result<&Arc<Mountpath>> {
        let mountpath = self.mountpath(index)?;
        if mountpath.is_suspect() {
            let text = format!("mountpath {} is suspect after a failed flush", mountpath.path.display());
            return Err(Error { kind: Kind::Io, ..Error::internal(text) });
        }
        Ok(mountpath)
    }

    pub(super) fn committer(&self, mountpath: usize) -> Result<&Rc<Committer>> {
        self.committers.get(mountpath).ok_or_else(|| Error::internal("a mountpath without a commit group"))
    }

    /// Unique on this node, and later ones are larger: wall time, made distinct by the core's number.
    pub(super) fn next_generation(&self) -> u64 {
        let now = crate::clock::unix_ns() as u64 & !0xff | self.core & 0xff;
        let last = self.last_generation.get();
        let generation = if now > last { now } else { (last & !0xff | self.core & 0xff) + 0x100 };
        self.last_generation.set(generation);
        generation
    }

    pub(super) fn version_after(&self, key: &Key) -> u64 {
        self.find(key).map_or(1, |entry| entry.version + 1)
    }

    pub(super) fn check_index_budget(&self, entry: &Entry) -> Result<()> {
        if self.index.borrow().memory_bytes() + entry.memory_bytes() <= self.config.index_bytes {
            return Ok(());
        }
        let text =
            format!("the index has used up its memory budget of {} bytes a core", self.config.index_bytes);
        Err(Error { kind: Kind::NoSpace, ..Error::internal(text) })
    }

    /// Refuses a change to a bucket that has been destroyed meanwhile.
    pub(super) fn check_alive(&self, bucket: &BucketRef) -> Result<()> {
        if self.destroyed.borrow().contains(&bucket.id) {
            Err(Error::bucket_missing(&bucket.name))
        } else {
            Ok(())
        }
    }

    /// Makes a written object the one that its name stands for.
    pub(super) fn publish(&self, key: &Key, entry: Entry) -> Rc<Entry> {
        let entry = Rc::new(entry);
        let old = self.index.borrow_mut().insert(key.bucket.id, &key.name, Rc::clone(&entry));
        if let Some(old) = old
            && let Ok(mountpath) = self.mountpath(old.mountpath)
        {
            self.forget_caches(&old, mountpath);
            if old.mountpath != entry.mountpath {
                // It lay where names hashed to before the mountpaths changed. Until the flush both files exist, and
                // the later generation counts.
                let _ = sys::unlink_beneath(mountpath.dir(), &key.path());
            }
        }
        entry
    }

    fn forget_caches(&self, entry: &Entry, mountpath: &Mountpath) {
        self.open_files.borrow_mut().remove(&entry.generation);
        self.bodies.borrow_mut().remove(&entry.generation);
        if entry.has_sidecar {
            sidecar::remove(mountpath, entry.generation);
        }
    }

    fn count(&self, change: impl FnOnce(&mut StoreStats)) {
        let mut counters = self.counters.get();
        change(&mut counters);
        self.counters.set(counters);
    }
}

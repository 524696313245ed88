//! An object's file, open for reading, with the checksums of its blocks.

use super::engine::Store;
use super::entry::{Entry, Key};
use super::mountpath::Mountpath;
use super::{BLOCK_BYTES, META_XATTR, sidecar};
use crate::error::{Error, Result};
use std::os::fd::AsFd;
use std::rc::Rc;
use uring::{DirectFile, OpenMode, sys};
use wire::cksum::crc32c;
use wire::lom::ObjectMeta;

/// An open object. Immutable: an overwrite is another file.
#[derive(Debug)]
pub(crate) struct OpenObject {
    pub(crate) file: DirectFile,
    pub(crate) size_bytes: u64,
    /// The write that made it.
    pub(crate) generation: u64,
    crcs: Box<[u32]>,
}

impl OpenObject {
    /// Opens the file of an entry, or takes it from the cache of open files.
    pub(crate) fn open(store: &Store, key: &Key, entry: &Entry) -> Result<Rc<Self>> {
        if let Some(open) = store.open_files.borrow_mut().get(&entry.generation) {
            return Ok(Rc::clone(open));
        }
        let mountpath = store.mountpath(entry.mountpath)?;
        let open = Rc::new(Self::load(mountpath, key, entry.generation)?);
        store.open_files.borrow_mut().insert(entry.generation, Rc::clone(&open));
        Ok(open)
    }

    /// Opens the file at a key's path, expecting a certain generation.
    pub(crate) fn load(mountpath: &Mountpath, key: &Key, generation: u64) -> Result<Self> {
        let whose = || format!("ais://{}/{}", key.bucket.name, key.name);
        let file = DirectFile::open(mountpath.dir(), &key.path(), OpenMode::Read)
            .map_err(|e| Error::disk(&format!("open {}", whose()), &e))?;
        let meta =
            read_meta(&file)?.ok_or_else(|| Error::corrupt(format!("{} has lost its metadata", whose())))?;
        if meta.generation != generation || meta.name != key.name {
            return Err(Error::corrupt(format!("{}: the file is not the one that was written", whose())));
        }
        let crcs = sidecar::load(mountpath, meta.block_crcs)?;
        if crcs.len() as u64 != meta.size.div_ceil(BLOCK_BYTES as u64) {
            return Err(Error::corrupt(format!("{} has {} block checksums", whose(), crcs.len())));
        }
        Ok(Self { file, size_bytes: meta.size, generation, crcs })
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

/// The metadata of a file; `None` when it carries none.
pub(crate) fn read_meta(file: &DirectFile) -> Result<Option<ObjectMeta>> {
    let value =
        sys::get_xattr(file.fd().as_fd(), META_XATTR).map_err(|e| Error::disk("read metadata", &e))?;
    let Some(value) = value else { return Ok(None) };
    ObjectMeta::decode(&value).map(Some).map_err(|e| Error::corrupt(format!("damaged metadata: {e}")))
}

/// The value of the attribute that holds metadata.
pub(crate) fn encode_meta(meta: &ObjectMeta) -> Result<Vec<u8>> {
    let mut value = Vec::new();
    // What cannot be encoded is too large: names and custom metadata have been checked to be well-formed.
    meta.encode(&mut value).map_err(|e| Error::bad(format!("metadata: {e}")))?;
    Ok(value)
}

/// Sets the metadata of a file.
pub(crate) fn write_meta(mountpath: &Mountpath, file: &DirectFile, meta: &ObjectMeta) -> Result<()> {
    let value = encode_meta(meta)?;
    let set =
        uring::fault::step("write-meta").and_then(|()| sys::set_xattr(file.fd().as_fd(), META_XATTR, &value));
    set.map_err(|e| mountpath.failed("write metadata", &e))
}

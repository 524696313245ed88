//! Writes one object: aside, checksummed as it passes, visible in one step.
//!
//! A small object waits in memory until it is whole and then goes into its lane's segment. A large one goes by direct
//! I/O into a work file; its metadata into the file's extended attribute, its record into the lane's log, and then it
//! is renamed over the final path. Either way one flush is shared with others, and only then comes the acknowledgement.
//! A writer that is dropped before leaves nothing behind.
//!
//! Registered buffers are held only while their bytes come fast. What comes slowly is gathered in plain memory and
//! written in small parts (see [`super::slow`]); a writer that rests between two requests holds no buffer at all.

use super::after::Finish;
use super::change::WorkFile;
use super::engine::Store;
use super::entry::{Entry, Key};
use super::expect::Expect;
use super::mountpath::Mountpath;
use super::place::Place;
use super::room::Files;
use super::slow::Loan;
use super::source::{Arrival, ByteSource, Fill};
use super::sums::BlockSums;
use super::{BLOCK_BYTES, CHUNK_BYTES, sidecar};
use crate::error::{Error, Kind, Result};
use crate::fault;
use crate::store::layout::WORK_DIR;
use std::cell::Cell;
use std::future::Future;
use std::io;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use uring::{Buf, DirectFile, LEAF_BYTES};
use wire::api::bprops::Durability;
use wire::cksum::{CksumType, Hasher};
use wire::lom::{BlockCrcs, Generation, ObjectKind, ObjectMeta};

mod trickle;

/// The facts of an object that are known before its bytes.
#[derive(Clone, Debug)]
pub(crate) struct NewObject {
    /// Length if it is known: small objects then take a small buffer.
    pub(crate) size_hint: Option<u64>,
    pub(crate) cksum_type: CksumType,
    /// A checksum that the client has computed, verified before anything becomes visible.
    pub(crate) expected: Option<(CksumType, String)>,
    pub(crate) custom: Vec<(String, String)>,
    /// It expects to replace this, which is judged when everything is there.
    pub(crate) expect: Expect,
    pub(crate) durability: Durability,
    /// Smaller objects go into segments; at most what a record can hold.
    pub(crate) segment_bytes_max: u64,
}

/// Files of these sizes get their blocks before they are written.
const ALLOCATED_BYTES: RangeInclusive<u64> = 256 << 10..=64 << 20;

type PendingWrite = Pin<Box<dyn Future<Output = (io::Result<usize>, Buf)>>>;

/// An object being written.
pub(crate) struct Writer {
    store: Rc<Store>,
    key: Key,
    new: NewObject,
    generation: Generation,
    /// Made when the object turns out to be too large for a segment.
    file: Option<DirectFile>,
    work: Option<WorkFile>,
    /// The work file of a writer that rests.
    resting: Option<String>,
    buf: Option<Buf>,
    filled: usize,
    /// Bytes that wait in plain memory, behind those that are written; there is no buffer then.
    tail: Vec<u8>,
    /// It lets the tail grow.
    loan: Option<Loan>,
    written: u64,
    sums: BlockSums,
    hasher: Hasher,
    /// Present when the client's checksum is of another type than the bucket's.
    client_hasher: Option<Hasher>,
    pending: Option<(PendingWrite, usize)>,
}

impl Store {
    /// Starts writing an object.
    pub(crate) async fn writer(self: &Rc<Self>, key: &Key, new: NewObject) -> Result<Writer> {
        Writer::create(Rc::clone(self), key.clone(), new).await
    }
}

impl Writer {
    pub(crate) async fn create(store: Rc<Store>, key: Key, new: NewObject) -> Result<Self> {
        let generation = store.clock.next();
        store.writable(key.mountpath)?;
        let hasher = Hasher::new(new.cksum_type);
        let other = new.expected.as_ref().filter(|(kind, _)| *kind != new.cksum_type);
        let client_hasher = other.map(|(kind, _)| Hasher::new(*kind));
        let mut writer = Self {
            store,
            key,
            new,
            generation,
            file: None,
            work: None,
            resting: None,
            buf: None,
            filled: 0,
            tail: Vec::new(),
            loan: None,
            written: 0,
            sums: BlockSums::default(),
            hasher,
            client_hasher,
            pending: None,
        };
        if writer.new.size_hint.is_some_and(|size| size >= writer.new.segment_bytes_max) {
            // While a disk keeps it waiting it holds no memory yet.
            writer.make_file().await?;
        }
        Ok(writer)
    }

    /// Has the work file made, and one of known size allocated at once. Not a huge one: the client may never send what
    /// it has announced.
    async fn make_file(&mut self) -> Result<DirectFile> {
        // Of unknown length it takes room as it grows.
        let files = Files::of_object(&self.key.name);
        self.store.take_room(self.key.mountpath, self.new.size_hint.unwrap_or(0), files).await?;
        let work_path = format!("{WORK_DIR}/{}", self.generation);
        let blocks = self.new.size_hint.filter(|size| ALLOCATED_BYTES.contains(size));
        let blocks = blocks.map(|size_bytes| size_bytes.next_multiple_of(LEAF_BYTES as u64));
        self.store.writable(self.key.mountpath)?;
        let disk = self.store.disk(self.key.mountpath)?;
        let (file, doomed) = disk.make_file(work_path, blocks).await?;
        // From here on it is this writer that removes it.
        self.work = Some(WorkFile { work_path: doomed.keep(), sidecar: None, finish: None });
        self.file = Some(file.clone());
        Ok(file)
    }

    /// Prepares the metadata of the work file; true when it has a sidecar. What is cheap is left to the helper that gives
    /// the file its name; a sidecar must be durable before, and the others of the round shall not wait for that.
    async fn finish_file(&mut self, file: &DirectFile, mut meta: ObjectMeta) -> Result<bool> {
        let fd = file.fd().try_clone().map_err(|e| Error::disk("finish a file", &e))?;
        let cut_at = (!meta.size.is_multiple_of(LEAF_BYTES as u64)).then_some(meta.size);
        let has_sidecar = sidecar::is_needed(self.store.mountpath(self.key.mountpath)?, &meta);
        let value = if has_sidecar {
            if let Some(work) = &mut self.work {
                work.sidecar = Some(meta.generation);
            }
            let encode = move |mountpath: &Arc<Mountpath>| sidecar::encode(mountpath, &mut meta, 0);
            self.store.disk(self.key.mountpath)?.change(encode).await?.0
        } else {
            sidecar::encode_meta(&meta)?
        };
        if let Some(work) = &mut self.work {
            work.finish = Some(Finish { file: fd, value, cut_at });
        }
        Ok(has_sidecar)
    }

    /// Bytes taken in so far.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.written + (self.filled + self.tail.len()) as u64
    }

    /// Changes what is expected of the object, for an append that learns it only at the end.
    pub(crate) fn expect(&mut self, expected: Option<(CksumType, String)>) {
        self.new.expected = expected.filter(|(kind, _)| *kind == self.new.cksum_type);
    }

    /// Takes everything a source has. A full chunk is written while the next one comes in.
    pub(crate) async fn feed(&mut self, source: &mut impl ByteSource) -> Result<u64> {
        self.wake().await?;
        let before = self.size_bytes();
        let store = Rc::clone(&self.store);
        while self.new.size_hint != Some(self.size_bytes()) {
            match source.arrive(&|| store.has_plenty()).await? {
                Arrival::End => break,
                // Boxed, as is all that is for slow peers: every request would have room for it.
                Arrival::Few => Box::pin(self.gather(source)).await?,
                Arrival::Flow => {
                    if let Fill::Ended(_) = self.fill_from(source).await? {
                        break;
                    }
                }
            }
        }
        Ok(self.size_bytes() - before)
    }

    /// Fills a buffer. A full one is on its way to the disk afterwards, and one that fills slowly is given back.
    async fn fill_from(&mut self, source: &mut impl ByteSource) -> Result<Fill> {
        let buf = self.next_buf().await?;
        let room = self.filled..buf.len();
        let (fill, buf) = source.fill(buf, room).await;
        self.filled += fill.as_ref().map_or(0, |fill| fill.count());
        self.buf = Some(buf);
        let fill = fill?;
        match fill {
            Fill::Full(_) if !self.stays_small() => self.write_out().await?,
            Fill::Slow(_) => Box::pin(self.park()).await?,
            Fill::Full(_) | Fill::Ended(_) => {}
        }
        Ok(fill)
    }

    /// True if it is known to fit into a segment: then its one buffer is kept until the end.
    fn stays_small(&self) -> bool {
        self.file.is_none() && self.new.size_hint.is_some_and(|size| size < self.new.segment_bytes_max)
    }

    /// A chunk to fill, behind what waits in plain memory; while another is being written, only if the pool has one to
    /// spare.
    async fn next_buf(&mut self) -> Result<Buf> {
        if let Some(buf) = self.buf.take() {
            return Ok(buf);
        }
        let rest = self.new.size_hint.map_or(CHUNK_BYTES as u64, |size| size.saturating_sub(self.written));
        let size = (rest as usize).clamp(1, CHUNK_BYTES).next_multiple_of(LEAF_BYTES);
        let mut buf = match self.store.driver.pool().try_alloc(size) {
            Some(buf) => buf,
            None => {
                self.finish_pending().await?;
                self.store.driver.pool().alloc(size).await
            }
        };
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            copy_to(&mut buf, &tail);
            self.filled = tail.len();
        }
        self.loan = None;
        Ok(buf)
    }

    /// Hashes what is filled and starts writing it.
    async fn write_out(&mut self) -> Result<()> {
        let Some(mut buf) = self.buf.take() else { return Ok(()) };
        let len = std::mem::take(&mut self.filled);
        let (bytes, rest) = buf.split_at_mut(len);
        self.digest(bytes);
        // Direct I/O writes whole units; what lies behind the end is cut off again before it is visible.
        let padded = len.next_multiple_of(LEAF_BYTES);
        if let Some(padding) = rest.get_mut(..padded - len) {
            padding.fill(0);
        }
        self.finish_pending().await?;
        let file = match &self.file {
            Some(file) => file.clone(),
            None => self.make_file().await?,
        };
        if self.new.size_hint.is_none() {
            self.store.take_room(self.key.mountpath, padded as u64, Files::NONE).await?;
        }
        let at = self.written;
        assert!(at.is_multiple_of(LEAF_BYTES as u64), "{padded} bytes are written inside a page, at {at}");
        let write = self.store.driver.write_at(file.fd(), buf, padded, at);
        self.pending = Some((Box::pin(write), padded));
        self.written += len as u64;
        Ok(())
    }

    fn digest(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (block, rest) = bytes.split_at(self.sums.room().min(bytes.len()));
            bytes = rest;
            self.sums.add(block);
            self.hasher.update(block);
            if let Some(hasher) = &mut self.client_hasher {
                hasher.update(block);
            }
        }
    }

    async fn finish_pending(&mut self) -> Result<()> {
        let Some((write, len)) = self.pending.take() else { return Ok(()) };
        let (count, _) = write.await;
        let count = count.and_then(|count| uring::fault::step("work-write").map(|()| count));
        let mountpath = self.store.mountpath(self.key.mountpath)?;
        match count.map_err(|e| mountpath.failed("write", &e))? {
            count if count == len => Ok(()),
            // A short write to a file means that the device is full.
            count => Err(mountpath.failed("write", &short_write(count, len))),
        }
    }

    /// Verifies, makes the object visible, and returns when it is as durable as asked for.
    pub(crate) async fn commit(mut self) -> Result<Rc<Entry>> {
        self.wake().await?;
        let entry = if self.file.is_none() && self.size_bytes() < self.new.segment_bytes_max {
            self.commit_small().await
        } else {
            self.commit_file().await
        };
        // An entry that was published and failed later has been taken back, or is on a suspect mountpath.
        entry.inspect_err(|_| self.store.forget_entry(&self.key))
    }

    async fn commit_small(&mut self) -> Result<Rc<Entry>> {
        let (buf, tail) = (self.buf.take(), std::mem::take(&mut self.tail));
        let filled = buf.as_deref().and_then(|bytes| bytes.get(..self.filled)).unwrap_or_default();
        let data = if tail.is_empty() { filled } else { &tail };
        let (waiting, written) = (filled.len(), self.written);
        assert!(tail.is_empty() || waiting == 0, "{waiting} bytes of a small object lie in a second place");
        assert!(written == 0, "{written} bytes of a small object have gone into a file");
        self.digest(data);
        let cksum_value = self.verify()?;
        let (store, key) = (Rc::clone(&self.store), self.key.clone());
        store.take_room(key.mountpath, data.len() as u64, Files::Shared).await?;
        let held = store.hold(&key).await?;
        held.require(&self.new.expect)?;
        // Of the changes of a name the later one in the log has the greater generation: replay relies on it.
        self.generation = held.next_generation();
        let entry = self.entry(held.next_version(), data.len() as u64, cksum_value);
        let crcs = self.block_crcs(entry.size_bytes);
        let (entry, done) = held.put_small(entry, crcs, data, self.new.durability).await?;
        // The memory is needed elsewhere while the flush takes its time.
        drop((buf, tail));
        self.loan = None;
        done.await.map(|()| entry)
    }

    async fn commit_file(&mut self) -> Result<Rc<Entry>> {
        if !self.tail.is_empty() {
            self.buf = Some(self.next_buf().await?);
        }
        if self.filled > 0 {
            self.write_out().await?;
        }
        self.buf = None;
        self.finish_pending().await?;
        let cksum_value = self.verify()?;
        let file = match self.file.take() {
            Some(file) => file,
            None => self.make_file().await?,
        };
        let (store, key) = (Rc::clone(&self.store), self.key.clone());
        let held = store.hold(&key).await?;
        held.require(&self.new.expect)?;
        self.generation = held.next_generation();
        let mut entry = self.entry(held.next_version(), self.written, cksum_value);
        let crcs = self.block_crcs(entry.size_bytes);
        let meta = entry.to_meta(&self.key, BlockCrcs::Inline(crcs));
        let has_sidecar = self.finish_file(&file, meta).await?;
        entry.place = Place::File { has_sidecar };
        fault::point("file-ready");
        let (entry, done) = held.put_file(entry, &mut self.work, self.new.durability).await?;
        done.await.map(|()| entry)
    }

    fn entry(&mut self, version: u64, size_bytes: u64, cksum_value: String) -> Entry {
        let now_ns = crate::clock::unix_ns();
        Entry {
            kind: ObjectKind::Whole,
            size_bytes,
            version,
            generation: self.generation,
            mtime_ns: now_ns,
            atime_ns: Cell::new(now_ns),
            cksum_type: self.new.cksum_type,
            cksum_value: cksum_value.into(),
            custom: std::mem::take(&mut self.new.custom).into_boxed_slice(),
            mountpath: self.key.mountpath,
            place: Place::File { has_sidecar: false },
        }
    }

    /// A checksum for each block of an object of this size.
    fn block_crcs(&mut self, size_bytes: u64) -> Vec<u32> {
        let crcs = std::mem::take(&mut self.sums).finish();
        let (there, wanted) = (crcs.len() as u64, size_bytes.div_ceil(BLOCK_BYTES as u64));
        assert!(there == wanted, "{size_bytes} bytes have {there} block checksums, not {wanted}");
        crcs
    }

    /// The whole-object checksum, after comparing it with what the client says.
    fn verify(&mut self) -> Result<String> {
        let value = std::mem::replace(&mut self.hasher, Hasher::new(CksumType::None)).finish();
        let Some((kind, expected)) = &self.new.expected else { return Ok(value) };
        let computed = self.client_hasher.take().map_or_else(|| value.clone(), Hasher::finish);
        if *kind != CksumType::None && !computed.eq_ignore_ascii_case(expected) {
            let what = format!(
                "checksum mismatch for ais://{}/{}: {} computed {computed}, the client sent {expected}",
                self.key.bucket.name,
                self.key.name,
                kind.as_str(),
            );
            return Err(Error::client(Kind::BadChecksum, what));
        }
        Ok(value)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let sidecar = self.work.as_ref().and_then(|work| work.sidecar);
        let work_path = self.work.take().map(|work| work.work_path).or(self.resting.take());
        let Some(work_path) = work_path else { return };
        if let Ok(mountpath) = self.store.mountpath(self.key.mountpath) {
            mountpath
                .remove_later([work_path].into_iter().chain(sidecar.into_iter().flat_map(sidecar::files_of)));
        }
    }
}

fn copy_to(buf: &mut Buf, bytes: &[u8]) {
    let room = buf.get_mut(..bytes.len());
    assert!(room.is_some(), "{} bytes are to go into a smaller buffer", bytes.len());
    if let Some(room) = room {
        room.copy_from_slice(bytes);
    }
}

fn short_write(count: usize, len: usize) -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, format!("{count} of {len} bytes were written"))
}

//! Copying and renaming: the owner of the new name reads the old file itself, so no byte crosses cores.

use super::locate::ObjectRef;
use crate::error::{Error, Result};
use crate::message_budget::Held;
use crate::shard::Shard;
use crate::store::{Arrival, ByteSource, Caching, Entry, Fill, Key, NewObject, OpenObject, Reader};
use std::ops::Range;
use std::rc::Rc;
use uring::Buf;

/// What the owner of the new name must know of the old object.
#[derive(Debug)]
struct Origin {
    source: OriginSource,
    size_bytes: u64,
    custom: Vec<(String, String)>,
}

/// Where it takes the bytes from.
#[derive(Debug)]
enum OriginSource {
    /// A file that it opens itself.
    File { key: Key, mountpath: usize, generation: u64 },
    /// A small object, verified.
    Bytes(SmallBytes),
}

/// The bytes of a small object, with the memory that they take: as many may be on their way as there are requests.
#[derive(Debug)]
pub(crate) struct SmallBytes {
    bytes: Vec<u8>,
    _held: Held,
}

/// Copies an object, verified; returns its size.
pub(crate) async fn copy_object(shard: &Rc<Shard>, from: &ObjectRef, to: &ObjectRef) -> Result<u64> {
    let origin_key = from.key.clone();
    let origin =
        shard.call(from.core, move |owner| async move { origin(&owner, origin_key).await }).await??;
    let size_bytes = origin.size_bytes;
    let target = to.clone();
    shard.call(to.core, move |owner| async move { write_copy(&owner, origin, target).await }).await??;
    Ok(size_bytes)
}

/// Gives an object another name in its bucket: a durable copy, then the removal of the old name.
pub(crate) async fn rename_object(shard: &Rc<Shard>, from: &ObjectRef, to: &ObjectRef) -> Result<()> {
    if from.key.name == to.key.name {
        return Err(Error::bad("the old and the new name are the same"));
    }
    // Both halves happen or none: what can be known of the second before the first begins is asked now.
    if let Some(suspect) = shard.node.mountpaths.get(from.key.mountpath).filter(|m| m.is_suspect()) {
        return Err(suspect.refusal());
    }
    let target = to.key.clone();
    let replaces =
        shard.call(to.core, move |owner| async move { owner.store.find(&target).await.map(|e| e.is_some()) });
    let replaces = replaces.await??;
    copy_object(shard, from, to).await?;
    let removed = remove(shard, from).await;
    if removed.is_err() && !replaces {
        // It has failed, so the new name goes again. If that fails as well, the object has both.
        let _ = remove(shard, to).await;
    }
    removed
}

async fn remove(shard: &Rc<Shard>, object: &ObjectRef) -> Result<()> {
    let old = object.clone();
    let removed = shard.call(object.core, move |owner| async move {
        owner.store.remove(&old.key, old.bucket.durability).await
    });
    removed.await?.map(drop)
}

async fn origin(shard: &Shard, key: Key) -> Result<Origin> {
    let missing = || Error::object_missing(&key.bucket.name, &key.name);
    let entry = shard.store.find(&key).await?.ok_or_else(missing)?;
    let (size_bytes, custom) = (entry.size_bytes, entry.custom.to_vec());
    if !entry.place.is_file() {
        let source = OriginSource::Bytes(small_bytes(shard, &key, &entry).await?);
        return Ok(Origin { source, size_bytes, custom });
    }
    shard.store.settled(&key, &entry).await?;
    let source = OriginSource::File { key, mountpath: entry.mountpath, generation: entry.generation };
    Ok(Origin { source, size_bytes, custom })
}

async fn write_copy(shard: &Rc<Shard>, origin: Origin, to: ObjectRef) -> Result<()> {
    let new = NewObject {
        size_hint: Some(origin.size_bytes),
        cksum_type: to.bucket.cksum_type,
        expected: None,
        custom: origin.custom,
        durability: to.bucket.durability,
        segment_bytes_max: to.bucket.segment_bytes_max,
    };
    let mut source = match origin.source {
        OriginSource::Bytes(bytes) => ObjectSource::Bytes(bytes, 0),
        OriginSource::File { key, mountpath, generation } => {
            // The generation tells when the old object has been overwritten or removed since we were told about it.
            let object = OpenObject::load(shard.store.disk(mountpath)?, &key, generation).await?;
            let object = Rc::new(object);
            ObjectSource::File(Reader::new(shard.driver.clone(), object, 0..origin.size_bytes))
        }
    };
    super::put(shard, &to, new, &mut source).await.map(drop)
}

/// The bytes of a small object, verified.
async fn small_bytes(shard: &Shard, key: &Key, entry: &Entry) -> Result<SmallBytes> {
    let held = shard.node.messages.hold(usize::try_from(entry.size_bytes).unwrap_or(usize::MAX))?;
    if entry.size_bytes == 0 {
        return Ok(SmallBytes { bytes: Vec::new(), _held: held });
    }
    let piece = shard.store.read_small(key, entry, Caching::Bypass).await?;
    let bytes = piece.chunk.get(piece.range).unwrap_or_default().to_vec();
    Ok(SmallBytes { bytes, _held: held })
}

/// An object as a source of bytes for another one.
pub(crate) enum ObjectSource {
    File(Reader),
    /// A small one, and how much of it has been taken. It holds no registered memory, which the writer waits for.
    Bytes(SmallBytes, usize),
}

impl ObjectSource {
    /// The bytes of an object of this core.
    pub(crate) async fn open(shard: &Shard, key: &Key, entry: &Entry) -> Result<Self> {
        if entry.place.is_file() {
            return Ok(Self::File(shard.store.read(key, entry, 0..entry.size_bytes, Caching::Bypass).await?));
        }
        Ok(Self::Bytes(small_bytes(shard, key, entry).await?, 0))
    }
}

impl ByteSource for ObjectSource {
    /// A disk is never slow in the way of a peer.
    async fn arrive(&mut self, _: &dyn Fn() -> bool) -> Result<Arrival> {
        Ok(Arrival::Flow)
    }

    async fn fill(&mut self, mut buf: Buf, range: Range<usize>) -> (Result<Fill>, Buf) {
        let wanted = range.len();
        let filled;
        (filled, buf) = match self {
            Self::Bytes(small, taken) => (Ok(take_bytes(&small.bytes, taken, &mut buf, range)), buf),
            Self::File(_) if range.start > 0 => {
                (Err(Error::internal("a file was to be read into a buffer that is in use")), buf)
            }
            // The writer holds this buffer: many copies that each waited for a second one would wait for each other.
            Self::File(reader) => reader.next_into(buf).await,
        };
        let fill = filled.map(|count| if count == wanted { Fill::Full(count) } else { Fill::Ended(count) });
        (fill, buf)
    }

    fn take(&mut self, _: usize, _: &mut Vec<u8>) -> Result<()> {
        Err(Error::internal("an object was read like a slow peer"))
    }
}

fn take_bytes(bytes: &[u8], taken: &mut usize, buf: &mut Buf, range: Range<usize>) -> usize {
    let rest = bytes.get(*taken..).unwrap_or_default();
    let room = buf.get_mut(range).unwrap_or_default();
    let count = rest.len().min(room.len());
    for (to, from) in room.iter_mut().zip(rest) {
        *to = *from;
    }
    *taken += count;
    count
}

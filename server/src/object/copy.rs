//! Copying and renaming: the owner of the new name reads the old file itself, so no byte crosses cores.
//!
//! Others may overwrite, change or delete the old name all the while. A copy is of the version that was there at some moment
//! in between, and a rename takes away only the version that it has copied: what was written since is copied again.

use super::change::put;
use super::get::entry;
use super::locate::ObjectRef;
use super::rights::{Caller, Operation, allow};
use crate::error::{Error, Kind, Result};
use crate::message_budget::Held;
use crate::shard::Shard;
use crate::store::{Arrival, ByteSource, Caching, Entry, Expect, Fill, Key, OpenObject, Reader};
use std::ops::Range;
use std::rc::Rc;
use uring::Buf;
use wire::lom::Generation;

/// A name that is overwritten faster than it is copied is given up after so many tries.
const TRIES_MAX: usize = 200;

/// The facts of the old object that the owner of the new name needs.
#[derive(Debug)]
struct Origin {
    source: OriginSource,
    size_bytes: u64,
    generation: Generation,
    custom: Box<[(String, String)]>,
}

/// Where it takes the bytes from.
#[derive(Debug)]
enum OriginSource {
    /// A file that it opens itself.
    File { key: Key, mountpath: usize },
    /// A small object, verified.
    Bytes(SmallBytes),
}

/// The bytes of a small object, with the memory that they take: as many may be on their way as there are requests.
#[derive(Debug)]
pub(crate) struct SmallBytes {
    bytes: Vec<u8>,
    _held: Held,
}

/// A copy that has been made.
struct Copied {
    size_bytes: u64,
    /// The version that it is of.
    seen: Expect,
    /// The version that it is.
    made: Expect,
}

/// Copies an object, verified; returns its size.
pub(crate) async fn copy_object(
    shard: &Rc<Shard>,
    who: Caller,
    from: &ObjectRef,
    to: &ObjectRef,
) -> Result<u64> {
    allow(who, Operation::Get, &from.bucket)?;
    allow(who, Operation::Put, &to.bucket)?;
    copy(shard, from, to).await.map(|copied| copied.size_bytes)
}

/// Copies the version that is there. One that goes while it is copied makes place for the next.
async fn copy(shard: &Rc<Shard>, from: &ObjectRef, to: &ObjectRef) -> Result<Copied> {
    for _ in 0..TRIES_MAX {
        let key = from.clone();
        let origin = shard.call(from.core, move |owner| async move { origin(&owner, key).await });
        let Some(origin) = origin.await?? else { continue };
        let (size_bytes, generation, custom) = (origin.size_bytes, origin.generation, origin.custom.clone());
        let target = to.clone();
        let written =
            shard.call(to.core, move |owner| async move { write_copy(&owner, origin, target).await });
        let seen = Expect::Still { generation, custom };
        match written.await? {
            Ok(made) => return Ok(Copied { size_bytes, seen, made }),
            Err(e) if is_still(shard, from, &seen).await? => return Err(e),
            // The file has gone with its version.
            Err(_) => {}
        }
    }
    let text = format!("ais://{}/{} is overwritten all the time", from.key.bucket.name, from.key.name);
    Err(Error::busy(text))
}

async fn is_still(shard: &Rc<Shard>, object: &ObjectRef, seen: &Expect) -> Result<bool> {
    let (key, seen) = (object.key.clone(), seen.clone());
    let look = move |owner: Rc<Shard>| async move {
        let now = owner.store.find(&key).await?;
        Ok::<_, Error>(seen.check(now.as_deref()).is_ok())
    };
    shard.call(object.core, look).await?
}

/// Gives an object another name in its bucket: a durable copy, then the removal of the old name. Both are there for a moment,
/// and after a crash in between.
pub(crate) async fn rename_object(
    shard: &Rc<Shard>,
    who: Caller,
    from: &ObjectRef,
    to: &ObjectRef,
) -> Result<()> {
    allow(who, Operation::Rename, &from.bucket)?;
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
    for _ in 0..TRIES_MAX {
        let copied = copy(shard, from, to).await?;
        match remove(shard, from, copied.seen).await {
            // Somebody has deleted the old name meanwhile: the renaming came first.
            Ok(_) => {
                shard.counters.rename.add(1);
                return Ok(());
            }
            // It has been written meanwhile, and the newest version is the one to rename.
            Err(e) if e.kind == Kind::PreconditionFailed => {}
            Err(e) => {
                if !replaces {
                    // It has failed, so the new name goes again. If that fails as well, the object has both.
                    let _ = remove(shard, to, copied.made).await;
                }
                return Err(e);
            }
        }
    }
    let text = format!("ais://{}/{} is overwritten all the time", from.key.bucket.name, from.key.name);
    Err(Error::busy(text))
}

async fn remove(shard: &Rc<Shard>, object: &ObjectRef, expect: Expect) -> Result<bool> {
    let old = object.clone();
    let removed = shard.call(object.core, move |owner| async move {
        owner.store.remove(&old.key, &expect, old.bucket.durability).await
    });
    removed.await?
}

/// Finds the version to copy; `None` when it went while it was looked at.
async fn origin(shard: &Shard, object: ObjectRef) -> Result<Option<Origin>> {
    let (entry, key) = (entry(shard, &object).await?, object.key);
    let source = if entry.place.is_file() {
        let settled = shard.store.settled(&key, &entry).await;
        settled.map(|()| OriginSource::File { key: key.clone(), mountpath: entry.mountpath })
    } else {
        small_bytes(shard, &key, &entry).await.map(OriginSource::Bytes)
    };
    let (size_bytes, generation) = (entry.size_bytes, entry.generation);
    match source {
        Ok(source) => Ok(Some(Origin { source, size_bytes, generation, custom: entry.custom.clone() })),
        Err(e) if e.kind != Kind::Busy && !shard.store.is_current(&key, &entry).await? => Ok(None),
        Err(e) => Err(e),
    }
}

/// Writes the copy; returns what it is.
async fn write_copy(shard: &Rc<Shard>, origin: Origin, to: ObjectRef) -> Result<Expect> {
    let new = to.new_object(Some(origin.size_bytes), origin.custom.into_vec());
    let mut source = match origin.source {
        OriginSource::Bytes(bytes) => ObjectSource::Bytes(bytes, 0),
        OriginSource::File { key, mountpath } => {
            // The generation tells when the old object has been overwritten or removed since we were told about it.
            let object = OpenObject::load(shard.store.disk(mountpath)?, &key, origin.generation).await?;
            let object = Rc::new(object);
            ObjectSource::File(Reader::new(shard.driver.clone(), object, 0..origin.size_bytes))
        }
    };
    let entry = put(shard, &to, new, &mut source).await?;
    Ok(Expect::Still { generation: entry.generation, custom: entry.custom.clone() })
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

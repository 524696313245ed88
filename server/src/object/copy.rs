//! Copying and renaming: the owner of the new name reads the old file itself, so no byte crosses cores.

use super::locate::ObjectRef;
use crate::error::{Error, Result};
use crate::shard::Shard;
use crate::store::{ByteSource, Key, Mountpath, NewObject, OpenObject, Reader};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use uring::Buf;

/// What the owner of the new name must know of the old object.
#[derive(Clone, Debug)]
struct Origin {
    key: Key,
    mountpath: Arc<Mountpath>,
    generation: u64,
    size_bytes: u64,
    custom: Vec<(String, String)>,
}

/// Copies an object, verified; returns its size.
pub(crate) async fn copy_object(shard: &Rc<Shard>, from: &ObjectRef, to: &ObjectRef) -> Result<u64> {
    let origin_key = from.key.clone();
    let origin = shard.call(from.core, move |owner| async move { origin(&owner, origin_key) }).await??;
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
    copy_object(shard, from, to).await?;
    let old = from.clone();
    let removed = shard.call(from.core, move |owner| async move {
        owner.store.remove(&old.key, old.bucket.durability).await
    });
    removed.await?.map(drop)
}

fn origin(shard: &Shard, key: Key) -> Result<Origin> {
    let missing = || Error::object_missing(&key.bucket.name, &key.name);
    let entry = shard.store.find(&key).ok_or_else(missing)?;
    let no_disk = || Error::internal("an object on an unknown mountpath");
    let mountpath = Arc::clone(shard.node.mountpaths.get(entry.mountpath).ok_or_else(no_disk)?);
    Ok(Origin {
        mountpath,
        generation: entry.generation,
        size_bytes: entry.size_bytes,
        custom: entry.custom.to_vec(),
        key,
    })
}

async fn write_copy(shard: &Rc<Shard>, origin: Origin, to: ObjectRef) -> Result<()> {
    let new = NewObject {
        size_hint: Some(origin.size_bytes),
        cksum_type: to.bucket.cksum_type,
        expected: None,
        custom: origin.custom,
        durability: to.bucket.durability,
    };
    // The generation tells when the old object has been overwritten or removed since we were told about it.
    let object = Rc::new(OpenObject::load(&origin.mountpath, &origin.key, origin.generation)?);
    let mut source = ObjectSource(Reader::new(shard.driver.clone(), object, 0..origin.size_bytes));
    super::put(shard, &to, new, &mut source).await.map(drop)
}

/// An object as a source of bytes for another one.
pub(crate) struct ObjectSource(pub(crate) Reader);

impl ByteSource for ObjectSource {
    async fn fill(&mut self, mut buf: Buf, range: Range<usize>) -> (Result<usize>, Buf) {
        let mut at = range.start;
        while at < range.end {
            match self.0.next_at_most(range.end - at).await {
                Ok(Some(piece)) => {
                    let bytes = piece.chunk.get(piece.range.clone()).unwrap_or_default();
                    let Some(room) = buf.get_mut(at..at + bytes.len()) else {
                        return (Err(Error::internal("a piece is larger than the room for it")), buf);
                    };
                    room.copy_from_slice(bytes);
                    at += bytes.len();
                }
                Ok(None) => break,
                Err(e) => return (Err(e), buf),
            }
        }
        (Ok(at - range.start), buf)
    }
}

//! Changes of one object: writing, deleting, its custom metadata. What a change expects to find is judged in the store, where
//! the name is held; what can be refused before a body has come is refused then.

use super::locate::ObjectRef;
use super::rights::{Caller, Operation, allow};
use crate::error::{Error, Kind, Result};
use crate::shard::Shard;
use crate::store::{ByteSource, Entry, Expect, NewObject};
use std::rc::Rc;
use wire::api::custom;
use wire::cksum::CksumType;

/// Writes a whole object.
pub(crate) struct Put<'r> {
    pub(crate) who: Caller,
    pub(crate) object: &'r ObjectRef,
    pub(crate) expect: Expect,
    /// Length of the body, if it is known.
    pub(crate) size_hint: Option<u64>,
    /// The checksum that the client says the body has.
    pub(crate) checksum: Option<(CksumType, String)>,
    pub(crate) custom: Vec<(String, String)>,
}

impl Put<'_> {
    /// Takes the bytes from `source`; returns when the object is as durable as its bucket asks for.
    pub(crate) async fn run(self, shard: &Rc<Shard>, source: &mut impl ByteSource) -> Result<Rc<Entry>> {
        let object = self.object;
        allow(self.who, Operation::Put, &object.bucket)?;
        if !matches!(self.expect, Expect::Anything) {
            self.expect.check(shard.store.find(&object.key).await?.as_deref())?;
        }
        let mut new = object.new_object(self.size_hint, self.custom);
        (new.expected, new.expect) = (self.checksum, self.expect);
        let entry = put(shard, object, new, source).await?;
        shard.counters.put.add(1);
        shard.counters.put_bytes.add(entry.size_bytes);
        Ok(entry)
    }
}

/// Writes an object from a source of bytes.
pub(super) async fn put(
    shard: &Rc<Shard>,
    object: &ObjectRef,
    new: NewObject,
    source: &mut impl ByteSource,
) -> Result<Rc<Entry>> {
    let mut writer = shard.store.writer(&object.key, new).await?;
    writer.feed(source).await?;
    // The bucket may have been closed to writers while the body came in.
    let now = super::bucket(&shard.node.view(), &object.key.bucket.name)?;
    allow(Caller::Anyone, Operation::Put, &now)
        .map_err(|_| Error::access_denied(&object.key.bucket.name, "writing any more"))?;
    writer.commit().await
}

/// Deletes an object.
///
/// # Errors
/// `ObjectMissing` when there is none.
pub(crate) async fn delete(
    shard: &Rc<Shard>,
    who: Caller,
    object: &ObjectRef,
    expect: &Expect,
) -> Result<()> {
    allow(who, Operation::Delete, &object.bucket)?;
    if !shard.store.remove(&object.key, expect, object.bucket.durability).await? {
        let text = format!("ais://{}/{} doesn't exist", object.key.bucket.name, object.key.name);
        return Err(Error::client(Kind::ObjectMissing, text));
    }
    shard.counters.delete.add(1);
    Ok(())
}

/// Changes the custom metadata of an object.
pub(crate) struct SetCustom<'r> {
    pub(crate) who: Caller,
    pub(crate) object: &'r ObjectRef,
    pub(crate) expect: Expect,
    pub(crate) pairs: Vec<(String, String)>,
    /// The old ones go; otherwise they stay where no new one has their key.
    pub(crate) replaces_all: bool,
}

impl SetCustom<'_> {
    pub(crate) async fn run(self, shard: &Rc<Shard>) -> Result<()> {
        allow(self.who, Operation::SetCustom, &self.object.bucket)?;
        let edit = |old: &[(String, String)]| {
            let mut pairs = if self.replaces_all { Vec::new() } else { old.to_vec() };
            custom::merge(&mut pairs, self.pairs.iter().cloned());
            custom::validate(&pairs).map_err(Error::bad)?;
            Ok(pairs)
        };
        let durability = self.object.bucket.durability;
        shard.store.set_custom(&self.object.key, &self.expect, &edit, durability).await
    }
}

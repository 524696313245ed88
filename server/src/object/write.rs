//! Writing a whole object.

use super::locate::ObjectRef;
use crate::error::Result;
use crate::shard::Shard;
use crate::store::{ByteSource, Entry, NewObject};
use std::rc::Rc;

/// Writes an object from a source of bytes; returns when it is as durable as its bucket asks for.
pub(crate) async fn put(
    shard: &Rc<Shard>,
    object: &ObjectRef,
    new: NewObject,
    source: &mut impl ByteSource,
) -> Result<Rc<Entry>> {
    let mut writer = shard.store.writer(&object.key, new)?;
    writer.feed(source).await?;
    writer.commit().await
}

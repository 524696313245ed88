//! Writing a whole object.

use super::locate::ObjectRef;
use crate::error::{Error, Result};
use crate::shard::Shard;
use crate::store::{ByteSource, Entry, NewObject};
use std::rc::Rc;
use wire::api::bprops::access;

/// Writes an object from a source of bytes; returns when it is as durable as its bucket asks for.
pub(crate) async fn put(
    shard: &Rc<Shard>,
    object: &ObjectRef,
    new: NewObject,
    source: &mut impl ByteSource,
) -> Result<Rc<Entry>> {
    let mut writer = shard.store.writer(&object.key, new).await?;
    writer.feed(source).await?;
    // The bucket may have been closed to writers while the body came in: its objects are being moved elsewhere.
    let now = super::bucket(&shard.node.view(), &object.key.bucket.name)?;
    if now.props.access & access::PUT == 0 {
        return Err(Error::access_denied(&object.key.bucket.name, "writing any more"));
    }
    writer.commit().await
}

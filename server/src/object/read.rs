//! Reading: a small object from memory, a large one as a stream of verified pieces.

use crate::error::{Error, Result};
use crate::reply::Payload;
use crate::shard::Shard;
use crate::store::{Caching, Entry, Key, Piece};
use std::ops::Range;

/// The bytes `wanted` of an object, ready to be sent. The first of them have been verified when this returns, so an
/// error can still be answered properly. `None` when the entry no longer says where the object is: look it up anew.
pub(crate) async fn payload(
    shard: &Shard,
    key: &Key,
    entry: &Entry,
    wanted: Range<u64>,
    caching: Caching,
) -> Result<Option<Payload>> {
    if wanted.is_empty() {
        return Ok(Some(Payload::Empty));
    }
    match read(shard, key, entry, wanted, caching).await {
        Ok(payload) => Ok(Some(payload)),
        // Overwritten, removed or moved since it was looked up?
        Err(e) => {
            if shard.store.is_current(key, entry).await? {
                Err(e)
            } else {
                Ok(None)
            }
        }
    }
}

async fn read(
    shard: &Shard,
    key: &Key,
    entry: &Entry,
    wanted: Range<u64>,
    caching: Caching,
) -> Result<Payload> {
    if !entry.place.is_file() {
        let whole = shard.store.read_small(key, entry, caching).await?;
        let start = whole.range.start + wanted.start as usize;
        let range = start..start + (wanted.end - wanted.start) as usize;
        return Ok(Payload::Piece(Piece { chunk: whole.chunk, range }));
    }
    let mut rest = Box::new(shard.store.read(key, entry, wanted, caching).await?);
    let first = rest.next().await.inspect_err(|e| shard.store.count_corrupt(e))?;
    let first = first.ok_or_else(|| Error::internal("an object without bytes was read"))?;
    Ok(Payload::Stream { first, rest })
}

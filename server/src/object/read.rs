//! Reading: a small object from memory, a large one as a stream of verified pieces.

use crate::error::{Error, Result};
use crate::reply::Payload;
use crate::shard::Shard;
use crate::store::{Entry, Key, Piece};
use std::ops::Range;

/// The bytes `wanted` of an object, ready to be sent. The first of them have been verified when this returns, so an
/// error can still be answered properly.
pub(crate) async fn payload(shard: &Shard, key: &Key, entry: &Entry, wanted: Range<u64>) -> Result<Payload> {
    if wanted.is_empty() {
        return Ok(Payload::Empty);
    }
    if shard.store.is_small(entry.size_bytes) {
        let whole = shard.store.read_small(key, entry).await?;
        let range = wanted.start as usize..wanted.end as usize;
        return Ok(Payload::Piece(Piece { chunk: whole.chunk, range }));
    }
    let mut rest = Box::new(shard.store.read(key, entry, wanted)?);
    let first = rest.next().await.inspect_err(|e| shard.store.count_corrupt(e))?;
    let first = first.ok_or_else(|| Error::internal("an object without bytes was read"))?;
    Ok(Payload::Stream { first, rest })
}

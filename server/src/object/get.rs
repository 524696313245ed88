//! Reading: a small object from memory, a large one as a stream of verified pieces.

use super::locate::ObjectRef;
use super::rights::{Caller, Operation, allow};
use crate::error::{Error, Result};
use crate::reply::Payload;
use crate::shard::Shard;
use crate::store::Piece;
use crate::store::{Caching, Entry, Key};
use std::ops::Range;
use std::rc::Rc;
use wire::http1::{Conditions, Method, Precondition, RangeOutcome, Validators, parse_range};

/// Asks for an object or a part of it.
pub(crate) struct Get<'r> {
    pub(crate) who: Caller,
    pub(crate) object: &'r ObjectRef,
    pub(crate) conditions: Option<&'r Conditions>,
    /// As in the header field.
    pub(crate) range: Option<&'r str>,
}

/// The outcome of a [`Get`].
pub(crate) enum Got {
    NotModified(Rc<Entry>),
    /// The object has so many bytes, and none of those that were asked for.
    OutOfRange {
        size_bytes: u64,
    },
    Content {
        entry: Rc<Entry>,
        range: Range<u64>,
        is_part: bool,
        payload: Payload,
    },
}

impl Get<'_> {
    pub(crate) async fn run(&self, shard: &Shard) -> Result<Got> {
        allow(self.who, Operation::Get, &self.object.bucket)?;
        loop {
            let entry = entry(shard, self.object).await?;
            // Between the look-up and the read it may have been overwritten: then what is there now is the answer.
            if let Some(got) = self.entry(shard, entry).await? {
                return Ok(got);
            }
        }
    }

    /// The answer for an entry; `None` when it is out of date.
    async fn entry(&self, shard: &Shard, entry: Rc<Entry>) -> Result<Option<Got>> {
        let range = match self.judge(&entry) {
            Precondition::NotModified => return Ok(Some(Got::NotModified(entry))),
            Precondition::Failed => return Err(Error::precondition_failed()),
            Precondition::IgnoreRange => None,
            Precondition::Proceed => self.range,
        };
        let size_bytes = entry.size_bytes;
        let (is_part, range) = match parse_range(range, size_bytes) {
            RangeOutcome::Whole => (false, 0..size_bytes),
            RangeOutcome::Part { start, len } => (true, start..start + len),
            RangeOutcome::Unsatisfiable | RangeOutcome::Multiple => {
                return Ok(Some(Got::OutOfRange { size_bytes }));
            }
        };
        let caching = self.object.bucket.caching;
        let payload = payload(shard, &self.object.key, &entry, range.clone(), caching).await?;
        let Some(payload) = payload else { return Ok(None) };
        entry.atime_ns.set(crate::clock::unix_ns());
        shard.counters.get.add(1);
        shard.counters.get_bytes.add(range.end - range.start);
        Ok(Some(Got::Content { entry, range, is_part, payload }))
    }

    fn judge(&self, entry: &Entry) -> Precondition {
        let Some(conditions) = self.conditions else { return Precondition::Proceed };
        let etag = entry.etag();
        let validators = Validators { etag: Some(&etag), modified_unix_s: entry.modified_s() };
        conditions.judge(Method::Get, &validators, true)
    }
}

/// The metadata of an object, for whoever may have them.
///
/// # Errors
/// `ObjectMissing`, among others.
pub(crate) async fn head(shard: &Shard, who: Caller, object: &ObjectRef) -> Result<Rc<Entry>> {
    allow(who, Operation::Head, &object.bucket)?;
    let entry = entry(shard, object).await?;
    shard.counters.head.add(1);
    Ok(entry)
}

/// The metadata of an object, which must be there.
pub(super) async fn entry(shard: &Shard, object: &ObjectRef) -> Result<Rc<Entry>> {
    let missing = || Error::object_missing(&object.key.bucket.name, &object.key.name);
    shard.store.find(&object.key).await?.ok_or_else(missing)
}

/// The bytes `wanted` of an object, ready to be sent. The first of them have been verified when this returns, so an
/// error can still be answered properly. `None` when the entry no longer says where the object is: look it up anew.
async fn payload(
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

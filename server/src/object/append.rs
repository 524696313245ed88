//! Appending: an object grows in a work file over several requests and becomes visible at the flush.
//!
//! A session lives on the owner core under a number that the client carries in its handle. Between two requests what
//! was appended lies in the work file, apart from a little in plain memory. Sessions are bounded and expire; a restart
//! ends them, and nothing of an unflushed append was promised.

use super::copy::ObjectSource;
use super::locate::ObjectRef;
use super::rights::{Caller, Operation, allow};
use crate::error::{Error, Result};
use crate::shard::Shard;
use crate::store::{ByteSource, Entry, Writer};
use std::rc::Rc;
use wire::cksum::CksumType;

/// The handle in AIStore's four-part form; clients read only the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AppendHandle {
    pub(crate) node_id: String,
    pub(crate) session: u64,
}

impl AppendHandle {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut parts = text.split('|');
        let (node_id, session) = (parts.next(), parts.next().and_then(|s| u64::from_str_radix(s, 16).ok()));
        match (node_id, session, parts.count()) {
            (Some(node_id), Some(session), 2) => Ok(Self { node_id: node_id.to_owned(), session }),
            _ => Err(Error::bad(format!("malformed append handle {text:?}"))),
        }
    }
}

impl std::fmt::Display for AppendHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}|{:016x}|none|", self.node_id, self.session)
    }
}

/// Adds bytes to an append, opening one when there is no handle; returns the session's number.
pub(crate) async fn append(
    shard: &Rc<Shard>,
    who: Caller,
    object: &ObjectRef,
    session: Option<u64>,
    source: &mut impl ByteSource,
) -> Result<u64> {
    allow(who, Operation::Append, &object.bucket)?;
    let mut writer = match session {
        Some(number) => shard.appends.take(number, &object.key)?,
        None => begin(shard, object).await?,
    };
    // An error drops the writer and with it the session: a half-added part cannot be told apart later.
    writer.feed(source).await?;
    writer.rest().await?;
    shard.counters.append.add(1);
    let number = session.unwrap_or_else(|| shard.appends.new_number());
    shard.appends.keep(number, &object.key, writer);
    Ok(number)
}

/// Makes the appended object visible.
pub(crate) async fn flush(
    shard: &Rc<Shard>,
    who: Caller,
    object: &ObjectRef,
    session: u64,
    expected: Option<(CksumType, String)>,
) -> Result<Rc<Entry>> {
    allow(who, Operation::Append, &object.bucket)?;
    // A session that cannot be made an object now is not used up: the client tries again.
    shard.store.probe(&object.key).await?;
    let mut writer = shard.appends.take(session, &object.key)?;
    writer.expect(expected);
    writer.commit().await
}

/// An append to an object that exists starts with its content.
async fn begin(shard: &Rc<Shard>, object: &ObjectRef) -> Result<Writer> {
    shard.appends.require_room()?;
    let old = shard.store.find(&object.key).await?;
    let custom = old.as_ref().map(|entry| entry.custom.to_vec()).unwrap_or_default();
    let new = object.new_object(None, custom);
    let mut writer = shard.store.writer(&object.key, new).await?;
    if let Some(entry) = old.filter(|entry| entry.size_bytes > 0) {
        writer.feed(&mut ObjectSource::open(shard, &object.key, &entry).await?).await?;
    }
    Ok(writer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_round_trip_and_reject_garbage() {
        let handle = AppendHandle { node_id: "tABCDEFGH".to_owned(), session: 77 };
        assert_eq!(AppendHandle::parse(&handle.to_string()).unwrap(), handle);
        for bad in ["", "t|x|none|", "t|1|none", "t|1|none||", "||||"] {
            assert!(AppendHandle::parse(bad).is_err(), "{bad}");
        }
    }
}

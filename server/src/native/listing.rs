//! `list` of a bucket's objects, as JSON or msgpack.

use super::Request;
use super::lines::LsoLines;
use crate::cluster::BucketView;
use crate::error::{Error, Result};
use crate::object::{Caller, List};
use crate::reply::Reply;
use std::sync::Arc;
use wire::api::actmsg::ActMsg;
use wire::api::lso::{LsoMsg, flag};
use wire::api::lso_page::{LsoPage, entry_flag};

const MSGPACK: &str = "application/msgpack";

pub(super) async fn list(
    request: &Request<'_, '_>,
    bucket: &Arc<BucketView>,
    message: &ActMsg,
) -> Result<Reply> {
    let query = LsoMsg::from_value(&message.value).map_err(Error::bad)?;
    let list = List {
        who: Caller::Anyone,
        bucket,
        prefix: query.prefix(),
        after: query.after(),
        lines_max: query.page_size(),
        is_shallow: query.has(flag::NO_RECURSION),
        lines: LsoLines::new(bucket, &query),
    };
    let listed = list.run(request.shard).await?;
    request.shard.counters.list.add(1);
    // Until the answer has been made of it.
    let (mut entries, _held) = (listed.lines, listed.held);
    let continuation_token =
        entries.last().filter(|_| listed.has_more).map(|last| last.name.clone()).unwrap_or_default();
    if query.has(flag::NO_DIRS) {
        entries.retain(|entry| entry.flags & entry_flag::DIR == 0);
    }
    let uuid = if query.uuid.is_empty() { crate::ids::new_uuid() } else { query.uuid.clone() };
    let page = LsoPage { uuid, continuation_token, entries, flags: 0 };
    let mut bytes = Vec::with_capacity(64 * page.entries.len() + 256);
    if wants_msgpack(request) {
        page.write_msgpack(&mut bytes);
        return Ok(Reply::bytes(200, MSGPACK, bytes));
    }
    page.write_json(&mut bytes);
    Ok(Reply::bytes(200, "application/json; charset=utf-8", bytes))
}

/// True if any part of `Accept` is exactly msgpack.
fn wants_msgpack(request: &Request<'_, '_>) -> bool {
    let accept = request.head.headers.get_str("Accept").unwrap_or_default();
    accept.split(',').any(|part| part.split(';').next().is_some_and(|kind| kind.trim() == MSGPACK))
}

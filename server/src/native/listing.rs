//! `list` of a bucket's objects, as JSON or msgpack.

use super::Request;
use crate::cluster::BucketView;
use crate::error::{Error, Result};
use crate::object;
use crate::reply::Reply;
use std::sync::Arc;
use wire::api::actmsg::ActMsg;
use wire::api::bprops::access;
use wire::api::lso::LsoMsg;

const MSGPACK: &str = "application/msgpack";

pub(super) async fn list(
    request: &Request<'_, '_>,
    bucket: &Arc<BucketView>,
    message: &ActMsg,
) -> Result<Reply> {
    if bucket.props.access & access::OBJ_LIST == 0 {
        return Err(Error::access_denied(&bucket.bucket.name, "listing"));
    }
    let query = LsoMsg::from_value(&message.value).map_err(Error::bad)?;
    let (page, _held) = object::list_page(request.shard, bucket, &query).await?;
    request.shard.counters.list.add(1);
    let mut bytes = Vec::with_capacity(64 * page.entries.len() + 256);
    if wants_msgpack(request) {
        page.write_msgpack(&mut bytes);
        return Ok(Reply::bytes(200, MSGPACK, bytes));
    }
    page.write_json(&mut bytes);
    Ok(Reply::bytes(200, "application/json; charset=utf-8", bytes))
}

/// Whether any part of `Accept` is exactly msgpack.
fn wants_msgpack(request: &Request<'_, '_>) -> bool {
    let accept = request.head.headers.get_str("Accept").unwrap_or_default();
    accept.split(',').any(|part| part.split(';').next().is_some_and(|kind| kind.trim() == MSGPACK))
}

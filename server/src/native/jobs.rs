//! Questions about jobs.

use super::Request;
use crate::error::{Error, Kind, Result};
use crate::reply::Reply;
use std::collections::BTreeMap;
use wire::api::jobs::{QueryMsg, Snap};

/// `what=status`.
pub(super) fn status(request: &Request<'_, '_>, body: &[u8]) -> Result<Reply> {
    let query = QueryMsg::parse(body).map_err(Error::bad)?;
    if query.id.is_empty() && query.kind.is_empty() {
        return Err(Error::bad("a job's id or kind is needed"));
    }
    let status = request.shard.node.jobs.status(&query);
    let missing =
        || Error::client(Kind::NotFound, format!("job {}[{}] does not exist", query.kind, query.id));
    Reply::json(&status.ok_or_else(missing)?)
}

/// `what=status_all`.
pub(super) fn status_all(request: &Request<'_, '_>, body: &[u8]) -> Result<Reply> {
    let query = QueryMsg::parse(body).map_err(Error::bad)?;
    Reply::json(&request.shard.node.jobs.all_status(&query))
}

/// `what=qryxstats`: snapshots by target.
pub(super) fn snapshots(request: &Request<'_, '_>, body: &[u8]) -> Result<Reply> {
    let query = QueryMsg::parse(body).map_err(Error::bad)?;
    let snaps: Vec<Snap> = request.shard.node.jobs.snaps(&query);
    if snaps.is_empty() {
        return Err(Error::client(Kind::NotFound, "no job matches"));
    }
    Reply::json(&BTreeMap::from([(request.shard.node.target_id.clone(), snaps)]))
}

/// `what=running_all`.
pub(super) fn running(request: &Request<'_, '_>) -> Result<Reply> {
    Reply::json(&request.shard.node.jobs.running())
}

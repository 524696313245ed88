//! Questions about jobs, and starting them.

use super::Request;
use crate::error::{Error, Kind, Result};
use crate::object::{STORE_CHECK, start_check};
use crate::reply::Reply;
use std::collections::BTreeMap;
use wire::api::actmsg::ActMsg;
use wire::api::jobs::{ArgsMsg, QueryMsg, Snap, from_any_case};

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

/// `start`: the job's id.
pub(super) fn start(request: &Request<'_, '_>, message: &ActMsg) -> Result<Reply> {
    let args: ArgsMsg = from_any_case(&message.value).map_err(Error::bad)?;
    match args.kind.as_str() {
        STORE_CHECK => start_check(request.shard).map(Reply::text),
        "" => Err(Error::bad("the kind of the job is missing")),
        other => Err(Error::not_implemented(format!("starting the job {other:?}"))),
    }
}

/// `what=store-check`: the check of the store that runs, or ran last; `skip` findings are known already.
pub(super) fn store_check(request: &Request<'_, '_>) -> Result<Reply> {
    let none = || Error::client(Kind::NotFound, "the store was not checked since the start");
    let check = request.shard.node.jobs.check().ok_or_else(none)?;
    let skip = match request.query.text("skip") {
        "" => 0,
        skip => skip.parse().map_err(|_| Error::bad(format!("skip = {skip:?} is no number")))?,
    };
    Reply::json(&check.report(skip))
}

/// `what=running_all`.
pub(super) fn running(request: &Request<'_, '_>) -> Result<Reply> {
    Reply::json(&request.shard.node.jobs.running())
}

//! Questions about jobs, starting and stopping them.

use super::Request;
use crate::error::{Error, Kind, Result};
use crate::jobs::{Filter, STORE_CHECK, is_kind, start_check};
use crate::reply::Reply;
use std::collections::BTreeMap;
use wire::api::actmsg::ActMsg;
use wire::api::job_kinds::job_kind;
use wire::api::jobs::{ArgsMsg, QueryMsg, from_any_case};

/// Why a job has ended that a client has stopped.
const USER_ABORT: &str = "user abort";

/// `what=status`.
pub(super) fn status(request: &Request<'_, '_>, body: &[u8]) -> Result<Reply> {
    let filter = filter(request, body)?;
    if filter.id.is_empty() && filter.kind.is_empty() {
        return Err(Error::bad("a job's id or kind is needed"));
    }
    let status = request.shard.node.jobs.status(&filter);
    Reply::json(&status.ok_or_else(|| missing(&filter))?)
}

/// `what=status_all`.
pub(super) fn status_all(request: &Request<'_, '_>, body: &[u8]) -> Result<Reply> {
    let filter = filter(request, body)?;
    Reply::json(&request.shard.node.jobs.all_status(&filter))
}

/// `what=qryxstats`: snapshots by target.
pub(super) fn snapshots(request: &Request<'_, '_>, body: &[u8]) -> Result<Reply> {
    let filter = filter(request, body)?;
    let snaps = request.shard.node.jobs.snaps(&filter);
    if snaps.is_empty() {
        return Err(Error::client(Kind::NotFound, "no job matches"));
    }
    Reply::json(&BTreeMap::from([(request.shard.node.target_id.clone(), snaps)]))
}

/// `what=running_all`.
pub(super) fn running(request: &Request<'_, '_>, body: &[u8]) -> Result<Reply> {
    let filter = filter(request, body)?;
    Reply::json(&request.shard.node.jobs.running(&filter))
}

/// `start`: the job's id.
pub(super) async fn start(request: &Request<'_, '_>, message: &ActMsg) -> Result<Reply> {
    let args: ArgsMsg = from_any_case(&message.value).map_err(Error::bad)?;
    require_target(request, &args.daemon_id)?;
    let kind = args.kind.as_str();
    match job_kind(kind) {
        _ if kind == STORE_CHECK => start_check(request.shard).await.map(Reply::text),
        _ if kind.is_empty() => Err(Error::bad("the kind of the job is missing")),
        Some(known) if known.startable => Err(Error::not_implemented(format!("starting the job {kind:?}"))),
        Some(_) => {
            Err(Error::bad(format!("a job {kind:?} begins with a request of its own, not with \"start\"")))
        }
        None => Err(unknown(kind)),
    }
}

/// `stop`: by id, by kind, by bucket, or by several of them. It does not wait for the end.
pub(super) fn stop(request: &Request<'_, '_>, message: &ActMsg) -> Result<Reply> {
    let args: ArgsMsg = from_any_case(&message.value).map_err(Error::bad)?;
    require_target(request, &args.daemon_id)?;
    if !args.kind.is_empty() && !is_kind(&args.kind) {
        return Err(unknown(&args.kind));
    }
    let filter = Filter::from(args);
    if filter.is_empty() {
        return Err(Error::bad("the job's id, its kind or a bucket is missing"));
    }
    let found = request.shard.node.jobs.stop(&filter, USER_ABORT);
    // Of a kind or a bucket there may be none: then there is nothing to stop.
    if found == 0 && !filter.id.is_empty() {
        return Err(missing(&filter));
    }
    Ok(Reply::empty(200))
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

fn filter(request: &Request<'_, '_>, body: &[u8]) -> Result<Filter> {
    let query = QueryMsg::parse(body).map_err(Error::bad)?;
    require_target(request, &query.node)?;
    Ok(Filter::from(query))
}

/// All jobs are of the one target that there is.
fn require_target(request: &Request<'_, '_>, id: &str) -> Result<()> {
    if id.is_empty() || id == request.shard.node.target_id {
        return Ok(());
    }
    Err(Error::client(Kind::NotFound, format!("target {id:?} does not exist")))
}

fn missing(filter: &Filter) -> Error {
    Error::client(Kind::NotFound, format!("job {}[{}] does not exist", filter.kind, filter.id))
}

fn unknown(kind: &str) -> Error {
    Error::bad(format!("there is no kind of jobs {kind:?}"))
}

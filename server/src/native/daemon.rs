//! `/v1/daemon`: questions to one node, asked directly or through `/v1/reverse`.

use super::{Request, jobs, long, node_info};
use crate::cluster::Command;
use crate::error::{Error, Kind, Result};
use crate::object::change_cluster;
use crate::reply::Reply;
use crate::shard::Body;
use std::collections::BTreeMap;
use wire::api::actmsg::{ActMsg, action};
use wire::api::smap::Role;
use wire::api::stats::metric_kind;
use wire::http1::Method;

pub(super) async fn handle(
    request: &Request<'_, '_>,
    node_id: Option<&str>,
    item: &str,
    body: &mut Body<'_>,
) -> Result<Reply> {
    let role = role_of(request, node_id)?;
    let message = request.message(body).await?;
    match (request.head.method, item) {
        (Method::Get, "") => get(request, role, &message).await,
        (Method::Get, "mountpaths") => Reply::json(&node_info::mountpath_list(&request.shard.node)),
        (Method::Put, "set-config") => set_config_items(request).await,
        (Method::Put, "") => put(request, &message).await,
        (Method::Put | Method::Post | Method::Delete, "mountpaths") => {
            Err(Error::not_implemented("changing mountpaths while the node runs"))
        }
        (_, "proxy" | "load-x509") => Err(Error::not_implemented(item)),
        (_, "") => Err(request.wrong_method()),
        (_, other) => Err(Error::bad(format!("invalid '/v1/daemon' request: unrecognized item {other:?}"))),
    }
}

/// The node of this process that is meant; asked directly, it answers as the proxy.
fn role_of(request: &Request<'_, '_>, node_id: Option<&str>) -> Result<Role> {
    let node = &request.shard.node;
    match node_id {
        None => Ok(Role::Proxy),
        Some(id) if id == node.target_id => Ok(Role::Target),
        Some(id) if id == node.proxy_id => Ok(Role::Proxy),
        Some(other) => Err(Error::client(Kind::NotFound, format!("node {other:?} does not exist"))),
    }
}

async fn get(request: &Request<'_, '_>, role: Role, body: &[u8]) -> Result<Reply> {
    let node = &request.shard.node;
    match request.query.text("what") {
        "smap" => Reply::json(&*node.view().smap),
        "bmd" => long::bmd(&node.view()).await,
        "config" => Reply::json(&node_info::node_config(node)),
        "snode" => Reply::json(&node_info::snode(node, role)?),
        "node_status" => Reply::json(&node_info::node_status(request, role).await?),
        "node_stats" => Reply::json(&node_info::stats(request, role).await?),
        "metrics" => metric_kinds(request),
        "software_version" => Ok(Reply::text(crate::node::AIS_VERSION)),
        "sysinfo" if role == Role::Target => Reply::json(&node_info::target_system(request.shard).await?),
        "sysinfo" => Reply::json(&node_info::system(request.shard).await?),
        "disk" => Reply::json(&node_info::capacity(request.shard).await?),
        "mountpaths" => Reply::json(&node_info::mountpath_list(node)),
        "remote" => Reply::json(&serde_json::json!({ "a": [], "ver": 0 })),
        "tls_certificate" => Err(Error::client(Kind::NotFound, "no TLS certificate is loaded")),
        "status" => jobs::status(request, body),
        "status_all" => jobs::status_all(request, body),
        "qryxstats" | "getxstats" => jobs::snapshots(request, body),
        "running_all" => jobs::running(request, body),
        "store-check" => jobs::store_check(request),
        "log" => Err(Error::not_implemented("reading the log (it goes to standard error)")),
        "smapvote" => Err(Error::not_implemented("voting")),
        other => Err(Error::bad(format!("invalid '/v1/daemon' request: unrecognized 'what={other}' query"))),
    }
}

fn metric_kinds(request: &Request<'_, '_>) -> Result<Reply> {
    let names = request.shard.counters.snapshot();
    let kinds: BTreeMap<&str, &str> = names.into_iter().map(|(name, _)| (name, metric_kind(name))).collect();
    Reply::json(&kinds)
}

/// Every change is persisted: one that must not be is refused rather than kept.
pub(super) fn refuse_transient(request: &Request<'_, '_>) -> Result<()> {
    if request.query.flag("transient") { Err(Error::not_implemented("a transient setting")) } else { Ok(()) }
}

async fn put(request: &Request<'_, '_>, body: &[u8]) -> Result<Reply> {
    let message = ActMsg::parse(body).map_err(Error::bad)?;
    match message.action.as_str() {
        action::SET_CONFIG => {
            refuse_transient(request)?;
            change_cluster(request.shard, Command::SetConfig { change: message.value }).await?;
            Ok(Reply::empty(200))
        }
        action::RESET_CONFIG => {
            change_cluster(request.shard, Command::ResetConfig).await?;
            Ok(Reply::empty(200))
        }
        "" => Err(Error::bad("an action is missing")),
        other => Err(Error::not_implemented(format!("the action {other:?} on a node"))),
    }
}

/// `set-config?name=value&…`, the flat form.
pub(super) async fn set_config_items(request: &Request<'_, '_>) -> Result<Reply> {
    refuse_transient(request)?;
    let settings: Vec<(String, String)> = request
        .query
        .iter()
        .filter(|(name, _)| *name != "transient")
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    change_cluster(request.shard, Command::SetConfigFlat { settings }).await?;
    Ok(Reply::empty(200))
}

//! `/v1/cluster`: questions about the cluster and changes of its settings.

use super::daemon::{refuse_transient, set_config_items};
use super::{Request, jobs, long, node_info};
use crate::cluster::Command;
use crate::error::{Error, Result};
use crate::object::change_cluster;
use crate::reply::Reply;
use crate::shard::Body;
use std::collections::BTreeMap;
use wire::api::actmsg::{ActMsg, action};
use wire::api::smap::Role;
use wire::api::stats::ClusterStats;
use wire::http1::Method;

pub(super) async fn handle(request: &Request<'_, '_>, item: &str, body: &mut Body<'_>) -> Result<Reply> {
    let message = request.message(body).await?;
    match (request.head.method, item) {
        (Method::Get, "") => get(request, &message).await,
        (Method::Put, "") => put(request, &message).await,
        (Method::Put, "set-config") => set_config_items(request).await,
        (_, "") => Err(request.wrong_method()),
        (_, "attach" | "detach" | "load-x509" | "join-by-admin" | "autoreg" | "keepalive") => {
            Err(Error::not_implemented(format!("/v1/cluster/{item}")))
        }
        (_, other)
            if other.starts_with("proxy/") || other.starts_with("daemon/") || other.contains("-bend/") =>
        {
            Err(Error::not_implemented(format!("/v1/cluster/{other}")))
        }
        (_, other) => Err(Error::bad(format!("invalid '/v1/cluster' request: unrecognized item {other:?}"))),
    }
}

async fn get(request: &Request<'_, '_>, body: &[u8]) -> Result<Reply> {
    let node = &request.shard.node;
    let view = node.view();
    match request.query.text("what") {
        "cluster_config" => Reply::json(&*view.config),
        "smap" => Reply::json(&*view.smap),
        "bmd" => long::bmd(&view).await,
        "snode" => Reply::json(&node_info::snode(node, Role::Proxy)?),
        "backends" => Reply::json(&[0u8; 0]),
        "remote" => Reply::json(&serde_json::json!({ "a": [], "ver": 0 })),
        "status" => jobs::status(request, body),
        "status_all" => jobs::status_all(request, body),
        "qryxstats" => jobs::snapshots(request, body),
        "running_all" => jobs::running(request, body),
        "node_stats" => {
            let target = node_info::stats(request, Role::Target).await?;
            let target = BTreeMap::from([(node.target_id.clone(), target)]);
            Reply::json(&ClusterStats { proxy: node_info::stats(request, Role::Proxy).await?, target })
        }
        "sysinfo" => Reply::json(&serde_json::json!({
            "proxy": { &node.proxy_id: node_info::system(request.shard).await? },
            "target": { &node.target_id: node_info::target_system(request.shard).await? },
        })),
        "mountpaths" => Reply::json(&serde_json::json!({
            "targets": { &node.target_id: node_info::mountpath_list(node) },
        })),
        "target_ips" => Ok(Reply::text(node.host.clone())),
        "smapvote" => Err(Error::not_implemented("voting")),
        other => Err(Error::bad(format!("invalid '/v1/cluster' request: unrecognized 'what={other}' query"))),
    }
}

async fn put(request: &Request<'_, '_>, body: &[u8]) -> Result<Reply> {
    let message = ActMsg::parse(body).map_err(Error::bad)?;
    let command = match message.action.as_str() {
        action::SET_CONFIG => {
            refuse_transient(request)?;
            Command::SetConfig { change: message.value }
        }
        action::RESET_CONFIG => Command::ResetConfig,
        action::START => return jobs::start(request, &message).await,
        action::STOP => return jobs::stop(request, &message),
        "" => return Err(Error::bad("an action is missing")),
        other => return Err(Error::not_implemented(format!("the action {other:?} on the cluster"))),
    };
    change_cluster(request.shard, command).await?;
    Ok(Reply::empty(200))
}

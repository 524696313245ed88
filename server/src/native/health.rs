//! `/v1/health`: 200 while everything works, 503 with a line for each mountpath that does not.

use super::Request;
use crate::error::{Error, Kind, Result};
use crate::node::Node;
use crate::reply::Reply;
use crate::store::Mountpath;
use std::sync::Arc;
use wire::api::stats::{MetaInfo, NodeStateInfo, PrimaryInfo, SmapInfo, state};
use wire::http1::Method;

pub(super) fn handle(request: &Request<'_, '_>) -> Result<Reply> {
    if !matches!(request.head.method, Method::Get | Method::Head) {
        return Err(request.wrong_method());
    }
    if request.shard.is_stopping() {
        return Err(Error::client(Kind::ShuttingDown, "the node is shutting down"));
    }
    let node = &request.shard.node;
    if request.query.flag("cii") {
        if request.query.flag("prr") {
            return Err(Error::bad("cii and prr exclude each other"));
        }
        return Reply::json(&state_info(node));
    }
    // It asks only whether the primary may rebalance.
    let faults = if request.query.flag("prr") { Vec::new() } else { faults(node) };
    let reply = if faults.is_empty() {
        Reply::empty(200)
    } else {
        Reply::bytes(503, "text/plain; charset=utf-8", (faults.join("\n") + "\n").into_bytes())
    };
    // One process: the node's time is the cluster's.
    let uptime = node.uptime_ns().to_string();
    let reply = reply.with("Ais-Node-Uptime", uptime.clone()).with("Ais-Cluster-Uptime", uptime);
    Ok(lost_lanes(node).iter().fold(reply, |reply, lane| reply.with("Straightline-Rebuilding", lane)))
}

/// A line for each mountpath that takes no more changes.
fn faults(node: &Node) -> Vec<String> {
    let suspects = node.mountpaths.iter().filter(|mountpath| mountpath.is_suspect());
    suspects.map(|mountpath| mountpath.refusal().text).collect()
}

/// The directories of lanes whose index is damaged and being made anew, each with the reason.
fn lost_lanes(node: &Node) -> Vec<String> {
    let lost = |mountpath: &Arc<Mountpath>| {
        let lane = |(lane, why)| {
            let path = mountpath.lane_path(lane);
            let line = format!("{}: {why}", path.display());
            // A header field takes no control characters.
            line.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect::<String>()
        };
        mountpath.lost_lanes().into_iter().map(lane).collect::<Vec<_>>()
    };
    node.mountpaths.iter().flat_map(lost).collect()
}

/// The headers by which a node tells of itself and of the state it works with.
pub(super) fn state_info(node: &Node) -> NodeStateInfo {
    let view = node.view();
    let uuid = view.smap.uuid.clone();
    let primary =
        PrimaryInfo { pub_url: node.url.clone(), control_url: node.url.clone(), id: node.proxy_id.clone() };
    let suspect = node.mountpaths.iter().any(|mountpath| mountpath.is_suspect());
    let resilvering = node.mountpaths.iter().any(|mountpath| !mountpath.lost_lanes().is_empty());
    NodeStateInfo {
        smap: SmapInfo { primary, uuid: uuid.clone(), version: view.smap.version },
        bmd: MetaInfo { uuid: uuid.clone(), version: view.bmd.version },
        config: MetaInfo { uuid, version: view.config.config_version },
        flags: state::HEALTHY
            | if suspect { state::DISK_FAULT } else { 0 }
            | if resilvering { state::RESILVERING } else { 0 },
        ..NodeStateInfo::default()
    }
}

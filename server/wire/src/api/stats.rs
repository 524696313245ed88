//! A node's state and statistics.

use std::collections::BTreeMap;

use placement::Snode;
use serde::{Deserialize, Serialize};

use super::capacity::{MemCpuInfo, Tcdf};
use super::jobs::Snap;
use super::num::{null_is_default, quoted_i64};

/// Bits of [`NodeStateInfo::flags`].
pub mod state {
    /// An election is going on.
    pub const VOTE_IN_PROGRESS: u64 = 1;
    /// The cluster has started.
    pub const CLUSTER_STARTED: u64 = 1 << 1;
    /// The node has started.
    pub const NODE_STARTED: u64 = 1 << 2;
    /// Rebalancing.
    pub const REBALANCING: u64 = 1 << 3;
    /// A rebalance was interrupted.
    pub const REBALANCE_INTERRUPTED: u64 = 1 << 4;
    /// Resilvering.
    pub const RESILVERING: u64 = 1 << 5;
    /// A resilver was interrupted.
    pub const RESILVER_INTERRUPTED: u64 = 1 << 6;
    /// The node restarted without a clean stop.
    pub const RESTARTED: u64 = 1 << 7;
    /// Out of space.
    pub const OOS: u64 = 1 << 8;
    /// Out of memory.
    pub const OOM: u64 = 1 << 9;
    /// In maintenance.
    pub const MAINTENANCE: u64 = 1 << 10;
    /// Low on space.
    pub const LOW_CAPACITY: u64 = 1 << 11;
    /// Low on memory.
    pub const LOW_MEMORY: u64 = 1 << 12;
    /// A disk has failed.
    pub const DISK_FAULT: u64 = 1 << 13;
    /// A healthy node in a running cluster.
    pub const HEALTHY: u64 = CLUSTER_STARTED | NODE_STARTED;
}

/// Metrics by name (`get.n`, `get.size`, `get.ns.total`, ...); bare numbers in JSON.
pub type Tracker = BTreeMap<String, i64>;

/// The primary, as health tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrimaryInfo {
    /// Public URL.
    pub pub_url: String,
    /// URL for control messages.
    pub control_url: String,
    /// Id.
    pub id: String,
}

/// The version of the cluster map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SmapInfo {
    /// The primary. The name has no JSON tag in Go, hence the capital.
    #[serde(rename = "Primary", alias = "primary")]
    pub primary: PrimaryInfo,
    /// The cluster's id.
    pub uuid: String,
    /// Version; quoted.
    #[serde(with = "quoted_i64")]
    pub version: i64,
}

/// The version of another piece of metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetaInfo {
    /// The cluster's id, where known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uuid: String,
    /// Version; quoted.
    #[serde(with = "quoted_i64")]
    pub version: i64,
}

/// The answer to `/v1/health?cii=true`, also part of [`NodeStatus`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeStateInfo {
    /// Cluster map.
    pub smap: SmapInfo,
    /// Bucket map.
    pub bmd: MetaInfo,
    /// Rebalance.
    pub rmd: MetaInfo,
    /// Configuration.
    pub config: MetaInfo,
    /// Transformations.
    pub etlmd: MetaInfo,
    /// The [`state`] bits.
    pub flags: u64,
}

/// A node's statistics (`what=node_stats`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeStats {
    /// The node.
    pub snode: Snode,
    /// Metrics.
    #[serde(default, deserialize_with = "null_is_default")]
    pub tracker: Tracker,
    /// Disks; empty for a proxy.
    #[serde(default)]
    pub capacity: Tcdf,
}

/// A node's state in full (`what=node_status`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// The rebalance that this target takes part in, or last did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalance_snap: Option<Snap>,
    /// Empty is "online"; else `maintenance`, `decommission`, ...
    #[serde(default)]
    pub status: String,
    /// `dev`, `K8s` or `linux`. Clients sum capacities only outside `dev`.
    #[serde(default)]
    pub deployment: String,
    /// The AIStore version that we are compatible with; clients compare it with theirs.
    #[serde(default)]
    pub ais_version: String,
    /// When the program was built.
    #[serde(default)]
    pub build_time: String,
    /// Kubernetes pod, else empty.
    #[serde(default)]
    pub k8s_pod_name: String,
    /// Node, metrics and disks, inlined.
    #[serde(flatten)]
    pub node: NodeStats,
    /// Versions of metadata, state flags.
    #[serde(default)]
    pub cluster: NodeStateInfo,
    /// Memory and processors.
    #[serde(default)]
    pub sys_info: MemCpuInfo,
    /// Version of the cluster map; quoted.
    #[serde(default, with = "quoted_i64")]
    pub smap_version: i64,
}

/// The answer to `GET /v1/cluster?what=node_stats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterStats {
    /// The answering proxy.
    pub proxy: NodeStats,
    /// Targets by id.
    pub target: BTreeMap<String, NodeStats>,
}

/// The kind of a metric, for `what=metrics`; from its name's suffix.
#[must_use]
pub fn metric_kind(name: &str) -> &'static str {
    const BY_SUFFIX: [(&str, &str); 6] = [
        (".ns.total", "total"),
        (".ns", "latency"),
        (".size", "size"),
        (".bps", "bw"),
        (".n", "counter"),
        (".util", "gauge"),
    ];
    match name {
        "up.ns.time" => "special",
        "state.flags" => "gauge",
        _ => BY_SUFFIX.iter().find(|(suffix, _)| name.ends_with(suffix)).map_or("special", |(_, kind)| kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement::{NetInfo, smap::Role};
    use serde_json::json;

    #[test]
    fn status_is_flat_and_complete() {
        let snode = Snode::new(Role::Target, "tBBBBBBB", NetInfo::http("h", 1));
        let node =
            NodeStats { snode, tracker: Tracker::from([("get.n".into(), 5)]), capacity: Tcdf::default() };
        let status = NodeStatus {
            rebalance_snap: None,
            status: String::new(),
            deployment: "linux".into(),
            ais_version: "5.0".into(),
            build_time: String::new(),
            k8s_pod_name: String::new(),
            node,
            cluster: NodeStateInfo { flags: state::HEALTHY, ..NodeStateInfo::default() },
            sys_info: MemCpuInfo::default(),
            smap_version: 4,
        };
        let tree = serde_json::to_value(&status).unwrap();
        for key in [
            "status",
            "deployment",
            "ais_version",
            "build_time",
            "k8s_pod_name",
            "snode",
            "tracker",
            "capacity",
            "cluster",
            "sys_info",
            "smap_version",
        ] {
            assert!(!tree[key].is_null(), "{key}");
        }
        assert_eq!((&tree["tracker"], &tree["smap_version"]), (&json!({"get.n": 5}), &json!("4")));
        assert_eq!(
            (&tree["cluster"]["flags"], &tree["cluster"]["smap"]["version"]),
            (&json!(6), &json!("0"))
        );
        assert!(tree["cluster"]["smap"]["Primary"].is_object());
        assert_eq!(serde_json::from_value::<NodeStatus>(tree).unwrap(), status);
    }

    #[test]
    fn kinds_of_metrics() {
        for (name, kind) in [
            ("get.n", "counter"),
            ("get.ns", "latency"),
            ("get.ns.total", "total"),
            ("get.size", "size"),
            ("get.bps", "bw"),
            ("up.ns.time", "special"),
            ("state.flags", "gauge"),
            ("disk.sda.util", "gauge"),
        ] {
            assert_eq!(metric_kind(name), kind, "{name}");
        }
    }
}

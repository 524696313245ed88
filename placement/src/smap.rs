//! The cluster map, with AIStore's exact JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::hrw::{digest, pick};
use crate::layout::NodeLayout;
use crate::smap_serde;

/// [`Snode::flags`]: the proxy may not become primary.
pub const FLAG_NON_ELECTABLE: u64 = 1;
/// [`Snode::flags`]: the proxy keeps the state of jobs ("information center").
pub const FLAG_IC: u64 = 2;
/// [`Snode::flags`]: the node is in maintenance.
pub const FLAG_MAINTENANCE: u64 = 4;
/// [`Snode::flags`]: the node is being removed for good.
pub const FLAG_DECOMMISSION: u64 = 8;
/// [`Snode::flags`]: in maintenance, and its data has moved away.
pub const FLAG_POST_REBALANCE: u64 = 16;

/// Either flag: the node takes no part in placement.
const FLAGS_OUT: u64 = FLAG_MAINTENANCE | FLAG_DECOMMISSION;

/// One network address of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetInfo {
    /// The host: an IP address or a name.
    pub node_ip_addr: String,
    /// The port, in decimal.
    pub daemon_port: String,
    /// `scheme://host:port`, no trailing slash; clients dial exactly this.
    pub direct_url: String,
}

impl NetInfo {
    /// The address `http://host:port`.
    #[must_use]
    pub fn http(host: &str, port: u16) -> Self {
        // Only an IPv6 address has a colon, and only in a URL does it need the brackets.
        let url_host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        NetInfo {
            node_ip_addr: host.to_owned(),
            daemon_port: port.to_string(),
            direct_url: format!("http://{url_host}:{port}"),
        }
    }
}

/// The role of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A gateway: control state, redirects.
    Proxy,
    /// A storage node.
    Target,
}

/// One node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snode {
    /// Where clients reach it.
    pub public_net: NetInfo,
    /// Where other nodes send it data.
    #[serde(default)]
    pub intra_data_net: NetInfo,
    /// Where other nodes send it control messages.
    #[serde(default)]
    pub intra_control_net: NetInfo,
    /// Proxy or target.
    pub daemon_type: Role,
    /// The node's id: 8 to 32 characters, the first a letter.
    pub daemon_id: String,
    /// Further public addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pub_extra: Vec<NetInfo>,
    /// The `FLAG_*` bits.
    #[serde(default)]
    pub flags: u64,
    /// `digest(daemon_id)`; clients that place objects themselves use this value as served.
    #[serde(default)]
    pub id_digest: u64,
    /// Base64 public key, when requests between nodes are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifying_key: Option<String>,
    /// Straightline's own: disks and cores, for clients that dial the owner core. AIStore's clients skip it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<NodeLayout>,
}

impl Snode {
    /// A node with one address for all three networks and no flags.
    #[must_use]
    pub fn new(role: Role, id: &str, net: NetInfo) -> Self {
        Snode {
            public_net: net.clone(),
            intra_data_net: net.clone(),
            intra_control_net: net,
            daemon_type: role,
            daemon_id: id.to_owned(),
            pub_extra: Vec::new(),
            flags: 0,
            id_digest: digest(id.as_bytes()),
            verifying_key: None,
            layout: None,
        }
    }

    /// True when names may be placed on this node (neither in maintenance nor leaving).
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.flags & FLAGS_OUT == 0
    }

    /// The name of the node in messages: `p[id]` or `t[id]`.
    #[must_use]
    pub fn display(&self) -> String {
        let letter = if self.daemon_type == Role::Proxy { 'p' } else { 't' };
        format!("{letter}[{}]", self.daemon_id)
    }
}

/// The cluster map. Two maps of one cluster are ordered by version; see [`Smap::accepts`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smap {
    /// Proxies by id.
    #[serde(default)]
    pub pmap: BTreeMap<String, Snode>,
    /// The primary, in full; `None` (null) only before the first election, when the map is not served.
    #[serde(default)]
    pub proxy_si: Option<Snode>,
    /// Targets by id.
    #[serde(default)]
    pub tmap: BTreeMap<String, Snode>,
    /// The cluster's id; empty in the map of a node that has never joined.
    #[serde(default)]
    pub uuid: String,
    /// When the cluster was created, `YYYY-MM-DD hh:mm:ss`.
    #[serde(default)]
    pub creation_time: String,
    /// Grows by at least one with every change; 0 is "no map yet". Quoted in JSON.
    #[serde(default, with = "smap_serde")]
    pub version: i64,
}

/// Why a map is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SmapRefusal {
    /// It belongs to another cluster.
    OtherCluster {
        /// The cluster id of the map held.
        ours: String,
        /// The cluster id of the map offered.
        theirs: String,
    },
    /// It is not newer than the map held.
    NotNewer {
        /// The version held.
        ours: i64,
        /// The version offered.
        theirs: i64,
    },
    /// It has no primary, or the primary is not among its proxies.
    NoPrimary,
}

impl std::fmt::Display for SmapRefusal {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SmapRefusal::OtherCluster { ours, theirs } => {
                write!(to, "cluster map of another cluster: have {ours:?}, got {theirs:?}")
            }
            SmapRefusal::NotNewer { ours, theirs } => {
                write!(to, "cluster map v{theirs} is not newer than v{ours}")
            }
            SmapRefusal::NoPrimary => to.write_str("cluster map without a primary"),
        }
    }
}

impl std::error::Error for SmapRefusal {}

impl Smap {
    /// The map of a whole cluster in one process: one proxy (the primary) and one target at one address.
    #[must_use]
    pub fn single_node(
        uuid: &str,
        creation_time: &str,
        proxy_id: &str,
        target_id: &str,
        net: &NetInfo,
    ) -> Self {
        let mut proxy = Snode::new(Role::Proxy, proxy_id, net.clone());
        proxy.flags = FLAG_IC;
        let target = Snode::new(Role::Target, target_id, net.clone());
        Smap {
            pmap: BTreeMap::from([(proxy_id.to_owned(), proxy.clone())]),
            proxy_si: Some(proxy),
            tmap: BTreeMap::from([(target_id.to_owned(), target)]),
            uuid: uuid.to_owned(),
            creation_time: creation_time.to_owned(),
            version: 1,
        }
    }

    /// Checks that `next` may replace this map: same cluster (an empty id joins any), strictly newer, and with its
    /// primary among its proxies.
    ///
    /// # Errors
    /// The reason for the refusal.
    pub fn accepts(&self, next: &Smap) -> Result<(), SmapRefusal> {
        if !self.uuid.is_empty() && self.uuid != next.uuid {
            return Err(SmapRefusal::OtherCluster { ours: self.uuid.clone(), theirs: next.uuid.clone() });
        }
        if next.version <= self.version {
            return Err(SmapRefusal::NotNewer { ours: self.version, theirs: next.version });
        }
        let primary = next.proxy_si.as_ref().ok_or(SmapRefusal::NoPrimary)?;
        if next.pmap.contains_key(&primary.daemon_id) { Ok(()) } else { Err(SmapRefusal::NoPrimary) }
    }

    /// The node with this id, proxy or target.
    #[must_use]
    pub fn node(&self, id: &str) -> Option<&Snode> {
        self.pmap.get(id).or_else(|| self.tmap.get(id))
    }

    /// The primary.
    #[must_use]
    pub fn primary(&self) -> Option<&Snode> {
        self.proxy_si.as_ref()
    }

    /// The target that a name (by its uname's digest) belongs to, nodes in maintenance or leaving excluded.
    #[must_use]
    pub fn target_for(&self, name_digest: u64) -> Option<&Snode> {
        let active = self.tmap.values().filter(|node| node.is_active());
        pick(active.map(|node| (node.id_digest, node)), name_digest)
    }

    /// The target that runs a task (a list, a batch) of this id.
    #[must_use]
    pub fn target_for_task(&self, uuid: &str) -> Option<&Snode> {
        self.target_for(digest(uuid.as_bytes()))
    }

    /// The proxy that succeeds the primary: the greatest id digest among those that may be elected,
    /// `except` left out.
    #[must_use]
    pub fn successor(&self, except: &str) -> Option<&Snode> {
        let able = |node: &&Snode| {
            node.is_active() && node.flags & FLAG_NON_ELECTABLE == 0 && node.daemon_id != except
        };
        self.pmap.values().filter(able).max_by_key(|node| node.id_digest)
    }

    /// The number of targets that take part in placement.
    #[must_use]
    pub fn active_targets(&self) -> usize {
        self.tmap.values().filter(|node| node.is_active()).count()
    }
}

#[cfg(test)]
#[path = "smap_tests.rs"]
mod tests;

//! Settings of one node only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cluster::ClusterConfig;

/// A node's addresses; ports are text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostNet {
    /// Public host names, comma-separated.
    pub hostname: String,
    /// The same for control messages between nodes.
    pub hostname_intra_control: String,
    /// The same for data between nodes.
    pub hostname_intra_data: String,
    /// Public port.
    pub port: String,
    /// Port for control messages between nodes.
    pub port_intra_control: String,
    /// Port for data between nodes.
    pub port_intra_data: String,
}

/// Directories that stand in for mountpaths in tests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TestFspaths {
    /// The parent directory.
    pub root: String,
    /// Their number; 0 in production.
    pub count: i64,
    /// The number of this node among several on one host.
    pub instance: i64,
}

/// The local part of a node's configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LocalConfig {
    /// Where the configuration is kept.
    pub confdir: String,
    /// Where logs are written.
    pub log_dir: String,
    /// Addresses.
    pub host_net: HostNet,
    /// Mountpaths, each with its label. (Go writes the map itself here, not a struct around it.)
    pub fspaths: BTreeMap<String, String>,
    /// Test mountpaths.
    pub test_fspaths: TestFspaths,
}

/// The answer to `what=config`: both parts in one flat object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeConfig {
    /// The cluster's part.
    #[serde(flatten)]
    pub cluster: ClusterConfig,
    /// The node's part.
    #[serde(flatten)]
    pub local: LocalConfig,
}

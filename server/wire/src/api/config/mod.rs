//! The configuration of a cluster and of a node, in AIStore's JSON.
//!
//! * `cluster`: the whole tree and its updates;
//! * `cluster_sections`, `node`: the sections;
//! * `local`: what belongs to one node only, and the answer to `what=config`;
//! * `validate`: the rules that types cannot say.

mod cluster;
mod cluster_sections;
mod local;
mod node;
mod validate;

pub use cluster::ClusterConfig;
pub use cluster_sections::{
    AuthConf, ClientConf, HttpConf, KeepaliveConf, KeepaliveTracker, L4Conf, NetConf, PeriodicConf,
    ProxyConf, RebalanceConf, ResilverConf, TimeoutConf, TransportConf,
};
pub use local::{HostNet, LocalConfig, NodeConfig, TestFspaths};
pub use node::{DiskConf, DownloaderConf, FshcConf, GetBatchConf, LogConf, LsoConf, MemsysConf, SpaceConf};

//! The cluster's configuration as one tree.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::cluster_sections::{
    AuthConf, ClientConf, KeepaliveConf, NetConf, PeriodicConf, ProxyConf, RebalanceConf, ResilverConf,
    TimeoutConf, TransportConf,
};
use super::node::{
    DiskConf, DownloaderConf, FshcConf, GetBatchConf, LogConf, LsoConf, MemsysConf, SpaceConf,
};
use crate::api::merge::{merge, tree_of};
use crate::api::num::{quoted_i64, quoted_u64};
use crate::api::sections::{
    ChunksConf, CksumConf, EcConf, LruConf, MirrorConf, RateLimitConf, VersionConf, WritePolicyConf, XactConf,
};

/// Names that an update may not touch: the cluster itself maintains them.
const READ_ONLY: [&str; 3] = ["uuid", "lastupdate_time", "config_version"];

/// Sections whose content depends on the provider: any key goes.
const OPEN: [&str; 1] = ["backend"];

/// The cluster's configuration. Serialises with every section present, as clients require; reads partial
/// JSON, with defaults for what is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterConfig {
    /// Remote backends by provider.
    pub backend: Map<String, Value>,
    /// Copies on other mountpaths.
    pub mirror: MirrorConf,
    /// Erasure coding.
    pub ec: EcConf,
    /// Chunked storage of large objects.
    pub chunks: ChunksConf,
    /// Logs.
    pub log: LogConf,
    /// Periodic work.
    pub periodic: PeriodicConf,
    /// Waits inside the cluster.
    pub timeout: TimeoutConf,
    /// Waits on behalf of clients.
    pub client: ClientConf,
    /// The addresses by which nodes find the primary.
    pub proxy: ProxyConf,
    /// Capacity watermarks.
    pub space: SpaceConf,
    /// Eviction.
    pub lru: LruConf,
    /// Disk utilisation watermarks.
    pub disk: DiskConf,
    /// Rebalance.
    pub rebalance: RebalanceConf,
    /// Resilver.
    pub resilver: ResilverConf,
    /// Checksums.
    pub checksum: CksumConf,
    /// Versioning.
    pub versioning: VersionConf,
    /// Sockets and TLS.
    pub net: NetConf,
    /// Disk health.
    pub fshc: FshcConf,
    /// Authentication of clients.
    pub auth: AuthConf,
    /// Liveness of nodes.
    pub keepalivetracker: KeepaliveConf,
    /// Downloads.
    pub downloader: DownloaderConf,
    /// Streams between nodes.
    pub transport: TransportConf,
    /// Memory.
    pub memsys: MemsysConf,
    /// Copying a bucket.
    pub tcb: XactConf,
    /// Copying many objects.
    pub tco: XactConf,
    /// Archiving many objects.
    pub arch: XactConf,
    /// Listing.
    pub lso: LsoConf,
    /// Reading many objects at once.
    pub get_batch: GetBatchConf,
    /// When writes reach the disk.
    pub write_policy: WritePolicyConf,
    /// Pacing.
    pub rate_limit: RateLimitConf,
    /// Feature bits.
    #[serde(with = "quoted_u64")]
    pub features: u64,
    /// The cluster's id.
    pub uuid: String,
    /// When the configuration last changed, as text.
    pub lastupdate_time: String,
    /// Grows with every change.
    #[serde(with = "quoted_i64")]
    pub config_version: i64,
}

impl ClusterConfig {
    /// Applies a partial tree (`ConfigToSet`): nested sections, every leaf optional, nulls skipped, numbers and
    /// booleans also as text. The version is the caller's to raise.
    ///
    /// # Errors
    /// A text that names the unknown, read-only, mistyped or invalid setting; then nothing has changed.
    pub fn apply(&mut self, change: &Value) -> Result<(), String> {
        let Value::Object(change) = change else {
            return Err("configuration update: expected an object".to_owned());
        };
        let Ok(Value::Object(mut tree)) = serde_json::to_value(&*self) else {
            return Err("configuration cannot be written as JSON".to_owned());
        };
        let kept: Vec<(&str, Option<Value>)> =
            READ_ONLY.iter().map(|name| (*name, tree.remove(*name))).collect();
        merge(&mut tree, change, &OPEN)?;
        tree.extend(kept.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        let next: ClusterConfig =
            serde_json::from_value(Value::Object(tree)).map_err(|e| format!("configuration update: {e}"))?;
        next.validate()?;
        *self = next;
        Ok(())
    }

    /// Applies flat settings (`mirror.copies=3`, the form of `PUT /v1/cluster/set-config?k=v`): all or none.
    ///
    /// # Errors
    /// As [`ClusterConfig::apply`]; also when there are none.
    pub fn apply_flat<'a>(
        &mut self,
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), String> {
        let mut next = self.clone();
        let mut any = false;
        for (name, value) in settings {
            let tree = tree_of(name, value).ok_or_else(|| format!("invalid setting name {name:?}"))?;
            next.apply(&Value::Object(tree))?;
            any = true;
        }
        if !any {
            return Err("no properties to update".to_owned());
        }
        *self = next;
        Ok(())
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

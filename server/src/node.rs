//! State that all cores of this process share: who it is, what it serves, and the control plane's handles.

use crate::cluster::{Control, View};
use crate::jobs::Jobs;
use crate::limits::Budget;
use crate::message_budget::MessageBudget;
use crate::shard::WatchdogCounts;
use crate::store::Mountpath;
use arc_swap::ArcSwap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use uring::Helpers;

/// The version of AIStore whose API is spoken; its command line compares it with its own.
pub(crate) const AIS_VERSION: &str = "5.0";

/// This process: in the embedded form it is the cluster's one proxy and its one target.
pub(crate) struct Node {
    pub(crate) proxy_id: String,
    pub(crate) target_id: String,
    /// Where clients reach it, without a trailing slash.
    pub(crate) url: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) data_dir: PathBuf,
    pub(crate) started: Instant,
    pub(crate) mountpaths: Arc<[Arc<Mountpath>]>,
    pub(crate) view: Arc<ArcSwap<View>>,
    pub(crate) control: Control,
    pub(crate) jobs: Jobs,
    pub(crate) budget: Budget,
    /// For what belongs to no mountpath and may take a while.
    pub(crate) helpers: Helpers,
    /// The memory that this process could use, with all limits that enclose it.
    pub(crate) memory_limit_bytes: u64,
    pub(crate) messages: Arc<MessageBudget>,
    pub(crate) watchdog: Arc<WatchdogCounts>,
}

impl Node {
    /// The control state as of now.
    pub(crate) fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Nanoseconds since the start.
    pub(crate) fn uptime_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The name of the storing side in errors.
    pub(crate) fn target_name(&self) -> String {
        format!("t[{}]", self.target_id)
    }
}

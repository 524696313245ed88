//! What the cores see of the control state: immutable, replaced as a whole.

use super::buckets::{BucketMap, BucketView};
use super::state::ClusterState;
use placement::NodeLayout;
use std::sync::Arc;
use wire::api::config::ClusterConfig;
use wire::api::smap::Smap;

/// One version of the control state. Versions share what they have in common.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) smap: Arc<Smap>,
    pub(crate) bmd: BucketMap,
    pub(crate) config: Arc<ClusterConfig>,
    pub(crate) layout: Arc<NodeLayout>,
}

impl View {
    pub(crate) fn new(state: &ClusterState, layout: &Arc<NodeLayout>) -> Self {
        Self {
            smap: Arc::clone(&state.smap),
            bmd: state.bmd.clone(),
            config: Arc::clone(&state.config),
            layout: Arc::clone(layout),
        }
    }

    pub(crate) fn bucket(&self, name: &str) -> Option<&Arc<BucketView>> {
        self.bmd.get(name)
    }

    /// All buckets by name.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = &Arc<BucketView>> {
        self.bmd.all()
    }
}

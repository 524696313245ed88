//! The cores' view of the control state: immutable, replaced as a whole.

use super::buckets::{BucketMap, BucketView};
use super::local::Local;
use super::replica::Replica;
use crate::store::BucketRef;
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
    /// Buckets that directories of an older one of their name are in the way of.
    waiting: Vec<u64>,
    local: Local,
}

impl View {
    pub(crate) fn new(replica: &Replica, layout: &Arc<NodeLayout>) -> Self {
        let state = &replica.cluster;
        Self {
            smap: Arc::clone(&state.smap),
            bmd: state.bmd.clone(),
            config: Arc::clone(&state.config),
            layout: Arc::clone(layout),
            waiting: replica.waiting(),
            local: replica.local.clone(),
        }
    }

    /// True while this node has still to bury a destroyed bucket. Later its name may be another one's.
    pub(crate) fn is_doomed(&self, bucket: &BucketRef) -> bool {
        self.local.is_doomed(bucket.id)
    }

    /// True for a bucket that this node cannot serve yet: the directories of an older one of its name are to be buried
    /// first. What were written between them would be buried with them.
    pub(crate) fn is_waiting(&self, bucket: &BucketView) -> bool {
        self.waiting.contains(&bucket.bucket.id)
    }

    /// True while this very bucket takes no changes.
    pub(crate) fn is_closed(&self, bucket: &BucketRef) -> bool {
        self.still(bucket).is_some_and(|view| view.is_closed())
    }

    /// This very bucket, if it is there still.
    pub(crate) fn still(&self, bucket: &BucketRef) -> Option<&Arc<BucketView>> {
        self.bmd.get(&bucket.name).filter(|view| view.bucket.id == bucket.id)
    }

    pub(crate) fn bucket(&self, name: &str) -> Option<&Arc<BucketView>> {
        self.bmd.get(name)
    }

    /// All buckets by name.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = &Arc<BucketView>> {
        self.bmd.all()
    }
}

//! What the cores see of the control state: immutable, prepared for look-ups, replaced as a whole.

use super::state::ClusterState;
use crate::store::{BucketRef, Caching};
use placement::NodeLayout;
use std::collections::HashMap;
use std::sync::Arc;
use wire::api::bmd::Bmd;
use wire::api::bprops::{Bprops, Durability};
use wire::api::config::ClusterConfig;
use wire::api::smap::Smap;
use wire::cksum::CksumType;

/// A bucket, ready for use.
#[derive(Debug)]
pub(crate) struct BucketView {
    pub(crate) bucket: Arc<BucketRef>,
    pub(crate) props: Bprops,
    pub(crate) cksum_type: CksumType,
    pub(crate) durability: Durability,
    /// Smaller objects go into segments.
    pub(crate) segment_bytes_max: u64,
    pub(crate) caching: Caching,
}

/// One version of the control state.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) smap: Smap,
    pub(crate) bmd: Bmd,
    pub(crate) config: ClusterConfig,
    pub(crate) layout: NodeLayout,
    buckets: HashMap<String, Arc<BucketView>>,
}

impl View {
    pub(crate) fn new(state: &ClusterState, layout: &NodeLayout) -> Self {
        let spaces = state.bmd.providers.get("ais").into_iter().flat_map(|spaces| spaces.get("@#"));
        let buckets =
            spaces.flatten().map(|(name, props)| (name.clone(), Arc::new(view_of(name, props)))).collect();
        Self {
            smap: state.smap.clone(),
            bmd: state.bmd.clone(),
            config: state.config.clone(),
            layout: layout.clone(),
            buckets,
        }
    }

    pub(crate) fn bucket(&self, name: &str) -> Option<&Arc<BucketView>> {
        self.buckets.get(name)
    }

    /// All buckets by name.
    pub(crate) fn buckets(&self) -> Vec<&Arc<BucketView>> {
        let mut buckets: Vec<_> = self.buckets.values().collect();
        buckets.sort_by(|a, b| a.bucket.name.cmp(&b.bucket.name));
        buckets
    }
}

fn view_of(name: &str, props: &Bprops) -> BucketView {
    BucketView {
        bucket: Arc::new(BucketRef { id: props.bid, name: name.to_owned() }),
        cksum_type: CksumType::parse(&props.checksum.kind).unwrap_or(CksumType::Xxhash2),
        durability: props.durability,
        // An empty object is a record in any case.
        segment_bytes_max: u64::try_from(props.segment_object_size.0).unwrap_or(0).max(1),
        caching: if props.read_cache { Caching::Use } else { Caching::Bypass },
        props: props.clone(),
    }
}

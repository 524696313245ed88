//! A check that is going on: its plan, and what all of its parts share.

use super::finding::{CheckCounts, Finding, Observer};
use crate::error::{Error, Kind, Result};
use crate::store::engine::Store;
use crate::store::entry::{BucketRef, Entry, Key};
use crate::store::inspect::LostIndex;
use crate::store::lane::{Lane, Share};
use crate::store::value::{self, Whence};
use placement::NodeLayout;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use wire::lom::Generation;
use xxhash_rust::xxh64::xxh64;

/// Work between two rests, in bytes.
const STRETCH_BYTES: u64 = 1 << 20;

/// The way to check.
#[derive(Clone, Debug)]
pub(crate) struct CheckPlan {
    /// The ones that exist, by number.
    pub(crate) buckets: HashMap<u64, Arc<BucketRef>>,
    pub(crate) lost: Vec<LostIndex>,
    /// Where names belong.
    pub(crate) layout: Arc<NodeLayout>,
    /// The part of the core that it may take; without it, all.
    pub(crate) share: Option<Share>,
    pub(crate) lanes_at_once: usize,
}

impl CheckPlan {
    /// The mountpath that a name belongs to, if it is not this one.
    pub(super) fn elsewhere(&self, digest: u64, id: &str) -> Option<&str> {
        let all = self.layout.mountpaths.iter();
        let right = placement::pick(all.map(|mountpath| (mountpath.digest, mountpath.id.as_str())), digest)?;
        (right != id).then_some(right)
    }
}

/// A sidecar by the mountpath and the generation that names it.
pub(crate) type SidecarId = (usize, Generation);

/// A check that is going on.
pub(crate) struct Check<'c> {
    pub(super) store: &'c Rc<Store>,
    pub(super) plan: &'c CheckPlan,
    pub(super) observer: &'c dyn Observer,
    /// Lanes, by mountpath and number, whose index cannot be believed.
    pub(super) unusable: HashSet<(usize, u16)>,
    pub(super) counts: Cell<CheckCounts>,
    /// The ones that objects name.
    pub(super) sidecars: RefCell<Vec<SidecarId>>,
    pub(super) stretch: Cell<(Instant, u64)>,
}

impl Check<'_> {
    pub(super) fn is_usable(&self, lane: &Lane) -> bool {
        !self.unusable.contains(&(lane.mountpath_index, lane.number))
    }

    /// Notes damage in a lane; `tell` says where.
    pub(super) fn found(&self, lane: &Lane, tell: impl FnOnce(&mut Finding)) {
        let mut finding = Finding::damaged(&lane.mountpath.path, "");
        finding.lane = Some(lane.number);
        tell(&mut finding);
        self.observer.found(finding);
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut CheckCounts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    /// Notes bytes read, and rests when the core's other work is due.
    pub(super) async fn advance(&self, bytes: u64) -> Result<()> {
        self.count(|counts| counts.bytes += bytes);
        self.observer.advance(bytes);
        if self.observer.is_cancelled() {
            return Err(Error { kind: Kind::ShuttingDown, ..Error::internal("the check was ended") });
        }
        let (begun, before) = self.stretch.get();
        let stretch = before + bytes;
        self.stretch.set((begun, stretch));
        if let Some(share) = self.plan.share.filter(|_| stretch >= STRETCH_BYTES) {
            self.stretch.set((begun, 0));
            let begun = share.rest(&self.store.driver, begun).await;
            self.stretch.set((begun, 0));
        }
        Ok(())
    }

    /// Returns when every change that is under way has reached its files.
    pub(super) async fn barrier(&self, lane: &Rc<Lane>) -> Result<()> {
        match self.store.committers.get(lane.mountpath_index) {
            Some(committer) => committer.barrier(lane).await,
            // Nobody changes anything.
            None => Ok(()),
        }
    }

    pub(super) fn key(&self, lane: &Lane, bucket_id: u64, name: &str) -> Option<Key> {
        let bucket = Arc::clone(self.plan.buckets.get(&bucket_id)?);
        Some(Key { bucket, name: name.to_owned(), mountpath: lane.mountpath_index, lane: lane.number })
    }

    /// The name of an object in a finding.
    pub(super) fn object(&self, bucket_id: u64, name: &str) -> String {
        match self.plan.buckets.get(&bucket_id) {
            Some(bucket) => format!("{}/{name}", bucket.bck()),
            None => format!("bucket {bucket_id}, {name}"),
        }
    }
}

/// Stands for a key and all that its entry says but the time of its last read, which no record knows.
pub(crate) fn digest_of(key: &[u8], entry: &Entry) -> u64 {
    // The node is said in any case.
    const WHENCE: Whence = Whence { mountpath: 0, node: 0 };
    let entry = Entry { atime_ns: Cell::new(0), ..entry.clone() };
    let mut bytes = Vec::with_capacity(128);
    value::encode(&entry, WHENCE, &mut bytes);
    xxh64(&bytes, xxh64(key, 0))
}

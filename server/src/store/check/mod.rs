//! Verifying a core's lanes: every byte against its checksum, the index against the log and the files, and back.
//!
//! It changes nothing and may run beside everything else. What it sees is therefore never one moment: whatever looks
//! wrong is looked at again, after all changes that were under way have taken effect, before it is called a finding.
//!
//! * [`lane`] goes through one lane: its index, then its [`log`].
//! * [`files`] are verified whole, and looked for on the disk; [`mod@leftovers`] is what nobody names.
//! * [`look`] is how they look, [`finding`] what is said of it.

mod files;
mod finding;
mod lane;
mod leftovers;
mod log;
mod look;

pub(crate) use finding::{CheckCounts, Class, Finding, Observer};
pub(crate) use leftovers::{leftovers, sidecars_there};

use super::engine::Store;
use super::entry::{BucketRef, Entry, Key};
use super::inspect::LostIndex;
use super::lane::Lane;
use super::value::{self, Whence};
use crate::error::{Error, Kind, Result};
use crate::store::lane::Share;
use futures_util::stream::{StreamExt, iter};
use placement::NodeLayout;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::lom::Generation;
use xxhash_rust::xxh64::xxh64;

/// A lane whose index is being made anew is waited for so long, and between two looks at it.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
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
    fn elsewhere(&self, digest: u64, id: &str) -> Option<&str> {
        let all = self.layout.mountpaths.iter();
        let right = placement::pick(all.map(|mountpath| (mountpath.digest, mountpath.id.as_str())), digest)?;
        (right != id).then_some(right)
    }
}

/// A sidecar by the mountpath and the generation that names it.
pub(crate) type SidecarId = (usize, Generation);

/// A check that is going on.
pub(super) struct Check<'c> {
    store: &'c Rc<Store>,
    plan: &'c CheckPlan,
    observer: &'c dyn Observer,
    /// Lanes, by mountpath and number, whose index cannot be believed.
    unusable: HashSet<(usize, u16)>,
    counts: Cell<CheckCounts>,
    /// The ones that objects name.
    sidecars: RefCell<Vec<SidecarId>>,
    stretch: Cell<(Instant, u64)>,
}

impl Store {
    /// Checks the lanes of this core. Returns what was looked at, and the sidecars that objects name.
    ///
    /// # Errors
    /// The disk's error, where that can be no finding; `ShuttingDown` when told to give up.
    pub(crate) async fn check(
        self: &Rc<Self>,
        plan: &CheckPlan,
        observer: &dyn Observer,
    ) -> Result<(CheckCounts, Vec<SidecarId>)> {
        let mut check = Check {
            store: self,
            plan,
            observer,
            unusable: HashSet::new(),
            counts: Cell::default(),
            sidecars: RefCell::default(),
            stretch: Cell::new((Instant::now(), 0)),
        };
        for lane in self.lanes() {
            observer.expect(lane::bytes_of(lane).await?);
        }
        for lane in self.lanes() {
            if !check.index_is_usable(lane).await? {
                check.unusable.insert((lane.mountpath_index, lane.number));
            }
        }
        let mut strays = check.walk().await?;
        let check = &check;
        let lanes = self.lanes().map(|lane| {
            let strays = strays.remove(&(lane.mountpath_index, lane.number)).unwrap_or_default();
            check.lane_or_finding(lane, strays)
        });
        let lanes: Vec<_> = lanes.collect();
        let mut lanes = pin!(iter(lanes).buffer_unordered(plan.lanes_at_once.max(1)));
        while let Some(outcome) = lanes.next().await {
            outcome?;
        }
        Ok((check.counts.get(), check.sidecars.take()))
    }
}

impl Check<'_> {
    /// Finds out if a lane's index can be believed; says why not.
    async fn index_is_usable(&self, lane: &Lane) -> Result<bool> {
        let lost = |lost: &&LostIndex| (lost.mountpath, lost.lane) == (lane.mountpath_index, lane.number);
        let lost = self.plan.lost.iter().find(lost).map(|lost| lost.why.clone());
        let findings = match lost {
            Some(why) => vec![why],
            None => self.verify(lane).await?,
        };
        for what in &findings {
            self.found(lane, |finding| finding.what = format!("the index is damaged: {what}"));
        }
        Ok(findings.is_empty())
    }

    /// Verifies the index; the lane hears of damage and has it made anew, if it is in use.
    async fn verify(&self, lane: &Lane) -> Result<Vec<String>> {
        let begun = Instant::now();
        loop {
            while lane.is_lost() && begun.elapsed() < PATIENCE && !self.observer.is_cancelled() {
                self.store.driver.sleep(LOOK_EVERY).await;
            }
            if lane.is_lost() {
                return Ok(vec!["it is being made anew".to_owned()]);
            }
            let index = lane.index();
            let findings = index.verify().await?;
            if !Rc::ptr_eq(&index, &lane.index()) {
                continue;
            }
            if let Some(what) = findings.first() {
                lane.heard(&index, Error::corrupt(what));
            }
            return Ok(findings);
        }
    }

    /// Checks a lane. One that turns out meanwhile to have a damaged index is a finding, and the others go on.
    async fn lane_or_finding(&self, lane: &Rc<Lane>, strays: Vec<files::Stray>) -> Result<()> {
        match lane::check(self, lane, strays).await {
            Err(e) if e.kind == Kind::Rebuilding => {
                self.found(lane, |finding| {
                    finding.what = "the index is damaged, and is made anew: it is not checked".to_owned();
                });
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn is_usable(&self, lane: &Lane) -> bool {
        !self.unusable.contains(&(lane.mountpath_index, lane.number))
    }

    /// Notes damage in a lane; `tell` says where.
    fn found(&self, lane: &Lane, tell: impl FnOnce(&mut Finding)) {
        let mut finding = Finding::damaged(&lane.mountpath.path, "");
        finding.lane = Some(lane.number);
        tell(&mut finding);
        self.observer.found(finding);
    }

    fn count(&self, change: impl FnOnce(&mut CheckCounts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    /// Notes bytes read, and rests when the core's other work is due.
    async fn advance(&self, bytes: u64) -> Result<()> {
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
    async fn barrier(&self, lane: &Rc<Lane>) -> Result<()> {
        match self.store.committers.get(lane.mountpath_index) {
            Some(committer) => committer.barrier(lane).await,
            // Nobody changes anything.
            None => Ok(()),
        }
    }

    fn key(&self, lane: &Lane, bucket_id: u64, name: &str) -> Option<Key> {
        let bucket = Arc::clone(self.plan.buckets.get(&bucket_id)?);
        Some(Key { bucket, name: name.to_owned(), mountpath: lane.mountpath_index, lane: lane.number })
    }

    /// The name of an object in a finding.
    fn object(&self, bucket_id: u64, name: &str) -> String {
        match self.plan.buckets.get(&bucket_id) {
            Some(bucket) => format!("{}/{name}", bucket.bck()),
            None => format!("bucket {bucket_id}, {name}"),
        }
    }
}

/// Stands for a key and all that its entry says but the time of its last read, which no record knows.
fn digest_of(key: &[u8], entry: &Entry) -> u64 {
    // The node is said in any case.
    const WHENCE: Whence = Whence { mountpath: 0, node: 0 };
    let entry = Entry { atime_ns: Cell::new(0), ..entry.clone() };
    let mut bytes = Vec::with_capacity(128);
    value::encode(&entry, WHENCE, &mut bytes);
    xxh64(&bytes, xxh64(key, 0))
}

//! Verifying a core's lanes: every byte against its checksum, the index against the log and the files, and back.
//!
//! It changes nothing and may run beside everything else. What it sees is therefore never one moment: whatever looks
//! wrong is looked at again, after all changes that were under way have taken effect, before it is called a finding.
//!
//! * A [`context`] is what all parts share; [`lane`] goes through one lane: its index, then its [`log`].
//! * [`files`] are verified whole, and looked for on the disk; [`mod@leftovers`] is what nobody names.
//! * [`look`] is how they look, [`finding`] what is said of it.

mod context;
mod files;
mod finding;
mod lane;
mod leftovers;
mod log;
mod look;

pub(crate) use context::{Check, CheckPlan, SidecarId, digest_of};
pub(crate) use finding::{CheckCounts, Class, Finding, Observer};
pub(crate) use leftovers::{leftovers, sidecars_there};

use super::engine::Store;
use super::inspect::LostIndex;
use super::lane::Lane;
use crate::error::{Error, Kind, Result};
use futures_util::stream::{StreamExt, iter};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A lane whose index is being made anew is waited for so long, and between two looks at it.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
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
}

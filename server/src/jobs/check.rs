//! The check of the whole store beside everything else, as a job.

use super::check_state::CheckState;
use super::job::STORE_CHECK;
use super::job::{About, Job};
use super::run::{begin_as, go_on, run};
use crate::error::{Error, Kind, Result};
use crate::shard::Shard;
use crate::store::{CheckCounts, CheckPlan, Finding, Observer, Share, leftovers, sidecars_there};
use std::rc::Rc;
use std::sync::Arc;

/// For each part of work it rests three: a quarter of a core at most.
const SHARE: Share = Share { pause_percent: 300 };

/// Starts a check on all cores; returns the job's id.
///
/// # Errors
/// `Conflict` while one runs; `Busy` when too many jobs are not finished.
pub(crate) async fn start_check(shard: &Rc<Shard>) -> Result<String> {
    let running = || Error::client(Kind::Conflict, "a check of the store runs already");
    let id = crate::ids::new_uuid();
    let state = shard.node.jobs.begin_check(&id).ok_or_else(running)?;
    let job = begin_as(shard, id, About { kind: STORE_CHECK, ..About::default() }).await;
    let job = job.inspect_err(|e| drop(state.finish(CheckCounts::default(), e.text.clone())))?;
    let here = Arc::clone(&job);
    let body = async move |shard: &Rc<Shard>, job: &Job| {
        let checked = check(shard, &here, &state).await;
        // Of a check that was stopped it does not matter where it was then.
        let checked = go_on(shard, job).and(checked);
        let counts = checked.as_ref().copied().unwrap_or_default();
        job.add(counts.objects, counts.bytes);
        let error = checked.as_ref().err().map(|e| e.text.clone()).unwrap_or_default();
        let said = state.finish(counts, error);
        checked?;
        if said.is_empty() { Ok(()) } else { Err(Error::corrupt(said)) }
    };
    Ok(run(shard, job, body))
}

async fn check(shard: &Rc<Shard>, job: &Arc<Job>, state: &Arc<CheckState>) -> Result<CheckCounts> {
    // Before the objects: one that is made while they are read must not seem to be unknown.
    let sidecars = sidecars_there(&shard.store).await?;
    let view = shard.node.view();
    let buckets = view.buckets().map(|view| (view.bucket.id, Arc::clone(&view.bucket)));
    let plan = CheckPlan {
        buckets: buckets.collect(),
        lost: Vec::new(),
        layout: Arc::clone(&view.layout),
        share: Some(SHARE),
        lanes_at_once: 1,
    };
    let (plan, told, of) = (Arc::new(plan), Arc::clone(state), Arc::clone(job));
    let parts = shard.call_all(move |there| {
        let (plan, state, job) = (Arc::clone(&plan), Arc::clone(&told), Arc::clone(&of));
        async move {
            let observer = Told { shard: &there, job: &job, state: &state };
            there.store.check(&plan, &observer).await
        }
    });
    let (mut counts, mut named) = (CheckCounts::default(), Vec::new());
    for part in parts.await? {
        let (part, sidecars) = part?;
        counts = counts.plus(part);
        named.extend(sidecars);
    }
    leftovers(&shard.store, sidecars, &named, None, &Told { shard, job, state }).await?;
    Ok(counts)
}

/// Tells the node.
struct Told<'c> {
    shard: &'c Shard,
    job: &'c Job,
    state: &'c CheckState,
}

impl Observer for Told<'_> {
    fn found(&self, finding: Finding) {
        tracing::error!(%finding, "check of the store");
        self.state.found(finding);
    }

    fn expect(&self, bytes: u64) {
        self.state.expect(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.state.advance(bytes);
    }

    fn is_cancelled(&self) -> bool {
        go_on(self.shard, self.job).is_err()
    }
}

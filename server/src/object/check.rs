//! The check of the whole store beside everything else, as a job.

use crate::error::{Error, Kind, Result};
use crate::jobs::CheckState;
use crate::shard::Shard;
use crate::store::Share;
use crate::store::{CheckCounts, CheckPlan, Finding, Observer, leftovers, sidecars_there};
use std::rc::Rc;
use std::sync::Arc;
use wire::api::bck::Bck;

/// What the job is called.
pub(crate) const STORE_CHECK: &str = "store-check";
/// For each part of work it rests three: a quarter of a core at most.
const SHARE: Share = Share { pause_percent: 300 };

/// Starts a check on all cores; returns the job's id.
///
/// # Errors
/// `Conflict` while one runs.
pub(crate) fn start_check(shard: &Rc<Shard>) -> Result<String> {
    let jobs = &shard.node.jobs;
    let running = || Error::client(Kind::Conflict, "a check of the store runs already");
    let id = crate::jobs::new_uuid();
    let state = jobs.begin_check(&id).ok_or_else(running)?;
    jobs.start_as(id.clone(), STORE_CHECK, Bck::default(), Bck::default());
    let (here, job) = (Rc::clone(shard), id.clone());
    shard.background(async move {
        let (counts, error) = match check(&here, &state).await {
            Ok(counts) => (counts, String::new()),
            Err(e) => (CheckCounts::default(), e.text),
        };
        here.node.jobs.progress(&job, counts.objects, counts.bytes);
        here.node.jobs.finish(&job, state.finish(counts, error));
    });
    Ok(id)
}

async fn check(shard: &Rc<Shard>, state: &Arc<CheckState>) -> Result<CheckCounts> {
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
    let (plan, told) = (Arc::new(plan), Arc::clone(state));
    let parts = shard.call_all(move |there| {
        let (plan, state) = (Arc::clone(&plan), Arc::clone(&told));
        async move {
            let observer = Told { shard: &there, state: &state };
            there.store.check(&plan, &observer).await
        }
    });
    let (mut counts, mut named) = (CheckCounts::default(), Vec::new());
    for part in parts.await? {
        let (part, sidecars) = part?;
        counts = counts.plus(part);
        named.extend(sidecars);
    }
    leftovers(&shard.store, sidecars, &named, None, &Told { shard, state }).await?;
    Ok(counts)
}

/// Tells the node.
struct Told<'c> {
    shard: &'c Shard,
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
        self.shard.is_stopping()
    }
}

//! From a request to a job that runs: its record is durable before its id is told, its end before that is told.

use super::job::{About, End, Job};
use super::list::destroyed;
use crate::clock;
use crate::error::{Error, Kind, Result, clip};
use crate::shard::{Shard, Turn};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A step waits so many times, and each time so long, for a core that has too much to do.
const BUSY_TRIES: u32 = 600;
const BUSY_REST: Duration = Duration::from_millis(50);
/// A step that needs an index that is made anew tries again after this, and then less often.
const REBUILD_REST_MIN: Duration = Duration::from_millis(50);
const REBUILD_REST_MAX: Duration = Duration::from_secs(2);
/// A job that has waited so long for one index fails.
const REBUILD_PATIENCE: Duration = Duration::from_secs(600);

/// Notes the begin of a job. It must [`run`] or [`finish`] then.
///
/// # Errors
/// `Busy` when too many are not finished.
pub(super) async fn begin(shard: &Rc<Shard>, about: About) -> Result<Arc<Job>> {
    begin_as(shard, crate::ids::new_uuid(), about).await
}

/// The same with an id that is known already.
pub(super) async fn begin_as(shard: &Rc<Shard>, id: String, about: About) -> Result<Arc<Job>> {
    let job = shard.node.jobs.begin(id, about)?;
    save(shard).await;
    Ok(job)
}

/// Runs the body of a job in the background; returns the job's id. A body calls [`step`] for whatever takes a while, or looks
/// at [`go_on`] itself, and tells the job what it has done.
pub(super) fn run(
    shard: &Rc<Shard>,
    job: Arc<Job>,
    body: impl AsyncFnOnce(&Rc<Shard>, &Job) -> Result<()> + 'static,
) -> String {
    let (here, id) = (Rc::clone(shard), job.id.clone());
    shard.background(async move {
        let outcome = body(&here, &job).await;
        finish(&here, &job, outcome.err().as_ref()).await;
    });
    id
}

/// Notes the end of a job and tells it.
pub(super) async fn finish(shard: &Rc<Shard>, job: &Job, error: Option<&Error>) {
    job.end(end_of(shard, job, error));
    save(shard).await;
    job.tell();
}

fn end_of(shard: &Shard, job: &Job, error: Option<&Error>) -> End {
    let view = shard.node.view();
    let gone = || job.buckets().iter().find(|bucket| view.still(bucket).is_none());
    let (aborted, error) = match error {
        None => (false, String::new()),
        Some(e) if e.kind == Kind::Aborted => (true, e.text.clone()),
        // A step may find that out before the job is told.
        Some(e) if e.kind == Kind::BucketMissing => {
            gone().map_or((false, e.text.clone()), |bucket| (true, destroyed(bucket)))
        }
        Some(e) => (false, e.text.clone()),
    };
    End { ended_ns: clock::unix_ns(), aborted, error: clip(&error).to_owned() }
}

/// Makes what has been noted durable. Jobs are no data: where that fails they go on, and a restart may know less of them.
async fn save(shard: &Rc<Shard>) {
    let node = Arc::clone(&shard.node);
    let change = node.jobs.changed();
    if let Err(error) = shard.helpers.run(move || node.jobs.save(change)).await {
        tracing::warn!(%error, "the records of jobs were not written");
    }
}

/// A job asks this before its next step.
///
/// # Errors
/// `Aborted` when it was stopped, or the node is.
pub(super) fn go_on(shard: &Shard, job: &Job) -> Result<()> {
    if shard.is_stopping() {
        job.abort.say("the node was stopped before the job was done");
    }
    job.abort.check()
}

/// Waits for the right to work: so many jobs of a core do at a time.
///
/// # Errors
/// `Aborted`.
pub(super) async fn turn(shard: &Shard, job: &Job) -> Result<Turn> {
    job.abort.unless_said(shard.job_turns.take()).await
}

/// Takes a step of a job, again when a core or the memory is too busy for it or an index is made anew: a job has time.
///
/// # Errors
/// Errors of the step; `Aborted`.
pub(super) async fn step<T, F: Future<Output = Result<T>>>(
    shard: &Shard,
    job: &Job,
    attempt: impl Fn() -> F,
) -> Result<T> {
    let (begun, mut busy_tries, mut rebuild_rest) = (Instant::now(), 0, REBUILD_REST_MIN);
    loop {
        go_on(shard, job)?;
        let rest = match attempt().await {
            Err(e) if e.kind == Kind::Busy && busy_tries < BUSY_TRIES => {
                busy_tries += 1;
                BUSY_REST
            }
            Err(e) if e.kind == Kind::Rebuilding && begun.elapsed() < REBUILD_PATIENCE => {
                let rest = rebuild_rest;
                rebuild_rest = (rest * 2).min(REBUILD_REST_MAX);
                rest
            }
            outcome => return outcome,
        };
        job.abort.unless_said(shard.driver.sleep(rest)).await?;
    }
}

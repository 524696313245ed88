//! Jobs over many objects: they run in the background, in steps, and are asked about by id.
//!
//! Names that a request selects are never all in memory: templates make theirs one batch at a time, prefixes and
//! buckets are walked a page at a time.

use super::bucket::{create_like, freeze, thaw};
use super::change::delete;
use super::list::names_page;
use super::locate::locate_in;
use super::patience::patiently;
use super::rights::Caller;
use super::{copy_object, destroy_bucket};
use crate::cluster::BucketView;
use crate::error::{Error, Kind, Result};
use crate::message_budget::Held;
use crate::shard::Shard;
use crate::store::Expect;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use wire::api::bck::Bck;
use wire::api::listrange::Selection;
use wire::api::multiobj::TcbMsg;

/// Names of one request at a time; more would only wait in the cores' queues.
const BATCH: usize = 64;
/// Of a template that makes more names than this, those are looked for that exist.
const TEMPLATE_NAMES_MAX: u64 = 1 << 20;
/// A step waits so many times, and each time so long, for a core that has too much to do.
const BUSY_TRIES: u32 = 600;
const BUSY_REST: Duration = Duration::from_millis(50);

/// Starts deleting the selected objects; returns the job's id. `held` is the memory of the names.
///
/// # Errors
/// `Busy` when too many jobs are not finished.
pub(crate) fn delete_many(
    shard: &Rc<Shard>,
    bucket: &Arc<BucketView>,
    selection: Selection,
    continue_on_error: bool,
    mut held: Held,
) -> Result<String> {
    let id = shard.node.jobs.start("delete-listrange", Bck::ais(&bucket.bucket.name), Bck::default())?;
    // The text that the names came in is gone.
    held.resize(held.bytes().min(names_bytes(&selection)))?;
    let (here, bucket, job) = (Rc::clone(shard), Arc::clone(bucket), id.clone());
    shard.background(async move {
        let _turn = here.job_turns.take().await;
        let outcome = delete_selected(&here, &bucket, &job, selection, continue_on_error).await;
        here.node.jobs.finish(&job, outcome.err().map(|e| e.text).unwrap_or_default());
        drop(held);
    });
    Ok(id)
}

fn names_bytes(selection: &Selection) -> usize {
    match selection {
        Selection::Names(names) => names.iter().map(|name| name.capacity() + size_of::<String>() + 16).sum(),
        Selection::Range(_) | Selection::Prefix(_) => 0,
    }
}

async fn delete_selected(
    shard: &Rc<Shard>,
    bucket: &Arc<BucketView>,
    job: &str,
    selection: Selection,
    missing_ok: bool,
) -> Result<()> {
    match selection {
        Selection::Names(names) => delete_names(shard, bucket, job, names.into_iter(), missing_ok).await,
        Selection::Range(template) if missing_ok && template.count() > TEMPLATE_NAMES_MAX => {
            delete_matching(shard, bucket, job, template.prefix(), |name| template.matches(name)).await
        }
        Selection::Range(template) => {
            delete_names(shard, bucket, job, template.names(u64::MAX), missing_ok).await
        }
        Selection::Prefix(prefix) => delete_matching(shard, bucket, job, &prefix, |_| true).await,
    }
}

/// Deletes what exists beneath a prefix and is wanted.
async fn delete_matching(
    shard: &Rc<Shard>,
    bucket: &Arc<BucketView>,
    job: &str,
    prefix: &str,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<()> {
    let mut after = String::new();
    loop {
        let names = unless_busy(shard, || page(shard, bucket, prefix, &after)).await?;
        let Some(last) = names.last() else { return Ok(()) };
        after.clone_from(last);
        let wanted = names.into_iter().filter(|name| is_wanted(name));
        // Someone else may delete the same objects: those that are gone are what was asked for.
        delete_names(shard, bucket, job, wanted, true).await?;
    }
}

async fn delete_names(
    shard: &Rc<Shard>,
    bucket: &Arc<BucketView>,
    job: &str,
    mut names: impl Iterator<Item = String>,
    missing_ok: bool,
) -> Result<()> {
    loop {
        let batch: Vec<String> = names.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return Ok(());
        }
        let deletions =
            batch.iter().map(|name| unless_busy(shard, move || delete_one(shard, bucket, name, missing_ok)));
        let deleted = futures_util::future::try_join_all(deletions).await?;
        shard.node.jobs.progress(job, deleted.into_iter().filter(|&gone| gone).count() as u64, 0);
    }
}

async fn delete_one(
    shard: &Rc<Shard>,
    bucket: &Arc<BucketView>,
    name: &str,
    missing_ok: bool,
) -> Result<bool> {
    let object = locate_in(&shard.node.view(), bucket, name)?;
    let remove = async || {
        let (core, object) = (object.core, object.clone());
        let remove = move |owner: Rc<Shard>| async move {
            delete(&owner, Caller::Node, &object, &Expect::Anything).await
        };
        shard.call(core, remove).await?
    };
    match patiently(shard, remove).await {
        Ok(()) => Ok(true),
        Err(e) if e.kind == Kind::ObjectMissing && missing_ok => Ok(false),
        Err(e) => Err(e),
    }
}

/// Names behind `after`, when every lane can say which it has.
async fn page(shard: &Rc<Shard>, bucket: &Arc<BucketView>, prefix: &str, after: &str) -> Result<Vec<String>> {
    patiently(shard, async || names_page(shard, bucket, prefix, after).await).await
}

/// Does a step of a job, again when a core or the memory is too busy for it: a job has time. It ends with the node.
async fn unless_busy<T, F: Future<Output = Result<T>>>(shard: &Shard, step: impl Fn() -> F) -> Result<T> {
    for _ in 0..BUSY_TRIES {
        if shard.is_stopping() {
            return Err(Error::client(Kind::ShuttingDown, "the node was stopped before the job was done"));
        }
        match step().await {
            Err(e) if e.kind == Kind::Busy => shard.driver.sleep(BUSY_REST).await,
            outcome => return outcome,
        }
    }
    step().await
}

/// Starts copying a bucket into another one that exists; returns the job's id.
///
/// # Errors
/// `Busy` when too many jobs are not finished.
pub(crate) fn copy_bucket(
    shard: &Rc<Shard>,
    from: &Arc<BucketView>,
    to: &Arc<BucketView>,
    message: TcbMsg,
) -> Result<String> {
    let id = shard.node.jobs.start("copy-bck", Bck::ais(&from.bucket.name), Bck::ais(&to.bucket.name))?;
    start_copy(shard, id.clone(), from, to, message, false);
    Ok(id)
}

/// Starts the job that renames a bucket; returns its id. Its objects hash to other places under another name, so they are
/// copied, and the old bucket is destroyed when all are there.
///
/// # Errors
/// `Busy` when too many jobs are not finished; what stands against the new name.
pub(crate) async fn rename_bucket(shard: &Rc<Shard>, from: &Arc<BucketView>, to: &str) -> Result<String> {
    // Before anything changes: a job that cannot be started must not leave a bucket that nobody can write to.
    let job = shard.node.jobs.start("move-bck", Bck::ais(&from.bucket.name), Bck::ais(to))?;
    match prepare_renaming(shard, from, to).await {
        Ok(target) => {
            start_copy(shard, job.clone(), from, &target, TcbMsg::default(), true);
            Ok(job)
        }
        Err(e) => {
            shard.node.jobs.finish(&job, e.text.clone());
            Err(e)
        }
    }
}

async fn prepare_renaming(shard: &Rc<Shard>, from: &BucketView, to: &str) -> Result<Arc<BucketView>> {
    let target = create_like(shard, from, to).await?;
    // Nothing may be added behind the back of the copy: what it misses would be destroyed with the old bucket.
    freeze(shard, from).await?;
    Ok(target)
}

fn start_copy(
    shard: &Rc<Shard>,
    job: String,
    from: &Arc<BucketView>,
    to: &Arc<BucketView>,
    message: TcbMsg,
    then_destroy: bool,
) {
    let (here, from, to) = (Rc::clone(shard), Arc::clone(from), Arc::clone(to));
    shard.background(async move {
        let _turn = here.job_turns.take().await;
        let mut outcome = copy_all(&here, &from, &to, &job, &message).await;
        if then_destroy {
            if outcome.is_ok() {
                outcome = destroy_bucket(&here, &from.bucket.name, Some(from.bucket.id)).await;
            }
            if outcome.is_err() {
                // If the bucket is there still, it can be written to again. The first error is the one to tell.
                let _ = thaw(&here, &from).await;
            }
        }
        here.node.jobs.finish(&job, outcome.err().map(|e| e.text).unwrap_or_default());
    });
}

async fn copy_all(
    shard: &Rc<Shard>,
    from: &Arc<BucketView>,
    to: &Arc<BucketView>,
    job: &str,
    message: &TcbMsg,
) -> Result<()> {
    let mut after = String::new();
    loop {
        let names = unless_busy(shard, || page(shard, from, &message.prefix, &after)).await?;
        let Some(last) = names.last() else { return Ok(()) };
        after.clone_from(last);
        for batch in names.chunks(BATCH / 8) {
            let copies =
                batch.iter().map(|name| unless_busy(shard, move || copy_one(shard, from, to, name, message)));
            let sizes = futures_util::future::try_join_all(copies).await?;
            let copied: Vec<u64> = sizes.into_iter().flatten().collect();
            shard.node.jobs.progress(job, copied.len() as u64, copied.iter().sum());
        }
    }
}

/// Copies one object; `None` when it has been deleted meanwhile or the copy is only rehearsed.
async fn copy_one(
    shard: &Rc<Shard>,
    from: &Arc<BucketView>,
    to: &Arc<BucketView>,
    name: &str,
    message: &TcbMsg,
) -> Result<Option<u64>> {
    let view = shard.node.view();
    let source = locate_in(&view, from, name)?;
    let target = locate_in(&view, to, &message.target_name(name))?;
    if message.dry_run {
        return Ok(None);
    }
    match patiently(shard, async || copy_object(shard, Caller::Node, &source, &target).await).await {
        Ok(size_bytes) => Ok(Some(size_bytes)),
        Err(e) if e.kind == Kind::ObjectMissing => Ok(None),
        Err(e) => Err(e),
    }
}

//! Jobs over many objects: they run in the background, in steps, and are asked about by id.
//!
//! Names that a request selects are never all in memory: templates make theirs one batch at a time, prefixes and
//! buckets are walked a page at a time.

use super::list::names_page;
use super::locate::locate;
use super::patience::patiently;
use super::{copy_object, destroy_bucket};
use crate::cluster::{BucketView, Command};
use crate::error::{Error, Kind, Result};
use crate::message_budget::Held;
use crate::shard::Shard;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use wire::api::bck::Bck;
use wire::api::bprops::BpropsToSet;
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
    let object = locate(&shard.node.view(), &bucket.bucket.name, name)?;
    let durability = object.bucket.durability;
    let remove = async || {
        let key = object.key.clone();
        let remove = move |owner: Rc<Shard>| async move { owner.store.remove(&key, durability).await };
        shard.call(object.core, remove).await?
    };
    let gone = patiently(shard, remove).await?;
    if !gone && !missing_ok {
        return Err(Error::object_missing(&bucket.bucket.name, name));
    }
    Ok(gone)
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

/// Notes that a bucket is to be renamed; returns the job's id.
///
/// # Errors
/// `Busy` when too many jobs are not finished.
pub(crate) fn begin_renaming(shard: &Shard, from: &str, to: &str) -> Result<String> {
    shard.node.jobs.start("move-bck", Bck::ais(from), Bck::ais(to))
}

/// Starts the job that renames a bucket: its objects hash to other places under another name, so they are copied, and
/// the old bucket is destroyed when all are there.
pub(crate) fn rename_bucket(
    shard: &Rc<Shard>,
    id: String,
    from: &Arc<BucketView>,
    to: &Arc<BucketView>,
) -> String {
    start_copy(shard, id.clone(), from, to, TcbMsg::default(), true);
    id
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
                outcome = destroy_bucket(&here, &from.bucket.name).await;
            }
            if outcome.is_err() {
                // If the bucket is there still. The first error is the one to tell.
                let _ = thaw(&here, &from).await;
            }
        }
        here.node.jobs.finish(&job, outcome.err().map(|e| e.text).unwrap_or_default());
    });
}

/// A bucket whose renaming has failed can be written to again.
async fn thaw(shard: &Rc<Shard>, bucket: &Arc<BucketView>) -> Result<()> {
    let access = serde_json::json!({ "access": bucket.props.access.to_string() });
    let change = BpropsToSet::from_value(&access).map_err(Error::internal)?;
    let name = bucket.bucket.name.clone();
    shard.ask_control(Command::SetBucketProps { name, change }).await.map(drop)
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
    let source = locate(&view, &from.bucket.name, name)?;
    let target = locate(&view, &to.bucket.name, &message.target_name(name))?;
    if message.dry_run {
        return Ok(None);
    }
    match patiently(shard, async || copy_object(shard, &source, &target).await).await {
        Ok(size_bytes) => Ok(Some(size_bytes)),
        Err(e) if e.kind == Kind::ObjectMissing => Ok(None),
        Err(e) => Err(e),
    }
}

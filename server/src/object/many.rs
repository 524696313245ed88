//! Jobs over many objects: they run in the background and are asked about by id.

use super::list::names_page;
use super::locate::locate;
use super::patience::patiently;
use super::{copy_object, destroy_bucket};
use crate::cluster::{BucketView, Command};
use crate::error::{Error, Kind, Result};
use crate::shard::Shard;
use std::rc::Rc;
use std::sync::Arc;
use wire::api::bck::Bck;
use wire::api::bprops::BpropsToSet;
use wire::api::listrange::Selection;
use wire::api::multiobj::TcbMsg;

/// Names of one request at a time; more would only wait in the cores' queues.
const BATCH: usize = 64;

/// Starts deleting the selected objects; returns the job's id.
pub(crate) fn delete_many(
    shard: &Rc<Shard>,
    bucket: &Arc<BucketView>,
    selection: Selection,
    continue_on_error: bool,
) -> String {
    let bck = Bck::ais(&bucket.bucket.name);
    let id = shard.node.jobs.start("delete-listrange", bck, Bck::default());
    let (here, bucket, job) = (Rc::clone(shard), Arc::clone(bucket), id.clone());
    shard.background(async move {
        let outcome = match selection {
            Selection::Names(names) => delete_names(&here, &bucket, &job, names, continue_on_error).await,
            Selection::Range(template) => {
                let names = template.names(u64::MAX).collect();
                delete_names(&here, &bucket, &job, names, continue_on_error).await
            }
            Selection::Prefix(prefix) => delete_prefix(&here, &bucket, &job, &prefix).await,
        };
        here.node.jobs.finish(&job, outcome.err().map(|e| e.text).unwrap_or_default());
    });
    id
}

async fn delete_prefix(shard: &Rc<Shard>, bucket: &Arc<BucketView>, job: &str, prefix: &str) -> Result<()> {
    let mut after = String::new();
    loop {
        let names = patiently(shard, async || names_page(shard, bucket, prefix, &after).await).await?;
        let Some(last) = names.last() else { return Ok(()) };
        after.clone_from(last);
        // Someone else may delete the same objects: those that are gone are what was asked for.
        delete_names(shard, bucket, job, names, true).await?;
    }
}

async fn delete_names(
    shard: &Rc<Shard>,
    bucket: &Arc<BucketView>,
    job: &str,
    names: Vec<String>,
    missing_ok: bool,
) -> Result<()> {
    for batch in names.chunks(BATCH) {
        let deletions = batch.iter().map(|name| delete_one(shard, bucket, name, missing_ok));
        let deleted = futures_util::future::try_join_all(deletions).await?;
        shard.node.jobs.progress(job, deleted.into_iter().filter(|&gone| gone).count() as u64, 0);
    }
    Ok(())
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

/// Starts copying a bucket into another one that exists; returns the job's id.
pub(crate) fn copy_bucket(
    shard: &Rc<Shard>,
    from: &Arc<BucketView>,
    to: &Arc<BucketView>,
    message: TcbMsg,
) -> String {
    start_copy(shard, "copy-bck", from, to, message, false)
}

/// Starts renaming a bucket: its objects hash to other places under another name, so they are copied, and the old
/// bucket is destroyed when all are there.
pub(crate) fn rename_bucket(shard: &Rc<Shard>, from: &Arc<BucketView>, to: &Arc<BucketView>) -> String {
    start_copy(shard, "move-bck", from, to, TcbMsg::default(), true)
}

fn start_copy(
    shard: &Rc<Shard>,
    kind: &'static str,
    from: &Arc<BucketView>,
    to: &Arc<BucketView>,
    message: TcbMsg,
    then_destroy: bool,
) -> String {
    let id = shard.node.jobs.start(kind, Bck::ais(&from.bucket.name), Bck::ais(&to.bucket.name));
    let (here, from, to, job) = (Rc::clone(shard), Arc::clone(from), Arc::clone(to), id.clone());
    shard.background(async move {
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
    id
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
        let page = async || names_page(shard, from, &message.prefix, &after).await;
        let names = patiently(shard, page).await?;
        let Some(last) = names.last() else { return Ok(()) };
        after.clone_from(last);
        for batch in names.chunks(BATCH / 8) {
            let copies = batch.iter().map(|name| copy_one(shard, from, to, name, message));
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

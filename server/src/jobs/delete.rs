//! Deleting the objects that a request selects.

use super::job::{About, Job};
use super::run::{begin, run, step, turn};
use crate::cluster::BucketView;
use crate::error::{Error, Kind, Result};
use crate::message_budget::Held;
use crate::object::{Caller, delete, locate_in, names_page};
use crate::shard::Shard;
use crate::store::Expect;
use std::rc::Rc;
use std::sync::Arc;
use wire::api::bck::Bck;
use wire::api::listrange::Selection;

/// Names of one job at a time; more would only wait in the cores' queues.
const BATCH: usize = 64;
/// Of a template that makes more names than this, those are looked for that exist.
const TEMPLATE_NAMES_MAX: u64 = 1 << 20;

/// Starts deleting the selected objects; returns the job's id. `held` is the memory of the names.
///
/// # Errors
/// `Busy` when too many jobs are not finished.
pub(crate) async fn delete_many(
    shard: &Rc<Shard>,
    bucket: &Arc<BucketView>,
    selection: Selection,
    continue_on_error: bool,
    mut held: Held,
) -> Result<String> {
    // The text that the names came in is gone.
    held.resize(held.bytes().min(names_bytes(&selection)))?;
    let about = About {
        kind: "delete-listrange",
        bucket: Bck::ais(&bucket.bucket.name),
        of: vec![Arc::clone(&bucket.bucket)],
        ..About::default()
    };
    let (job, bucket) = (begin(shard, about).await?, Arc::clone(bucket));
    let body = async move |shard: &Rc<Shard>, job: &Job| {
        let _turn = turn(shard, job).await?;
        let deleting = Deleting { shard, bucket: &bucket, job };
        let deleted = deleting.selected(selection, continue_on_error).await;
        drop(held);
        deleted
    };
    Ok(run(shard, job, body))
}

fn names_bytes(selection: &Selection) -> usize {
    match selection {
        Selection::Names(names) => names.iter().map(|name| name.capacity() + size_of::<String>() + 16).sum(),
        Selection::Range(_) | Selection::Prefix(_) => 0,
    }
}

/// Who deletes, where, and for whom.
struct Deleting<'d> {
    shard: &'d Rc<Shard>,
    bucket: &'d Arc<BucketView>,
    job: &'d Job,
}

impl Deleting<'_> {
    async fn selected(&self, selection: Selection, missing_ok: bool) -> Result<()> {
        match selection {
            Selection::Names(names) => self.names(names.into_iter(), missing_ok).await,
            Selection::Range(template) if missing_ok && template.count() > TEMPLATE_NAMES_MAX => {
                self.matching(template.prefix(), |name| template.matches(name)).await
            }
            Selection::Range(template) => self.names(template.names(u64::MAX), missing_ok).await,
            Selection::Prefix(prefix) => self.matching(&prefix, |_| true).await,
        }
    }

    /// Deletes what exists beneath a prefix and is wanted.
    async fn matching(&self, prefix: &str, is_wanted: impl Fn(&str) -> bool) -> Result<()> {
        let mut after = String::new();
        loop {
            let page = || names_page(self.shard, self.bucket, prefix, &after);
            let names = step(self.shard, self.job, page).await?;
            let Some(last) = names.last() else { return Ok(()) };
            after.clone_from(last);
            let wanted = names.into_iter().filter(|name| is_wanted(name));
            // Someone else may delete the same objects: those that are gone are what was asked for.
            self.names(wanted, true).await?;
        }
    }

    async fn names(&self, mut names: impl Iterator<Item = String>, missing_ok: bool) -> Result<()> {
        loop {
            let batch: Vec<String> = names.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return Ok(());
            }
            let deletions = batch.iter().map(|name| async move {
                if step(self.shard, self.job, || self.one(name, missing_ok)).await? {
                    self.job.add(1, 0);
                }
                Ok::<_, Error>(())
            });
            futures_util::future::try_join_all(deletions).await?;
        }
    }

    /// False when there is none.
    async fn one(&self, name: &str, missing_ok: bool) -> Result<bool> {
        let object = locate_in(&self.shard.node.view(), self.bucket, name)?;
        let core = object.core;
        let remove = move |owner: Rc<Shard>| async move {
            delete(&owner, Caller::Node, &object, &Expect::Anything).await
        };
        match self.shard.call(core, remove).await? {
            Ok(()) => Ok(true),
            Err(e) if e.kind == Kind::ObjectMissing && missing_ok => Ok(false),
            Err(e) => Err(e),
        }
    }
}

//! Copying a bucket, and renaming one.
//!
//! A copy that is stopped keeps what it has copied, as in AIStore. The objects of a bucket hash to other places under another
//! name, so a renaming copies them, and destroys the old bucket when all are there. Until then that is closed to changes: what
//! the copy missed would be destroyed with it. One that is stopped or fails leaves the old bucket open again and whole, and
//! beside it the new one with what it has: others may have written there, so nobody takes it away.

use super::job::{About, Job};
use super::run::{begin, finish, run, step, turn};
use crate::cluster::BucketView;
use crate::error::{Error, Kind, Result};
use crate::object::{
    Caller, close_bucket, copy_object, create_like, destroy_bucket, locate_in, names_page, open_bucket,
};
use crate::shard::Shard;
use std::rc::Rc;
use std::sync::Arc;
use wire::api::bck::Bck;
use wire::api::multiobj::TcbMsg;

/// Objects of one job at a time; more would only wait in the cores' queues.
const BATCH: usize = 8;

/// Starts copying a bucket into another one that exists; returns the job's id.
///
/// # Errors
/// `Busy` when too many jobs are not finished.
pub(crate) async fn copy_bucket(
    shard: &Rc<Shard>,
    from: &Arc<BucketView>,
    to: &Arc<BucketView>,
    message: TcbMsg,
) -> Result<String> {
    let about = About {
        kind: "copy-bck",
        bucket: Bck::ais(&from.bucket.name),
        destination: Bck::ais(&to.bucket.name),
        of: vec![Arc::clone(&from.bucket), Arc::clone(&to.bucket)],
    };
    let (job, from, to) = (begin(shard, about).await?, Arc::clone(from), Arc::clone(to));
    let body = async move |shard: &Rc<Shard>, job: &Job| {
        let _turn = turn(shard, job).await?;
        Copying { shard, job, from: &from, to: &to, message: &message }.all().await
    };
    Ok(run(shard, job, body))
}

/// Starts the job that renames a bucket; returns its id.
///
/// # Errors
/// `Busy` when too many jobs are not finished; what stands against the new name.
pub(crate) async fn rename_bucket(shard: &Rc<Shard>, from: &Arc<BucketView>, to: &str) -> Result<String> {
    let about = About {
        kind: "move-bck",
        bucket: Bck::ais(&from.bucket.name),
        destination: Bck::ais(to),
        of: vec![Arc::clone(&from.bucket)],
    };
    // Before anything changes: a job that cannot be started must not leave a bucket that nobody can write to.
    let job = begin(shard, about).await?;
    let to = match prepare_renaming(shard, from, to).await {
        Ok(to) => to,
        Err(e) => {
            finish(shard, &job, Some(&e)).await;
            return Err(e);
        }
    };
    let from = Arc::clone(from);
    Ok(run(shard, job, async move |shard: &Rc<Shard>, job: &Job| rename(shard, job, &from, &to).await))
}

/// Closes the old bucket and makes the new one. What stands against that is found before anything changes, or undone.
async fn prepare_renaming(shard: &Rc<Shard>, from: &BucketView, to: &str) -> Result<Arc<BucketView>> {
    if shard.node.view().bucket(to).is_some() {
        return Err(Error::bucket_exists(to));
    }
    close_bucket(shard, &from.bucket).await?;
    let made = create_like(shard, from, to).await;
    if made.is_err() {
        // The first error is the one to tell, and the next start opens it too.
        let _ = open_bucket(shard, &from.bucket).await;
    }
    made
}

async fn rename(shard: &Rc<Shard>, job: &Job, from: &Arc<BucketView>, to: &Arc<BucketView>) -> Result<()> {
    let renamed = copy_and_destroy(shard, job, from, to).await;
    if renamed.is_err() {
        // If the bucket is there still, it can be written to again. The first error is the one to tell.
        let _ = open_bucket(shard, &from.bucket).await;
    }
    renamed
}

async fn copy_and_destroy(
    shard: &Rc<Shard>,
    job: &Job,
    from: &Arc<BucketView>,
    to: &Arc<BucketView>,
) -> Result<()> {
    let _turn = turn(shard, job).await?;
    Copying { shard, job, from, to, message: &TcbMsg::default() }.all().await?;
    destroy_bucket(shard, &from.bucket.name, Some(from.bucket.id)).await
}

/// Who copies what to where, and for whom.
struct Copying<'c> {
    shard: &'c Rc<Shard>,
    job: &'c Job,
    from: &'c Arc<BucketView>,
    to: &'c Arc<BucketView>,
    message: &'c TcbMsg,
}

impl Copying<'_> {
    async fn all(&self) -> Result<()> {
        let mut after = String::new();
        loop {
            let page = || names_page(self.shard, self.from, &self.message.prefix, &after);
            let names = step(self.shard, self.job, page).await?;
            let Some(last) = names.last() else { return Ok(()) };
            after.clone_from(last);
            for batch in names.chunks(BATCH) {
                let copies = batch.iter().map(|name| async move {
                    if let Some(size_bytes) = step(self.shard, self.job, || self.one(name)).await? {
                        self.job.add(1, size_bytes);
                    }
                    Ok::<_, Error>(())
                });
                futures_util::future::try_join_all(copies).await?;
            }
        }
    }

    /// Copies one object; `None` when it has been deleted meanwhile or the copy is only rehearsed.
    async fn one(&self, name: &str) -> Result<Option<u64>> {
        let view = self.shard.node.view();
        let source = locate_in(&view, self.from, name)?;
        let target = locate_in(&view, self.to, &self.message.target_name(name))?;
        if self.message.dry_run {
            return Ok(None);
        }
        match copy_object(self.shard, Caller::Node, &source, &target).await {
            Ok(size_bytes) => Ok(Some(size_bytes)),
            Err(e) if e.kind == Kind::ObjectMissing => Ok(None),
            Err(e) => Err(e),
        }
    }
}

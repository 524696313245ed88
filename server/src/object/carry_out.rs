//! Carrying out what a change of the cluster's state asks of this node (`cluster::reconcile`).

use crate::cluster::{Action, Entry, Note};
use crate::error::{Kind, Result};
use crate::shard::Shard;
use crate::store::BucketRef;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Between two attempts while cores or the control thread have too much to do.
const REST: Duration = Duration::from_millis(50);

/// Does what is to be done, in this order. What fails stays to be done at the next start.
pub(super) async fn carry_out(shard: &Rc<Shard>, actions: Vec<Action>) -> Result<()> {
    for action in actions {
        match action {
            Action::Forget(bucket) => forget(shard, &bucket).await?,
            Action::Bury(bucket) => bury(shard, &bucket).await?,
            Action::Close(bucket) | Action::Open(bucket) => settle(shard, &bucket).await?,
        }
    }
    Ok(())
}

/// Ends the jobs of a destroyed bucket, and has every core forget it.
async fn forget(shard: &Rc<Shard>, bucket: &Arc<BucketRef>) -> Result<()> {
    shard.node.jobs.bucket_is_destroyed(bucket);
    unless_busy(shard, async || {
        let bucket = Arc::clone(bucket);
        let ask = move |core: Rc<Shard>| {
            let bucket = Arc::clone(&bucket);
            async move { core.store.forget_bucket(&bucket).await }
        };
        shard.call_all(ask).await.map(drop)
    })
    .await
}

/// Has every core take changes in a bucket, or none, as the view says.
async fn settle(shard: &Rc<Shard>, bucket: &Arc<BucketRef>) -> Result<()> {
    unless_busy(shard, async || {
        let bucket = Arc::clone(bucket);
        let ask = move |core: Rc<Shard>| {
            let bucket = Arc::clone(&bucket);
            async move { core.settle(&bucket) }
        };
        shard.call_all(ask).await.map(drop)
    })
    .await
}

/// Moves the bucket's directories away and leaves their removal to a thread.
async fn bury(shard: &Rc<Shard>, bucket: &Arc<BucketRef>) -> Result<()> {
    let mut trash = Vec::new();
    let mut outcome = Ok(());
    for at in 0..shard.node.mountpaths.len() {
        let (bucket, node) = (Arc::clone(bucket), Arc::clone(&shard.node));
        let moved = shard.store.disk(at)?.change(move |mountpath| {
            // The name may be another bucket's once this one is buried.
            if !node.view().is_doomed(&bucket) {
                return Ok(None);
            }
            mountpath.trash_bucket(&bucket).map_err(|e| mountpath.failed("move a bucket away", &e))
        });
        match moved.await {
            Ok(dir) => trash.extend(dir),
            Err(e) => outcome = outcome.and(Err(e)),
        }
    }
    if let Err(e) = remove_trash(trash) {
        tracing::warn!(error = %e, "the directories of a bucket are removed by the next start");
    }
    // The next start moves away the rest; until then the name is not free.
    outcome?;
    let note = async || shard.ask_control(Entry::Note(Note::BucketBuried { id: bucket.id })).await.map(drop);
    unless_busy(shard, note).await
}

/// Removal walks whole trees: not on a core that serves requests.
fn remove_trash(trash: Vec<PathBuf>) -> std::io::Result<()> {
    if trash.is_empty() {
        return Ok(());
    }
    let remove = move || {
        for dir in trash {
            if let Err(e) = std::fs::remove_dir_all(&dir) {
                tracing::warn!(path = %dir.display(), error = %e, "not removed; the next start tries again");
            }
        }
    };
    std::thread::Builder::new().name("trash".to_owned()).spawn(remove).map(drop)
}

/// Tries until others have the time for it, or the node is stopped: the change itself has been made.
async fn unless_busy(shard: &Shard, attempt: impl AsyncFn() -> Result<()>) -> Result<()> {
    loop {
        match attempt().await {
            Err(e) if e.kind == Kind::Busy && !shard.is_stopping() => shard.driver.sleep(REST).await,
            outcome => return outcome,
        }
    }
}

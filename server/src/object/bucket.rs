//! Changes of the control state, and what spans a whole bucket.

use crate::cluster::{BucketView, Command, Outcome};
use crate::error::{Error, Result};
use crate::shard::Shard;
use crate::store::{BucketRef, Summary};
use std::rc::Rc;
use std::sync::Arc;
use wire::api::bprops::{BpropsToSet, access};

/// Has the control thread apply a command, and waits for the outcome.
pub(crate) async fn change_cluster(shard: &Rc<Shard>, command: Command) -> Result<Outcome> {
    shard.ask_control(command).await
}

/// Destroys a bucket: out of the cluster's state, out of every core's memory, its directories out of the way. When
/// this returns, the name is free again; the space comes back in the background. With a number only if it still has that.
pub(crate) async fn destroy_bucket(shard: &Rc<Shard>, name: &str, id: Option<u64>) -> Result<()> {
    // Its directories could not be moved away there, and the name would never be free again.
    if let Some(suspect) = shard.node.mountpaths.iter().find(|mountpath| mountpath.is_suspect()) {
        return Err(suspect.refusal());
    }
    let destroyed = change_cluster(shard, Command::DestroyBucket { name: name.to_owned(), id }).await?;
    let Outcome::Destroyed(bucket) = destroyed else {
        return Err(Error::internal("a bucket was not destroyed"));
    };
    let forgotten = bucket.clone();
    shard
        .call_all(move |core| {
            let bucket = forgotten.clone();
            async move { core.store.forget_bucket(&bucket).await }
        })
        .await?;
    bury(shard, &bucket).await?;
    change_cluster(shard, Command::BucketBuried { id: bucket.id }).await.map(drop)
}

/// Makes a bucket, with what is to be different from the cluster's defaults.
pub(crate) async fn create_bucket(shard: &Rc<Shard>, name: &str, change: BpropsToSet) -> Result<()> {
    let command = Command::CreateBucket { name: name.to_owned(), change, now_ns: crate::clock::unix_ns() };
    change_cluster(shard, command).await.map(drop)
}

/// Makes a bucket with the properties of another one.
pub(crate) async fn create_like(shard: &Rc<Shard>, like: &BucketView, name: &str) -> Result<Arc<BucketView>> {
    let value = serde_json::to_value(&like.props).map_err(|e| Error::internal(format!("JSON: {e}")))?;
    let mut change = BpropsToSet::from_value(&value).map_err(Error::internal)?;
    for own in ["provider", "Renamed", "bid", "created"] {
        change.changes.remove(own);
    }
    create_bucket(shard, name, change).await?;
    super::bucket(&shard.node.view(), name)
}

/// Closes a bucket to all changes. When this returns, none that was under way can still be made.
pub(super) async fn freeze(shard: &Rc<Shard>, bucket: &BucketView) -> Result<()> {
    set_access(shard, bucket, access::READ_ONLY).await?;
    let id = bucket.bucket.id;
    shard.call_all(move |core| async move { core.store.freeze_bucket(id) }).await.map(drop)
}

/// Lets a bucket be changed again as before.
pub(super) async fn thaw(shard: &Rc<Shard>, bucket: &BucketView) -> Result<()> {
    let id = bucket.bucket.id;
    shard.call_all(move |core| async move { core.store.thaw_bucket(id) }).await?;
    set_access(shard, bucket, bucket.props.access).await
}

async fn set_access(shard: &Rc<Shard>, bucket: &BucketView, rights: u64) -> Result<()> {
    let value = serde_json::json!({ "access": rights.to_string() });
    let change = BpropsToSet::from_value(&value).map_err(Error::internal)?;
    let (name, id) = (bucket.bucket.name.clone(), Some(bucket.bucket.id));
    change_cluster(shard, Command::SetBucketProps { name, id, change }).await.map(drop)
}

/// Moves the bucket's directories away and leaves their removal to a thread.
async fn bury(shard: &Shard, bucket: &BucketRef) -> Result<()> {
    let mut trash = Vec::new();
    let mut outcome = Ok(());
    for at in 0..shard.node.mountpaths.len() {
        let bucket = bucket.clone();
        let moved = shard.store.disk(at)?.change(move |mountpath| {
            mountpath.trash_bucket(&bucket).map_err(|e| mountpath.failed("move a bucket away", &e))
        });
        match moved.await {
            Ok(dir) => trash.extend(dir),
            Err(e) => outcome = outcome.and(Err(e)),
        }
    }
    if trash.is_empty() {
        return outcome;
    }
    let remove = move || {
        for dir in trash {
            if let Err(e) = std::fs::remove_dir_all(&dir) {
                tracing::warn!(path = %dir.display(), error = %e, "not removed; the next start tries again");
            }
        }
    };
    // Removal walks the whole tree: not on a core that serves requests.
    std::thread::Builder::new()
        .name("trash".to_owned())
        .spawn(remove)
        .map_err(|e| Error::disk("start a thread", &e))?;
    // What could not be moved away is removed by the next start; until then the name is not free.
    outcome
}

/// Longer than any name; each core gets a copy.
const PREFIX_BYTES_MAX: usize = 8 << 10;

/// Counts and sizes of a bucket beneath a prefix.
pub(crate) async fn usage(shard: &Rc<Shard>, bucket_id: u64, prefix: &str) -> Result<Summary> {
    if prefix.len() > PREFIX_BYTES_MAX {
        return Err(Error::bad(format!("a prefix of {} bytes is longer than any name", prefix.len())));
    }
    let prefix = prefix.to_owned();
    let shares = shard.call_all(move |core| {
        let prefix = prefix.clone();
        async move { core.store.summarize(bucket_id, &prefix).await }
    });
    let mut sum = Summary::default();
    for share in shares.await? {
        sum = sum.plus(share?);
    }
    Ok(sum)
}

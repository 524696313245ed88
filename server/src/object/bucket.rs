//! Changes of the control state, and what spans a whole bucket.

use super::carry_out::carry_out;
use crate::cluster::{BucketView, Command, Entry};
use crate::error::{Error, Result};
use crate::shard::Shard;
use crate::store::{BucketRef, Summary};
use std::rc::Rc;
use std::sync::Arc;
use wire::api::bprops::BpropsToSet;

/// Has the control thread apply a command, and carries out what this node has to do then.
pub(crate) async fn change_cluster(shard: &Rc<Shard>, command: Command) -> Result<()> {
    let actions = shard.ask_control(Entry::Command(command)).await?;
    carry_out(shard, actions).await
}

/// Destroys a bucket: out of the cluster's state, out of every core's memory, its directories out of the way. When
/// this returns, the name is free again; the space comes back in the background. With a number only if it still has that.
pub(crate) async fn destroy_bucket(shard: &Rc<Shard>, name: &str, id: Option<u64>) -> Result<()> {
    // Its directories could not be moved away there, and the name would not be free again before the next start.
    if let Some(suspect) = shard.node.mountpaths.iter().find(|mountpath| mountpath.is_suspect()) {
        return Err(suspect.refusal());
    }
    change_cluster(shard, Command::DestroyBucket { name: name.to_owned(), id }).await
}

/// Makes a bucket, with what is to be different from the cluster's defaults.
pub(crate) async fn create_bucket(shard: &Rc<Shard>, name: &str, change: BpropsToSet) -> Result<()> {
    let command = Command::CreateBucket { name: name.to_owned(), change, now_ns: crate::clock::unix_ns() };
    change_cluster(shard, command).await
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

/// Closes a bucket to all changes, for a job. When this returns, none that was under way can still be made.
///
/// # Errors
/// `Conflict` when another job has closed it.
pub(crate) async fn close_bucket(shard: &Rc<Shard>, bucket: &BucketRef) -> Result<()> {
    let (name, id, by) = (bucket.name.clone(), bucket.id, shard.node.target_id.clone());
    change_cluster(shard, Command::CloseBucket { name, id, by }).await
}

/// Lets a bucket be changed again as before.
pub(crate) async fn open_bucket(shard: &Rc<Shard>, bucket: &BucketRef) -> Result<()> {
    change_cluster(shard, Command::OpenBucket { name: bucket.name.clone(), id: bucket.id }).await
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

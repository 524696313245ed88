//! Bucket summaries, in the two steps that clients expect: a job's id first, the result with the next request.

use super::{Request, named};
use crate::cluster::BucketView;
use crate::error::{Error, Result};
use crate::jobs::About;
use crate::object;
use crate::reply::Reply;
use crate::store::Summary;
use std::sync::Arc;
use wire::api::actmsg::ActMsg;
use wire::api::bck::Bck;
use wire::api::summary::{BsummCtrlMsg, BsummResult, ObjCount, ObjSize, TotalSize};

/// `GET` with the summary action; an empty bucket name stands for all buckets.
pub(super) async fn get(request: &Request<'_, '_>, name: &str, message: &ActMsg) -> Result<Reply> {
    let control: BsummCtrlMsg = message.value_as().map_err(Error::bad)?;
    let view = request.shard.node.view();
    let buckets = match name {
        "" => view.buckets().map(Arc::clone).collect(),
        name => vec![named::bucket(request, name)?],
    };
    if control.uuid.is_empty() {
        // The index answers at once, but clients take a result with the first answer for an error.
        let mut reply = Reply::text(start(request, name)?);
        reply.status = 202;
        return Ok(reply);
    }
    // Of all buckets this may be a long list, and it is there as a whole before anything is sent.
    let _held = request.shard.node.messages.hold_answer(buckets.len() * RESULT_BYTES)?;
    let mut results = Vec::with_capacity(buckets.len());
    for bucket in &buckets {
        results.push(summarize(request, bucket, &control.prefix).await?);
    }
    Reply::json(&results)
}

/// Bytes of a bucket's summary with its texts.
const RESULT_BYTES: usize = size_of::<BsummResult>() + 128;

/// `HEAD` of a bucket with `bsumm_remote`.
pub(super) async fn head(
    request: &Request<'_, '_>,
    bucket: &Arc<BucketView>,
    prefix: &str,
    reply: Reply,
) -> Result<Reply> {
    if request.query.text("uuid").is_empty() {
        let id = start(request, &bucket.bucket.name)?;
        let mut accepted = reply.with("Ais-Xaction-Id", id);
        accepted.status = 202;
        return Ok(accepted);
    }
    let result = summarize(request, bucket, prefix).await?;
    let text = serde_json::to_string(&result).map_err(|e| Error::internal(format!("JSON: {e}")))?;
    Ok(reply.with("Ais-Bucket-Summ", text))
}

fn start(request: &Request<'_, '_>, name: &str) -> Result<String> {
    let id = crate::ids::new_uuid();
    let about = About { kind: "summary-bck", bucket: Bck::ais(name), ..About::default() };
    request.shard.node.jobs.at_once(id.clone(), about)?;
    Ok(id)
}

async fn summarize(request: &Request<'_, '_>, bucket: &BucketView, prefix: &str) -> Result<BsummResult> {
    let usage = object::usage(request.shard, bucket.bucket.id, prefix).await?;
    let disks: u64 = request.shard.node.mountpaths.iter().map(|mp| mp.file_system.total_bytes).sum();
    Ok(result(bucket, usage, disks))
}

fn result(bucket: &BucketView, usage: Summary, disks_bytes: u64) -> BsummResult {
    BsummResult {
        bck: Bck::ais(&bucket.bucket.name),
        obj_count: ObjCount { present: usage.objects, remote: 0 },
        obj_size: ObjSize {
            min: usage.smallest_bytes,
            avg: usage.size_bytes.checked_div(usage.objects).unwrap_or_default(),
            max: usage.largest_bytes,
        },
        total_size: TotalSize {
            size_on_disk: usage.size_bytes,
            size_all_present_objs: usage.size_bytes,
            size_all_remote_objs: 0,
            total_disks_size: disks_bytes,
        },
        used_pct: (usage.size_bytes * 100).checked_div(disks_bytes).unwrap_or_default(),
        is_present: true,
    }
}

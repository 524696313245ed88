//! Object requests, served on the core that owns the object.

use super::Request;
use super::headers::{custom_metadata, expected_checksum, validators};
use super::named::{self, allow};
use crate::error::{Error, Kind, Result};
use crate::object::{self, AppendHandle, ObjectRef};
use crate::reply::Reply;
use crate::shard::Body;
use crate::store::{Entry, NewObject};
use wire::api::actmsg::{ActMsg, action};
use wire::api::bck::Bck;
use wire::api::bprops::access;
use wire::api::custom;
use wire::http1::{Method, Precondition, RangeOutcome, evaluate_conditions, is_conditional, parse_range};

pub(super) async fn handle(
    request: &Request<'_, '_>,
    object: &ObjectRef,
    body: &mut Body<'_>,
) -> Result<Reply> {
    match request.head.method {
        Method::Get => get(request, object).await,
        Method::Head => super::status::head_object(request, object).await,
        Method::Put => put(request, object, body).await,
        Method::Delete => delete(request, object, body).await,
        Method::Patch => patch(request, object, body).await,
        Method::Post => post(request, object, body).await,
        Method::Options | Method::Other => Err(request.wrong_method()),
    }
}

async fn get(request: &Request<'_, '_>, object: &ObjectRef) -> Result<Reply> {
    allow(object, access::GET, "reading")?;
    for unsupported in ["archpath", "archregx", "etl_name"] {
        if !request.query.text(unsupported).is_empty() {
            return Err(Error::not_implemented(format!("reading with {unsupported}")));
        }
    }
    loop {
        let entry = named::entry(request, object).await?;
        // Between the look-up and the read it may have been overwritten: then what is there now is the answer.
        if let Some(reply) = get_entry(request, object, &entry).await? {
            return Ok(reply);
        }
    }
}

/// The answer for an entry; `None` when it is out of date.
async fn get_entry(request: &Request<'_, '_>, object: &ObjectRef, entry: &Entry) -> Result<Option<Reply>> {
    let headers = &request.head.headers;
    let condition = if is_conditional(headers) {
        evaluate_conditions(headers, Method::Get, &validators(Some(entry), &entry.etag()), true)
    } else {
        Precondition::Proceed
    };
    let range = match condition {
        Precondition::NotModified => return Ok(Some(described(request, 304, object, entry))),
        Precondition::Failed => return Err(Error::client(Kind::PreconditionFailed, "precondition failed")),
        Precondition::IgnoreRange => None,
        Precondition::Proceed => headers.get_str("Range"),
    };
    let size = entry.size_bytes;
    let (status, wanted) = match parse_range(range, size) {
        RangeOutcome::Whole => (200, 0..size),
        RangeOutcome::Part { start, len } => (206, start..start + len),
        RangeOutcome::Unsatisfiable | RangeOutcome::Multiple => {
            return Ok(Some(unsatisfiable(request, size)));
        }
    };
    let len = wanted.end - wanted.start;
    let mut reply = described(request, status, object, entry);
    if status == 206 {
        reply = reply.with("Content-Range", format!("bytes {}-{}/{size}", wanted.start, wanted.end - 1));
    }
    reply.content_type = "application/octet-stream";
    reply.size_bytes = len;
    let Some(body) =
        object::payload(request.shard, &object.key, entry, wanted, object.bucket.caching).await?
    else {
        return Ok(None);
    };
    reply.body = body;
    entry.atime_ns.set(crate::clock::unix_ns());
    request.shard.counters.get.add(1);
    request.shard.counters.get_bytes.add(len);
    Ok(Some(reply))
}

fn described(request: &Request<'_, '_>, status: u16, object: &ObjectRef, entry: &Entry) -> Reply {
    let versioned = object.bucket.props.versioning.enabled;
    let write = || Reply::empty(status).with_object(entry, versioned).with_last_modified(entry);
    let kept = request.shard.store.kept_fields(entry, versioned, || write().into_fields());
    let reply = kept.map_or_else(write, |fields| Reply::empty(status).with_kept(fields));
    reply.with_atime(entry).with("Accept-Ranges", "bytes")
}

fn unsatisfiable(request: &Request<'_, '_>, size: u64) -> Reply {
    let wanted = request.head.headers.get_str("Range").unwrap_or_default();
    let text = format!("range {wanted:?} of an object of {size} bytes cannot be satisfied\n");
    let reply = Reply::bytes(416, "text/plain; charset=utf-8", text.into_bytes());
    reply.with("Content-Range", format!("bytes */{size}"))
}

async fn put(request: &Request<'_, '_>, object: &ObjectRef, body: &mut Body<'_>) -> Result<Reply> {
    if let Some(to) = request.query.get("object_to") {
        return copy(request, object, to).await;
    }
    for (parameter, what) in
        [("uploadId", "multipart upload"), ("archpath", "append to archive"), ("etl_name", "ETL")]
    {
        if !request.query.text(parameter).is_empty() {
            return Err(Error::not_implemented(what));
        }
    }
    if request.query.has("append_type") {
        return append(request, object, body).await;
    }
    allow(object, access::PUT, "writing")?;
    let old = request.shard.store.find(&object.key).await?;
    let tag = old.as_deref().map(Entry::etag).unwrap_or_default();
    let conditions = validators(old.as_deref(), &tag);
    if evaluate_conditions(&request.head.headers, Method::Put, &conditions, old.is_some())
        == Precondition::Failed
    {
        return Err(Error::client(Kind::PreconditionFailed, "precondition failed"));
    }
    let new = NewObject {
        size_hint: body.length(),
        cksum_type: object.bucket.cksum_type,
        expected: expected_checksum(request)?,
        custom: custom_metadata(request)?,
        durability: object.bucket.durability,
        segment_bytes_max: object.bucket.segment_bytes_max,
    };
    let entry = object::put(request.shard, object, new, body).await?;
    request.shard.counters.put.add(1);
    request.shard.counters.put_bytes.add(entry.size_bytes);
    Ok(Reply::empty(200).with_object(&entry, object.bucket.props.versioning.enabled).with_atime(&entry))
}

async fn copy(request: &Request<'_, '_>, object: &ObjectRef, to: &str) -> Result<Reply> {
    allow(object, access::GET, "reading")?;
    let (bck, name) = Bck::parse_uname(to).map_err(Error::bad)?;
    let target = object::locate(&request.shard.node.view(), &bck.name, name)?;
    allow(&target, access::PUT, "writing")?;
    object::copy_object(request.shard, object, &target).await?;
    Ok(Reply::empty(200))
}

async fn append(request: &Request<'_, '_>, object: &ObjectRef, body: &mut Body<'_>) -> Result<Reply> {
    allow(object, access::APPEND, "appending")?;
    let handle = match request.query.text("append_handle") {
        "" => None,
        text => Some(AppendHandle::parse(text)?.session),
    };
    match (request.query.text("append_type"), handle) {
        ("" | "append", handle) => {
            let session = object::append(request.shard, object, handle, body).await?;
            request.shard.counters.append.add(1);
            let handle = AppendHandle { node_id: request.shard.node.target_id.clone(), session };
            Ok(Reply::empty(200).with("Ais-Append-Handle", handle.to_string()))
        }
        ("flush", Some(session)) => {
            let expected = expected_checksum(request)?;
            let entry = object::flush(request.shard, object, session, expected).await?;
            Ok(Reply::empty(200)
                .with_object(&entry, object.bucket.props.versioning.enabled)
                .with_atime(&entry))
        }
        ("flush", None) => Err(Error::bad("flush without append_handle")),
        (other, _) => Err(Error::bad(format!("invalid append_type {other:?}: append or flush"))),
    }
}

async fn delete(request: &Request<'_, '_>, object: &ObjectRef, body: &mut Body<'_>) -> Result<Reply> {
    let body = request.message(body).await?;
    let message = ActMsg::parse(&body).map_err(Error::bad)?;
    match message.action.as_str() {
        "" => {}
        action::MPT_ABORT => return Err(Error::not_implemented("multipart upload")),
        action::EVICT_OBJECTS => return Err(Error::bad("only objects of remote buckets can be evicted")),
        other => return Err(Error::bad(format!("unknown action {other:?}"))),
    }
    allow(object, access::OBJ_DELETE, "deleting")?;
    if !request.shard.store.remove(&object.key, object.bucket.durability).await? {
        let text = format!("ais://{}/{} doesn't exist", object.key.bucket.name, object.key.name);
        return Err(Error::client(Kind::ObjectMissing, text));
    }
    request.shard.counters.delete.add(1);
    Ok(Reply::empty(200))
}

async fn patch(request: &Request<'_, '_>, object: &ObjectRef, body: &mut Body<'_>) -> Result<Reply> {
    allow(object, access::PATCH, "changing metadata")?;
    let body = request.message(body).await?;
    let message = ActMsg::parse(&body).map_err(Error::bad)?;
    let new: std::collections::BTreeMap<String, String> =
        message.value_as().map_err(|e| Error::bad(format!("custom metadata: {e}")))?;
    let entry = named::entry(request, object).await?;
    let mut pairs = if request.query.flag("set-new-custom") { Vec::new() } else { entry.custom.to_vec() };
    custom::merge(&mut pairs, new);
    custom::validate(&pairs).map_err(Error::bad)?;
    request.shard.store.set_custom(&object.key, pairs, object.bucket.durability).await?;
    Ok(Reply::empty(200))
}

async fn post(request: &Request<'_, '_>, object: &ObjectRef, body: &mut Body<'_>) -> Result<Reply> {
    let body = request.message(body).await?;
    let message = ActMsg::parse(&body).map_err(Error::bad)?;
    match message.action.as_str() {
        action::RENAME_OBJECT => {
            allow(object, access::OBJ_MOVE, "renaming")?;
            let target = object::locate(&request.shard.node.view(), &object.key.bucket.name, &message.name)?;
            object::rename_object(request.shard, object, &target).await?;
            request.shard.counters.rename.add(1);
            Ok(Reply::empty(200))
        }
        // Readers and writers never wait for each other here, so no object is ever locked.
        action::CHECK_LOCK => named::entry(request, object).await.map(|_| Reply::empty(200)),
        action::MPT_UPLOAD | action::MPT_COMPLETE => Err(Error::not_implemented("multipart upload")),
        action::BLOB_DOWNLOAD | action::PROMOTE => Err(Error::not_implemented(message.action)),
        other => Err(Error::bad(format!("unknown action {other:?}"))),
    }
}

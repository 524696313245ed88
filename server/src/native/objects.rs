//! Object requests, served on the core that owns the object.

use super::Request;
use super::headers::{custom_metadata, expected_checksum};
use crate::error::{Error, Result};
use crate::object::{self, AppendHandle, Caller, Get, Got, ObjectRef, Put, SetCustom};
use crate::reply::Reply;
use crate::shard::Body;
use crate::store::{Entry, Expect, FieldsForm};
use wire::api::actmsg::{ActMsg, action};
use wire::api::bck::Bck;
use wire::http1::{Conditions, Method, is_conditional};

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
    for unsupported in ["archpath", "archregx", "etl_name"] {
        if !request.query.text(unsupported).is_empty() {
            return Err(Error::not_implemented(format!("reading with {unsupported}")));
        }
    }
    let headers = &request.head.headers;
    let conditions = is_conditional(headers).then(|| Conditions::parse(headers));
    let range = headers.get_str("Range");
    let get = Get { who: Caller::Anyone, object, conditions: conditions.as_ref(), range };
    let (entry, range, is_part, payload) = match get.run(request.shard).await? {
        Got::NotModified(entry) => return Ok(described(request, 304, object, &entry)),
        Got::OutOfRange { size_bytes } => return Ok(unsatisfiable(request, size_bytes)),
        Got::Content { entry, range, is_part, payload } => (entry, range, is_part, payload),
    };
    let mut reply = described(request, if is_part { 206 } else { 200 }, object, &entry);
    if is_part {
        let (first, last, size) = (range.start, range.end - 1, entry.size_bytes);
        reply = reply.with("Content-Range", format!("bytes {first}-{last}/{size}"));
    }
    reply.content_type = "application/octet-stream";
    reply.size_bytes = range.end - range.start;
    reply.body = payload;
    Ok(reply)
}

fn described(request: &Request<'_, '_>, status: u16, object: &ObjectRef, entry: &Entry) -> Reply {
    let versioned = object.bucket.props.versioning.enabled;
    let write = || Reply::empty(status).with_object(entry, versioned).with_last_modified(entry);
    let form = FieldsForm { facade: "native", versioned };
    let kept = request.shard.store.kept_fields(entry, form, || write().into_fields());
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
    let put = Put {
        who: Caller::Anyone,
        object,
        expect: expect(request),
        size_hint: body.length(),
        checksum: expected_checksum(request)?,
        custom: custom_metadata(request)?,
    };
    let entry = put.run(request.shard, body).await?;
    Ok(Reply::empty(200).with_object(&entry, object.bucket.props.versioning.enabled).with_atime(&entry))
}

/// Makes the expectation of a change from the conditional headers.
fn expect(request: &Request<'_, '_>) -> Expect {
    let headers = &request.head.headers;
    if is_conditional(headers) {
        Expect::Conditions(Box::new(Conditions::parse(headers)))
    } else {
        Expect::Anything
    }
}

async fn copy(request: &Request<'_, '_>, object: &ObjectRef, to: &str) -> Result<Reply> {
    let (bck, name) = Bck::parse_uname(to).map_err(Error::bad)?;
    let target = object::locate(&request.shard.node.view(), &bck.name, name)?;
    object::copy_object(request.shard, Caller::Anyone, object, &target).await?;
    Ok(Reply::empty(200))
}

async fn append(request: &Request<'_, '_>, object: &ObjectRef, body: &mut Body<'_>) -> Result<Reply> {
    let handle = match request.query.text("append_handle") {
        "" => None,
        text => Some(AppendHandle::parse(text)?.session),
    };
    match (request.query.text("append_type"), handle) {
        ("" | "append", handle) => {
            let session = object::append(request.shard, Caller::Anyone, object, handle, body).await?;
            let handle = AppendHandle { node_id: request.shard.node.target_id.clone(), session };
            Ok(Reply::empty(200).with("Ais-Append-Handle", handle.to_string()))
        }
        ("flush", Some(session)) => {
            let expected = expected_checksum(request)?;
            let entry = object::flush(request.shard, Caller::Anyone, object, session, expected).await?;
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
    object::delete(request.shard, Caller::Anyone, object, &expect(request)).await?;
    Ok(Reply::empty(200))
}

async fn patch(request: &Request<'_, '_>, object: &ObjectRef, body: &mut Body<'_>) -> Result<Reply> {
    let body = request.message(body).await?;
    let message = ActMsg::parse(&body).map_err(Error::bad)?;
    let pairs: std::collections::BTreeMap<String, String> =
        message.value_as().map_err(|e| Error::bad(format!("custom metadata: {e}")))?;
    let change = SetCustom {
        who: Caller::Anyone,
        object,
        expect: expect(request),
        pairs: pairs.into_iter().collect(),
        replaces_all: request.query.flag("set-new-custom"),
    };
    change.run(request.shard).await?;
    Ok(Reply::empty(200))
}

async fn post(request: &Request<'_, '_>, object: &ObjectRef, body: &mut Body<'_>) -> Result<Reply> {
    let body = request.message(body).await?;
    let message = ActMsg::parse(&body).map_err(Error::bad)?;
    match message.action.as_str() {
        action::RENAME_OBJECT => {
            let target = object::locate(&request.shard.node.view(), &object.key.bucket.name, &message.name)?;
            object::rename_object(request.shard, Caller::Anyone, object, &target).await?;
            Ok(Reply::empty(200))
        }
        // Readers and writers never wait for each other here, so no object is ever locked.
        action::CHECK_LOCK => {
            object::head(request.shard, Caller::Anyone, object).await.map(|_| Reply::empty(200))
        }
        action::MPT_UPLOAD | action::MPT_COMPLETE => Err(Error::not_implemented("multipart upload")),
        action::BLOB_DOWNLOAD | action::PROMOTE => Err(Error::not_implemented(message.action)),
        other => Err(Error::bad(format!("unknown action {other:?}"))),
    }
}

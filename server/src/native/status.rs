//! `HEAD` of an object, in AIStore's two forms.

use super::Request;
use super::lines::location;
use crate::error::{Error, Result};
use crate::object::{self, Caller, ObjectRef};
use crate::reply::Reply;
use crate::store::Entry;

/// `presence=` values that ask only whether the object is there.
const WITHOUT_PROPS: [i64; 2] = [1, 3];

pub(super) async fn head_object(request: &Request<'_, '_>, object: &ObjectRef) -> Result<Reply> {
    let entry = object::head(request.shard, Caller::Anyone, object).await?;
    let presence = request.query.int("presence").map_err(Error::bad)?;
    let mut reply = match request.query.get("props") {
        Some(props) => chosen(request, object, &entry, props)?,
        None if presence.is_some_and(|p| WITHOUT_PROPS.contains(&p)) => return Ok(Reply::empty(200)),
        None => all(request, object, &entry),
    };
    reply.size_bytes = entry.size_bytes;
    Ok(reply)
}

/// The first form: everything.
fn all(request: &Request<'_, '_>, object: &ObjectRef, entry: &Entry) -> Reply {
    let versioned = object.bucket.props.versioning.enabled;
    Reply::empty(200)
        .with_object(entry, versioned)
        .with_atime(entry)
        .with_last_modified(entry)
        .with("Ais-Name", header_safe(&object.key.name))
        .with("Ais-Bucket-Name", object.key.bucket.name.clone())
        .with("Ais-Bucket-Provider", "ais")
        .with("Ais-Location", header_safe(&place(request, object, entry)))
        .with("Ais-Mirror-Copies", "1")
        .with("Ais-Present", "true")
}

/// The second form: what was asked for.
fn chosen(request: &Request<'_, '_>, object: &ObjectRef, entry: &Entry, props: &str) -> Result<Reply> {
    let mut reply = Reply::empty(200).with("Ais-Present", "true");
    for prop in props.split(',').map(str::trim).filter(|prop| !prop.is_empty()) {
        reply = match prop {
            "name" | "size" => reply,
            "checksum" => reply.with_checksum(entry),
            "atime" => reply.with("Ais-Atime", entry.atime_ns.get().to_string()),
            "version" if object.bucket.props.versioning.enabled => {
                reply.with("Ais-Version", entry.version.to_string())
            }
            // Not versioned, not erasure-coded, not chunked: nothing to say.
            "version" | "ec" | "chunked" => reply,
            "custom" => reply.with_custom(entry),
            "location" => reply.with("Ais-Location", header_safe(&place(request, object, entry))),
            "copies" => reply.with("Ais-Mirror-Copies", "1"),
            "last-modified" => reply.with_last_modified(entry),
            "etag" => reply.with("ETag", format!("\"{}\"", entry.etag())),
            other => return Err(Error::bad(format!("invalid property {other:?} in props={props}"))),
        };
    }
    Ok(reply)
}

fn place(request: &Request<'_, '_>, object: &ObjectRef, entry: &Entry) -> String {
    location(request.shard, &object.key.bucket, &object.key.name, entry)
}

/// Names may hold anything; a header may not.
fn header_safe(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

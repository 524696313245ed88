//! Errors the way AIStore's clients read them.

use crate::error::{Error, Kind, clip};
use crate::reply::{Payload, Reply};
use crate::shard::Shard;
use std::net::SocketAddr;
use wire::api::error::ErrorBody;
use wire::http1::Method;

/// Seconds after which a client that was turned away for lack of room should try again.
const RETRY_AFTER_S: u64 = 1;

/// The answer to a failed request.
pub(crate) fn error_reply(
    shard: &Shard,
    error: &Error,
    method: Method,
    method_text: &str,
    path: &str,
    peer: SocketAddr,
) -> Reply {
    let status = error.status();
    // That there is no room at the moment, or no index, is told once where it is found; many clients hear it at a time.
    let is_told = matches!(error.kind, Kind::Busy | Kind::Rebuilding);
    if status >= 500 && status != 501 && !is_told {
        tracing::warn!(status, source = ?error.source, text = %clip(&error.text), "request failed");
    }
    if error.kind == Kind::MethodNotAllowed {
        let reply =
            Reply::bytes(405, "text/plain; charset=utf-8", format!("{}\n", clip(&error.text)).into_bytes());
        return reply.with("Allow", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
    }
    let mut reply = Reply::empty(status);
    if error.may_retry() && status != 408 {
        reply = reply.with_number("Retry-After", RETRY_AFTER_S);
    }
    let details = details(shard, error, status, method_text, path, peer);
    if method == Method::Head {
        return reply.with("Hdr-Error", details.header_value());
    }
    let mut bytes = Vec::new();
    details.write_json(&mut bytes);
    reply.content_type = "application/json";
    reply = reply.with("X-Content-Type-Options", "nosniff");
    reply.size_bytes = bytes.len() as u64;
    reply.body = Payload::Bytes(bytes);
    reply
}

fn details(
    shard: &Shard,
    error: &Error,
    status: u16,
    method_text: &str,
    path: &str,
    peer: SocketAddr,
) -> ErrorBody {
    ErrorBody {
        tcode: error.tcode().to_owned(),
        message: clip(&error.text).to_owned(),
        method: method_text.to_owned(),
        url_path: path.to_owned(),
        remote_addr: peer.to_string(),
        caller: String::new(),
        node: shard.node.target_name(),
        status,
    }
}

/// The answer to bytes that are no request; only the codec knows the status.
pub(crate) fn head_error_reply(shard: &Shard, what: &str, status: u16, peer: SocketAddr) -> Reply {
    let mut bytes = Vec::new();
    details(shard, &Error::bad(what), status, "", "", peer).write_json(&mut bytes);
    Reply::bytes(status, "application/json", bytes)
}

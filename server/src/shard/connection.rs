//! The loop of a connection: a head, its place, its answer, and again.

use super::body::Body;
use super::context::Shard;
use super::parcel::Parcel;
use super::stream::{HeadEnd, Stream};
use crate::error::{Error, Kind};
use crate::native::{self, Routed};
use crate::reply::{self, Reply};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use wire::http1::{HeadError, Method, RequestHead, parse_request};

/// What is left to do with the connection after a request.
enum Next {
    // Boxed: a connection changes hands several times for each request.
    Continue(Box<Stream>),
    Close,
}

/// Serves a connection until it ends.
pub(super) async fn serve(shard: Rc<Shard>, socket: OwnedFd) {
    let Ok(peer) = uring::sock::peer_address(&socket) else { return };
    let mut stream = Box::new(Stream::new(&shard, socket, peer));
    while !shard.is_stopping() {
        let next = match stream.read_head().await {
            Ok(head) => serve_request(&shard, stream, head).await,
            Err(HeadEnd::Closed) => return,
            Err(HeadEnd::Bad(error)) => return refuse_head(&shard, &mut stream, error).await,
        };
        match next {
            Next::Continue(back) => stream = back,
            Next::Close => return,
        }
    }
}

async fn serve_request(shard: &Rc<Shard>, mut stream: Box<Stream>, head_bytes: Vec<u8>) -> Next {
    let head = match parse_request(&head_bytes, &shard.limits.head) {
        Ok(Some(head)) => head,
        Ok(None) => return Next::Close,
        Err(error) => {
            refuse_head(shard, &mut stream, error).await;
            return Next::Close;
        }
    };
    let routed = Routed::new(&head);
    let owner = routed.owner_core(shard).unwrap_or(shard.core);
    if owner != shard.core {
        return lend(shard, stream, head_bytes, owner).await;
    }
    match answer(shard, stream, &head, routed).await {
        Next::Continue(mut stream) => {
            stream.recycle(head_bytes);
            Next::Continue(stream)
        }
        Next::Close => Next::Close,
    }
}

/// Lends the socket to the core that owns the object, and takes it back afterwards.
async fn lend(shard: &Rc<Shard>, stream: Box<Stream>, head: Vec<u8>, owner: usize) -> Next {
    shard.counters.lent.add(1);
    let Ok(parcel) = stream.pack() else { return Next::Close };
    let there = move |shard: Rc<Shard>| async move { serve_guest(&shard, parcel, head).await };
    match shard.call(owner, there).await {
        Ok(Some(parcel)) => Next::Continue(Box::new(Stream::unpack(shard, parcel))),
        // The parcel went with the call: the client sees the connection close and may retry.
        Ok(None) | Err(_) => Next::Close,
    }
}

async fn serve_guest(shard: &Rc<Shard>, parcel: Parcel, head_bytes: Vec<u8>) -> Option<Parcel> {
    let stream = Box::new(Stream::unpack(shard, parcel));
    let Ok(Some(head)) = parse_request(&head_bytes, &shard.limits.head) else { return None };
    match answer(shard, stream, &head, Routed::new(&head)).await {
        Next::Continue(stream) => stream.pack().ok(),
        Next::Close => None,
    }
}

/// Answers a request on the core that owns what it is about.
async fn answer(
    shard: &Rc<Shard>,
    mut stream: Box<Stream>,
    head: &RequestHead<'_>,
    routed: Routed<'_>,
) -> Next {
    let started = std::time::Instant::now();
    let mut body = Body::new(&mut stream, head.framing, head.expect_continue);
    let outcome = native::handle(shard, head, routed, &mut body).await;
    let disconnected = matches!(&outcome, Err(e) if e.kind == Kind::Disconnected);
    let drained = !disconnected && body.drain().await;
    if disconnected {
        return Next::Close;
    }
    let reply = outcome.unwrap_or_else(|error| {
        shard.counters.note_error(head, &error);
        error_reply(shard, head, &error, stream.peer())
    });
    let keep_alive = head.keep_alive && drained && !shard.is_stopping() && !reply.close && stream.is_usable();
    let sent = reply::send(shard, &mut stream, reply, head.method == Method::Head, keep_alive).await;
    shard.counters.note_latency(head, started.elapsed());
    if !keep_alive || sent.is_err() || !stream.is_usable() {
        stream.linger_close().await;
        return Next::Close;
    }
    Next::Continue(stream)
}

fn error_reply(shard: &Shard, head: &RequestHead<'_>, error: &Error, peer: SocketAddr) -> Reply {
    native::error_reply(shard, error, head.method, head.method_text, head.path(), peer)
}

/// Answers bytes that are no request, then ends the connection: where the next one would start is unknown.
async fn refuse_head(shard: &Rc<Shard>, stream: &mut Stream, error: HeadError) {
    let reply = native::head_error_reply(shard, error.what, error.status, stream.peer());
    // Whether the client still listens does not matter any more.
    let _ = reply::send(shard, stream, reply, false, false).await;
    stream.linger_close().await;
}

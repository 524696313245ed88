//! The loop of a connection: a head, its place, its answer, and again.
//!
//! A connection lives on the core whose object it last asked for. A request for another core's object takes the
//! connection there, and there it stays: one trip between cores at most for each request, and none back.

use super::body::Body;
use super::call::Letter;
use super::context::Shard;
use super::handler::Handler;
use super::parcel::Parcel;
use super::seat::Seat;
use super::send::send;
use super::stream::{HeadEnd, Stream};
use crate::error::{Error, Kind};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};
use wire::http1::{HeadError, Method, RequestHead, parse_request};

/// A request waits so long for a seat, and looks so often.
const SEAT_WAIT: Duration = Duration::from_secs(1);
const SEAT_PAUSE: Duration = Duration::from_millis(20);

/// The next step of the connection after a request.
enum Next {
    Continue,
    Close,
    /// The request is for an object of this core.
    Move(usize),
}

/// The right of a request to go to another core.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Routing {
    Free,
    /// It was sent here, and is answered here: cores never send it to and fro.
    Final,
}

/// Serves a new connection until it ends or moves to another core.
pub(super) async fn serve<H: Handler>(shard: Rc<Shard>, socket: OwnedFd, seat: Seat) {
    let Ok(peer) = uring::sock::peer_address(&socket) else { return };
    go_on::<H>(&shard, Stream::new(&shard, socket, peer, seat)).await;
}

/// Serves a connection that another core has sent with a request.
pub(super) async fn take_over<H: Handler>(shard: Rc<Shard>, parcel: Box<Parcel>) {
    let (mut stream, head) = parcel.unpack(&shard);
    if let Next::Continue = serve_request::<H>(&shard, &mut stream, &head, Routing::Final).await {
        stream.recycle(head);
        go_on::<H>(&shard, stream).await;
    }
}

async fn go_on<H: Handler>(shard: &Rc<Shard>, mut stream: Stream) {
    while !shard.is_stopping() {
        let head = match stream.read_head().await {
            Ok(head) => head,
            Err(HeadEnd::Closed) => return,
            Err(HeadEnd::Bad(error)) => return refuse_head::<H>(shard, &mut stream, error).await,
        };
        match serve_request::<H>(shard, &mut stream, &head, Routing::Free).await {
            Next::Continue => stream.recycle(head),
            Next::Close => return,
            Next::Move(core) => return send_away(shard, stream, head, core),
        }
    }
}

async fn serve_request<H: Handler>(
    shard: &Rc<Shard>,
    stream: &mut Stream,
    head: &[u8],
    routing: Routing,
) -> Next {
    let head = match parse_request(head, &shard.limits.head) {
        Ok(Some(head)) => head,
        Ok(None) => return Next::Close,
        Err(error) => {
            refuse_head::<H>(shard, stream, error).await;
            return Next::Close;
        }
    };
    let routed = H::route(&head);
    if !stream.take_place(shard) && !Box::pin(is_admitted(shard, stream, H::is_control(&routed))).await {
        Box::pin(refuse::<H>(shard, stream, &head)).await;
        return Next::Close;
    }
    if routing == Routing::Free
        && let Some(owner) = H::owner_core(shard, &routed).filter(|owner| *owner != shard.core)
    {
        return Next::Move(owner);
    }
    answer::<H>(shard, stream, &head, routed).await
}

/// True if a request on a connection without a seat is served: it waits for a seat, unless it is what an operator needs
/// to see what is going on.
async fn is_admitted(shard: &Shard, stream: &Stream, is_control: bool) -> bool {
    if !stream.is_standby() {
        return false;
    }
    if is_control {
        return true;
    }
    let deadline = Instant::now() + SEAT_WAIT;
    while Instant::now() < deadline && !shard.is_stopping() {
        shard.make_room();
        shard.driver.sleep(SEAT_PAUSE).await;
        if stream.take_place(shard) {
            return true;
        }
    }
    false
}

/// Tells a client that there is no room for its connection.
async fn refuse<H: Handler>(shard: &Rc<Shard>, stream: &mut Stream, head: &RequestHead<'_>) {
    shard.note_refused();
    let error = Error::busy("all connections of this node are in use");
    let reply = H::error_reply(shard, &error, head, stream.peer());
    // A client that does not listen any more is no loss.
    let _ = send(shard, stream, reply, head.method == Method::Head, false).await;
    stream.linger_close().await;
}

/// Sends a connection to the core that owns what its request is about.
fn send_away(shard: &Shard, stream: Stream, head: Vec<u8>, core: usize) {
    shard.counters.moved.add(1);
    // A core that has stopped takes nothing more: the client sees the connection close, as with every one then.
    if let Ok(parcel) = Parcel::pack(stream, head) {
        shard.send(core, Letter::Connection(Box::new(parcel)));
    }
}

/// Answers a request on the core that owns what it is about.
async fn answer<'h, H: Handler>(
    shard: &Rc<Shard>,
    stream: &mut Stream,
    head: &RequestHead<'h>,
    routed: H::Routed<'h>,
) -> Next {
    let started = std::time::Instant::now();
    let mut body = Body::new(stream, head.framing, head.expect_continue);
    let outcome = H::handle(shard, head, routed, &mut body).await;
    let disconnected = matches!(&outcome, Err(e) if e.kind == Kind::Disconnected);
    let drained = !disconnected && body.drain().await;
    if disconnected {
        return Next::Close;
    }
    let reply = outcome.unwrap_or_else(|error| {
        shard.counters.note_error(head, &error);
        H::error_reply(shard, &error, head, stream.peer())
    });
    let stays = stream.take_place(shard) && !shard.is_stopping();
    let keep_alive = head.keep_alive && drained && stays && !reply.close && stream.is_usable();
    let sent = send(shard, stream, reply, head.method == Method::Head, keep_alive).await;
    shard.counters.note_latency(head, started.elapsed());
    if !keep_alive || sent.is_err() || !stream.is_usable() {
        stream.linger_close().await;
        return Next::Close;
    }
    Next::Continue
}

/// Answers bytes that are no request, then ends the connection: where the next one would start is unknown.
async fn refuse_head<H: Handler>(shard: &Rc<Shard>, stream: &mut Stream, error: HeadError) {
    let reply = H::bad_head_reply(shard, error.what, error.status, stream.peer());
    // A failed send makes no difference: the connection ends in any case.
    let _ = send(shard, stream, reply, false, false).await;
    stream.linger_close().await;
}

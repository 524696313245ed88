//! A client's connection: bytes in with deadlines, bytes out from registered memory.

use super::context::Shard;
use super::limits::StreamLimits;
use super::pace::Pace;
use super::seat::Seat;
use super::watch::{Cut, Fired, WatchGuard};
use crate::error::{Error, Result};
use crate::store::Piece;
use crate::store::QUANTUM_BYTES;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use uring::{Buf, Driver, ZcVerdict};
use wire::http1::{HeadError, HeadLimits, parse_request};

/// Room for the first bytes of a request, so that one receive takes a PUT of 4 KiB whole; larger heads get more.
const FIRST_RECV_BYTES: usize = 8 << 10;
/// Room for what comes fast and goes by way of the connection's own buffer.
const RECV_BYTES_MAX: usize = 64 << 10;
/// The time for a head counts from its last byte, but for all of it there is no more than so many times as much.
const HEAD_TIMEOUTS_MAX: u64 = 6;
/// A peer may hold a buffer that it does not fill or take for so long.
const HOLD_MS: u64 = 300;
/// A peer takes what is sent in steps: its system opens the window by a segment at a time, 64 KiB on loopback. So the time
/// without progress is longer than for what is received, and a client that reads 1 kB/s is still seen to.
const SEND_TIMEOUTS: u64 = 4;
/// A kept buffer larger than this is given back between requests.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// A connection that is being closed is still read, at most this many times these many bytes.
const LINGER_RECVS_MAX: usize = 16;
const LINGER_RECV_BYTES: usize = 64 << 10;
const LINGER_TIMEOUT_MS: u64 = 1000;

/// Why no further request came.
pub(crate) enum HeadEnd {
    /// The client has closed the connection, or was idle for too long.
    Closed,
    /// The bytes are no request; the error is to be answered before closing.
    Bad(HeadError),
}

/// The outcome of a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// So many bytes; 0 at the end.
    Bytes(usize),
    /// Nothing while the peer could hold a buffer, see [`Stream::hold`].
    Nothing,
}

/// The parts of a connection.
pub(super) struct StreamParts {
    pub(super) socket: Rc<OwnedFd>,
    pub(super) peer: SocketAddr,
    pub(super) received: Vec<u8>,
    pub(super) copies: bool,
    pub(super) seat: Seat,
}

/// A connection on the core that serves it now.
pub(crate) struct Stream {
    driver: Driver,
    limits: StreamLimits,
    socket: Rc<OwnedFd>,
    watch: WatchGuard,
    peer: SocketAddr,
    received: Vec<u8>,
    consumed: usize,
    zero_copy: ZcVerdict,
    usable: bool,
    /// The speed of the bytes that come in.
    pace: Pace,
    /// The next receive into the connection's own buffer may take so much.
    room: usize,
}

impl Stream {
    pub(super) fn new(shard: &Shard, socket: OwnedFd, peer: SocketAddr, seat: Seat) -> Self {
        // The kernel always copies for a receiver on the same machine.
        let copies = peer.ip().is_loopback();
        Self::assemble(
            shard,
            StreamParts { socket: Rc::new(socket), peer, received: Vec::new(), copies, seat },
        )
    }

    /// A connection between two requests on this core.
    pub(super) fn assemble(shard: &Shard, parts: StreamParts) -> Self {
        let StreamParts { socket, peer, received, copies, seat } = parts;
        Self {
            driver: shard.driver.clone(),
            limits: shard.limits,
            watch: shard.watch.add(&socket, seat),
            socket,
            peer,
            received,
            consumed: 0,
            zero_copy: if copies { ZcVerdict::known_copied() } else { ZcVerdict::default() },
            usable: true,
            pace: Pace::default(),
            room: FIRST_RECV_BYTES,
        }
    }

    pub(super) fn take_apart(mut self) -> Option<StreamParts> {
        self.compact();
        let copies = self.zero_copy.copied();
        let seat = self.watch.take_seat()?;
        let Self { socket, peer, received, .. } = self;
        Some(StreamParts { socket, peer, received, copies, seat })
    }

    /// True for one that came when all seats were taken, and still has none.
    pub(super) fn is_standby(&self) -> bool {
        self.watch.is_standby()
    }

    /// True if it has a seat of its own, now if not before.
    pub(super) fn take_place(&self, shard: &Shard) -> bool {
        self.watch.take_place(&shard.seats)
    }

    /// The client's address.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// False once an error has left the connection between two messages.
    pub(super) fn is_usable(&self) -> bool {
        self.usable
    }

    /// Nothing more can be said on this connection in good order.
    pub(crate) fn give_up(&mut self) {
        self.usable = false;
    }

    /// The next request's head, as received. The bytes behind it stay here.
    pub(super) async fn read_head(&mut self) -> Result<Vec<u8>, HeadEnd> {
        self.compact();
        // The answer before may still be on its way to a slow reader.
        let seated = self.watch.has_seat();
        let timeout_ms = if seated { self.limits.idle_timeout_ms } else { self.limits.head_timeout_ms };
        self.watch.arm_for_progress(timeout_ms);
        let mut begun_ms = None;
        self.watch.set_between_requests(true);
        loop {
            if !self.received.is_empty() {
                // A request is answered from its first byte on, even by a node that is to stop.
                self.watch.set_between_requests(false);
                match head_end(&self.received, &self.limits.head) {
                    Ok(Some(end)) => return Ok(self.split_head(end)),
                    Ok(None) => {}
                    Err(error) => return Err(HeadEnd::Bad(error)),
                }
                let timeout_ms = self.limits.head_timeout_ms;
                let now_ms = self.watch.now_ms();
                let end_ms = *begun_ms.get_or_insert(now_ms) + HEAD_TIMEOUTS_MAX * timeout_ms;
                self.watch.arm(timeout_ms.min(end_ms.saturating_sub(now_ms)));
            }
            let bytes = std::mem::take(&mut self.received);
            let room = FIRST_RECV_BYTES.max(bytes.len());
            let (count, bytes) = self.driver.recv_append(&self.socket, bytes, room).await;
            self.received = bytes;
            match count {
                Ok(0) => return Err(HeadEnd::Closed),
                Ok(count) => self.note_received(count, room),
                Err(e) if is_canceled(&e) && self.watch.fired() == Fired::Nothing => {}
                Err(e) if begun_ms.is_some() && is_canceled(&e) => {
                    self.watch.note_cut(Cut::Head, self.peer);
                    return Err(HeadEnd::Bad(HeadError {
                        status: 408,
                        what: "the request head took too long",
                    }));
                }
                Err(_) => return Err(HeadEnd::Closed),
            }
        }
    }

    fn split_head(&mut self, end: usize) -> Vec<u8> {
        self.watch.disarm();
        let rest = if end < self.received.len() { self.received.split_off(end) } else { Vec::new() };
        std::mem::replace(&mut self.received, rest)
    }

    /// Takes a head's buffer back for the next request.
    pub(super) fn recycle(&mut self, mut head: Vec<u8>) {
        if self.received.is_empty() && head.capacity() <= KEPT_BYTES_MAX {
            head.clear();
            self.received = head;
            self.consumed = 0;
        }
    }

    /// Bytes that came in with the head and are not used up yet.
    pub(super) fn buffered(&self) -> &[u8] {
        self.received.get(self.consumed..).unwrap_or_default()
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.consumed = (self.consumed + count).min(self.received.len());
    }

    fn compact(&mut self) {
        self.received.drain(..self.consumed);
        self.consumed = 0;
    }

    /// Receives more bytes behind the buffered ones; a fast peer gets more room.
    pub(super) async fn recv_more(&mut self) -> Result<Received> {
        self.compact();
        if self.received.is_empty() && self.received.capacity() > 2 * self.room {
            self.received = Vec::new();
        }
        loop {
            self.watch.arm(self.limits.body_timeout_ms);
            let (bytes, room) = (std::mem::take(&mut self.received), self.room);
            let (count, bytes) = self.driver.recv_append(&self.socket, bytes, room).await;
            self.received = bytes;
            if let Some(received) = self.received(count, room) {
                return received;
            }
        }
    }

    /// Receives straight into a buffer: what there is, at least a byte.
    pub(super) async fn recv_into(&mut self, mut buf: Buf, range: Range<usize>) -> (Result<Received>, Buf) {
        loop {
            self.watch.arm(self.limits.body_timeout_ms);
            let (count, back) = self.driver.recv(&self.socket, buf, range.clone(), false).await;
            buf = back;
            if let Some(received) = self.received(count, range.len()) {
                return (received, buf);
            }
        }
    }

    /// The outcome of a receive; `None` when a cancellation that was meant for another one has hit it.
    fn received(&mut self, count: std::io::Result<usize>, room: usize) -> Option<Result<Received>> {
        self.watch.disarm();
        match count {
            Ok(count) => {
                self.note_received(count, room);
                Some(Ok(Received::Bytes(count)))
            }
            Err(e) if is_canceled(&e) => match self.watch.fired() {
                Fired::Nothing => None,
                Fired::Hold => Some(Ok(Received::Nothing)),
                Fired::Deadline => {
                    self.watch.note_cut(Cut::Body, self.peer);
                    Some(Err(self.broken(&e)))
                }
            },
            Err(e) => Some(Err(self.broken(&e))),
        }
    }

    fn note_received(&mut self, count: usize, room: usize) {
        self.pace.note(count, self.watch.now_ms());
        let wanted = if count == room { 2 * self.room } else { FIRST_RECV_BYTES };
        self.room = wanted.clamp(FIRST_RECV_BYTES, RECV_BYTES_MAX);
    }

    /// The speed of the bytes that come in.
    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    /// The peer has filled a buffer in time.
    pub(super) fn note_filled(&mut self, size_bytes: usize) {
        if size_bytes >= QUANTUM_BYTES {
            self.pace.note_filled();
        }
    }

    /// From now on a buffer is held that this peer is to fill or to take: not for long.
    pub(super) fn hold(&self) {
        self.watch.hold(HOLD_MS);
    }

    pub(super) fn end_hold(&self) {
        self.watch.end_hold();
    }

    /// True once the peer has held its buffer for long enough; then it counts as slow.
    pub(super) fn is_held_too_long(&mut self) -> bool {
        let too_long = self.watch.is_held_too_long();
        if too_long {
            self.pace.note_slow(self.watch.now_ms());
        }
        too_long
    }

    /// Sends bytes, however long the peer takes for them; the vector comes back for reuse.
    pub(crate) async fn send(&mut self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        self.arm_send();
        let mut bytes = bytes;
        let mut at = 0;
        while at < bytes.len() {
            let range = at..bytes.len();
            let (count, back) = self.driver.send(&self.socket, bytes, range, false).await;
            bytes = back;
            at += self.sent(count)?;
        }
        self.watch.disarm();
        Ok(bytes)
    }

    /// Sends a head and the first piece of a body in one call; returns as [`Stream::send_piece`].
    pub(crate) async fn send_with_head(&mut self, head: Vec<u8>, piece: Piece) -> Result<Piece> {
        self.arm_send();
        self.hold();
        let head_len = head.len();
        let Piece { chunk, range } = piece;
        let (count, head, chunk) = self.driver.send_pair(&self.socket, head, chunk, range.clone()).await;
        self.end_hold();
        let sent = self.sent(count)?;
        if sent < head_len {
            self.send(head.get(sent..).unwrap_or_default().to_vec()).await?;
        }
        let rest = range.start + sent.saturating_sub(head_len)..range.end;
        let piece = Piece { chunk, range: rest };
        if self.watch.fired() == Fired::Hold { Ok(piece) } else { self.send_piece(piece).await }
    }

    /// Sends a piece of a body, without a copy where the path allows it. Returns what the peer did not take while it
    /// could hold a buffer.
    pub(crate) async fn send_piece(&mut self, piece: Piece) -> Result<Piece> {
        self.hold();
        let rest = self.send_held(piece).await;
        self.end_hold();
        rest
    }

    /// As [`Stream::send_piece`], but however long the peer takes.
    pub(crate) async fn send_all(&mut self, piece: Piece) -> Result<()> {
        self.send_held(piece).await.map(drop)
    }

    async fn send_held(&mut self, piece: Piece) -> Result<Piece> {
        let Piece { mut chunk, mut range } = piece;
        self.arm_send();
        while !range.is_empty() && self.watch.fired() != Fired::Hold {
            let (count, back) = if self.goes_without_copy(range.len()) {
                self.driver.send_zc(&self.socket, chunk, range.clone(), &self.zero_copy).await
            } else {
                self.driver.send(&self.socket, chunk, range.clone(), false).await
            };
            chunk = back;
            range.start += self.sent(count)?;
        }
        self.watch.disarm();
        Ok(Piece { chunk, range })
    }

    /// Until the peer has acknowledged it, what goes without a copy stays where it is, so this is for when there is plenty.
    fn goes_without_copy(&self, len: usize) -> bool {
        let may = len >= self.limits.zero_copy_bytes_min && self.driver.features().send_zc;
        may && !self.zero_copy.copied() && {
            let pool = self.driver.pool().stats();
            pool.used_bytes < pool.limit_bytes / 2
        }
    }

    fn arm_send(&self) {
        self.watch.arm_for_progress(SEND_TIMEOUTS * self.limits.body_timeout_ms);
    }

    /// Ends the connection so that the last answer arrives: closing with unread bytes would reset it.
    pub(super) async fn linger_close(&mut self) {
        uring::sock::shutdown_send(&*self.socket);
        for _ in 0..LINGER_RECVS_MAX {
            self.received.clear();
            self.consumed = 0;
            self.watch.arm(LINGER_TIMEOUT_MS);
            let bytes = std::mem::take(&mut self.received);
            let (count, bytes) = self.driver.recv_append(&self.socket, bytes, LINGER_RECV_BYTES).await;
            self.received = bytes;
            if !count.is_ok_and(|count| count > 0) {
                return;
            }
        }
    }

    /// The number of bytes that a send has got rid of. The kernel carries on by itself until all are sent; a send that is canceled
    /// says how far it has come, and that it was canceled only if it had not begun.
    fn sent(&mut self, count: std::io::Result<usize>) -> Result<usize> {
        let count = match count {
            Ok(0) => return Err(self.broken(&std::io::ErrorKind::WriteZero.into())),
            Err(e) if is_canceled(&e) => 0,
            Err(e) => return Err(self.broken(&e)),
            Ok(count) => count,
        };
        if self.watch.fired() == Fired::Deadline {
            self.watch.note_cut(Cut::Answer, self.peer);
            return Err(self.broken(&rustix::io::Errno::CANCELED.into()));
        }
        Ok(count)
    }

    fn broken(&mut self, error: &std::io::Error) -> Error {
        self.usable = false;
        Error::socket(error)
    }
}

fn is_canceled(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::CANCELED.raw_os_error())
}

/// Where the head ends, if it is complete. Parsing shows if it is well-formed.
fn head_end(bytes: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
    const END: &[u8] = b"\r\n\r\n";
    // An empty line before the request is allowed, so the end counts only behind some text.
    let text = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    let end = memchr::memmem::find(bytes.get(text..).unwrap_or_default(), END);
    match end {
        Some(at) => Ok(Some(text + at + END.len())),
        // A parse finds what is wrong with a head that will never be complete.
        None => parse_request(bytes, limits).map(|head| head.map(|head| head.head_bytes)),
    }
}

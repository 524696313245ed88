//! A client's connection: bytes in with deadlines, bytes out from registered memory.

use super::context::Shard;
use super::seat::Seat;
use super::watch::WatchGuard;
use crate::error::{Error, Kind, Result};
use crate::store::Piece;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use uring::{Buf, Driver, ZcVerdict};
use wire::http1::{HeadError, HeadLimits, parse_request};

/// Room for the first bytes of a request, so that one receive takes a PUT of 4 KiB whole; larger heads get more.
const FIRST_RECV_BYTES: usize = 8 << 10;
/// A kept buffer larger than this is given back between requests.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// What is still read of a connection that is being closed: at most these many times these many bytes.
const LINGER_RECVS_MAX: usize = 16;
const LINGER_RECV_BYTES: usize = 64 << 10;
const LINGER_TIMEOUT_MS: u64 = 1000;

/// What a connection may take and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamLimits {
    pub(crate) head: HeadLimits,
    /// Between requests.
    pub(crate) idle_timeout_ms: u64,
    /// From the first byte of a head to its end.
    pub(crate) head_timeout_ms: u64,
    /// For each chunk of a body, in either direction.
    pub(crate) body_timeout_ms: u64,
    /// Sends from this size on try to go without a copy.
    pub(crate) zero_copy_bytes_min: usize,
}

/// Why no further request came.
pub(crate) enum HeadEnd {
    /// The client has closed the connection, or was idle for too long.
    Closed,
    /// What came is no request; the error is to be answered before closing.
    Bad(HeadError),
}

/// What a connection is made of.
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
    seat: Seat,
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
            watch: shard.watch.add(&socket),
            socket,
            peer,
            received,
            consumed: 0,
            zero_copy: if copies { ZcVerdict::known_copied() } else { ZcVerdict::default() },
            usable: true,
            seat,
        }
    }

    pub(super) fn take_apart(mut self) -> StreamParts {
        self.compact();
        let copies = self.zero_copy.copied();
        let Self { socket, peer, received, seat, .. } = self;
        StreamParts { socket, peer, received, copies, seat }
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

    /// The next request's head, as received. What follows it stays here.
    pub(super) async fn read_head(&mut self) -> Result<Vec<u8>, HeadEnd> {
        self.compact();
        self.watch.arm(self.limits.idle_timeout_ms);
        let mut begun = !self.received.is_empty();
        loop {
            self.watch.set_between_requests(!begun);
            if begun {
                match head_end(&self.received, &self.limits.head) {
                    Ok(Some(end)) => return Ok(self.split_head(end)),
                    Ok(None) => {}
                    Err(error) => return Err(HeadEnd::Bad(error)),
                }
            }
            let bytes = std::mem::take(&mut self.received);
            let room = FIRST_RECV_BYTES.max(bytes.len());
            let (count, bytes) = self.driver.recv_append(&self.socket, bytes, room).await;
            self.received = bytes;
            match count {
                Ok(0) => return Err(HeadEnd::Closed),
                Ok(_) if !begun => {
                    begun = true;
                    self.watch.arm(self.limits.head_timeout_ms);
                }
                Ok(_) => {}
                Err(e) if begun && Error::socket(&e).kind == Kind::Timeout => {
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

    /// Receives more bytes behind the buffered ones; 0 at the end.
    pub(super) async fn recv_more(&mut self, room: usize) -> Result<usize> {
        self.compact();
        self.watch.arm(self.limits.body_timeout_ms);
        let bytes = std::mem::take(&mut self.received);
        let (count, bytes) = self.driver.recv_append(&self.socket, bytes, room).await;
        self.received = bytes;
        self.watch.disarm();
        count.map_err(|e| self.broken(&e))
    }

    /// Receives straight into a buffer until the range is full; fewer bytes mean that the client has ended.
    pub(super) async fn recv_into(&mut self, buf: Buf, range: Range<usize>) -> (Result<usize>, Buf) {
        self.watch.arm(self.limits.body_timeout_ms);
        let (count, buf) = self.driver.recv(&self.socket, buf, range, true).await;
        self.watch.disarm();
        (count.map_err(|e| self.broken(&e)), buf)
    }

    /// Sends bytes; the vector comes back for reuse.
    pub(crate) async fn send(&mut self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        self.watch.arm(self.limits.body_timeout_ms);
        let mut bytes = bytes;
        let mut at = 0;
        while at < bytes.len() {
            let range = at..bytes.len();
            let wanted = range.len();
            let (count, back) = self.driver.send(&self.socket, bytes, range, false).await;
            bytes = back;
            at += self.sent(count, wanted)?;
        }
        self.watch.disarm();
        Ok(bytes)
    }

    /// Sends a head and the first piece of a body in one call.
    pub(crate) async fn send_with_head(&mut self, head: Vec<u8>, piece: Piece) -> Result<Vec<u8>> {
        self.watch.arm(self.limits.body_timeout_ms);
        let head_len = head.len();
        let Piece { chunk, range } = piece;
        let (count, head, chunk) = self.driver.send_pair(&self.socket, head, chunk, range.clone()).await;
        let sent = self.sent(count, head_len + range.len())?;
        if sent < head_len {
            let head = self.send(head.get(sent..).unwrap_or_default().to_vec()).await?;
            self.send_piece(Piece { chunk, range }).await?;
            return Ok(head);
        }
        let rest = range.start + (sent - head_len)..range.end;
        self.send_piece(Piece { chunk, range: rest }).await?;
        Ok(head)
    }

    /// Sends a piece of a body, without a copy where the path allows it.
    pub(crate) async fn send_piece(&mut self, piece: Piece) -> Result<()> {
        let Piece { mut chunk, mut range } = piece;
        self.watch.arm(self.limits.body_timeout_ms);
        while !range.is_empty() {
            let zero_copy = range.len() >= self.limits.zero_copy_bytes_min
                && self.driver.features().send_zc
                && !self.zero_copy.copied();
            let (count, back) = if zero_copy {
                self.driver.send_zc(&self.socket, chunk, range.clone(), &self.zero_copy).await
            } else {
                self.driver.send(&self.socket, chunk, range.clone(), false).await
            };
            chunk = back;
            range.start += self.sent(count, range.len())?;
        }
        self.watch.disarm();
        Ok(())
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

    fn sent(&mut self, count: std::io::Result<usize>, wanted: usize) -> Result<usize> {
        match count {
            Ok(0) => Err(self.broken(&std::io::ErrorKind::WriteZero.into())),
            // The kernel carries on by itself until all is sent: a send canceled at its deadline says what it has got
            // rid of until then, not that it was canceled.
            Ok(count) if count < wanted && self.watch.has_fired() => {
                Err(self.broken(&rustix::io::Errno::CANCELED.into()))
            }
            Ok(count) => Ok(count),
            Err(e) => Err(self.broken(&e)),
        }
    }

    fn broken(&mut self, error: &std::io::Error) -> Error {
        self.usable = false;
        Error::socket(error)
    }
}

/// Where the head ends, if it is complete. Whether it is well-formed shows when it is parsed.
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

//! A connection on its way to another core: plain data, sent together with the request that makes it move.

use super::context::Shard;
use super::seat::Seat;
use super::stream::{Stream, StreamParts};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// A socket with what was received on it.
pub(crate) struct Parcel {
    socket: OwnedFd,
    peer: SocketAddr,
    /// The head of the request to be served.
    head: Vec<u8>,
    /// Bytes behind the head: the start of its body, or the next request.
    received: Vec<u8>,
    /// Zero-copy sends have turned out to copy on this path.
    copies: bool,
    seat: Seat,
}

impl Parcel {
    /// Packs a connection up. Fails only when the descriptor cannot be duplicated while an operation keeps it.
    pub(super) fn pack(stream: Stream, head: Vec<u8>) -> std::io::Result<Self> {
        let gone = || std::io::Error::from(std::io::ErrorKind::NotConnected);
        let StreamParts { socket, peer, received, copies, seat } = stream.take_apart().ok_or_else(gone)?;
        let socket = match Rc::try_unwrap(socket) {
            Ok(socket) => socket,
            Err(shared) => shared.try_clone()?,
        };
        Ok(Self { socket, peer, head, received, copies, seat })
    }

    /// The connection on its new core, and the request's head.
    pub(super) fn unpack(self, shard: &Shard) -> (Stream, Vec<u8>) {
        let Self { socket, peer, head, received, copies, seat } = self;
        let parts = StreamParts { socket: Rc::new(socket), peer, received, copies, seat };
        (Stream::assemble(shard, parts), head)
    }
}

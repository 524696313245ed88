//! A connection on its way between cores: plain data, sent there and back.

use super::context::Shard;
use super::stream::{Stream, StreamParts};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// A lent socket with what was received on it.
pub(crate) struct Parcel {
    socket: OwnedFd,
    peer: SocketAddr,
    /// Bytes behind the request's head: the start of its body, or the next request.
    received: Vec<u8>,
    /// False once an error has left the connection unusable.
    usable: bool,
    /// Zero-copy sends have turned out to copy on this path.
    copies: bool,
}

impl Stream {
    /// Packs the connection up. Fails only when the descriptor cannot be duplicated while an operation keeps it.
    pub(super) fn pack(self) -> std::io::Result<Parcel> {
        let parts = self.take_apart();
        let socket = match Rc::try_unwrap(parts.socket) {
            Ok(socket) => socket,
            Err(shared) => shared.try_clone()?,
        };
        let StreamParts { peer, received, usable, copies, .. } = parts;
        Ok(Parcel { socket, peer, received, usable, copies })
    }

    pub(super) fn unpack(shard: &Rc<Shard>, parcel: Parcel) -> Self {
        let mut stream = Self::new(shard, parcel.socket, parcel.peer);
        stream.restore(parcel.received, parcel.usable, parcel.copies);
        stream
    }
}

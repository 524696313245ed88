//! Connections packed up for another core, and unpacked there.

use super::context::Shard;
use super::parcel::Parcel;
use super::stream::{Stream, StreamParts};
use std::rc::Rc;

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

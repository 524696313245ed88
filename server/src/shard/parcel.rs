//! A connection on its way to another core: plain data, sent together with the request that makes it move.

use super::seat::Seat;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// A socket with what was received on it.
pub(crate) struct Parcel {
    pub(super) socket: OwnedFd,
    pub(super) peer: SocketAddr,
    /// The head of the request to be served.
    pub(super) head: Vec<u8>,
    /// Bytes behind the head: the start of its body, or the next request.
    pub(super) received: Vec<u8>,
    /// Zero-copy sends have turned out to copy on this path.
    pub(super) copies: bool,
    pub(super) seat: Seat,
}

//! Servers and the connections kept to them, per core.

use crate::client::resolve;
use crate::recorder::{ErrorKind, OpError};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use uring::sock;

/// Number of a server within a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerId(usize);

/// How a server takes a large PUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PutManner {
    /// Nobody knows yet.
    Unknown,
    /// It stores what it is sent.
    Stores,
    /// It redirects: sending it the body first would move every byte twice.
    Redirects,
}

/// A connection, maybe still being made: the first send waits for it.
pub(crate) struct Conn {
    pub(crate) socket: Rc<OwnedFd>,
    pub(crate) peer: PeerId,
    /// True when it has carried a request before, so that the peer may have closed it meanwhile.
    pub(crate) is_reused: bool,
}

struct Peer {
    authority: Rc<str>,
    address: SocketAddr,
    idle: Vec<Rc<OwnedFd>>,
    put_manner: PutManner,
}

/// All servers that a core talks to.
#[derive(Default)]
pub(crate) struct Peers {
    list: RefCell<Vec<Peer>>,
    by_authority: RefCell<HashMap<Rc<str>, PeerId>>,
}

impl Peers {
    /// The server at `host:port`. A name is resolved when it is first seen, which holds up the core once.
    pub(crate) fn find(&self, authority: &str) -> Result<PeerId, OpError> {
        if let Some(known) = self.by_authority.borrow().get(authority) {
            return Ok(*known);
        }
        let address =
            resolve(authority).map_err(|e| OpError::new(ErrorKind::Connect, format!("{authority}: {e}")))?;
        let authority: Rc<str> = Rc::from(authority);
        let mut list = self.list.borrow_mut();
        let id = PeerId(list.len());
        let put_manner = PutManner::Unknown;
        list.push(Peer { authority: Rc::clone(&authority), address, idle: Vec::new(), put_manner });
        self.by_authority.borrow_mut().insert(authority, id);
        Ok(id)
    }

    /// What goes into the Host header.
    pub(crate) fn authority(&self, peer: PeerId) -> Rc<str> {
        self.list.borrow().get(peer.0).map_or_else(|| Rc::from(""), |peer| Rc::clone(&peer.authority))
    }

    pub(crate) fn put_manner(&self, peer: PeerId) -> PutManner {
        self.list.borrow().get(peer.0).map_or(PutManner::Unknown, |peer| peer.put_manner)
    }

    pub(crate) fn learn(&self, peer: PeerId, manner: PutManner) {
        if let Some(peer) = self.list.borrow_mut().get_mut(peer.0) {
            peer.put_manner = manner;
        }
    }

    /// A kept connection, or a new one.
    pub(crate) fn take(&self, peer: PeerId) -> Result<Conn, OpError> {
        let kept = self.list.borrow_mut().get_mut(peer.0).and_then(|peer| peer.idle.pop());
        match kept {
            Some(socket) => Ok(Conn { socket, peer, is_reused: true }),
            None => self.dial(peer),
        }
    }

    /// A new connection.
    pub(crate) fn dial(&self, peer: PeerId) -> Result<Conn, OpError> {
        let list = self.list.borrow();
        let Some(known) = list.get(peer.0) else {
            return Err(OpError::new(ErrorKind::Connect, "unknown peer"));
        };
        let socket = begin_connect(known.address)
            .map_err(|e| OpError::new(ErrorKind::Connect, format!("{}: {e}", known.authority)))?;
        Ok(Conn { socket: Rc::new(socket), peer, is_reused: false })
    }

    /// Keeps a connection for the next request. There are never more than workers of this core.
    pub(crate) fn keep(&self, conn: Conn) {
        if let Some(peer) = self.list.borrow_mut().get_mut(conn.peer.0) {
            peer.idle.push(conn.socket);
        }
    }
}

/// Starts connecting without waiting: the socket is non-blocking for the call only, and the ring's first send on it
/// waits until it can be written, which is when the connection stands or has failed.
fn begin_connect(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if address.ip().is_loopback() {
        sock::unpaced(&socket);
    }
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(e) => return Err(e.into()),
    }
    rustix::io::ioctl_fionbio(&socket, false)?;
    Ok(socket)
}

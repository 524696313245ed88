//! Servers and the connections kept to them, per core.

use super::tls::{Greeting, Session};
use crate::client::Tls;
use crate::client::address::{self, resolve};
use crate::client::tls::server_name;
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
    /// What lies between the socket and the requests; `None`: nothing.
    pub(crate) tls: Option<Box<Session>>,
    pub(crate) peer: PeerId,
    /// True when it has carried a request before, so that the peer may have closed it meanwhile.
    pub(crate) is_reused: bool,
}

struct Peer {
    /// With the scheme where TLS is spoken.
    address: Rc<str>,
    /// Without it.
    authority: Rc<str>,
    socket_address: SocketAddr,
    greeting: Option<Greeting>,
    idle: Vec<Conn>,
    put_manner: PutManner,
}

/// All servers that a core talks to.
pub(crate) struct Peers {
    tls: Tls,
    list: RefCell<Vec<Peer>>,
    by_address: RefCell<HashMap<Rc<str>, PeerId>>,
}

impl Peers {
    /// No servers yet; `tls` says how TLS is spoken with those that want it.
    pub(crate) fn new(tls: Tls) -> Self {
        Self { tls, list: RefCell::default(), by_address: RefCell::default() }
    }

    /// The server at an address. A name is resolved when it is first seen, which holds up the core once.
    pub(crate) fn find(&self, address: &str) -> Result<PeerId, OpError> {
        if let Some(known) = self.by_address.borrow().get(address) {
            return Ok(*known);
        }
        let socket_address =
            resolve(address).map_err(|e| OpError::new(ErrorKind::Connect, format!("{address}: {e}")))?;
        let greeting = self.greeting(address)?;
        let authority: Rc<str> = Rc::from(address::authority(address));
        let address: Rc<str> = Rc::from(address);
        let mut list = self.list.borrow_mut();
        let id = PeerId(list.len());
        list.push(Peer {
            address: Rc::clone(&address),
            authority,
            socket_address,
            greeting,
            idle: Vec::new(),
            put_manner: PutManner::Unknown,
        });
        self.by_address.borrow_mut().insert(address, id);
        Ok(id)
    }

    fn greeting(&self, address: &str) -> Result<Option<Greeting>, OpError> {
        if !address::is_secure(address) {
            return Ok(None);
        }
        let failed = |why| OpError::new(ErrorKind::Tls, format!("{address}: TLS: {why}"));
        let config = self.tls.client_config().map_err(failed)?;
        Ok(Some(Greeting { config, name: server_name(address).map_err(failed)? }))
    }

    /// The server's address.
    pub(crate) fn address(&self, peer: PeerId) -> Rc<str> {
        self.list.borrow().get(peer.0).map_or_else(|| Rc::from(""), |peer| Rc::clone(&peer.address))
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
            Some(conn) => Ok(conn),
            None => self.dial(peer),
        }
    }

    /// A new connection.
    pub(crate) fn dial(&self, peer: PeerId) -> Result<Conn, OpError> {
        let list = self.list.borrow();
        let Some(known) = list.get(peer.0) else {
            return Err(OpError::new(ErrorKind::Connect, "unknown peer"));
        };
        let socket = begin_connect(known.socket_address)
            .map_err(|e| OpError::new(ErrorKind::Connect, format!("{}: {e}", known.authority)))?;
        let socket = Rc::new(socket);
        let tls = match &known.greeting {
            None => None,
            Some(greeting) => Some(Box::new(Session::new(greeting, &socket, &known.address)?)),
        };
        Ok(Conn { socket, tls, peer, is_reused: false })
    }

    /// Keeps a connection for the next request. There are never more than workers of this core.
    pub(crate) fn keep(&self, conn: Conn) {
        if let Some(peer) = self.list.borrow_mut().get_mut(conn.peer.0) {
            peer.idle.push(Conn { is_reused: true, ..conn });
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

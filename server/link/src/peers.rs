//! Servers and the connections kept to them, per core.

use crate::address::{self, resolve};
use crate::error::{ErrorKind, LinkError};
use crate::session::{Greeting, Session};
use crate::trust::{Tls, server_name};
use crate::watch::Slot;
use async_channel::{Receiver, Sender};
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};
use uring::sock;

/// Number of a server within a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerId(usize);

/// The way in which a server takes a large PUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Nobody knows yet.
    Unknown,
    /// It stores what it is sent.
    Stores,
    /// It redirects: sending it the body first would move every byte twice.
    Redirects,
}

/// Bounds on the connections to each server. The default has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct PoolLimits {
    /// Connections to one server, idle ones included; who wants another waits for one.
    pub conns_max: Option<usize>,
    /// So many may wait; more are told [`ErrorKind::Busy`]. Without a bound on connections nobody waits.
    pub waiting_max: usize,
    /// Connections that are kept idle to one server.
    pub idle_max: Option<usize>,
    /// A connection that has idled so long is not used again: servers end those that idle, and a request that crosses the
    /// end is lost.
    pub idle_for: Option<Duration>,
}

/// A connection, maybe still being made: the first send waits for it. Dropped, it is closed.
pub struct Conn {
    pub(crate) socket: Rc<OwnedFd>,
    /// The layer between the socket and the requests; `None`: there is none.
    pub(crate) tls: Option<Box<Session>>,
    peer: PeerId,
    is_reused: bool,
    /// When it was last kept; only where idle connections have an end.
    idle_since: Option<Instant>,
    /// The right to be one of so many; idle ones have none, because whoever has it takes an idle one first.
    token: Option<Token>,
}

impl Conn {
    /// True when it has carried a request before, so that the peer may have closed it meanwhile.
    #[must_use]
    pub fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// The server at its other end.
    #[must_use]
    pub fn peer(&self) -> PeerId {
        self.peer
    }
}

/// One of the connections that a server may have. The next who waits gets it when this one is dropped.
struct Token(Sender<()>);

impl Drop for Token {
    fn drop(&mut self) {
        // There is room for all that there ever are.
        let _ = self.0.try_send(());
    }
}

/// The tokens of one server.
#[derive(Clone)]
struct Tokens {
    free: Receiver<()>,
    back: Sender<()>,
}

impl Tokens {
    fn new(count: usize) -> Self {
        let (back, free) = async_channel::bounded(count.max(1));
        // There is room for as many.
        while back.try_send(()).is_ok() {}
        Self { free, back }
    }

    async fn take(self) -> Option<Token> {
        // The channel lives as long as this, so receiving cannot fail.
        self.free.recv().await.ok().map(|()| Token(self.back))
    }
}

struct Peer {
    /// With the scheme where TLS is spoken.
    address: Rc<str>,
    /// Without it.
    authority: Rc<str>,
    socket_address: SocketAddr,
    greeting: Option<Greeting>,
    idle: Vec<Conn>,
    tokens: Option<Tokens>,
    manner: Manner,
}

/// All servers that a core talks to.
pub struct Peers {
    tls: Tls,
    limits: PoolLimits,
    list: RefCell<Vec<Peer>>,
    by_address: RefCell<HashMap<Rc<str>, PeerId>>,
}

impl Peers {
    /// No servers yet; `tls` says how TLS is spoken with those that want it.
    #[must_use]
    pub fn new(tls: Tls, limits: PoolLimits) -> Self {
        Self { tls, limits, list: RefCell::default(), by_address: RefCell::default() }
    }

    /// The server at an address. A name is resolved when it is first seen, which holds up the core once; who cannot have
    /// that resolves it elsewhere and calls [`Peers::add`].
    ///
    /// # Errors
    /// [`ErrorKind::Connect`] for a name without an address, [`ErrorKind::Tls`] when TLS cannot be spoken as asked for.
    pub fn find(&self, address: &str) -> Result<PeerId, LinkError> {
        if let Some(known) = self.by_address.borrow().get(address) {
            return Ok(*known);
        }
        let socket_address =
            resolve(address).map_err(|e| LinkError::new(ErrorKind::Connect, format!("{address}: {e}")))?;
        self.add(address, socket_address)
    }

    /// The server at an address that was resolved already. One that is known goes where it is now, with new connections.
    ///
    /// # Errors
    /// [`ErrorKind::Tls`] when TLS cannot be spoken as asked for.
    pub fn add(&self, address: &str, socket_address: SocketAddr) -> Result<PeerId, LinkError> {
        let mut list = self.list.borrow_mut();
        if let Some(known) = self.by_address.borrow().get(address) {
            if let Some(peer) = list.get_mut(known.0).filter(|peer| peer.socket_address != socket_address) {
                peer.socket_address = socket_address;
                peer.idle.clear();
            }
            return Ok(*known);
        }
        let greeting = self.greeting(address)?;
        let authority: Rc<str> = Rc::from(address::authority(address));
        let address: Rc<str> = Rc::from(address);
        let id = PeerId(list.len());
        list.push(Peer {
            address: Rc::clone(&address),
            authority,
            socket_address,
            greeting,
            idle: Vec::new(),
            tokens: self.limits.conns_max.map(Tokens::new),
            manner: Manner::Unknown,
        });
        self.by_address.borrow_mut().insert(address, id);
        Ok(id)
    }

    fn greeting(&self, address: &str) -> Result<Option<Greeting>, LinkError> {
        if !address::is_secure(address) {
            return Ok(None);
        }
        let failed = |why| LinkError::new(ErrorKind::Tls, format!("{address}: TLS: {why}"));
        let config = self.tls.client_config().map_err(failed)?;
        Ok(Some(Greeting { config, name: server_name(address).map_err(failed)? }))
    }

    /// The server's address.
    #[must_use]
    pub fn address(&self, peer: PeerId) -> Rc<str> {
        self.list.borrow().get(peer.0).map_or_else(|| Rc::from(""), |peer| Rc::clone(&peer.address))
    }

    /// The value of the Host header.
    #[must_use]
    pub fn authority(&self, peer: PeerId) -> Rc<str> {
        self.list.borrow().get(peer.0).map_or_else(|| Rc::from(""), |peer| Rc::clone(&peer.authority))
    }

    /// The facts learned about a server.
    #[must_use]
    pub fn manner(&self, peer: PeerId) -> Manner {
        self.list.borrow().get(peer.0).map_or(Manner::Unknown, |peer| peer.manner)
    }

    /// Remembers how a server takes a large PUT.
    pub fn learn(&self, peer: PeerId, manner: Manner) {
        if let Some(peer) = self.list.borrow_mut().get_mut(peer.0) {
            peer.manner = manner;
        }
    }

    /// A kept connection, or a new one. Where there may be no more it waits, behind those who came before.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`] when the kernel refuses at once, [`ErrorKind::Busy`] when too many wait.
    pub async fn take(&self, peer: PeerId) -> Result<Conn, LinkError> {
        let token = match self.tokens(peer)? {
            None => None,
            Some(tokens) => tokens.take().await,
        };
        match self.pop_idle(peer) {
            Some(conn) => Ok(Conn { token, ..conn }),
            None => self.dial(peer, token),
        }
    }

    /// A new connection in the place of a kept one that the peer had closed meanwhile: nothing went wrong then, and no
    /// request was lost on it. `failure` is what the exchange on it ended with; it is given back when it says more than that.
    ///
    /// # Errors
    /// `failure`, or what keeps a new connection from being made.
    pub fn replace(&self, conn: Conn, failure: LinkError, slot: &Slot) -> Result<Conn, LinkError> {
        if !(conn.is_reused && failure.is_before_answer) || slot.is_cut() {
            return Err(failure);
        }
        let Conn { peer, token, .. } = conn;
        self.dial(peer, token)
    }

    /// Keeps a connection for the next request. Only after [`crate::Answer::is_reusable`].
    pub fn keep(&self, conn: Conn) {
        let idle_since = self.limits.idle_for.is_some().then(Instant::now);
        if let Some(peer) = self.list.borrow_mut().get_mut(conn.peer.0)
            && self.limits.idle_max.is_none_or(|most| peer.idle.len() < most)
        {
            let Conn { socket, tls, peer: id, token, .. } = conn;
            peer.idle.push(Conn { socket, tls, peer: id, is_reused: true, idle_since, token: None });
            // Who waits finds it idle.
            drop(token);
        }
    }

    /// Closes connections that have idled too long; tells how many. To be called now and then.
    pub fn sweep(&self, now: Instant) -> usize {
        let mut list = self.list.borrow_mut();
        let close = |peer: &mut Peer| {
            let before = peer.idle.len();
            peer.idle.retain(|conn| !self.is_stale(conn, now));
            before.saturating_sub(peer.idle.len())
        };
        list.iter_mut().map(close).sum()
    }

    /// Connections to a server that nobody uses at the moment.
    #[must_use]
    pub fn idle(&self, peer: PeerId) -> usize {
        self.list.borrow().get(peer.0).map_or(0, |peer| peer.idle.len())
    }

    fn tokens(&self, peer: PeerId) -> Result<Option<Tokens>, LinkError> {
        let list = self.list.borrow();
        let Some(known) = list.get(peer.0) else { return Ok(None) };
        let Some(tokens) = &known.tokens else { return Ok(None) };
        // Each who waits holds a receiver; one is the peer's own.
        let waiting = tokens.free.receiver_count().saturating_sub(1);
        if tokens.free.is_empty() && waiting >= self.limits.waiting_max {
            let text = format!("{}: all connections are in use, and {waiting} wait for one", known.authority);
            return Err(LinkError::new(ErrorKind::Busy, text));
        }
        Ok(Some(tokens.clone()))
    }

    fn pop_idle(&self, peer: PeerId) -> Option<Conn> {
        let mut list = self.list.borrow_mut();
        let idle = &mut list.get_mut(peer.0)?.idle;
        let conn = idle.pop()?;
        if conn.idle_since.is_some_and(|_| self.is_stale(&conn, Instant::now())) {
            // The others have idled even longer.
            idle.clear();
            return None;
        }
        Some(conn)
    }

    fn is_stale(&self, conn: &Conn, now: Instant) -> bool {
        let (Some(limit), Some(since)) = (self.limits.idle_for, conn.idle_since) else { return false };
        now.saturating_duration_since(since) >= limit
    }

    fn dial(&self, peer: PeerId, token: Option<Token>) -> Result<Conn, LinkError> {
        let list = self.list.borrow();
        let Some(known) = list.get(peer.0) else {
            return Err(LinkError::new(ErrorKind::Connect, "unknown peer"));
        };
        let socket = sock::begin_connect(known.socket_address)
            .map_err(|e| LinkError::new(ErrorKind::Connect, format!("{}: {e}", known.authority)))?;
        let socket = Rc::new(socket);
        let tls = match &known.greeting {
            None => None,
            Some(greeting) => Some(Box::new(Session::new(greeting, &socket, &known.address)?)),
        };
        Ok(Conn { socket, tls, peer, is_reused: false, idle_since: None, token })
    }
}

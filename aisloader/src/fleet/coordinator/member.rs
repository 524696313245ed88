//! One agent, as its coordinator sees it: the way to it, and a thread that hears it.

use super::super::handshake::introduce;
use super::super::link::{LinkError, Receiver, Sender, link};
use super::super::protocol::{HANDSHAKE_MAX, SILENCE_MAX, ToAgent, ToCoordinator};
use crate::settings::Token;
use link::address::resolve;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// A message that was heard of an agent, with its time by our clock.
pub(super) struct Event {
    pub(super) member: usize,
    pub(super) at: Instant,
    /// The message, or why there will be none any more.
    pub(super) heard: Result<ToCoordinator, String>,
}

/// The way to an agent; clones say things on the same connection.
#[derive(Clone)]
pub(super) struct Way(Arc<Mutex<Sender>>);

impl Way {
    /// Says something. The messages that come back show if it arrived.
    pub(super) fn say(&self, message: &ToAgent, patience: Duration) -> Result<(), LinkError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).send(message, patience)
    }

    /// Ends the connection.
    pub(super) fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).close();
    }
}

/// True if an address is that of whoever uses it.
pub(super) fn is_loopback(address: &str) -> bool {
    resolve(address).is_ok_and(|found| found.ip().is_loopback())
}

/// Connects and lets both sides prove that they have the token.
pub(super) fn meet(address: &str, token: &Token) -> Result<(Way, Receiver), String> {
    let found = resolve(address).map_err(|e| e.to_string())?;
    let stream = TcpStream::connect_timeout(&found, HANDSHAKE_MAX).map_err(|e| e.to_string())?;
    let (mut to, mut from) = link(stream).map_err(|e| e.to_string())?;
    introduce(&mut to, &mut from, token).map_err(|e| e.to_string())?;
    Ok((Way(Arc::new(Mutex::new(to))), from))
}

/// Hears an agent in a thread of its own, until nothing more comes.
pub(super) fn hear(member: usize, mut from: Receiver, inbox: mpsc::Sender<Event>) -> std::io::Result<()> {
    let listen = move || {
        loop {
            let heard = from.receive(SILENCE_MAX).map_err(|e| e.to_string());
            let is_last = heard.is_err();
            let event = Event { member, at: Instant::now(), heard };
            if inbox.send(event).is_err() || is_last {
                return;
            }
        }
    };
    Builder::new().name("agent".to_owned()).spawn(listen).map(drop)
}

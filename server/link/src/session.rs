//! TLS on a connection of the ring: rustls keeps the state of a session, this the bytes on both sides of it.
//!
//! rustls never touches the socket, so the ring carries the ciphertext as it carries everything else: it is received
//! behind what is not yet understood, and decrypted record by record into the caller's memory; what is sent is encrypted
//! piece by piece into memory that is used again. The handshake is part of the first send.

use crate::error::{ErrorKind, LinkError};
use crate::ready::readable_within;
use crate::trust::told;
use rustls::ClientConfig;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, ReadTraffic,
    UnbufferedStatus, WriteTraffic,
};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uring::{Driver, sock};

/// Room for ciphertext in one receive. Only what is used of it takes memory.
const RECEIVE_BYTES: usize = 128 << 10;
/// Plaintext that is encrypted at once: the ciphertext is still in the core's cache when the kernel copies it.
const PIECE_BYTES: usize = 128 << 10;

/// The way in which a server is spoken to.
#[derive(Clone)]
pub(crate) struct Greeting {
    pub(crate) config: Arc<ClientConfig>,
    /// Whom its certificate must be for.
    pub(crate) name: ServerName<'static>,
}

/// A session on one connection.
pub(crate) struct Session {
    socket: Rc<OwnedFd>,
    peer: Rc<str>,
    tls: UnbufferedClientConnection,
    /// Ciphertext that came; the first `understood` bytes of it are done with.
    incoming: Vec<u8>,
    understood: usize,
    /// Memory for ciphertext to send; the first `filled` bytes wait.
    outgoing: Vec<u8>,
    filled: usize,
    /// Plaintext that came and did not fit; the first `taken` bytes of it have been given out.
    plain: Vec<u8>,
    taken: usize,
    /// The peer has said that nothing more comes.
    is_closed: bool,
    /// The connection has ended without that.
    is_cut: bool,
    /// Why there is no session any more.
    failure: Option<String>,
}

/// The aim of a step.
enum Want<'a> {
    /// Plaintext, into this memory as far as it fits.
    Read(&'a mut [u8]),
    /// This, as ciphertext.
    Write(&'a [u8]),
}

/// The outcome of a step.
enum Step {
    /// Something on the way; there is more to do.
    Again,
    /// Bytes that wait must be sent before anything else.
    Transmit,
    /// So many bytes lie in the memory for them.
    Read(usize),
    /// All of it is encrypted and waits.
    Written,
    /// Nothing without more from the peer.
    Receive,
    /// Nothing more comes from the peer.
    Closed,
}

impl Session {
    /// A session on a connection that may still be being made; nothing is sent yet.
    pub(crate) fn new(greeting: &Greeting, socket: &Rc<OwnedFd>, peer: &Rc<str>) -> Result<Self, LinkError> {
        let tls = UnbufferedClientConnection::new(Arc::clone(&greeting.config), greeting.name.clone())
            .map_err(|e| LinkError::new(ErrorKind::Tls, format!("{peer}: {e}")))?;
        Ok(Self {
            socket: Rc::clone(socket),
            peer: Rc::clone(peer),
            tls,
            incoming: Vec::new(),
            understood: 0,
            outgoing: Vec::new(),
            filled: 0,
            plain: Vec::new(),
            taken: 0,
            is_closed: false,
            is_cut: false,
            failure: None,
        })
    }

    /// Sends bytes.
    pub(crate) async fn write(&mut self, driver: &Driver, bytes: &[u8]) -> Result<(), LinkError> {
        for piece in bytes.chunks(PIECE_BYTES) {
            self.encrypt(driver, piece).await?;
            self.flush(driver).await?;
        }
        Ok(())
    }

    /// Sends a head and a body, the begin of the body together with the head.
    pub(crate) async fn write_pair(
        &mut self,
        driver: &Driver,
        head: &[u8],
        body: &[u8],
    ) -> Result<(), LinkError> {
        self.encrypt(driver, head).await?;
        self.write(driver, body).await?;
        self.flush(driver).await
    }

    /// Sends a small request and receives ciphertext of its answer, both handed over to the ring together.
    pub(crate) async fn ask(&mut self, driver: &Driver, head: &[u8]) -> Result<(), LinkError> {
        self.encrypt(driver, head).await?;
        let (len, bytes, held) = (self.filled, std::mem::take(&mut self.outgoing), self.take_incoming());
        let send = driver.send(&self.socket, bytes, 0..len, false);
        let receive = driver.recv_append(&self.socket, held, RECEIVE_BYTES);
        let (sent, bytes) = send.await;
        (self.outgoing, self.filled) = (bytes, 0);
        if sent.is_err() {
            // The connection is gone; this makes the receive end too.
            sock::shutdown(&self.socket);
        }
        let (got, held) = receive.await;
        self.incoming = held;
        let got = got.map_err(|e| LinkError::broken(&e, true))?;
        self.is_cut |= got == 0;
        match sent {
            Ok(sent) if sent == len => Ok(()),
            Ok(_) => Err(LinkError::ended(true)),
            Err(e) => Err(LinkError::broken(&e, true)),
        }
    }

    /// Receives, with `all` until the memory is full or the peer has ended. 0: the peer has ended.
    pub(crate) async fn read(
        &mut self,
        driver: &Driver,
        into: &mut [u8],
        all: bool,
    ) -> Result<usize, LinkError> {
        let mut got = self.take_plain(into);
        loop {
            let room = into.get_mut(got..).unwrap_or_default();
            if room.is_empty() {
                return Ok(got);
            }
            match self.step(driver, Want::Read(room)).await? {
                Step::Read(bytes) => got = got.saturating_add(bytes),
                Step::Closed => return Ok(got),
                Step::Receive if got > 0 && !all => return Ok(got),
                Step::Receive if self.receive(driver).await? == 0 => return Ok(got),
                Step::Receive | Step::Again | Step::Transmit | Step::Written => {}
            }
        }
    }

    /// True if plaintext comes before the time is over, or the end: that something can be received means little, since
    /// servers send tickets for later sessions whenever they like.
    pub(crate) async fn answers_within(
        &mut self,
        driver: &Driver,
        limit: Duration,
    ) -> Result<bool, LinkError> {
        let until = Instant::now() + limit;
        while self.plain.is_empty() {
            match self.step(driver, Want::Read(&mut [])).await? {
                Step::Closed => return Ok(true),
                Step::Receive => {
                    let left = until.saturating_duration_since(Instant::now());
                    if !readable_within(driver, &self.socket, left).await? {
                        return Ok(false);
                    }
                    if self.receive(driver).await? == 0 {
                        return Ok(true);
                    }
                }
                Step::Read(_) | Step::Again | Step::Transmit | Step::Written => {}
            }
        }
        Ok(true)
    }

    /// True when the connection has ended, but not the session: whoever sits in between may have cut it.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Makes ciphertext of a piece. It waits, but what has to come before it is sent.
    async fn encrypt(&mut self, driver: &Driver, piece: &[u8]) -> Result<(), LinkError> {
        loop {
            match self.step(driver, Want::Write(piece)).await? {
                Step::Written => return Ok(()),
                Step::Closed => return Err(LinkError::ended(true)),
                Step::Receive if self.receive(driver).await? == 0 => return Err(LinkError::ended(true)),
                Step::Receive | Step::Read(_) | Step::Again | Step::Transmit => {}
            }
        }
    }

    /// One step, and the sending that it asks for.
    async fn step(&mut self, driver: &Driver, want: Want<'_>) -> Result<Step, LinkError> {
        let step = self.advance(want);
        if step.is_err() {
            // The peer shall know why, if it still listens; what is reported is the failure itself.
            let _ = self.flush(driver).await;
        }
        if matches!(step, Ok(Step::Transmit)) {
            self.flush(driver).await?;
        }
        step
    }

    fn advance(&mut self, want: Want<'_>) -> Result<Step, LinkError> {
        if let Some(failure) = &self.failure {
            return Err(LinkError::new(ErrorKind::Tls, failure.clone()));
        }
        let is_greeting = self.tls.is_handshaking();
        let rest = self.incoming.get_mut(self.understood..).unwrap_or_default();
        let UnbufferedStatus { mut discard, state } = self.tls.process_tls_records(rest);
        let mut out = Out { bytes: &mut self.outgoing, filled: &mut self.filled };
        let step = match (state, want) {
            (Ok(ConnectionState::EncodeTlsData(data)), _) => out.encode(data).map(|()| Step::Again),
            (Ok(ConnectionState::TransmitTlsData(data)), _) => {
                data.done();
                Ok(Step::Transmit)
            }
            (Ok(ConnectionState::ReadTraffic(traffic)), want) => {
                let into = if let Want::Read(into) = want { into } else { &mut [] };
                decrypt(traffic, into, &mut self.plain, &mut discard).map(Step::Read)
            }
            (Ok(ConnectionState::PeerClosed), _) => {
                self.is_closed = true;
                Ok(Step::Again)
            }
            (Ok(ConnectionState::Closed), _) => Ok(Step::Closed),
            (Ok(ConnectionState::BlockedHandshake), _) => Ok(Step::Receive),
            (Ok(ConnectionState::WriteTraffic(traffic)), Want::Write(piece)) => {
                out.encrypt(traffic, piece).map(|()| Step::Written)
            }
            (Ok(ConnectionState::WriteTraffic(_)), Want::Read(_)) if self.is_closed => Ok(Step::Closed),
            (Ok(ConnectionState::WriteTraffic(_)), Want::Read(_)) => Ok(Step::Receive),
            (Ok(_), _) => Err("a state of TLS that this version does not know".to_owned()),
            (Err(e), _) => Err(told(&e, is_greeting)),
        };
        self.understood = self.understood.saturating_add(discard);
        step.map_err(|why| self.fail(&why))
    }

    /// Ends the session; the alert that tells the peer waits to be sent.
    fn fail(&mut self, why: &str) -> LinkError {
        let rest = self.incoming.get_mut(self.understood..).unwrap_or_default();
        if let Ok(ConnectionState::EncodeTlsData(alert)) = self.tls.process_tls_records(rest).state {
            // Without it the peer sees the connection end.
            let _ = Out { bytes: &mut self.outgoing, filled: &mut self.filled }.encode(alert);
        }
        let text = format!("{}: TLS: {why}", self.peer);
        self.failure = Some(text.clone());
        LinkError::new(ErrorKind::Tls, text)
    }

    /// Receives ciphertext; 0: the connection has ended.
    async fn receive(&mut self, driver: &Driver) -> Result<usize, LinkError> {
        let held = self.take_incoming();
        let (got, held) = driver.recv_append(&self.socket, held, RECEIVE_BYTES).await;
        self.incoming = held;
        let got = got.map_err(|e| LinkError::broken(&e, self.tls.is_handshaking()))?;
        self.is_cut |= got == 0;
        if got == 0 && self.tls.is_handshaking() {
            return Err(self.fail("the connection was closed before TLS was agreed upon"));
        }
        Ok(got)
    }

    /// The memory for ciphertext that comes, with what is not yet understood at its front.
    fn take_incoming(&mut self) -> Vec<u8> {
        let understood = self.understood.min(self.incoming.len());
        self.incoming.drain(..understood);
        self.understood = 0;
        std::mem::take(&mut self.incoming)
    }

    /// Sends what waits.
    async fn flush(&mut self, driver: &Driver) -> Result<(), LinkError> {
        let mut sent = 0;
        while sent < self.filled {
            let bytes = std::mem::take(&mut self.outgoing);
            let (result, bytes) = driver.send(&self.socket, bytes, sent..self.filled, false).await;
            self.outgoing = bytes;
            sent = sent.saturating_add(result.map_err(|e| LinkError::broken(&e, true))?);
        }
        self.filled = 0;
        Ok(())
    }

    fn take_plain(&mut self, into: &mut [u8]) -> usize {
        let left = self.plain.get(self.taken..).unwrap_or_default();
        let bytes = copy(left, into);
        self.taken = self.taken.saturating_add(bytes);
        if self.taken >= self.plain.len() {
            self.plain.clear();
            self.taken = 0;
        }
        bytes
    }
}

/// Gives out what has been decrypted, and keeps what does not fit.
fn decrypt(
    mut traffic: ReadTraffic<'_, '_, ClientConnectionData>,
    into: &mut [u8],
    kept: &mut Vec<u8>,
    discard: &mut usize,
) -> Result<usize, String> {
    let mut got = 0usize;
    while let Some(record) = traffic.next_record() {
        let record = record.map_err(|e| told(&e, false))?;
        *discard = discard.saturating_add(record.discard);
        // Nothing may overtake what is kept.
        let room = if kept.is_empty() { into.get_mut(got..).unwrap_or_default() } else { &mut [] };
        let bytes = copy(record.payload, room);
        got = got.saturating_add(bytes);
        kept.extend_from_slice(record.payload.get(bytes..).unwrap_or_default());
    }
    Ok(got)
}

/// Copies what fits; tells how much that was.
fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let bytes = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..bytes), from.get(..bytes)) {
        to.copy_from_slice(from);
    }
    bytes
}

/// Memory for ciphertext to send, which grows to what is needed and is never cleared again.
struct Out<'a> {
    bytes: &'a mut Vec<u8>,
    filled: &'a mut usize,
}

impl Out<'_> {
    fn encode(&mut self, mut data: EncodeTlsData<'_, ClientConnectionData>) -> Result<(), String> {
        self.write(|room| match data.encode(room) {
            Err(EncodeError::InsufficientSize(e)) => Err(Ok(e)),
            other => other.map_err(|e| Err(e.to_string())),
        })
    }

    fn encrypt(
        &mut self,
        mut traffic: WriteTraffic<'_, ClientConnectionData>,
        piece: &[u8],
    ) -> Result<(), String> {
        self.write(|room| match traffic.encrypt(piece, room) {
            Err(EncryptError::InsufficientSize(e)) => Err(Ok(e)),
            other => other.map_err(|e| Err(e.to_string())),
        })
    }

    /// Lets `act` write behind what waits, with as much room as it asks for.
    fn write(
        &mut self,
        mut act: impl FnMut(&mut [u8]) -> Result<usize, Result<InsufficientSizeError, String>>,
    ) -> Result<(), String> {
        loop {
            match act(self.bytes.get_mut(*self.filled..).unwrap_or_default()) {
                Ok(bytes) => {
                    *self.filled = self.filled.saturating_add(bytes);
                    return Ok(());
                }
                Err(Ok(short)) => self.bytes.resize(self.filled.saturating_add(short.required_size), 0),
                Err(Err(why)) => return Err(why),
            }
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

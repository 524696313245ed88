//! A connection between a coordinator and an agent, in its two directions.

use super::frame::{Frames, TooLong, framed};
use super::protocol::HANDSHAKE_BYTES_MAX;
use super::token::Seal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

const READ_BYTES: usize = 64 << 10;

/// Why nothing more can be said or heard.
#[derive(Debug)]
pub(super) enum LinkError {
    /// The other side has ended the connection.
    Closed,
    /// It has said nothing, or taken nothing, for so long.
    Silent(Duration),
    /// A frame is too long.
    TooLong(TooLong),
    /// A frame does not have the tag that it must have.
    Forged,
    /// A frame holds no message.
    Garbage(String),
    /// The connection broke.
    Broken(io::Error),
}

impl fmt::Display for LinkError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => out.write_str("the other side has closed the connection"),
            Self::Silent(time) => write!(out, "nothing was heard for {} s", time.as_secs()),
            Self::TooLong(frame) => write!(out, "a message of {} bytes is longer than is allowed", frame.len),
            Self::Forged => out.write_str("a message was changed on its way"),
            Self::Garbage(why) => write!(out, "a message is not understood: {why}"),
            Self::Broken(error) => write!(out, "the connection broke: {error}"),
        }
    }
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Self::Closed
            }
            _ => Self::Broken(error),
        }
    }
}

/// The way out.
pub(super) struct Sender {
    stream: TcpStream,
    seal: Option<Seal>,
}

/// The way in.
pub(super) struct Receiver {
    stream: TcpStream,
    frames: Frames,
    seal: Option<Seal>,
}

/// Both directions of a new connection, with the bounds of a handshake.
pub(super) fn link(stream: TcpStream) -> io::Result<(Sender, Receiver)> {
    stream.set_nodelay(true)?;
    let sender = Sender { stream: stream.try_clone()?, seal: None };
    Ok((sender, Receiver { stream, frames: Frames::new(HANDSHAKE_BYTES_MAX), seal: None }))
}

impl Sender {
    /// Each frame has a tag from the next one on.
    pub(super) fn seal(&mut self, seal: Seal) {
        self.seal = Some(seal);
    }

    /// Says something; the other side has so long to take it.
    pub(super) fn send(&mut self, message: &impl Serialize, patience: Duration) -> Result<(), LinkError> {
        let json = serde_json::to_vec(message).map_err(|e| LinkError::Garbage(e.to_string()))?;
        let tag = self.seal.as_mut().map(|seal| seal.tag(&json));
        let tag = tag.as_ref().map(<[u8; _]>::as_slice).unwrap_or_default();
        let frame = framed(&[tag, &json]).ok_or(LinkError::TooLong(TooLong { len: u32::MAX }))?;
        let deadline = Instant::now() + patience;
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            self.stream.set_write_timeout(Some(left(deadline, patience)?))?;
            match self.stream.write(rest) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(e) if is_for_now(&e) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// Ends the connection in both directions; whoever waits at it wakes up.
    pub(super) fn close(&self) {
        // It may have ended by itself.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Receiver {
    /// Each frame has a tag from the next one on, and may be so long.
    pub(super) fn seal(&mut self, seal: Seal, bytes_max: usize) {
        self.seal = Some(seal);
        self.frames.set_bound(bytes_max);
    }

    /// The next message, when it comes in time.
    pub(super) fn receive<T: DeserializeOwned>(&mut self, patience: Duration) -> Result<T, LinkError> {
        let deadline = Instant::now() + patience;
        let mut room = vec![0u8; READ_BYTES];
        loop {
            if let Some(frame) = self.frames.next().map_err(LinkError::TooLong)? {
                let json = match &mut self.seal {
                    Some(seal) => seal.open(&frame).ok_or(LinkError::Forged)?,
                    None => &frame,
                };
                return serde_json::from_slice(json).map_err(|e| LinkError::Garbage(e.to_string()));
            }
            self.stream.set_read_timeout(Some(left(deadline, patience)?))?;
            match self.stream.read(&mut room) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(got) => self.frames.push(room.get(..got).unwrap_or_default()),
                Err(e) if is_for_now(&e) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

fn is_for_now(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn left(deadline: Instant, patience: Duration) -> Result<Duration, LinkError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(LinkError::Silent(patience)) } else { Ok(left) }
}

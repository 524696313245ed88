//! A request's body, whatever its framing, as a source of bytes.

use super::pace::Speed;
use super::stream::{Received, Stream};
use crate::error::{Error, Kind, Result};
use crate::message_budget::{Message, MessageBudget};
use crate::store::{Arrival, ByteSource, Fill};
use std::ops::Range;
use std::sync::Arc;
use uring::Buf;
use wire::http1::{ChunkStep, ChunkedDecoder, Framing};

/// A body that nobody wanted is read to its end up to this size, else the connection is closed.
const DRAIN_BYTES_MAX: u64 = 256 << 10;

enum State {
    Length { rest: u64 },
    Chunked { decoder: Box<ChunkedDecoder>, rest_of_chunk: usize },
    Ended,
}

/// The body of the request being served.
pub(crate) struct Body<'s> {
    stream: &'s mut Stream,
    state: State,
    length: Option<u64>,
    continue_expected: bool,
}

impl<'s> Body<'s> {
    pub(super) fn new(stream: &'s mut Stream, framing: Framing, continue_expected: bool) -> Self {
        let (state, length) = match framing {
            Framing::Length(0) | Framing::Empty | Framing::UntilClose => (State::Ended, Some(0)),
            Framing::Length(rest) => (State::Length { rest }, Some(rest)),
            Framing::Chunked => (State::Chunked { decoder: Box::default(), rest_of_chunk: 0 }, None),
        };
        Self { stream, state, length, continue_expected }
    }

    /// The length that the client has announced; `None` for a chunked body.
    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    /// The whole body, for messages in JSON. Its bytes count as they arrive, its parsed form when all are there.
    ///
    /// # Errors
    /// `TooLarge`, and `Busy` when the memory for messages is used up: this never waits for it.
    pub(crate) async fn collect(
        &mut self,
        budget: &Arc<MessageBudget>,
        size_bytes_max: usize,
    ) -> Result<Message> {
        let too_large =
            || Error::client(Kind::TooLarge, format!("the request body is over {size_bytes_max} bytes"));
        if self.length.is_some_and(|length| length > size_bytes_max as u64) {
            return Err(too_large());
        }
        let mut message = Message::new(budget);
        let mut added = Ok(());
        while self.take_buffered(usize::MAX, &mut |part| added = message.add(part)).await?.is_some() {
            std::mem::replace(&mut added, Ok(()))?;
            if message.len() > size_bytes_max {
                return Err(too_large());
            }
        }
        message.hold_parsed()?;
        Ok(message)
    }

    /// Reads what is left, so that the next request can follow; false when that is not worth it.
    pub(super) async fn drain(&mut self) -> bool {
        // A client that waits for "100 Continue" has not sent anything and may still do so or not: close.
        let rest = match &self.state {
            State::Ended => return true,
            State::Length { rest } => *rest,
            State::Chunked { .. } => 0,
        };
        if self.continue_expected || rest > DRAIN_BYTES_MAX || !self.stream.is_usable() {
            return false;
        }
        let mut drained = 0;
        while drained <= DRAIN_BYTES_MAX {
            match self.take_buffered(usize::MAX, &mut |_| ()).await {
                Ok(Some(count)) => drained += count as u64,
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
        false
    }

    /// Hands on up to `most` bytes by way of the stream's own buffer; `None` at the end.
    async fn take_buffered(&mut self, most: usize, sink: &mut impl FnMut(&[u8])) -> Result<Option<usize>> {
        self.send_continue().await?;
        loop {
            if let Some(count) = self.take_present(most, sink)? {
                return Ok(Some(count));
            }
            if matches!(self.state, State::Ended) {
                return Ok(None);
            }
            if self.recv_more().await? == Received::Nothing {
                return Err(Error::internal("a message held a buffer"));
            }
        }
    }

    async fn recv_more(&mut self) -> Result<Received> {
        self.send_continue().await?;
        match self.stream.recv_more().await? {
            Received::Bytes(0) => Err(self.truncated()),
            received => Ok(received),
        }
    }

    /// Hands on bytes that have been received already; `None` when there are none.
    fn take_present(&mut self, most: usize, sink: &mut impl FnMut(&[u8])) -> Result<Option<usize>> {
        let count = self.present()?.min(most);
        if count == 0 {
            return Ok(None);
        }
        sink(self.stream.buffered().get(..count).unwrap_or_default());
        self.stream.consume(count);
        self.passed(count);
        Ok(Some(count))
    }

    /// Takes the framing out of the way; returns how many payload bytes follow in the buffer.
    fn next_chunk(&mut self) -> Result<usize> {
        let State::Chunked { decoder, rest_of_chunk } = &mut self.state else { return Ok(0) };
        match decoder.decode(self.stream.buffered()) {
            Ok(ChunkStep::Data { skip, len }) => {
                *rest_of_chunk = len;
                self.stream.consume(skip);
                Ok(len)
            }
            Ok(ChunkStep::NeedMore { consumed }) => {
                self.stream.consume(consumed);
                Ok(0)
            }
            Ok(ChunkStep::End { consumed }) => {
                self.stream.consume(consumed);
                self.state = State::Ended;
                Ok(0)
            }
            Err(e) => Err(self.malformed(e.what)),
        }
    }

    /// Counts payload bytes.
    fn passed(&mut self, count: usize) {
        match &mut self.state {
            State::Length { rest } => {
                *rest = rest.saturating_sub(count as u64);
                if *rest == 0 {
                    self.state = State::Ended;
                }
            }
            State::Chunked { rest_of_chunk, .. } => *rest_of_chunk = rest_of_chunk.saturating_sub(count),
            State::Ended => {}
        }
    }

    async fn send_continue(&mut self) -> Result<()> {
        if std::mem::take(&mut self.continue_expected) {
            self.stream.send(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()).await?;
        }
        Ok(())
    }

    fn truncated(&mut self) -> Error {
        self.stream.give_up();
        Error::client(Kind::Disconnected, "the client closed the connection before the end of the body")
    }

    fn malformed(&mut self, what: &str) -> Error {
        self.stream.give_up();
        Error::bad(format!("malformed chunked body: {what}"))
    }
}

impl ByteSource for Body<'_> {
    async fn arrive(&mut self, is_plenty: &dyn Fn() -> bool) -> Result<Arrival> {
        loop {
            let present = self.present()?;
            let is_whole = match &self.state {
                State::Ended => return Ok(Arrival::End),
                State::Length { rest } => *rest == present as u64,
                State::Chunked { .. } => false,
            };
            let flows = || match self.stream.pace().speed() {
                Speed::Fast => true,
                Speed::Unknown => is_plenty(),
                Speed::Slow => false,
            };
            if is_whole || flows() {
                return Ok(Arrival::Flow);
            }
            if present > 0 {
                return Ok(Arrival::Few);
            }
            self.recv_more().await?;
        }
    }

    async fn fill(&mut self, buf: Buf, range: Range<usize>) -> (Result<Fill>, Buf) {
        if let Err(e) = self.send_continue().await {
            return (Err(e), buf);
        }
        let size_bytes = range.len();
        self.stream.hold();
        let filled = self.fill_held(buf, range).await;
        self.stream.end_hold();
        if matches!(filled.0, Ok(Fill::Full(_))) {
            self.stream.note_filled(size_bytes);
        }
        filled
    }

    fn take(&mut self, bytes_max: usize, to: &mut Vec<u8>) -> Result<()> {
        self.take_present(bytes_max, &mut |part| to.extend_from_slice(part)).map(drop)
    }
}

impl Body<'_> {
    async fn fill_held(&mut self, mut buf: Buf, range: Range<usize>) -> (Result<Fill>, Buf) {
        let mut at = range.start;
        while at < range.end {
            let mut copy = |part: &[u8]| {
                if let Some(room) = buf.get_mut(at..at + part.len()) {
                    room.copy_from_slice(part);
                }
            };
            match self.take_present(range.end - at, &mut copy) {
                Ok(Some(count)) => {
                    at += count;
                    continue;
                }
                Ok(None) if matches!(self.state, State::Ended) => {
                    return (Ok(Fill::Ended(at - range.start)), buf);
                }
                Ok(None) => {}
                Err(e) => return (Err(e), buf),
            }
            if self.stream.is_held_too_long() {
                return (Ok(Fill::Slow(at - range.start)), buf);
            }
            // Bytes that came with the head, or in a chunked body, are moved once; all others land in place.
            let direct = self.direct_len(range.end - at);
            if direct == 0 {
                if let Err(e) = self.recv_more().await {
                    return (Err(e), buf);
                }
                continue;
            }
            let (received, back) = self.stream.recv_into(buf, at..at + direct).await;
            buf = back;
            match received {
                Ok(Received::Bytes(0)) => return (Err(self.truncated()), buf),
                Ok(Received::Bytes(count)) => {
                    at += count;
                    self.passed(count);
                }
                Ok(Received::Nothing) => {}
                Err(e) => return (Err(e), buf),
            }
        }
        (Ok(Fill::Full(at - range.start)), buf)
    }

    /// The number of payload bytes that are there already; framing before them is taken out.
    fn present(&mut self) -> Result<usize> {
        let rest = match &self.state {
            State::Ended => 0,
            State::Length { rest } => usize::try_from(*rest).unwrap_or(usize::MAX),
            State::Chunked { rest_of_chunk: 0, .. } => self.next_chunk()?,
            State::Chunked { rest_of_chunk, .. } => *rest_of_chunk,
        };
        Ok(self.stream.buffered().len().min(rest))
    }

    /// The number of the next bytes that can be received straight into the caller's buffer.
    fn direct_len(&self, room: usize) -> usize {
        match &self.state {
            State::Length { rest } if self.stream.buffered().is_empty() => {
                room.min(usize::try_from(*rest).unwrap_or(usize::MAX))
            }
            _ => 0,
        }
    }
}

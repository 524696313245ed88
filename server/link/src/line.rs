//! A connection in use: how the head of an answer is received, and what is known of it then.

use crate::body::Rest;
use crate::error::{ErrorKind, LinkError};
use crate::peers::Conn;
use crate::watch::Slot;
use std::ops::Range;
use std::rc::Rc;
use uring::{Buf, Driver};
use wire::http1::{Framing, HeadLimits, Headers, Method, parse_response};

/// Memory for exchanges, used again for every one.
pub struct Room {
    /// Where answers are received; absent only while the ring has it. A head must fit into it.
    pub(crate) buf: Option<Buf>,
    /// The request's head, and its body when that is small.
    pub head: Vec<u8>,
}

impl Room {
    /// A room with memory to receive in.
    #[must_use]
    pub fn new(buf: Buf) -> Self {
        Self { buf: Some(buf), head: Vec::with_capacity(1024) }
    }
}

/// An answer whose body is still to be read, by [`Line::next`] or [`Line::discard`].
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The delimiting of its body.
    pub framing: Framing,
    pub(crate) keep_alive: bool,
    /// The part of the buffer with what has come of the body.
    pub(crate) received: Range<usize>,
    pub(crate) rest: Rest,
}

impl Answer {
    /// True when the connection may carry another request: the body was read to its end, and the peer keeps it open.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        let has_ended = match self.rest {
            Rest::Ended => true,
            Rest::Length(left) => left == 0 && self.received.is_empty(),
            Rest::Chunks(_) | Rest::UntilClose => false,
        };
        self.keep_alive && has_ended
    }
}

/// A connection in use for one exchange.
pub struct Line<'a> {
    /// The core's ring.
    pub driver: &'a Driver,
    /// The slot that the watch looks at.
    pub slot: &'a Rc<Slot>,
    /// The connection.
    pub conn: &'a mut Conn,
    /// Memory.
    pub room: &'a mut Room,
    /// The bounds of heads.
    pub limits: &'a HeadLimits,
    /// The request's method.
    pub method: Method,
    /// The most bytes that are received together with a head, where the rest of the body is to be discarded.
    pub first_bytes_max: usize,
    /// Gets the status and the header fields of each head, interim ones (1xx) included: they do not outlive it.
    pub on_head: &'a mut dyn FnMut(u16, &Headers<'_>),
}

impl Line<'_> {
    /// The head of the final answer, with `filled` bytes of the buffer received already.
    pub(crate) async fn read_head(&mut self, filled: usize) -> Result<Answer, LinkError> {
        let mut answer = self.read_head_raw(filled).await?;
        while answer.status < 200 {
            // Interim: the final one follows. It moves to the front of the buffer.
            let filled = answer.received.len();
            if let Some(buf) = &mut self.room.buf {
                buf.copy_within(answer.received, 0);
            }
            answer = self.read_head_raw_from(filled).await?;
        }
        Ok(answer)
    }

    /// As [`Line::read_head_raw`], where nothing at all may have come yet although the answer has begun.
    async fn read_head_raw_from(&mut self, filled: usize) -> Result<Answer, LinkError> {
        let filled = if filled > 0 { filled } else { self.recv(0, false).await? };
        self.read_head_raw(filled).await
    }

    /// The head of an answer, which may be an interim one, with `received` bytes of the buffer received already.
    pub(crate) async fn read_head_raw(&mut self, received: usize) -> Result<Answer, LinkError> {
        let mut filled = received;
        if filled == 0 {
            // When the receive was part of asking, its zero means the same: the peer has closed.
            filled = self.recv(0, false).await.map_err(|e| LinkError { is_before_answer: true, ..e })?;
        }
        loop {
            if filled == 0 {
                return Err(LinkError::ended(true));
            }
            if let Some(answer) = self.parse(filled)? {
                return Ok(answer);
            }
            let more = self.recv(filled, false).await?;
            if more == 0 {
                return Err(LinkError::ended(false));
            }
            filled = filled.saturating_add(more);
        }
    }

    fn parse(&mut self, filled: usize) -> Result<Option<Answer>, LinkError> {
        let bytes = self.room.buf.as_deref().and_then(|buf| buf.get(..filled)).unwrap_or_default();
        let head = parse_response(bytes, self.limits, self.method)
            .map_err(|e| LinkError::protocol(format!("the answer's head: {}", e.what)))?;
        let Some(head) = head else { return Ok(None) };
        (self.on_head)(head.status, &head.headers);
        let received = head.head_bytes..filled;
        let (status, framing, keep_alive) = (head.status, head.framing, head.keep_alive);
        Ok(Some(Answer { status, framing, keep_alive, received, rest: Rest::of(framing) }))
    }

    /// Receives behind `at`; with `all`, until the buffer is full or the peer has ended. 0: the peer has ended.
    pub(crate) async fn recv(&mut self, at: usize, all: bool) -> Result<usize, LinkError> {
        let len = self.room.buf.as_deref().map_or(0, <[u8]>::len);
        self.recv_range(at..len.max(at), all).await
    }

    /// Receives into a range of the buffer.
    pub(crate) async fn recv_range(&mut self, range: Range<usize>, all: bool) -> Result<usize, LinkError> {
        if range.is_empty() {
            return Err(LinkError::protocol("the answer's head does not fit its buffer"));
        }
        if let Some(session) = &mut self.conn.tls {
            let buf = self.room.buf.as_deref_mut().and_then(|buf| buf.get_mut(range));
            return session.read(self.driver, buf.unwrap_or_default(), all).await;
        }
        let buf = self.take_buf()?;
        let (got, buf) = self.driver.recv(&self.conn.socket, buf, range, all).await;
        self.room.buf = Some(buf);
        got.map_err(|e| LinkError::broken(&e, false))
    }

    /// The buffer, for the ring.
    pub(crate) fn take_buf(&mut self) -> Result<Buf, LinkError> {
        self.room.buf.take().ok_or_else(|| LinkError::protocol("the receive buffer is in use"))
    }

    /// A failure as it is told outside: a connection that the watch has cut breaks in many ways.
    pub(crate) fn judged<T>(&self, result: Result<T, LinkError>) -> Result<T, LinkError> {
        match result {
            Err(_) if self.slot.is_cut() => {
                Err(LinkError::new(ErrorKind::Timeout, "the peer took longer than it may"))
            }
            result => result,
        }
    }
}

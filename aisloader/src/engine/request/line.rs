//! A connection in use: what is kept of an answer, and how its head is received.

use super::peers::Conn;
use crate::engine::shared::watch::Slot;
use crate::recorder::OpError;
use crate::recorder::phases::Marks;
use std::ops::Range;
use uring::{Buf, Driver};
use wire::http1::{Framing, HeadLimits, Headers, Method, parse_response};

/// Memory of one worker, used again for every operation.
pub(crate) struct Room {
    /// Where answers are received; absent only while the ring has it.
    pub(crate) buf: Option<Buf>,
    /// The request's head, and its body when that is small.
    pub(crate) head: Vec<u8>,
    /// The request's target.
    pub(crate) target: String,
    /// Bodies that are kept: pages of names, texts of errors.
    pub(crate) kept: Vec<u8>,
    /// Headers of the answer that are kept.
    pub(crate) facts: Facts,
    /// Instants of the operation, when it is traced.
    pub(crate) marks: Marks,
}

/// Headers that outlive the receive buffer.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) location: String,
    /// The tag of what was written.
    pub(crate) etag: String,
    /// Where S3 keeps the bucket.
    pub(crate) bucket_region: String,
    pub(crate) cksum_type: String,
    pub(crate) cksum_value: String,
    pub(crate) content_range: String,
}

impl Facts {
    fn read(&mut self, headers: &Headers<'_>) {
        for (field, name) in [
            (&mut self.location, "Location"),
            (&mut self.etag, "ETag"),
            (&mut self.bucket_region, "x-amz-bucket-region"),
            (&mut self.cksum_type, "Ais-Checksum-Type"),
            (&mut self.cksum_value, "Ais-Checksum-Value"),
            (&mut self.content_range, "Content-Range"),
        ] {
            field.clear();
            field.push_str(headers.get_str(name).unwrap_or_default());
        }
    }
}

/// A response whose body is still to be read.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    /// The part of the buffer with what has come of the body.
    pub(crate) received: Range<usize>,
}

/// A connection in use by a worker.
pub(crate) struct Line<'a> {
    pub(crate) driver: &'a Driver,
    pub(crate) slot: &'a Slot,
    pub(crate) conn: &'a mut Conn,
    pub(crate) room: &'a mut Room,
    pub(crate) limits: &'a HeadLimits,
    pub(crate) method: Method,
    /// What is received together with a head, at most.
    pub(crate) first_bytes_max: usize,
    /// Whether headers are looked at even when the answer is a plain success.
    pub(crate) wants_facts: bool,
}

impl Line<'_> {
    /// The head of the final answer, with `filled` bytes of the buffer received already.
    pub(crate) async fn read_head(&mut self, filled: usize) -> Result<Answer, OpError> {
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
    async fn read_head_raw_from(&mut self, filled: usize) -> Result<Answer, OpError> {
        let filled = if filled > 0 { filled } else { self.recv(0, false).await? };
        self.read_head_raw(filled).await
    }

    /// The head of an answer, which may be an interim one, with `received` bytes of the buffer received already.
    pub(crate) async fn read_head_raw(&mut self, received: usize) -> Result<Answer, OpError> {
        let mut filled = received;
        if filled == 0 {
            // When the receive was part of asking, its zero means the same: the peer has closed.
            filled = self.recv(0, false).await.map_err(|e| OpError { is_before_answer: true, ..e })?;
        }
        loop {
            if filled == 0 {
                return Err(OpError::ended(true));
            }
            if let Some(answer) = self.parse(filled)? {
                return Ok(answer);
            }
            let more = self.recv(filled, false).await?;
            if more == 0 {
                return Err(OpError::ended(false));
            }
            filled = filled.saturating_add(more);
        }
    }

    fn parse(&mut self, filled: usize) -> Result<Option<Answer>, OpError> {
        let bytes = self.room.buf.as_deref().and_then(|buf| buf.get(..filled)).unwrap_or_default();
        let head = parse_response(bytes, self.limits, self.method)
            .map_err(|e| OpError::protocol(format!("the answer's head: {}", e.what)))?;
        let Some(head) = head else { return Ok(None) };
        if self.wants_facts || head.status >= 300 {
            self.room.facts.read(&head.headers);
        }
        if head.status >= 200 {
            self.room.marks.head();
        }
        let received = head.head_bytes..filled;
        let (status, framing, keep_alive) = (head.status, head.framing, head.keep_alive);
        Ok(Some(Answer { status, framing, keep_alive, received }))
    }

    /// Receives behind `at`; with `all`, until the buffer is full or the peer has ended. 0: the peer has ended.
    pub(crate) async fn recv(&mut self, at: usize, all: bool) -> Result<usize, OpError> {
        let len = self.room.buf.as_deref().map_or(0, <[u8]>::len);
        self.recv_range(at..len.max(at), all).await
    }

    /// Receives into a range of the buffer.
    pub(crate) async fn recv_range(&mut self, range: Range<usize>, all: bool) -> Result<usize, OpError> {
        if range.is_empty() {
            return Err(OpError::protocol("the answer's head does not fit its buffer"));
        }
        if let Some(session) = &mut self.conn.tls {
            let buf = self.room.buf.as_deref_mut().and_then(|buf| buf.get_mut(range));
            return session.read(self.driver, buf.unwrap_or_default(), all).await;
        }
        let buf = self.take_buf()?;
        let (got, buf) = self.driver.recv(&self.conn.socket, buf, range, all).await;
        self.room.buf = Some(buf);
        got.map_err(|e| OpError::broken(&e, false))
    }

    /// The buffer, for the ring.
    pub(crate) fn take_buf(&mut self) -> Result<Buf, OpError> {
        self.room.buf.take().ok_or_else(|| OpError::protocol("the receive buffer is in use"))
    }
}

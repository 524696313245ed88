//! One request and its response on one connection.

use super::line::{Answer, Line};
use super::payload::Piece;
use super::peers::PutManner;
use super::put_body::PutBody;
use super::ready::readable_within;
use super::sink::Sink;
use crate::recorder::OpError;
use std::time::Duration;
use uring::sock;
use wire::cksum::{CksumType, Hasher};

/// How long a PUT waits for `100 Continue` before it sends its body all the same (RFC 9110, 10.1.1).
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// What goes out.
pub(crate) enum Outgoing<'a> {
    /// Only `Room::head`.
    Head,
    /// The head and an object.
    Object {
        /// The object.
        body: &'a PutBody,
        /// Ask first whether the peer wants the body.
        is_asked: bool,
    },
}

impl Line<'_> {
    /// Sends a request, reads the head of its answer, and gives the body to `sink` if it is a success, to
    /// `Room::kept` otherwise. Tells what it learned about how the peer takes large PUTs.
    pub(crate) async fn exchange(
        &mut self,
        outgoing: &Outgoing<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(Answer, Option<PutManner>, u64), OpError> {
        self.slot.uses(&self.conn.socket);
        let (answer, learned) = match outgoing {
            Outgoing::Head => (self.ask().await?, None),
            Outgoing::Object { body, is_asked: false } => (self.push(body).await?, None),
            Outgoing::Object { body, is_asked: true } => {
                self.send_head().await?;
                self.ask_then_push(body).await?
            }
        };
        let body_bytes = if (200..300).contains(&answer.status) {
            if let Sink::Hash(hasher) = sink {
                **hasher = CksumType::parse(&self.room.facts.cksum_type).map(Hasher::new);
            }
            self.read_body(&answer, sink).await?
        } else {
            let mut kept = std::mem::take(&mut self.room.kept);
            kept.clear();
            let read = self.read_body(&answer, &mut Sink::Collect(&mut kept)).await;
            self.room.kept = kept;
            read?
        };
        Ok((answer, learned, body_bytes))
    }

    /// A request without a large body. On a standing connection the receive is handed over together with the send, so
    /// that the ring is entered once for both.
    async fn ask(&mut self) -> Result<Answer, OpError> {
        if !self.conn.is_reused {
            self.send_head().await?;
            return self.read_head(0).await;
        }
        if let Some(session) = &mut self.conn.tls {
            session.ask(self.driver, &self.room.head).await?;
            return self.read_head(0).await;
        }
        let head = std::mem::take(&mut self.room.head);
        let (len, buf) = (head.len(), self.take_buf()?);
        let room_bytes = buf.len().min(self.first_bytes_max);
        let send = self.driver.send(&self.conn.socket, head, 0..len, false);
        let recv = self.driver.recv(&self.conn.socket, buf, 0..room_bytes, false);
        let (sent, head) = send.await;
        self.room.head = head;
        if sent.is_err() {
            // The connection is gone; this makes the receive, which holds our buffer, end too.
            sock::shutdown(&self.conn.socket);
        }
        let (got, buf) = recv.await;
        self.room.buf = Some(buf);
        let got = got.map_err(|e| OpError::broken(&e, true))?;
        match sent {
            Ok(sent) if sent == len => self.read_head(got).await,
            // A head is far smaller than any socket buffer: a short send means that the peer has gone.
            Ok(_) => Err(OpError::ended(true)),
            Err(e) => Err(OpError::broken(&e, true)),
        }
    }

    async fn send_head(&mut self) -> Result<(), OpError> {
        if let Some(session) = &mut self.conn.tls {
            return session.write(self.driver, &self.room.head).await;
        }
        let mut sent = 0;
        while sent < self.room.head.len() {
            let head = std::mem::take(&mut self.room.head);
            let len = head.len();
            let (result, head) = self.driver.send(&self.conn.socket, head, sent..len, false).await;
            self.room.head = head;
            sent = sent.saturating_add(result.map_err(|e| OpError::broken(&e, true))?);
        }
        Ok(())
    }

    /// The head and the first piece in one call, then the other pieces.
    async fn push(&mut self, body: &PutBody) -> Result<Answer, OpError> {
        let Some(first) = body.piece(0) else {
            self.send_head().await?;
            return self.read_head(0).await;
        };
        if let Some(session) = &mut self.conn.tls {
            let sent = session.write_pair(self.driver, &self.room.head, first.slice()).await;
            drop(first);
            let outcome = match sent {
                Ok(()) => self.send_pieces(body, 1).await,
                Err(e) => Err(e),
            };
            return self.answer_after(outcome).await;
        }
        let head = std::mem::take(&mut self.room.head);
        let whole = head.len().saturating_add(first.range.len());
        let (sent, head, bytes) =
            self.driver.send_pair(&self.conn.socket, head, first.bytes, first.range).await;
        drop(bytes);
        self.room.head = head;
        let outcome = match sent {
            Ok(sent) if sent < whole => Err(OpError::ended(true)),
            Ok(_) => self.send_pieces(body, 1).await,
            Err(e) => Err(OpError::broken(&e, true)),
        };
        self.answer_after(outcome).await
    }

    /// The pieces from `first` on. The memory of one is let go before the next is asked for, which may lie in the same.
    async fn send_pieces(&mut self, body: &PutBody, first: usize) -> Result<(), OpError> {
        let mut index = first;
        while let Some(piece) = body.piece(index) {
            index = index.saturating_add(1);
            if let Some(session) = &mut self.conn.tls {
                session.write(self.driver, piece.slice()).await?;
                continue;
            }
            let Piece { mut bytes, range: mut left } = piece;
            while !left.is_empty() {
                let (sent, back) = self.driver.send(&self.conn.socket, bytes, left.clone(), false).await;
                bytes = back;
                left.start = left.start.saturating_add(sent.map_err(|e| OpError::broken(&e, true))?);
            }
            drop(bytes);
        }
        Ok(())
    }

    /// A server that refuses a body may answer and close before it has all of it: then sending fails, and the answer
    /// that lies in our receive buffer says why.
    async fn answer_after(&mut self, sent: Result<(), OpError>) -> Result<Answer, OpError> {
        match sent {
            Ok(()) => self.read_head(0).await,
            Err(failure) if self.slot.is_cut() => Err(failure),
            Err(failure) => {
                let early = self.read_head(0).await.ok().filter(|answer| answer.status >= 300);
                early.map(|answer| Answer { keep_alive: false, ..answer }).ok_or(failure)
            }
        }
    }

    /// Waits for leave to send the body; a redirect or an error comes instead of it.
    async fn ask_then_push(&mut self, body: &PutBody) -> Result<(Answer, Option<PutManner>), OpError> {
        let mut learned = PutManner::Stores;
        if self.answers_within(CONTINUE_WAIT).await? {
            let first = self.read_head_raw(0).await?;
            if first.status != 100 {
                let learned = (300..400).contains(&first.status).then_some(PutManner::Redirects);
                // Whether the peer still waits for the body is anybody's guess.
                return Ok((Answer { keep_alive: false, ..first }, learned));
            }
            if !first.received.is_empty() {
                return Err(OpError::protocol("more than 100 Continue came before the body was sent"));
            }
        } else {
            // It does not know the expectation; it may still redirect, so the next PUT asks again.
            learned = PutManner::Unknown;
        }
        let outcome = self.send_pieces(body, 0).await;
        Ok((self.answer_after(outcome).await?, Some(learned)))
    }

    /// Whether an answer comes before the time is over.
    async fn answers_within(&mut self, limit: Duration) -> Result<bool, OpError> {
        match &mut self.conn.tls {
            Some(session) => session.answers_within(self.driver, limit).await,
            None => readable_within(self.driver, &self.conn.socket, limit).await,
        }
    }
}

//! One request and its answer on one connection.

use crate::error::{ErrorKind, LinkError};
use crate::line::{Answer, Line};
use crate::ready::readable_within;
use crate::source::{Piece, Source};
use crate::watch::PeersTurn;
use std::time::Duration;
use uring::sock;

/// A PUT waits so long for `100 Continue` before it sends its body all the same (RFC 9110, 10.1.1).
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// The outcome of asking if a body may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The peer wants it.
    Given,
    /// It answered without it, with the status of the answer.
    Refused,
    /// It said nothing: it may not know the question.
    Silence,
}

impl Line<'_> {
    /// Sends what lies in `Room::head`, a request without a large body, and reads the head of its answer.
    ///
    /// # Errors
    /// When there is no answer: all kinds but `Busy` and `Source`.
    pub async fn ask(&mut self) -> Result<Answer, LinkError> {
        self.slot.uses(&self.conn.socket);
        let _turn = self.slot.awaits();
        let result = self.ask_at_once().await;
        self.judged(result)
    }

    /// Sends `Room::head` and a body, and reads the head of the answer.
    ///
    /// # Errors
    /// When there is no answer: all kinds but `Busy`.
    pub async fn push(&mut self, body: &mut impl Source) -> Result<Answer, LinkError> {
        self.slot.uses(&self.conn.socket);
        let turn = self.slot.awaits();
        let result = self.push_at_once(body, &turn).await;
        self.judged(result)
    }

    /// Sends `Room::head`, which must ask for it (`Expect: 100-continue`), waits for leave to send the body, sends it, and
    /// reads the head of the answer; a redirect or an error may come instead of leave.
    ///
    /// # Errors
    /// The errors of [`Line::push`].
    pub async fn push_with_leave(&mut self, body: &mut impl Source) -> Result<(Answer, Leave), LinkError> {
        self.slot.uses(&self.conn.socket);
        let turn = self.slot.awaits();
        let result = match self.send_head().await {
            Ok(()) => self.ask_then_push(body, &turn).await,
            Err(e) => Err(e),
        };
        self.judged(result)
    }

    /// A request without a large body. On a standing connection the receive is handed over together with the send, so
    /// that the ring is entered once for both.
    async fn ask_at_once(&mut self) -> Result<Answer, LinkError> {
        if !self.conn.is_reused() {
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
        let got = got.map_err(|e| LinkError::broken(&e, true))?;
        match sent {
            Ok(sent) if sent == len => self.read_head(got).await,
            // A head is far smaller than any socket buffer: a short send means that the peer has gone.
            Ok(_) => Err(LinkError::ended(true)),
            Err(e) => Err(LinkError::broken(&e, true)),
        }
    }

    async fn send_head(&mut self) -> Result<(), LinkError> {
        if let Some(session) = &mut self.conn.tls {
            return session.write(self.driver, &self.room.head).await;
        }
        let mut sent = 0;
        while sent < self.room.head.len() {
            let head = std::mem::take(&mut self.room.head);
            let len = head.len();
            let (result, head) = self.driver.send(&self.conn.socket, head, sent..len, false).await;
            self.room.head = head;
            sent = sent.saturating_add(result.map_err(|e| LinkError::broken(&e, true))?);
        }
        Ok(())
    }

    /// The head and the first piece in one call, then the other pieces.
    async fn push_at_once(&mut self, body: &mut impl Source, turn: &PeersTurn) -> Result<Answer, LinkError> {
        let Some(first) = turn.except(body.piece(0)).await? else {
            self.send_head().await?;
            return self.read_head(0).await;
        };
        if let Some(session) = &mut self.conn.tls {
            let sent = session.write_pair(self.driver, &self.room.head, first.slice()).await;
            drop(first);
            let outcome = match sent {
                Ok(()) => self.send_pieces(body, 1, turn).await,
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
            Ok(sent) if sent < whole => Err(LinkError::ended(true)),
            Ok(_) => self.send_pieces(body, 1, turn).await,
            Err(e) => Err(LinkError::broken(&e, true)),
        };
        self.answer_after(outcome).await
    }

    /// The pieces from `first` on. The memory of one is let go before the next is asked for, which may lie in the same.
    async fn send_pieces(
        &mut self,
        body: &mut impl Source,
        first: usize,
        turn: &PeersTurn,
    ) -> Result<(), LinkError> {
        let mut index = first;
        while let Some(piece) = turn.except(body.piece(index)).await? {
            index = index.saturating_add(1);
            if let Some(session) = &mut self.conn.tls {
                session.write(self.driver, piece.slice()).await?;
                continue;
            }
            let Piece { mut bytes, range: mut left } = piece;
            while !left.is_empty() {
                let (sent, back) = self.driver.send(&self.conn.socket, bytes, left.clone(), false).await;
                bytes = back;
                left.start = left.start.saturating_add(sent.map_err(|e| LinkError::broken(&e, true))?);
            }
            drop(bytes);
        }
        Ok(())
    }

    /// A server that refuses a body may answer and close before it has all of it: then sending fails, and the answer
    /// that lies in our receive buffer says why. When it is our side that fails, the peer waits for bytes that never come.
    async fn answer_after(&mut self, sent: Result<(), LinkError>) -> Result<Answer, LinkError> {
        match sent {
            Ok(()) => self.read_head(0).await,
            Err(failure) if self.slot.is_cut() || failure.kind == ErrorKind::Source => Err(failure),
            Err(failure) => {
                let early = self.read_head(0).await.ok().filter(|answer| answer.status >= 300);
                early.map(|answer| Answer { keep_alive: false, ..answer }).ok_or(failure)
            }
        }
    }

    async fn ask_then_push(
        &mut self,
        body: &mut impl Source,
        turn: &PeersTurn,
    ) -> Result<(Answer, Leave), LinkError> {
        let mut leave = Leave::Given;
        if self.answers_within(CONTINUE_WAIT).await? {
            let first = self.read_head_raw(0).await?;
            if first.status != 100 {
                // Nobody can tell if the peer still waits for the body.
                return Ok((Answer { keep_alive: false, ..first }, Leave::Refused));
            }
            if !first.received.is_empty() {
                return Err(LinkError::protocol("more than 100 Continue came before the body was sent"));
            }
        } else {
            leave = Leave::Silence;
        }
        let outcome = self.send_pieces(body, 0, turn).await;
        Ok((self.answer_after(outcome).await?, leave))
    }

    /// True if an answer comes before the time is over.
    async fn answers_within(&mut self, limit: Duration) -> Result<bool, LinkError> {
        match &mut self.conn.tls {
            Some(session) => session.answers_within(self.driver, limit).await,
            None => readable_within(self.driver, &self.conn.socket, limit).await,
        }
    }
}

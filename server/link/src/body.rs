//! The body of an answer: received into the same buffer again and again, and given out piece by piece.

use crate::error::LinkError;
use crate::line::{Answer, Line};
use crate::session::Session;
use std::ops::Range;
use wire::http1::{ChunkStep, ChunkedDecoder, Framing};

/// The most bytes that the kernel is told to drop in one operation.
const DROP_BYTES_MAX: u32 = 64 << 20;

/// The part of a body that is still to come, beside the bytes received with its head.
#[derive(Clone, Debug)]
pub(crate) enum Rest {
    /// So many bytes, those received with the head included.
    Length(u64),
    /// Chunks.
    Chunks(ChunkedDecoder),
    /// All until the peer closes.
    UntilClose,
    /// Nothing: the next bytes are those of another answer.
    Ended,
}

impl Rest {
    pub(crate) fn of(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Length(0),
            Framing::Length(bytes) => Self::Length(bytes),
            Framing::Chunked => Self::Chunks(ChunkedDecoder::default()),
            Framing::UntilClose => Self::UntilClose,
        }
    }
}

impl Line<'_> {
    /// The next bytes of the body, at least one; `None` at its end. The next piece is received into the same memory.
    ///
    /// # Errors
    /// When the body ends too early, or is not what its head says: `Closed`, `Protocol`, `Tls`, `Timeout`.
    pub async fn next(&mut self, answer: &mut Answer) -> Result<Option<&[u8]>, LinkError> {
        if matches!(answer.rest, Rest::Ended) {
            return Ok(None);
        }
        let turn = self.slot.awaits();
        let range = match &mut answer.rest {
            Rest::Ended => Ok(None),
            Rest::Length(_) => self.next_of_length(answer).await,
            Rest::Chunks(_) => self.next_of_chunks(answer).await,
            Rest::UntilClose => self.next_until_close(answer).await,
        };
        drop(turn);
        match self.judged(range)? {
            Some(range) => Ok(Some(self.bytes(range))),
            None => {
                answer.rest = Rest::Ended;
                Ok(None)
            }
        }
    }

    /// Reads the body to its end and keeps nothing of it; tells its length. Where that can be, the kernel drops the bytes.
    ///
    /// # Errors
    /// The errors of [`Line::next`].
    pub async fn discard(&mut self, answer: &mut Answer) -> Result<u64, LinkError> {
        let mut bytes = 0u64;
        if !answer.received.is_empty() {
            bytes = self.next(answer).await?.map_or(0, |first| first.len() as u64);
        }
        // Nobody could decrypt TLS of which the kernel has dropped a part.
        if let (Rest::Length(left), None) = (&answer.rest, &self.conn.tls) {
            let left = *left;
            let turn = self.slot.awaits();
            let dropped = self.drop_bytes(left).await;
            drop(turn);
            self.judged(dropped)?;
            answer.rest = Rest::Ended;
            return Ok(bytes.saturating_add(left));
        }
        while let Some(more) = self.next(answer).await? {
            bytes = bytes.saturating_add(more.len() as u64);
        }
        Ok(bytes)
    }

    async fn next_of_length(&mut self, answer: &mut Answer) -> Result<Option<Range<usize>>, LinkError> {
        let Rest::Length(left) = &mut answer.rest else { return Ok(None) };
        let first = std::mem::take(&mut answer.received);
        if first.len() as u64 > *left {
            return Err(LinkError::protocol("bytes follow the end of the answer"));
        }
        if !first.is_empty() {
            *left = left.saturating_sub(first.len() as u64);
            return Ok(Some(first));
        }
        if *left == 0 {
            return Ok(None);
        }
        // The length is known: the kernel completes only full buffers, so that large bodies cost few turns.
        let room = self.room.buf.as_deref().map_or(0, <[u8]>::len);
        let want = usize::try_from(*left).unwrap_or(usize::MAX).min(room);
        let got = self.recv_range(0..want, true).await?;
        if got == 0 {
            return Err(LinkError::ended(false));
        }
        *left = left.saturating_sub(got as u64);
        Ok(Some(0..got))
    }

    /// Has the kernel drop what is left of a body.
    async fn drop_bytes(&mut self, bytes: u64) -> Result<(), LinkError> {
        let mut left = bytes;
        while left > 0 {
            let len = u32::try_from(left).unwrap_or(u32::MAX).min(DROP_BYTES_MAX);
            let got = self.driver.recv_discard(&self.conn.socket, len).await;
            match got.map_err(|e| LinkError::broken(&e, false))? {
                0 => return Err(LinkError::ended(false)),
                got => left = left.saturating_sub(got as u64),
            }
        }
        Ok(())
    }

    async fn next_of_chunks(&mut self, answer: &mut Answer) -> Result<Option<Range<usize>>, LinkError> {
        let Rest::Chunks(decoder) = &mut answer.rest else { return Ok(None) };
        loop {
            let range = answer.received.clone();
            let input = self.bytes(range.clone());
            let step =
                decoder.decode(input).map_err(|e| LinkError::protocol(format!("chunks: {}", e.what)))?;
            match step {
                ChunkStep::Data { skip, len } => {
                    let start = range.start.saturating_add(skip);
                    let end = start.saturating_add(len);
                    answer.received.start = end;
                    return Ok(Some(start..end));
                }
                ChunkStep::End { consumed } if consumed == range.len() => return Ok(None),
                ChunkStep::End { .. } => {
                    return Err(LinkError::protocol("bytes follow the end of the answer"));
                }
                ChunkStep::NeedMore { .. } => {
                    let got = self.recv(0, false).await?;
                    if got == 0 {
                        return Err(LinkError::ended(false));
                    }
                    answer.received = 0..got;
                }
            }
        }
    }

    async fn next_until_close(&mut self, answer: &mut Answer) -> Result<Option<Range<usize>>, LinkError> {
        let first = std::mem::take(&mut answer.received);
        if !first.is_empty() {
            return Ok(Some(first));
        }
        match self.recv(0, false).await? {
            // Where TLS has not ended, somebody on the way may have cut the rest off.
            0 if self.conn.tls.as_deref().is_some_and(Session::is_cut) => Err(LinkError::ended(false)),
            0 => Ok(None),
            got => Ok(Some(0..got)),
        }
    }

    fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.room.buf.as_deref().and_then(|buf| buf.get(range)).unwrap_or_default()
    }
}

//! The body of an answer: received into the same buffer again and again, and mostly forgotten.

use super::line::{Answer, Line};
use super::sink::Sink;
use super::tls::Session;
use crate::recorder::OpError;
use wire::http1::{ChunkStep, ChunkedDecoder, Framing};

/// What the kernel is told to drop in one operation, at most.
const DROP_BYTES_MAX: u32 = 64 << 20;

impl Line<'_> {
    /// Reads the body to its end; returns its length.
    pub(crate) async fn read_body(&mut self, answer: &Answer, sink: &mut Sink<'_>) -> Result<u64, OpError> {
        match answer.framing {
            Framing::Empty => self.read_length(answer, 0, sink).await,
            Framing::Length(bytes) => self.read_length(answer, bytes, sink).await,
            Framing::Chunked => self.read_chunked(answer, sink).await,
            Framing::UntilClose => self.read_until_close(answer, sink).await,
        }
    }

    async fn read_length(
        &mut self,
        answer: &Answer,
        bytes: u64,
        sink: &mut Sink<'_>,
    ) -> Result<u64, OpError> {
        let mut left = match bytes.checked_sub(answer.received.len() as u64) {
            Some(left) => left,
            None => return Err(OpError::protocol("bytes follow the end of the answer")),
        };
        sink.take(self.bytes(answer.received.clone()))?;
        // What the kernel dropped of TLS nobody could decrypt any more.
        if matches!(sink, Sink::Drop) && self.conn.tls.is_none() {
            return self.drop_rest(left).await.map(|()| bytes);
        }
        let room = self.room.buf.as_deref().map_or(0, <[u8]>::len);
        while left > 0 {
            // The length is known: the kernel completes only full buffers, so that large bodies cost few turns.
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(room);
            let got = self.recv_range(0..want, true).await?;
            if got == 0 {
                return Err(OpError::ended(false));
            }
            sink.take(self.bytes(0..got))?;
            left = left.saturating_sub(got as u64);
        }
        Ok(bytes)
    }

    /// Has the kernel drop what is left of a body.
    async fn drop_rest(&mut self, bytes: u64) -> Result<(), OpError> {
        let mut left = bytes;
        while left > 0 {
            let len = u32::try_from(left).unwrap_or(u32::MAX).min(DROP_BYTES_MAX);
            let got = self.driver.recv_discard(&self.conn.socket, len).await;
            match got.map_err(|e| OpError::broken(&e, false))? {
                0 => return Err(OpError::ended(false)),
                got => left = left.saturating_sub(got as u64),
            }
        }
        Ok(())
    }

    async fn read_chunked(&mut self, answer: &Answer, sink: &mut Sink<'_>) -> Result<u64, OpError> {
        let mut decoder = ChunkedDecoder::default();
        let mut range = answer.received.clone();
        let mut bytes = 0u64;
        loop {
            let input = self.bytes(range.clone());
            let step = decoder.decode(input).map_err(|e| OpError::protocol(format!("chunks: {}", e.what)))?;
            match step {
                ChunkStep::Data { skip, len } => {
                    let start = range.start.saturating_add(skip);
                    let end = start.saturating_add(len);
                    sink.take(self.bytes(start..end))?;
                    bytes = bytes.saturating_add(len as u64);
                    range.start = end;
                }
                ChunkStep::End { consumed } if consumed == range.len() => return Ok(bytes),
                ChunkStep::End { .. } => return Err(OpError::protocol("bytes follow the end of the answer")),
                ChunkStep::NeedMore { .. } => {
                    let got = self.recv(0, false).await?;
                    if got == 0 {
                        return Err(OpError::ended(false));
                    }
                    range = 0..got;
                }
            }
        }
    }

    async fn read_until_close(&mut self, answer: &Answer, sink: &mut Sink<'_>) -> Result<u64, OpError> {
        let mut range = answer.received.clone();
        let mut bytes = 0u64;
        loop {
            sink.take(self.bytes(range.clone()))?;
            bytes = bytes.saturating_add(range.len() as u64);
            match self.recv(0, false).await? {
                // Where TLS has not ended, somebody on the way may have cut the rest off.
                0 if self.conn.tls.as_deref().is_some_and(Session::is_cut) => {
                    return Err(OpError::ended(false));
                }
                0 => return Ok(bytes),
                got => range = 0..got,
            }
        }
    }

    fn bytes(&self, range: std::ops::Range<usize>) -> &[u8] {
        self.room.buf.as_deref().and_then(|buf| buf.get(range)).unwrap_or_default()
    }
}

//! An answer leaves by one call where it fits, and piece by piece otherwise.

use super::context::Shard;
use super::stream::Stream;
use crate::error::Result;
use crate::reply::{Payload, Reply};
use crate::store::Piece;
use crate::store::{OWN_BYTES, QUANTUM_BYTES, Reader};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Bytes up to here are sent with the head in one call; of more a copy would cost more than a second call.
const BYTES_WITH_HEAD_MAX: usize = 32 << 10;
/// A reader that takes so many parts one after the other, each in this time, is not slow any more.
const QUICK_PARTS: u32 = 16;
const QUICK_PART: Duration = Duration::from_millis(20);

/// Sends an answer. `without_body` for the answers to `HEAD`.
pub(super) async fn send(
    shard: &Rc<Shard>,
    stream: &mut Stream,
    reply: Reply,
    without_body: bool,
    keep_alive: bool,
) -> Result<()> {
    let mut head = reply.head(without_body, keep_alive);
    match reply.body {
        _ if without_body => stream.send(head).await.map(drop),
        Payload::Empty => stream.send(head).await.map(drop),
        Payload::Bytes(bytes) if bytes.len() > BYTES_WITH_HEAD_MAX => {
            stream.send(head).await?;
            stream.send(bytes).await.map(drop)
        }
        Payload::Bytes(bytes) => {
            head.extend_from_slice(&bytes);
            stream.send(head).await.map(drop)
        }
        Payload::Piece(piece) => {
            let rest = stream.send_with_head(head, piece).await?;
            if rest.range.is_empty() { Ok(()) } else { Box::pin(send_rest(shard, stream, rest)).await }
        }
        Payload::Stream { first, mut rest } => {
            let mut left = stream.send_with_head(head, first).await?;
            loop {
                if !left.range.is_empty() {
                    Box::pin(send_slowly(shard, stream, &mut rest, left)).await?;
                }
                match next_piece(shard, stream, &mut rest).await? {
                    Some(piece) => left = stream.send_piece(piece).await?,
                    None => return Ok(()),
                }
            }
        }
    }
}

/// The rest of a small object, for a reader that is too slow to let it hold registered memory.
async fn send_rest(shard: &Shard, stream: &mut Stream, rest: Piece) -> Result<()> {
    let len = rest.range.len();
    let loan = if len > OWN_BYTES { shard.store.lend_to_slow(len) } else { None };
    if loan.is_none() && len > OWN_BYTES {
        return stream.send_all(rest).await;
    }
    let bytes = rest.chunk.get(rest.range).unwrap_or_default().to_vec();
    drop(rest.chunk);
    stream.send(bytes).await.map(drop)
}

/// Sends in small parts out of plain memory for as long as the reader is slow. Bytes that it has been given and has not
/// taken are read again, part by part.
async fn send_slowly(shard: &Shard, stream: &mut Stream, reader: &mut Reader, left: Piece) -> Result<()> {
    let mut left_bytes = left.range.len();
    drop(left);
    let mut quick_parts = 0;
    while quick_parts < QUICK_PARTS {
        reader.go_back(left_bytes as u64, true);
        let loan = shard.store.lend_to_slow(QUANTUM_BYTES);
        let most = if loan.is_some() { QUANTUM_BYTES } else { OWN_BYTES };
        let Some(piece) = next_piece(shard, stream, reader).await? else { return Ok(()) };
        let part = piece.range.start..piece.range.end.min(piece.range.start + most);
        left_bytes = piece.range.len() - part.len();
        let bytes = piece.chunk.get(part).unwrap_or_default().to_vec();
        drop(piece);
        let begun = Instant::now();
        stream.send(bytes).await?;
        quick_parts = if begun.elapsed() < QUICK_PART { quick_parts + 1 } else { 0 };
    }
    reader.go_back(left_bytes as u64, false);
    Ok(())
}

/// Damage found after the head has left: the connection is cut short of its length, so that nobody takes it for whole.
async fn next_piece(shard: &Shard, stream: &mut Stream, rest: &mut Reader) -> Result<Option<Piece>> {
    rest.next().await.inspect_err(|e| {
        shard.store.count_corrupt(e);
        tracing::error!(error = %e, "read failed in mid-answer: connection cut");
        stream.give_up();
    })
}

//! The checkpoint: bytes of the caller that say up to where in its log the runs are complete, and what else it knows by then.
//!
//! It is as long as the caller has it, so it lies in a file of its own: whole pages, zeros behind what is used. The manifest
//! names it with its length and its checksum; a new one is durable before a manifest names it, and the old one is removed
//! after.

use super::PAGE_BYTES;
use super::files::{Home, NewFile, checkpoint_name};
use super::footer::{SECTION_PIECE_BYTES, SectionCrc};
use crate::error::{Error, Result};

/// A checkpoint as the manifest knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CheckpointRecord {
    /// Never 0.
    pub(super) seq: u64,
    /// Without the zeros at the end.
    pub(super) bytes: u64,
    /// Of all pages; see [`SectionCrc`].
    pub(super) crc: u32,
}

impl CheckpointRecord {
    fn padded(&self) -> u64 {
        self.bytes.next_multiple_of(PAGE_BYTES as u64)
    }
}

/// Writes and flushes a checkpoint, piece by piece. The file stays only if it is kept.
pub(super) async fn write(home: &Home, seq: u64, bytes: &[u8]) -> Result<(CheckpointRecord, NewFile)> {
    assert!(seq > 0, "a checkpoint of {} bytes gets the number that stands for none", bytes.len());
    let mut file = NewFile::create(home, &checkpoint_name(seq)).await?;
    let mut crc = SectionCrc::default();
    for piece in bytes.chunks(SECTION_PIECE_BYTES) {
        file.pending.extend_from_slice(piece);
        file.pending.resize(piece.len().next_multiple_of(PAGE_BYTES), 0);
        crc.add(&file.pending);
        file.write_out().await?;
    }
    file.seal().await?;
    Ok((CheckpointRecord { seq, bytes: bytes.len() as u64, crc: crc.finish() }, file))
}

/// Reads a checkpoint that the manifest names.
///
/// # Errors
/// `Corrupt` when it is missing or damaged.
pub(super) async fn read(home: &Home, record: &CheckpointRecord) -> Result<Vec<u8>> {
    let name = checkpoint_name(record.seq);
    let damaged = |why: &str| Error::corrupt(format!("{name}: {why}"));
    let (file, there) = home.open(&name).await?.ok_or_else(|| damaged("it is missing"))?;
    if there != record.padded() {
        return Err(damaged("it is not as long as it was"));
    }
    let mut bytes = home.read(&file, 0, there).await?;
    let mut crc = SectionCrc::default();
    for piece in bytes.chunks(SECTION_PIECE_BYTES) {
        crc.add(piece);
        uring::yield_now().await;
    }
    if crc.finish() != record.crc {
        return Err(damaged("it does not match its checksum"));
    }
    bytes.truncate(usize::try_from(record.bytes).map_err(|_| damaged("it is too long for this machine"))?);
    Ok(bytes)
}

//! The manifest: which runs there are, and up to where in the log they are complete.
//!
//! `magic (8) | crc32c of the rest (4) | runs (4) | next seq (8) | checkpoint: seq (8), bytes (8), crc (4) | runs: {seq, bytes,
//! entries} (8 each) | zeros up to a multiple of 4096`. It is only ever replaced as a whole. It has no limit of its own: how
//! long it is follows from the number of runs, and the checkpoint, of any length, lies in a file beside it.

use super::PAGE_BYTES;
use super::checkpoint::CheckpointRecord;
use super::codec::Input;
use std::collections::HashSet;
use wire::cksum::crc32c;

const MAGIC: [u8; 8] = *b"SLmani\0\x02";
const CRC_END: usize = MAGIC.len() + 4;
/// All before the runs.
const HEAD_BYTES: u64 = CRC_END as u64 + 4 + 8 + 8 + 8 + 4;
const RUN_BYTES: u64 = 3 * 8;

/// Numbers of files stay below this, which no index comes near.
const SEQ_MAX: u64 = 1 << 62;

/// A run as the manifest knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunRecord {
    pub(super) seq: u64,
    pub(super) bytes: u64,
    /// Tombstones included.
    pub(super) entries: u64,
}

/// All that is known of an index after a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    /// Larger than that of any run.
    pub(super) next_seq: u64,
    /// The newest first.
    pub(super) runs: Vec<RunRecord>,
    /// `None` before the first one.
    pub(super) checkpoint: Option<CheckpointRecord>,
}

/// Bytes of the manifest that begins with this page; `None` for a page that begins none. The memory that a damaged file
/// takes is therefore bounded by what a whole one would take.
pub(super) fn file_bytes(first_page: &[u8]) -> Option<u64> {
    let mut input = Input::new(first_page);
    let (magic, _crc, runs) = (input.take(MAGIC.len())?, input.u32()?, input.u32()?);
    let bytes = HEAD_BYTES + u64::from(runs) * RUN_BYTES;
    (*magic == MAGIC).then(|| bytes.next_multiple_of(PAGE_BYTES as u64))
}

impl Manifest {
    /// Whole pages.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&(self.runs.len() as u32).to_le_bytes());
        // The number of no file stands for none.
        let none = CheckpointRecord { seq: 0, bytes: 0, crc: 0 };
        let checkpoint = self.checkpoint.unwrap_or(none);
        bytes
            .extend([self.next_seq, checkpoint.seq, checkpoint.bytes].into_iter().flat_map(u64::to_le_bytes));
        bytes.extend_from_slice(&checkpoint.crc.to_le_bytes());
        for run in &self.runs {
            bytes.extend([run.seq, run.bytes, run.entries].into_iter().flat_map(u64::to_le_bytes));
        }
        bytes.resize(bytes.len().next_multiple_of(PAGE_BYTES), 0);
        let expected = file_bytes(&bytes);
        assert!(
            expected == Some(bytes.len() as u64),
            "a manifest has {} bytes, of {} runs a start expects {expected:?}",
            bytes.len(),
            self.runs.len()
        );
        if let Some((head, rest)) = bytes.split_at_mut_checked(CRC_END)
            && let Some(crc) = head.last_chunk_mut()
        {
            *crc = crc32c(rest).to_le_bytes();
        }
        bytes
    }

    /// # Errors
    /// The fault, in words.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut input = Input::new(bytes);
        if input.take(MAGIC.len()) != Some(&MAGIC) {
            return Err("it is no manifest, or one of another version");
        }
        if input.u32() != bytes.get(CRC_END..).map(crc32c) {
            return Err("it does not match its checksum");
        }
        let manifest = Self::read(&mut input).ok_or("it is cut short")?;
        if !(1..SEQ_MAX).contains(&manifest.next_seq) {
            return Err("it numbers files as no index does");
        }
        let mut seqs = HashSet::new();
        let named = manifest.runs.iter().map(|run| run.seq);
        let named = named.chain(manifest.checkpoint.map(|checkpoint| checkpoint.seq));
        if !named.into_iter().all(|seq| seq < manifest.next_seq && seqs.insert(seq)) {
            return Err("it names a file that cannot be");
        }
        Ok(manifest)
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        let count = input.u32()?;
        let next_seq = input.u64()?;
        let checkpoint = CheckpointRecord { seq: input.u64()?, bytes: input.u64()?, crc: input.u32()? };
        let mut runs = Vec::new();
        for _ in 0..count {
            runs.push(RunRecord { seq: input.u64()?, bytes: input.u64()?, entries: input.u64()? });
        }
        Some(Self { next_seq, runs, checkpoint: (checkpoint.seq > 0).then_some(checkpoint) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn manifest()(
            records in prop::collection::btree_map(0u64..1000, any::<(u64, u64)>(), 0..400),
            checkpoint in prop::option::of((1000u64..1100, any::<u64>(), any::<u32>())),
        ) -> Manifest {
            let runs = records.into_iter().rev().map(|(seq, (bytes, entries))| RunRecord { seq, bytes, entries });
            let checkpoint = checkpoint.map(|(seq, bytes, crc)| CheckpointRecord { seq, bytes, crc });
            Manifest { next_seq: 1100, runs: runs.collect(), checkpoint }
        }
    }

    proptest! {
        #[test]
        fn comes_back(manifest in manifest()) {
            let bytes = manifest.encode();
            prop_assert_eq!(file_bytes(&bytes[..PAGE_BYTES]), Some(bytes.len() as u64));
            prop_assert_eq!(Manifest::decode(&bytes), Ok(manifest));
        }

        #[test]
        fn any_flipped_bit_is_noticed(manifest in manifest(), at: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = manifest.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(Manifest::decode(&bytes).is_err());
        }

        #[test]
        fn any_bytes(fields in prop::collection::vec(any::<u8>(), 0..100), small in prop::collection::vec(0u8..3, 0..100)) {
            for fields in [fields, small] {
                prop_assert!(Manifest::decode(&fields).is_err());
                let _ = file_bytes(&fields);
                let mut bytes = MAGIC.to_vec();
                bytes.extend_from_slice(&crc32c(&fields).to_le_bytes());
                bytes.extend_from_slice(&fields);
                let _ = file_bytes(&bytes);
                if let Ok(manifest) = Manifest::decode(&bytes) {
                    prop_assert!(manifest.runs.iter().all(|run| run.seq < manifest.next_seq));
                }
            }
        }
    }

    #[test]
    fn a_file_named_twice_is_refused() {
        let run = RunRecord { seq: 1, bytes: 2, entries: 3 };
        let twice = Manifest { next_seq: 2, runs: vec![run, run], checkpoint: None };
        assert!(Manifest::decode(&twice.encode()).is_err());
        let checkpoint = Some(CheckpointRecord { seq: 1, bytes: 2, crc: 3 });
        let both = Manifest { next_seq: 2, runs: vec![run], checkpoint };
        assert!(Manifest::decode(&both.encode()).is_err());
    }
}

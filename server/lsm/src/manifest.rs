//! The manifest: which runs there are, and up to where in the log they are complete.
//!
//! `magic (8) | crc32c of the rest (4) | next seq (8) | runs (4) | {seq, bytes, entries} (8 each) | checkpoint length (4) |
//! checkpoint | zeros up to a multiple of 4096`. It is only ever replaced as a whole.

use super::PAGE_BYTES;
use super::codec::Input;
use std::collections::HashSet;
use wire::cksum::crc32c;

const MAGIC: [u8; 8] = *b"SLmani\0\x01";
const CRC_END: usize = MAGIC.len() + 4;
/// Bytes of the largest manifest; most of it is the checkpoint.
pub(super) const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// A run as the manifest knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunRecord {
    pub(super) seq: u64,
    pub(super) bytes: u64,
    /// Tombstones included.
    pub(super) entries: u64,
}

/// What is known of an index after a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    /// Larger than that of any run.
    pub(super) next_seq: u64,
    /// The newest first.
    pub(super) runs: Vec<RunRecord>,
    pub(super) checkpoint: Vec<u8>,
}

impl Manifest {
    /// Whole pages.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.next_seq.to_le_bytes());
        bytes.extend_from_slice(&(self.runs.len() as u32).to_le_bytes());
        for run in &self.runs {
            bytes.extend([run.seq, run.bytes, run.entries].into_iter().flat_map(u64::to_le_bytes));
        }
        bytes.extend_from_slice(&(self.checkpoint.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.checkpoint);
        bytes.resize(bytes.len().next_multiple_of(PAGE_BYTES), 0);
        if let Some((head, rest)) = bytes.split_at_mut_checked(CRC_END)
            && let Some(crc) = head.last_chunk_mut()
        {
            *crc = crc32c(rest).to_le_bytes();
        }
        bytes
    }

    /// # Errors
    /// What is wrong with it.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut input = Input::new(bytes);
        if input.take(MAGIC.len()) != Some(&MAGIC) {
            return Err("it is no manifest, or one of another version");
        }
        if input.u32() != bytes.get(CRC_END..).map(crc32c) {
            return Err("it does not match its checksum");
        }
        let manifest = Self::read(&mut input).ok_or("it is cut short")?;
        let mut seqs = HashSet::new();
        if !manifest.runs.iter().all(|run| run.seq < manifest.next_seq && seqs.insert(run.seq)) {
            return Err("it names a run that cannot be");
        }
        Ok(manifest)
    }

    fn read(input: &mut Input<'_>) -> Option<Self> {
        let next_seq = input.u64()?;
        let mut runs = Vec::new();
        for _ in 0..input.u32()? {
            runs.push(RunRecord { seq: input.u64()?, bytes: input.u64()?, entries: input.u64()? });
        }
        let len = input.u32()? as usize;
        Some(Self { next_seq, runs, checkpoint: input.take(len)?.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn manifest()(
            records in prop::collection::btree_map(0u64..1000, any::<(u64, u64)>(), 0..20),
            checkpoint in prop::collection::vec(any::<u8>(), 0..6000),
        ) -> Manifest {
            let runs = records.into_iter().rev().map(|(seq, (bytes, entries))| RunRecord { seq, bytes, entries });
            Manifest { next_seq: 1000, runs: runs.collect(), checkpoint }
        }
    }

    proptest! {
        #[test]
        fn comes_back(manifest in manifest()) {
            let bytes = manifest.encode();
            prop_assert!(bytes.len().is_multiple_of(PAGE_BYTES));
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
                let mut bytes = MAGIC.to_vec();
                bytes.extend_from_slice(&crc32c(&fields).to_le_bytes());
                bytes.extend_from_slice(&fields);
                if let Ok(manifest) = Manifest::decode(&bytes) {
                    prop_assert!(manifest.runs.iter().all(|run| run.seq < manifest.next_seq));
                }
            }
        }
    }

    #[test]
    fn a_run_named_twice_is_refused() {
        let run = RunRecord { seq: 1, bytes: 2, entries: 3 };
        let manifest = Manifest { next_seq: 2, runs: vec![run, run], checkpoint: Vec::new() };
        assert!(Manifest::decode(&manifest.encode()).is_err());
    }
}

//! PUT sends bytes of a pool made once, before any clock starts.

use super::payload_file::through_file;
use crate::content::Pool;
use crate::content::pool::{PIECE_BYTES_MAX, STARTS_BYTES};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use wire::cksum::{CksumType, Hasher};

/// Objects start at a multiple of this: few enough places that a run with objects of one size has all their checksums
/// after a moment.
const START_STEP_BYTES: usize = 64 << 10;

/// Bytes to send: a range of the pool, or of memory beside it.
pub(crate) type Piece = link::Piece<Rc<[u8]>>;

/// The payload pool of one core.
#[derive(Clone)]
pub(crate) struct Payload {
    bytes: Rc<[u8]>,
}

impl Payload {
    /// Sends the bytes of a pool; runs that never PUT do with an empty one.
    pub(crate) fn new(pool: &Pool) -> Self {
        Self { bytes: Rc::clone(pool.bytes()) }
    }

    /// The same pool after its bytes went through a file in `directory`.
    pub(crate) fn through_file(self, directory: &str) -> std::io::Result<Self> {
        Ok(Self { bytes: through_file(&self.bytes, directory)?.into() })
    }

    /// The memory, in the form that the ring sends.
    pub(crate) fn bytes(&self) -> Rc<[u8]> {
        Rc::clone(&self.bytes)
    }

    /// The pieces of an object, in order: ranges of the pool.
    pub(crate) fn pieces(&self, place: u64, size_bytes: u64) -> Pieces {
        let starts = (STARTS_BYTES / START_STEP_BYTES) as u64;
        let start = crate::workload::random::scale(place, starts) as usize * START_STEP_BYTES;
        // A pool without memory has no pieces either.
        let left_bytes = if self.bytes.is_empty() { 0 } else { size_bytes };
        Pieces { at: start, left_bytes }
    }
}

/// Checksums kept: of objects of this many sizes, at every place where they can start.
const CKSUMS_MAX: usize = 32 * STARTS_BYTES / START_STEP_BYTES;

/// Checksums of objects. Where an object starts and how long it is decides what is in it; so a run with objects of one
/// size soon has all checksums that it will ever need, and spends nothing on them.
#[derive(Default)]
pub(crate) struct Cksums {
    known: RefCell<HashMap<(usize, u64), String>>,
}

impl Cksums {
    /// The checksum of an object; `None` for type `none`.
    pub(crate) fn of(
        &self,
        cksum_type: CksumType,
        pieces: &[Piece],
        size_bytes: u64,
    ) -> Option<(CksumType, String)> {
        if cksum_type == CksumType::None {
            return None;
        }
        let key = (pieces.first().map_or(0, |first| first.range.start), size_bytes);
        if let Some(value) = self.known.borrow().get(&key) {
            return Some((cksum_type, value.clone()));
        }
        let value = hash(cksum_type, pieces);
        let mut known = self.known.borrow_mut();
        if known.len() < CKSUMS_MAX {
            known.insert(key, value.clone());
        }
        Some((cksum_type, value))
    }
}

/// The checksum of the bytes of all pieces.
pub(crate) fn hash(cksum_type: CksumType, pieces: &[Piece]) -> String {
    let mut hasher = Hasher::new(cksum_type);
    pieces.iter().for_each(|piece| hasher.update(piece.slice()));
    hasher.finish()
}

/// Walks over the pool, and around to its start when an object is longer.
#[derive(Clone, Debug)]
pub(crate) struct Pieces {
    at: usize,
    left_bytes: u64,
}

impl Iterator for Pieces {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        if self.left_bytes == 0 {
            return None;
        }
        let len = usize::try_from(self.left_bytes).unwrap_or(usize::MAX).min(PIECE_BYTES_MAX);
        let piece = self.at..self.at.saturating_add(len);
        self.left_bytes = self.left_bytes.saturating_sub(len as u64);
        self.at = self.at.saturating_add(len) % STARTS_BYTES;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement::mix;

    #[test]
    fn pieces_cover_the_object_and_stay_inside() {
        let payload = Payload::new(&Pool::new(3, 0));
        for (place, size) in [(0, 0), (1 << 40, 1), (u64::MAX, 4 << 20), (u64::MAX / 2, 100 << 20)] {
            let pieces: Vec<_> = payload.pieces(place, size).collect();
            assert_eq!(pieces.iter().map(|p| payload.bytes[p.clone()].len() as u64).sum::<u64>(), size);
            assert!(pieces.iter().all(|p| p.end <= payload.bytes.len()));
        }
    }

    #[test]
    fn kept_checksums_are_those_of_the_bytes() {
        let (payload, cksums) = (Payload::new(&Pool::new(3, 0)), Cksums::default());
        for place in (0..40).map(|n| mix(n % 20)) {
            let pieces: Vec<Piece> =
                payload.pieces(place, 9 << 20).map(|range| Piece { bytes: payload.bytes(), range }).collect();
            let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.slice().to_vec()).collect();
            let value = wire::cksum::checksum(CksumType::Crc32c, &bytes);
            let got = cksums.of(CksumType::Crc32c, &pieces, 9 << 20);
            assert_eq!(got, Some((CksumType::Crc32c, value)));
        }
        assert_eq!(cksums.of(CksumType::None, &[], 0), None);
    }
}

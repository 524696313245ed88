//! The body of a PUT: what it consists of, and its checksum.

use super::payload::{Piece, hash};
use super::shard_body::shard_pieces;
use super::stamped::Stamped;
use super::stock::Stock;
use crate::content::Outcome;
use crate::engine::shared::state::Run;
use crate::settings::Config;
use crate::workload::NewObject;
use link::LinkError;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use wire::cksum::{CksumType, Hasher};

/// The body of a PUT, checksum included: all of it is computed before the clock starts.
pub(crate) struct PutBody {
    pub(crate) size_bytes: u64,
    pub(crate) cksum: Option<(CksumType, String)>,
    source: RefCell<Source>,
}

enum Source {
    /// Memory that is there.
    Pieces(Vec<Piece>),
    /// Made for this object, piece by piece.
    Stamped(Box<Stamped>),
}

impl PutBody {
    /// A new object of this name, from the pool or with stamped blocks.
    pub(crate) fn new(run: &Arc<Run>, stock: &Stock, name: &str, object: NewObject) -> Self {
        let config = &run.config;
        let size_bytes = object.size_bytes;
        if config.content.is_stamped {
            let mut stamped = Stamped::new(run, stock, name, size_bytes);
            let cksum = stamped_cksum(config.cksum, &mut stamped);
            return Self { size_bytes, cksum, source: RefCell::new(Source::Stamped(Box::new(stamped))) };
        }
        let ranges = stock.payload.pieces(object.payload, size_bytes);
        let pieces: Vec<Piece> = ranges.map(|range| Piece { bytes: stock.payload.bytes(), range }).collect();
        let cksum = stock.cksums.of(config.cksum, &pieces, size_bytes);
        Self { size_bytes, cksum, source: RefCell::new(Source::Pieces(pieces)) }
    }

    /// A shard of about the object's size.
    pub(crate) fn shard(config: &Config, stock: &Stock, object: NewObject) -> Self {
        let sizes = config.archives.file_sizes(object.size_bytes, config.mix.own_seed, object.payload);
        let pieces = shard_pieces(&config.archives, &sizes, &stock.payload, object.payload);
        Self::of(config.cksum, pieces)
    }

    /// The sum of the pieces.
    pub(crate) fn of(cksum_type: CksumType, pieces: Vec<Piece>) -> Self {
        let size_bytes = pieces.iter().map(|piece| piece.range.len() as u64).sum();
        let cksum = (cksum_type != CksumType::None).then(|| (cksum_type, hash(cksum_type, &pieces)));
        Self { size_bytes, cksum, source: RefCell::new(Source::Pieces(pieces)) }
    }

    /// All of it at once.
    pub(crate) fn pieces(&self) -> Vec<Piece> {
        (0..).map_while(|index| self.piece(index)).collect()
    }

    /// A piece of it; `None` behind the last. One that is still held when the next is asked for costs new memory.
    pub(crate) fn piece(&self, index: usize) -> Option<Piece> {
        match &mut *self.source.borrow_mut() {
            Source::Pieces(pieces) => pieces.get(index).cloned(),
            Source::Stamped(stamped) => stamped.piece(index),
        }
    }

    /// The end of the PUT, for those who verify.
    pub(crate) fn set_outcome(&self, outcome: Outcome) {
        if let Source::Stamped(stamped) = &mut *self.source.borrow_mut() {
            stamped.set_outcome(outcome);
        }
    }
}

impl link::Source for &PutBody {
    type Bytes = Rc<[u8]>;

    fn piece(&mut self, index: usize) -> impl Future<Output = Result<Option<Piece>, LinkError>> {
        std::future::ready(Ok(PutBody::piece(self, index)))
    }
}

fn stamped_cksum(cksum_type: CksumType, stamped: &mut Stamped) -> Option<(CksumType, String)> {
    if cksum_type == CksumType::None {
        return None;
    }
    let mut hasher = Hasher::new(cksum_type);
    let mut index = 0usize;
    while let Some(piece) = stamped.piece(index) {
        hasher.update(piece.slice());
        index = index.saturating_add(1);
    }
    Some((cksum_type, hasher.finish()))
}

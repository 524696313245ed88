//! PUT of objects whose blocks are stamped: their bytes are made for each, into memory that is used again.

use super::payload::Piece;
use super::stock::{Spares, Stock};
use crate::content::generate::fill;
use crate::content::stamp::name_hash;
use crate::content::{Identity, Outcome, Pool};
use crate::engine::shared::state::Run;
use std::rc::Rc;
use std::sync::Arc;

/// Made at once: it stays in the core's cache until the kernel has copied it.
const PIECE_BYTES: usize = 1 << 20;

/// The bytes of one object, piece by piece.
pub(crate) struct Stamped {
    identity: Identity,
    pool: Pool,
    spares: Spares,
    buf: Rc<[u8]>,
    /// The piece that lies in the buffer.
    filled: Option<usize>,
    ticket: Ticket,
}

impl Stamped {
    /// A new version of an object. A piece is made when it is asked for.
    pub(crate) fn new(run: &Arc<Run>, stock: &Stock, name: &str, size_bytes: u64) -> Self {
        let config = &run.config;
        let version = run.versions.next();
        let identity = Identity {
            recipe: config.content.recipe,
            name_hash: name_hash(&config.bucket.uri(), name),
            size_bytes,
            version,
            loader: config.content.loader,
        };
        run.versions.begin(identity.name_hash, version);
        let ticket = Ticket {
            run: Arc::clone(run),
            name_hash: identity.name_hash,
            version,
            outcome: Outcome::NotBegun,
        };
        // The sizes of a trace are its own; memory of no length at all would hold no piece.
        let longest = if config.trace.is_some() { u64::MAX } else { config.mix.sizes.max_bytes() };
        let most = usize::try_from(longest).unwrap_or(usize::MAX).clamp(1, PIECE_BYTES);
        let buf = stock.spares.borrow_mut().pop().unwrap_or_else(|| memory(most));
        let spares = Rc::clone(&stock.spares);
        Self { identity, pool: stock.pools.of(&identity.recipe), spares, buf, filled: None, ticket }
    }

    /// A piece of the object; `None` behind its end.
    pub(crate) fn piece(&mut self, index: usize) -> Option<Piece> {
        let piece_bytes = self.buf.len().max(1);
        let offset = (index as u64).saturating_mul(piece_bytes as u64);
        let left = self.identity.size_bytes.checked_sub(offset).filter(|left| *left > 0)?;
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(piece_bytes);
        if self.filled != Some(index) {
            if Rc::get_mut(&mut self.buf).is_none() {
                // A send that was given up may still hold it.
                self.buf = memory(piece_bytes);
            }
            let out = Rc::get_mut(&mut self.buf).and_then(|buf| buf.get_mut(..len))?;
            fill(&self.pool, &self.identity, offset, out);
            self.filled = Some(index);
        }
        Some(Piece { bytes: Rc::clone(&self.buf), range: 0..len })
    }

    /// The end of the PUT.
    pub(crate) fn set_outcome(&mut self, outcome: Outcome) {
        self.ticket.outcome = outcome;
    }
}

impl Drop for Stamped {
    fn drop(&mut self) {
        if Rc::get_mut(&mut self.buf).is_some() {
            self.spares.borrow_mut().push(Rc::clone(&self.buf));
        }
    }
}

fn memory(len: usize) -> Rc<[u8]> {
    vec![0; len].into()
}

/// A write that is known to [`Versions`](crate::content::Versions), and comes to its end there in any case.
struct Ticket {
    run: Arc<Run>,
    name_hash: u64,
    version: u64,
    outcome: Outcome,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.run.versions.end(self.name_hash, self.version, self.outcome);
    }
}

//! Memory for batches of records.
//!
//! A writer waits for room in a batch while it holds the bytes of its object, so batches must not depend on what the
//! pool has left: one buffer of the largest size is kept aside. It always comes back with the end of a write.

use crate::error::{Error, Result};
use futures_channel::oneshot;
use std::cell::RefCell;
use uring::{Buf, Pool};

/// Room for the largest record and its padding.
pub(crate) const BATCH_BYTES_MAX: usize = 256 << 10;
/// Batches of small records begin with this much.
const BATCH_BYTES: usize = 64 << 10;

/// The batch buffers of one core.
pub(crate) struct BatchBuffers {
    pool: Pool,
    reserve: RefCell<Option<Buf>>,
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
}

impl BatchBuffers {
    pub(crate) fn new(pool: Pool) -> Result<Self> {
        let reserve = pool.try_alloc(BATCH_BYTES_MAX);
        let reserve = reserve.ok_or_else(|| Error::internal("no memory for a batch of records"))?;
        Ok(Self { pool, reserve: RefCell::new(Some(reserve)), waiting: RefCell::default() })
    }

    /// A buffer for `len` bytes (at most [`BATCH_BYTES_MAX`]) and more, or something to wait for.
    pub(crate) fn take(&self, len: usize) -> Result<Buf, oneshot::Receiver<()>> {
        assert!(len <= BATCH_BYTES_MAX, "a batch of {len} bytes is asked for");
        let size = if len <= BATCH_BYTES / 2 { BATCH_BYTES } else { BATCH_BYTES_MAX };
        let buf = self.pool.try_alloc(size).or_else(|| self.reserve.take());
        buf.ok_or_else(|| {
            let (turn, my_turn) = oneshot::channel();
            self.waiting.borrow_mut().push(turn);
            my_turn
        })
    }

    /// Takes a buffer back.
    pub(crate) fn give(&self, buf: Buf) {
        let mut reserve = self.reserve.borrow_mut();
        if reserve.is_none() && buf.len() >= BATCH_BYTES_MAX {
            *reserve = Some(buf);
        } else {
            drop(buf);
        }
        drop(reserve);
        for waiter in self.waiting.take() {
            // Whoever has gone waits for nothing.
            let _ = waiter.send(());
        }
    }
}

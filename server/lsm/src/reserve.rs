//! A few buffers that belong to the index, so that a read of it never waits for requests.
//!
//! Look-ups run in tasks that hold buffers of the pool, and such tasks must not wait for it. They wait here instead,
//! where a holder only ever waits for the disk: whoever has begun to poll a read goes on, or drops it. A future that is
//! dropped while the kernel still works on its buffer leaves the operation in the reserve; the next one to get that
//! buffer sees it through.

use crate::error::{Error, Result};
use async_channel::{Receiver, Sender, TrySendError};
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use uring::{Buf, Driver, LEAF_BYTES, fault};

type IoResult = (io::Result<usize>, Buf);
type PendingIo = Pin<Box<dyn Future<Output = IoResult>>>;

enum Slot {
    Idle(Buf),
    Busy(PendingIo),
}

/// Buffers of one size.
pub(super) struct Reserve {
    give: Sender<Slot>,
    take: Receiver<Slot>,
}

impl Reserve {
    /// Takes `count` buffers out of the driver's pool, for good.
    ///
    /// # Errors
    /// The pool is too small.
    pub(super) fn new(driver: &Driver, count: usize, buf_bytes: usize) -> Result<Self> {
        let (give, take) = async_channel::bounded(count);
        for _ in 0..count {
            let buf = driver.pool().try_alloc(buf_bytes);
            let buf = buf.ok_or_else(|| Error::internal("no buffers are left for the index"))?;
            // There is room for every buffer.
            let _ = give.try_send(Slot::Idle(buf));
        }
        Ok(Self { give, take })
    }

    /// The next free buffer, in the order of asking.
    pub(super) async fn borrow(&self) -> Result<Lent> {
        let gone = |_| Error::internal("the buffers of the index are gone");
        let slot = self.take.recv().await.map_err(gone)?;
        let mut lent = Lent { slot: Some(slot), home: self.give.clone() };
        poll_fn(|cx| match lent.poll_busy(cx) {
            Some(poll) => poll.map(drop),
            None => Poll::Ready(()),
        })
        .await;
        Ok(lent)
    }
}

/// A buffer out of the reserve; goes back when dropped.
pub(super) struct Lent {
    slot: Option<Slot>,
    home: Sender<Slot>,
}

impl Lent {
    /// Reads whole pages. Less than asked for comes back at the end of the file.
    pub(super) async fn read(
        &mut self,
        driver: &Driver,
        file: &Rc<OwnedFd>,
        offset: u64,
        len: usize,
    ) -> Result<&[u8]> {
        let whole = offset.is_multiple_of(LEAF_BYTES as u64) && len.is_multiple_of(LEAF_BYTES);
        assert!(whole, "{len} bytes at {offset} of an index are read, which are no whole pages");
        fault::step("index-read").map_err(|e| Error::disk("read the index", e))?;
        let buf = self.idle()?;
        let len = len.min(buf.len());
        self.slot = Some(Slot::Busy(Box::pin(driver.read_at(file, buf, len, offset))));
        let count = self.done().await.map_err(|e| Error::unread("read the index", e))?;
        match &self.slot {
            Some(Slot::Idle(buf)) => Ok(buf.get(..count).unwrap_or_default()),
            _ => Err(lost()),
        }
    }

    /// Writes whole pages, as many as the buffer takes; returns the number of bytes.
    pub(super) async fn write(
        &mut self,
        driver: &Driver,
        file: &Rc<OwnedFd>,
        offset: u64,
        bytes: &[u8],
    ) -> Result<usize> {
        let (len, page) = (bytes.len(), LEAF_BYTES);
        let whole = offset.is_multiple_of(page as u64) && len.is_multiple_of(page);
        assert!(whole, "{len} bytes at {offset} of an index are written, which are no whole pages");
        fault::step("index-write").map_err(|e| Error::disk("write the index", e))?;
        let mut buf = self.idle()?;
        let len = bytes.len().min(buf.len());
        if let Some((to, from)) = buf.get_mut(..len).zip(bytes.get(..len)) {
            to.copy_from_slice(from);
        }
        self.slot = Some(Slot::Busy(Box::pin(driver.write_at(file, buf, len, offset))));
        let count = self.done().await.map_err(|e| Error::disk("write the index", e))?;
        if count == len {
            return Ok(len);
        }
        // A short write to a file means that the device is full.
        let short = format!("{count} of {len} bytes were written");
        Err(Error::disk("write the index", io::Error::new(io::ErrorKind::StorageFull, short)))
    }

    fn idle(&mut self) -> Result<Buf> {
        match self.slot.take() {
            Some(Slot::Idle(buf)) => Ok(buf),
            other => {
                self.slot = other;
                Err(lost())
            }
        }
    }

    async fn done(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_busy(cx).unwrap_or(Poll::Ready(Ok(0)))).await
    }

    /// `None` when nothing is under way.
    fn poll_busy(&mut self, cx: &mut Context<'_>) -> Option<Poll<io::Result<usize>>> {
        let Some(Slot::Busy(pending)) = &mut self.slot else { return None };
        let (count, buf) = match pending.as_mut().poll(cx) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => return Some(Poll::Pending),
        };
        self.slot = Some(Slot::Idle(buf));
        Some(Poll::Ready(count))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            // Without a reserve it goes back to the pool.
            let kept = self.home.try_send(slot);
            assert!(!matches!(kept, Err(TrySendError::Full(_))), "a buffer of the index came back twice");
        }
    }
}

fn lost() -> Error {
    Error::internal("a buffer of the index is in use twice")
}

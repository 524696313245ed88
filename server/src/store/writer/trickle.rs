//! A writer whose bytes come slowly, or not at all for the time being: it holds no buffer, see [`crate::store::slow`].

use super::{Writer, copy_to};
use crate::error::Result;
use crate::store::CHUNK_BYTES;
use crate::store::change::WorkFile;
use crate::store::mountpath::Mountpath;
use crate::store::slow::{Loan, OWN_BYTES, QUANTUM_BYTES};
use crate::store::source::ByteSource;
use std::sync::Arc;
use uring::{DirectFile, LEAF_BYTES, OpenMode, Opened};

impl Writer {
    /// Takes what there is of a slow source into plain memory, and writes that when it is enough.
    pub(super) async fn gather(&mut self, source: &mut impl ByteSource) -> Result<()> {
        // Another source, that of an append before, may have left bytes in a buffer: they come first.
        if self.buf.is_some() {
            self.park().await?;
        }
        let enough = self.quantum();
        source.take(enough.saturating_sub(self.tail.len()), &mut self.tail)?;
        let is_whole = self.new.size_hint == Some(self.size_bytes());
        if self.tail.len() >= enough && !is_whole { self.spill().await } else { Ok(()) }
    }

    /// So much may wait in plain memory. A small object may wait whole, if there is so much to borrow.
    fn quantum(&mut self) -> usize {
        if self.loan.is_none() && self.tail.len() >= OWN_BYTES / 2 {
            self.loan = self.store.slow.try_lend(self.loan_bytes());
        }
        self.loan.as_ref().map_or(OWN_BYTES, Loan::size_bytes)
    }

    fn loan_bytes(&self) -> usize {
        let whole = self.new.size_hint.filter(|_| self.stays_small()).map_or(0, |size| size as usize);
        whole.max(QUANTUM_BYTES)
    }

    /// Writes as much of what waits in plain memory as direct I/O can write.
    async fn spill(&mut self) -> Result<()> {
        let len = self.tail.len() / LEAF_BYTES * LEAF_BYTES;
        if len == 0 {
            return Ok(());
        }
        self.finish_pending().await?;
        // A loan may be larger than the largest buffer that is asked for.
        let len = len.min(CHUNK_BYTES);
        let mut buf = self.store.driver.pool().alloc(len).await;
        let rest = self.tail.split_off(len);
        let whole = std::mem::replace(&mut self.tail, rest);
        copy_to(&mut buf, &whole);
        (self.buf, self.filled) = (Some(buf), len);
        self.loan = None;
        self.write_out().await?;
        // Its buffer would be held until the next part is there.
        self.finish_pending().await
    }

    /// Gives the buffer back: what cannot be written yet waits in plain memory.
    pub(super) async fn park(&mut self) -> Result<()> {
        let (len, buf) = (std::mem::take(&mut self.filled), self.buf.take());
        let waiting = self.tail.len();
        assert!(len == 0 || waiting == 0, "{len} bytes in a buffer and {waiting} beside it have no order");
        if let Some(buf) = buf {
            let bytes = buf.get(..len).unwrap_or_default();
            let may_stay = self.file.is_none() && (len as u64) < self.new.segment_bytes_max;
            let aligned =
                if may_stay && self.has_plain_room(len) { 0 } else { len / LEAF_BYTES * LEAF_BYTES };
            self.tail = bytes.get(aligned..).unwrap_or_default().to_vec();
            if aligned > 0 {
                (self.buf, self.filled) = (Some(buf), aligned);
                self.write_out().await?;
            }
        }
        if self.tail.len() <= OWN_BYTES {
            self.loan = None;
        }
        self.finish_pending().await
    }

    fn has_plain_room(&mut self, len: usize) -> bool {
        if len > OWN_BYTES && self.loan.as_ref().is_none_or(|loan| loan.size_bytes() < len) {
            self.loan = self.store.slow.try_lend(len.max(self.loan_bytes()));
            return self.loan.is_some();
        }
        true
    }

    /// Between two requests: no buffer, no descriptor, and a little plain memory.
    pub(crate) async fn rest(&mut self) -> Result<()> {
        self.park().await?;
        let before = self.resting.as_deref();
        assert!(before.is_none(), "a writer that rests beside {before:?} is put to rest");
        self.file = None;
        self.resting = self.work.take().map(|work| work.work_path);
        Ok(())
    }

    /// Opens the work file of a writer that has rested.
    pub(super) async fn wake(&mut self) -> Result<()> {
        let Some(work_path) = self.resting.clone() else { return Ok(()) };
        let path = work_path.clone();
        self.store.writable(self.key.mountpath)?;
        let open = move |mountpath: &Arc<Mountpath>| {
            Opened::open(mountpath.dir(), &path, OpenMode::Write)
                .map_err(|e| mountpath.failed("open a work file", &e))
        };
        let file = DirectFile::from(self.store.disk(self.key.mountpath)?.change(open).await?);
        self.work = Some(WorkFile { work_path, sidecar: None, finish: None });
        self.file = Some(file);
        self.resting = None;
        Ok(())
    }
}

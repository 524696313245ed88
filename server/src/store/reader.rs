//! Reads a file or a range of it: direct I/O into registered buffers, each block verified, one piece ahead.

use super::cache::ReadCache;
use super::open::OpenObject;
use super::{BLOCK_BYTES, CHUNK_BYTES};
use crate::error::{Error, Result};
use crate::store::piece::Piece;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use uring::{Buf, Driver, LEAF_BYTES};

/// Reads in flight for one request while the piece before is sent. More would only push each other out of the caches:
/// two cost a quarter more CPU for each byte, and with 16 requests no more throughput.
const READS_AHEAD: usize = 1;

type ReadResult = (io::Result<usize>, Buf);

/// A piece that is on its way.
enum Pending {
    Read(Box<dyn Future<Output = ReadResult> + Unpin>),
    /// It was in memory, verified.
    There(Piece),
}

/// A read in progress.
pub(crate) struct Reader {
    driver: Driver,
    object: Rc<OpenObject>,
    /// `None`: neither looked at nor filled.
    cache: Option<Rc<ReadCache>>,
    wanted: Range<u64>,
    /// Where the next read to be submitted starts; a multiple of the block size.
    submit_at: u64,
    /// Where the next piece to be handed out starts.
    deliver_at: u64,
    pending: VecDeque<Pending>,
    /// Read block by block, and none ahead.
    slowly: bool,
}

impl Reader {
    /// Reads `wanted`, which lies inside the object unless that has changed its size.
    pub(crate) fn new(driver: Driver, object: Rc<OpenObject>, wanted: Range<u64>) -> Self {
        let first = wanted.start - wanted.start % BLOCK_BYTES as u64;
        Self {
            driver,
            object,
            cache: None,
            wanted,
            submit_at: first,
            deliver_at: first,
            pending: VecDeque::new(),
            slowly: false,
        }
    }

    /// Goes on after the last `left_bytes` of what was handed out, which are read again: for a reader that is too slow to
    /// let it hold what it has been given. `slowly` says if it still is.
    pub(crate) fn go_back(&mut self, left_bytes: u64, slowly: bool) {
        let handed_out = self.deliver_at.min(self.wanted.end);
        let start = handed_out.saturating_sub(left_bytes).max(self.wanted.start);
        self.pending.clear();
        self.wanted.start = start;
        self.deliver_at = start - start % BLOCK_BYTES as u64;
        self.submit_at = self.deliver_at;
        self.slowly = slowly;
    }

    /// Pieces come from the cache where it has them, and go there.
    pub(super) fn through(mut self, cache: Option<Rc<ReadCache>>) -> Self {
        self.cache = cache;
        self
    }

    /// The next piece; `None` behind the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Piece>> {
        if self.deliver_at >= self.wanted.end {
            return Ok(None);
        }
        self.require_inside()?;
        if self.pending.is_empty() {
            // A read that has failed or was given up is asked for once more.
            self.submit_at = self.deliver_at;
        }
        if self.pending.is_empty() && !self.submit_cached() {
            // Nothing of ours is held at this point, so waiting cannot deadlock.
            let buf = self.driver.pool().alloc(self.next_len()).await;
            self.submit(buf);
        }
        self.read_ahead();
        let (next, asked) = (self.deliver_at, self.submit_at);
        assert!(next < asked, "the piece at {next} is handed out, and reads are asked for up to {asked}");
        let read = match self.pending.pop_front() {
            Some(Pending::There(piece)) => return Ok(Some(self.deliver_cached(piece))),
            Some(Pending::Read(read)) => read,
            None => return Err(Error::internal("a read got lost")),
        };
        let (count, buf) = self.finish(read.await).await;
        let count = count?;
        self.read_ahead();
        let number = self.deliver_at / CHUNK_BYTES as u64;
        let piece = self.deliver(buf, count)?;
        if let Some(cache) = &self.cache {
            cache.keep(self.object.generation, number, &piece);
        }
        Ok(Some(piece))
    }

    /// Reads the next piece into the beginning of the caller's buffer; 0 behind the last. A caller that holds memory already
    /// does not wait for more.
    pub(crate) async fn next_into(&mut self, buf: Buf) -> (Result<usize>, Buf) {
        let at = self.deliver_at;
        assert!(self.pending.is_empty(), "the piece at {at} is read twice: {} are ahead", self.pending.len());
        if at >= self.wanted.end {
            return (Ok(0), buf);
        }
        if let Err(e) = self.require_inside() {
            return (Err(e), buf);
        }
        let len = self.piece_len(at);
        if buf.len() < len.next_multiple_of(LEAF_BYTES) {
            return (Err(Error::internal("a piece is larger than the room for it")), buf);
        }
        let read = self.driver.read_at(self.object.file.fd(), buf, len.next_multiple_of(LEAF_BYTES), at);
        let (count, buf) = self.finish(read.await).await;
        let verified = count.and_then(|count| self.verify(&buf, count));
        if verified.is_ok() {
            self.deliver_at += len as u64;
            self.submit_at = self.deliver_at;
        }
        (verified.map(|()| len), buf)
    }

    /// Refuses to read beyond the end, which the file's metadata say to be before that which the index knows.
    fn require_inside(&self) -> Result<()> {
        let (size_bytes, end) = (self.object.size_bytes, self.wanted.end);
        if end <= size_bytes {
            return Ok(());
        }
        Err(Error::corrupt(format!("the file has {size_bytes} bytes, and {end} are wanted")))
    }

    /// Makes an outcome of a read of the next piece.
    async fn finish(&self, done: ReadResult) -> (Result<usize>, Buf) {
        let (result, buf) = match done {
            (Err(e), buf) if e.kind() == io::ErrorKind::ReadOnlyFilesystem => self.read_cached(buf).await,
            done => done,
        };
        let result = result.and_then(|count| uring::fault::step("file-read").map(|()| count));
        (result.map_err(|e| Error::disk("read", &e)), buf)
    }

    /// Reads the piece that comes next by way of the page cache. A direct read has the file system first write what the cache
    /// holds of the file, the zeros behind its end, and that fails when it has turned read-only in between.
    async fn read_cached(&self, buf: Buf) -> ReadResult {
        let len = self.piece_len(self.deliver_at).next_multiple_of(LEAF_BYTES);
        let path = format!("/proc/self/fd/{}", self.object.file.fd().as_raw_fd());
        match std::fs::File::open(path) {
            Ok(file) => self.driver.read_at(&Rc::new(OwnedFd::from(file)), buf, len, self.deliver_at).await,
            Err(e) => (Err(e), buf),
        }
    }

    /// Bytes of the object that the piece at `at` covers. Pieces end at multiples of the chunk's size, so that those of
    /// all requests are the same ones.
    fn piece_len(&self, at: u64) -> usize {
        let end = self.object.size_bytes.min(self.wanted.end.next_multiple_of(BLOCK_BYTES as u64));
        assert!(at < end, "a piece begins at {at}, and what is wanted ends at {end}");
        let rest = end - at;
        let piece_bytes = if self.slowly { BLOCK_BYTES } else { CHUNK_BYTES } as u64;
        rest.min(piece_bytes - at % piece_bytes) as usize
    }

    /// True if all of the piece at `at` is wanted.
    fn is_whole(&self, at: u64) -> bool {
        let end = self.object.size_bytes.min(at + CHUNK_BYTES as u64);
        at.is_multiple_of(CHUNK_BYTES as u64) && at + self.piece_len(at) as u64 == end
    }

    fn next_len(&self) -> usize {
        self.piece_len(self.submit_at).next_multiple_of(LEAF_BYTES)
    }

    fn read_ahead(&mut self) {
        // The piece that is handed out next comes before those ahead of it.
        while self.pending.len() < READS_AHEAD && self.submit_at < self.wanted.end && !self.slowly {
            if self.submit_cached() {
                continue;
            }
            let Some(buf) = self.driver.pool().try_alloc(self.next_len()) else { return };
            self.submit(buf);
        }
    }

    /// Has the next piece come out of the cache, or into it; false when the cache has neither it nor room for it.
    fn submit_cached(&mut self) -> bool {
        let Some(cache) = &self.cache else { return false };
        let (at, len) = (self.submit_at, self.next_len());
        let number = at / CHUNK_BYTES as u64;
        if let Some(piece) = cache.piece(self.object.generation, number) {
            self.submit_at += self.piece_len(at) as u64;
            self.pending.push_back(Pending::There(piece));
            return true;
        }
        // A part of a piece would have to be completed later; keeping it is not worth that.
        let room = || cache.room(self.object.generation, number, len);
        let Some(buf) = self.is_whole(at).then(room).flatten() else { return false };
        self.submit(buf);
        true
    }

    fn submit(&mut self, buf: Buf) {
        let (at, len) = (self.submit_at, self.next_len());
        self.submit_at += self.piece_len(at) as u64;
        let read = self.driver.read_at(self.object.file.fd(), buf, len, at);
        self.pending.push_back(Pending::Read(Box::new(read)));
    }

    /// The wanted part of a piece that begins where all pieces of its number do.
    fn deliver_cached(&mut self, piece: Piece) -> Piece {
        let (at, len) = (self.deliver_at, self.piece_len(self.deliver_at));
        self.deliver_at += len as u64;
        let first = at - at % CHUNK_BYTES as u64;
        let start = (self.wanted.start.max(at) - first) as usize;
        let end = (self.wanted.end.min(at + len as u64) - first) as usize;
        Piece { chunk: piece.chunk, range: start..end }
    }

    /// Verifies the next piece, of which so many bytes have been read.
    fn verify(&self, buf: &Buf, count: usize) -> Result<()> {
        let (at, len) = (self.deliver_at, self.piece_len(self.deliver_at));
        let Some(bytes) = buf.get(..len).filter(|_| count >= len) else {
            return Err(Error::corrupt(format!("the file ends {} bytes too early", len - count.min(len))));
        };
        self.object.verify((at / BLOCK_BYTES as u64) as usize, bytes)
    }

    fn deliver(&mut self, buf: Buf, count: usize) -> Result<Piece> {
        self.verify(&buf, count)?;
        let (at, len) = (self.deliver_at, self.piece_len(self.deliver_at));
        self.deliver_at += len as u64;
        let start = self.wanted.start.saturating_sub(at) as usize;
        let end = (self.wanted.end - at).min(len as u64) as usize;
        Ok(Piece { chunk: buf.freeze(), range: start..end })
    }
}

//! The lane's log: records are appended to a batch in memory, batches to the open segment.
//!
//! A segment is a TAR archive (`wire::segment`) in a file that is allocated ahead of its use, so that a write changes no
//! size and what is not written yet reads as the zeros that end an archive; a page of them is always left. A batch is written by the commit round and
//! starts and ends on a page, filled up with a padding record. Batches of a lane are written one after another; what
//! was acknowledged therefore never lies behind a gap.

use super::buffers::{BATCH_BYTES_MAX, BatchBuffers};
use super::prepare::{self, END_BYTES, Plan, Prepared};
use crate::error::{Error, Result};
use crate::fault;
use crate::store::disk::Disk;
use futures_channel::oneshot;
use futures_util::future::select;
use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;
use uring::{Buf, DirectFile, Driver, LEAF_BYTES};
use wire::api::bprops::SEGMENT_OBJECT_SIZE;
use wire::segment::{self, Deletion};

/// Room kept for the padding record of a batch.
const PADDING_BYTES_MAX: usize = LEAF_BYTES + segment::BLOCK_BYTES;
// A batch holds any record: of the largest object of a segment, or of the longest name.
const _: () = assert!(
    segment::MAX_OBJECT_HEAD + SEGMENT_OBJECT_SIZE.0 as usize + segment::BLOCK_BYTES + PADDING_BYTES_MAX
        <= BATCH_BYTES_MAX
);
const _: () = assert!(segment::MAX_DELETION + PADDING_BYTES_MAX <= BATCH_BYTES_MAX);
/// Deletions that share one record at most.
const DELETIONS_MAX: usize = 32;

/// A wait for room looks by itself after so long.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A place in a lane's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// The segment that batches are appended to.
struct OpenSegment {
    number: u64,
    file: DirectFile,
    /// Where the next batch starts.
    end: u64,
    allocated: u64,
}

/// Records that are not written yet.
struct Batch {
    segment: u64,
    file: DirectFile,
    start: u64,
    buf: Buf,
    filled: usize,
    /// Deletions of the last record, which may take more, and where that record starts.
    deletions: (usize, Vec<Deletion>),
}

struct State {
    open: Option<OpenSegment>,
    batch: Option<Batch>,
    next_segment: u64,
    /// The open segment takes no further batch.
    ending: bool,
    /// Everything before is written.
    settled: Position,
    /// The segment that a helper makes or enlarges.
    preparing: Option<u64>,
    /// Why nothing more is taken: a write has failed, here or elsewhere on the mountpath.
    broken: Option<Error>,
}

/// The beginning of a wait for room.
enum Next {
    Wait(oneshot::Receiver<()>),
    WaitForMemory(oneshot::Receiver<()>),
    Prepare(Buf),
}

/// The log of one lane.
pub(crate) struct Log {
    driver: Driver,
    disk: Disk,
    lane: u16,
    buffers: Rc<BatchBuffers>,
    /// Bytes of a segment after which the next one is begun.
    segment_bytes: u64,
    /// Bytes that are allocated ahead at most.
    step_bytes_max: u64,
    state: RefCell<State>,
    /// The tasks that wait for room in the batch, or for records to be written.
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
}

impl Log {
    /// A log whose next segment has this number.
    pub(crate) fn new(
        driver: Driver,
        disk: Disk,
        lane: u16,
        buffers: Rc<BatchBuffers>,
        segment_bytes: u64,
        step_bytes_max: u64,
        next_segment: u64,
    ) -> Self {
        let settled = Position { segment: next_segment, offset: 0 };
        let state = State {
            open: None,
            batch: None,
            next_segment,
            ending: false,
            settled,
            preparing: None,
            broken: None,
        };
        Self {
            driver,
            disk,
            lane,
            buffers,
            segment_bytes,
            step_bytes_max,
            state: RefCell::new(state),
            waiting: RefCell::default(),
        }
    }

    /// A log of the same directory whose next segment has this number.
    pub(super) fn another(&self, next_segment: u64) -> Self {
        Self::new(
            self.driver.clone(),
            self.disk.clone(),
            self.lane,
            Rc::clone(&self.buffers),
            self.segment_bytes,
            self.step_bytes_max,
            next_segment,
        )
    }

    /// Ends the open segment, so that all files stay as they are until the next record; there must be none that is not
    /// written yet.
    pub(super) async fn come_to_rest(&self) -> Result<()> {
        loop {
            let turn = {
                let mut state = self.state.borrow_mut();
                if state.batch.as_ref().is_some_and(|batch| batch.filled > 0) {
                    return Err(Error::internal("a record was appended to a lane that has no index"));
                }
                // Room that was reserved and not used is nobody's: whoever reserves it appends at once.
                if let Some(unused) = state.batch.take() {
                    self.buffers.give(unused.buf);
                }
                if state.preparing.is_none() {
                    break;
                }
                self.wait_for_change()
            };
            let _ = turn.await;
        }
        self.seal().await
    }

    /// Returns when a record of `len` bytes can be appended at once, without a wait in between.
    pub(crate) async fn reserve(&self, len: usize) -> Result<()> {
        // A segment of another version may have one.
        if len + PADDING_BYTES_MAX > BATCH_BYTES_MAX {
            return Err(Error::internal(format!("a record of {len} bytes is larger than a batch")));
        }
        loop {
            let next = {
                let mut state = self.state.borrow_mut();
                if let Some(why) = &state.broken {
                    return Err(why.clone());
                }
                match &state.batch {
                    Some(batch) if batch.filled + len + PADDING_BYTES_MAX <= batch.buf.len() => return Ok(()),
                    Some(batch) if batch.filled > 0 => Next::Wait(self.wait_for_change()),
                    _ if state.preparing.is_some() => Next::Wait(self.wait_for_change()),
                    _ => {
                        // One that was begun and is too small holds nothing yet; others may wait for its memory.
                        state.batch.take().into_iter().for_each(|batch| self.buffers.give(batch.buf));
                        match self.buffers.take(len + PADDING_BYTES_MAX) {
                            Ok(buf) => match self.begin_batch(&mut state, buf) {
                                Ok(()) => return Ok(()),
                                Err(buf) => Next::Prepare(buf),
                            },
                            Err(returned) => Next::WaitForMemory(returned),
                        }
                    }
                }
            };
            match next {
                // An error means that nobody is left to wake us, and is found out by the next look.
                Next::Wait(turn) => drop(turn.await),
                // Memory of the pool may be free again without anybody having waited for it here.
                Next::WaitForMemory(turn) => drop(select(turn, self.driver.sleep(LOOK_AGAIN)).await),
                Next::Prepare(buf) => {
                    let needed = buf.len() as u64;
                    // Nothing is held while the disk is waited for.
                    self.buffers.give(buf);
                    self.prepare(needed).await?;
                }
            }
        }
    }

    /// Appends a record; room must have been reserved. Returns where it starts.
    pub(crate) fn append(&self, parts: [&[u8]; 2], padding: usize) -> Result<Position> {
        let mut state = self.state.borrow_mut();
        let settled = state.settled;
        let batch = state.batch.as_mut().ok_or_else(unreserved)?;
        let at = Position { segment: batch.segment, offset: batch.start + batch.filled as u64 };
        assert!(at >= settled, "a record goes to {at:?}, and the log is written up to {settled:?}");
        batch.deletions.1.clear();
        for part in parts {
            batch.push(part)?;
        }
        batch.push(ZEROS.get(..padding).ok_or_else(unreserved)?)?;
        Ok(at)
    }

    /// Appends a deletion, to the last record if that holds deletions.
    pub(crate) fn append_deletion(&self, deletion: Deletion) -> Result<()> {
        let mut state = self.state.borrow_mut();
        let batch = state.batch.as_mut().ok_or_else(unreserved)?;
        let (mut start, mut deletions) = std::mem::take(&mut batch.deletions);
        if deletions.is_empty() || deletions.len() >= DELETIONS_MAX {
            start = batch.filled;
            deletions.clear();
        }
        deletions.push(deletion);
        let mut record = Vec::new();
        segment::delete_records(&mut record, &deletions).map_err(|e| Error::bad(format!("name: {e}")))?;
        // A record that is refused leaves those before as they are.
        batch.put_at(start, &record)?;
        batch.deletions = (start, deletions);
        Ok(())
    }

    /// Where the next record will be.
    pub(crate) fn position(&self) -> Position {
        let state = self.state.borrow();
        match (&state.batch, &state.open) {
            (Some(batch), _) => {
                Position { segment: batch.segment, offset: batch.start + batch.filled as u64 }
            }
            (None, Some(open)) => Position { segment: open.number, offset: open.end },
            (None, None) => Position { segment: state.preparing.unwrap_or(state.next_segment), offset: 0 },
        }
    }

    /// Everything before is in the files.
    pub(crate) fn written(&self) -> Position {
        self.state.borrow().settled
    }

    /// Returns when the record at this position has been written.
    pub(crate) async fn settled(&self, position: Position) -> Result<()> {
        loop {
            let turn = {
                let state = self.state.borrow();
                if position < state.settled {
                    return Ok(());
                }
                if let Some(why) = &state.broken {
                    return Err(why.clone());
                }
                self.wait_for_change()
            };
            let _ = turn.await;
        }
    }

    /// Writes the batch; returns the file it went to and where it ends, or `None` when there was nothing to write. After
    /// an error the log takes nothing more.
    pub(super) async fn write_batch(&self) -> io::Result<Option<(Rc<OwnedFd>, Position)>> {
        let Some(batch) = self.take_batch() else { return Ok(None) };
        let (len, start) = (batch.filled, batch.start);
        let file = Rc::clone(batch.file.fd());
        let (count, buf) = match uring::fault::step("batch-write") {
            Ok(()) => self.driver.write_at(&file, batch.buf, len, start).await,
            Err(e) => (Err(e), batch.buf),
        };
        self.buffers.give(buf);
        let count = count.and_then(|count| uring::fault::step("batch-written").map(|()| count));
        fault::point("batch-written");
        match count? {
            count if count == len => {}
            count => {
                return Err(io::Error::new(io::ErrorKind::StorageFull, format!("{count} of {len} bytes")));
            }
        }
        let end = Position { segment: batch.segment, offset: start + len as u64 };
        self.settle(end);
        self.wake_all();
        Ok(Some((file, end)))
    }

    /// Notes up to where the log has been written.
    fn settle(&self, end: Position) {
        let before = std::mem::replace(&mut self.state.borrow_mut().settled, end);
        assert!(before < end, "a batch up to {end:?} was written after one up to {before:?}");
    }

    /// Takes nothing from now on, and lets everybody know who waits for room or for a write.
    pub(crate) fn fail(&self, why: &Error) {
        let batch = {
            let mut state = self.state.borrow_mut();
            state.broken.get_or_insert_with(|| why.clone());
            state.batch.take()
        };
        batch.into_iter().for_each(|batch| self.buffers.give(batch.buf));
        self.wake_all();
    }

    /// Has the next batch go to a new segment, however much room there is in the open one.
    pub(crate) async fn end_segment(&self) -> Result<()> {
        {
            let mut state = self.state.borrow_mut();
            if state.batch.is_some() || state.preparing.is_some() {
                state.ending = true;
                return Ok(());
            }
        }
        self.seal().await
    }

    /// Ends the open segment: cuts off what was allocated and not used, but for the zeros that end an archive.
    pub(crate) async fn seal(&self) -> Result<()> {
        let open = self.state.borrow_mut().open.take();
        match open {
            Some(open) => prepare::end(&self.disk, open.file.fd(), open.end).await,
            None => Ok(()),
        }
    }

    /// The segment being appended to; it must not be removed.
    pub(crate) fn open_segment(&self) -> Option<u64> {
        self.state.borrow().open.as_ref().map(|open| open.number)
    }

    fn take_batch(&self) -> Option<Batch> {
        let mut state = self.state.borrow_mut();
        let mut batch = state.batch.take_if(|batch| batch.filled > 0)?;
        let padding = batch.filled.next_multiple_of(LEAF_BYTES) - batch.filled;
        if padding > 0 {
            let mut record = Vec::with_capacity(padding);
            segment::padding(&mut record, padding);
            let pushed = batch.push(&record);
            assert!(pushed.is_ok(), "a batch of {} bytes has no room for {padding} of padding", batch.filled);
        }
        assert!(batch.filled.is_multiple_of(LEAF_BYTES), "a batch ends inside a page, at {}", batch.filled);
        if let Some(open) = state.open.as_mut().filter(|open| open.number == batch.segment) {
            open.extend(batch.start, batch.filled as u64);
        }
        drop(state);
        self.wake_all();
        Some(batch)
    }

    /// Begins a batch in this memory; gives it back where the open segment has no room for it.
    fn begin_batch(&self, state: &mut State, buf: Buf) -> std::result::Result<(), Buf> {
        let needed = buf.len() as u64;
        let ends = self.ends(state, needed);
        let open =
            state.open.as_ref().filter(|open| !ends && open.end + needed + END_BYTES <= open.allocated);
        let Some(open) = open else { return Err(buf) };
        let (segment, file, start) = (open.number, open.file.clone(), open.end);
        assert!(state.batch.is_none(), "a batch is begun in segment {segment} over one that is not written");
        // One that is still empty need not be ended.
        state.ending = false;
        state.batch = Some(Batch { segment, file, start, buf, filled: 0, deletions: (0, Vec::new()) });
        Ok(())
    }

    /// True if the open segment takes no batch of this size any more.
    fn ends(&self, state: &State, needed: u64) -> bool {
        let is_full = |open: &OpenSegment| {
            open.end > 0 && (state.ending || open.end + needed + END_BYTES > self.segment_bytes)
        };
        state.open.as_ref().is_some_and(is_full)
    }

    /// Has a helper make room in the open segment, or begin a new one. Others wait meanwhile.
    async fn prepare(&self, needed: u64) -> Result<()> {
        let plan = self.plan(needed);
        let (number, wanted) = (plan.number, plan.needed);
        // Whatever happens, also when this is dropped: the others look again.
        let _preparing = Preparing(self);
        let Prepared { made, allocated } = plan.carry_out(&self.disk).await?;
        assert!(allocated >= wanted, "{allocated} bytes of segment {number} are allocated, not {wanted}");
        let mut state = self.state.borrow_mut();
        if let Some(file) = made {
            let open = state.open.as_ref().map(|open| open.number);
            assert!(open.is_none(), "segment {number} was made while {open:?} was open");
            state.open = Some(OpenSegment { number, file, end: 0, allocated });
        } else if let Some(open) = state.open.as_mut().filter(|open| open.number == number) {
            open.allocated = open.allocated.max(allocated);
        }
        Ok(())
    }

    fn plan(&self, needed: u64) -> Plan {
        let mut state = self.state.borrow_mut();
        let full = if self.ends(&state, needed) { state.open.take() } else { None };
        state.ending = false;
        let end = state.open.as_ref().map_or(0, |open| open.end);
        let number = match &state.open {
            Some(open) => open.number,
            None => {
                // A file may be there after an error, too: the next attempt takes another number.
                state.next_segment += 1;
                state.next_segment - 1
            }
        };
        let before = state.preparing.replace(number);
        assert!(before.is_none(), "segments {before:?} and {number} are prepared at a time");
        Plan {
            full: full.map(|full| (Rc::clone(full.file.fd()), full.end)),
            open: state.open.as_ref().map(|open| (Rc::clone(open.file.fd()), open.allocated)),
            lane: self.lane,
            number,
            needed: end + needed + END_BYTES,
            step_bytes_max: self.step_bytes_max,
        }
    }

    fn wait_for_change(&self) -> oneshot::Receiver<()> {
        let (turn, my_turn) = oneshot::channel();
        self.waiting.borrow_mut().push(turn);
        my_turn
    }

    fn wake_all(&self) {
        for waiter in self.waiting.take() {
            // Whoever has gone waits for nothing.
            let _ = waiter.send(());
        }
    }
}

/// While a helper makes room.
struct Preparing<'l>(&'l Log);

impl Drop for Preparing<'_> {
    fn drop(&mut self) {
        self.0.state.borrow_mut().preparing = None;
        self.0.wake_all();
    }
}

impl OpenSegment {
    /// Takes a batch, which begins where the segment ends: what is acknowledged lies behind no gap.
    fn extend(&mut self, start: u64, len: u64) {
        let (number, end) = (self.number, start + len);
        assert!(self.end == start, "segment {number} ends at {}, and a batch begins at {start}", self.end);
        let allocated = self.allocated;
        assert!(
            end + END_BYTES <= allocated,
            "a batch ends at {end} of {allocated} bytes of segment {number}"
        );
        self.end = end;
    }
}

impl Batch {
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.put_at(self.filled, bytes)
    }

    /// Puts bytes where others may be, and ends behind them.
    fn put_at(&mut self, start: usize, bytes: &[u8]) -> Result<()> {
        let (end, filled) = (start + bytes.len(), self.filled);
        assert!(
            start <= filled && filled <= end,
            "a record from {start} to {end} leaves a gap in a batch of {filled} bytes, or takes some away"
        );
        let room = self.buf.get_mut(start..end).ok_or_else(unreserved)?;
        room.copy_from_slice(bytes);
        self.filled = end;
        Ok(())
    }
}

const ZEROS: [u8; segment::BLOCK_BYTES] = [0; segment::BLOCK_BYTES];

fn unreserved() -> Error {
    Error::internal("a record was appended without room for it")
}

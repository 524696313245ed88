//! A lane looked at without changing anything on the disk.

use super::log::Position;
use super::open::{LaneSetup, OpenedLane, decode_checkpoint};
use super::{Lane, Ledger};
use crate::error::{Error, Kind, Result};
use crate::store::layout::{begun_path, lane_dir};
use crate::store::mountpath::Mountpath;
use lsm::{LaneIndex, Opened};
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use uring::sys;

/// A lane as it lies on the disk.
pub(crate) struct Inspected {
    pub(crate) opened: OpenedLane,
    /// Why there is no index to look at; it is empty then.
    pub(crate) lost: Option<String>,
}

impl LaneSetup {
    /// Opens the lane as it lies. It must not be written to.
    ///
    /// # Errors
    /// The disk's error. A damaged index is not an error.
    pub(crate) async fn open_as_is(self) -> Result<Inspected> {
        let dir = self.open_dir()?;
        let segments = self.list_segments()?;
        let emptied = self.emptied(&segments)?;
        let (opened, checkpoint, lost) = match self.index_as_is(&dir).await {
            Ok((opened, checkpoint)) => (opened, Some(checkpoint), None),
            Err(e) if e.kind == Kind::Corrupt => (LaneIndex::in_memory(self.home(&dir)), None, Some(e.text)),
            Err(e) => return Err(e),
        };
        let lost = emptied.or(lost);
        Ok(Inspected { opened: self.assemble(dir, segments, opened, checkpoint), lost })
    }

    async fn index_as_is(&self, dir: &Rc<OwnedFd>) -> Result<(Opened, (Position, Ledger))> {
        let opened = LaneIndex::open_as_is(self.home(dir)).await?;
        let checkpoint = decode_checkpoint(&opened.checkpoint);
        let checkpoint = checkpoint.ok_or_else(|| Error::corrupt("the index has no usable checkpoint"))?;
        Ok((opened, checkpoint))
    }

    /// Removes the lane's index, so that the next start makes it anew from what there is.
    ///
    /// # Errors
    /// The disk's error.
    pub(crate) async fn remove_index(self) -> Result<()> {
        let dir = self.open_dir()?;
        if self.list_segments()?.is_empty() {
            match sys::unlink_beneath(self.mountpath.dir(), &begun_path(self.number)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::disk("forget that a lane has had segments", &e));
                }
                _ => {}
            }
        }
        LaneIndex::reset(self.home(&dir)).await.map(drop).map_err(Error::from)
    }
}

impl Lane {
    /// The directory of segments and index.
    pub(crate) fn path(&self) -> PathBuf {
        self.mountpath.path.join(lane_dir(self.number))
    }

    /// The log up to here is in the durable index.
    pub(crate) fn checkpoint(&self) -> Position {
        self.checkpoint.get()
    }

    /// The segments that are there, in order, each with the end of what has been written to it, if that is known.
    ///
    /// # Errors
    /// The disk's error.
    pub(crate) async fn segments(&self) -> Result<Vec<(u64, Option<u64>)>> {
        let written = self.log.written();
        let path = self.path();
        let list = move |_: &Arc<Mountpath>| {
            super::open::list_segments(&path)
                .map_err(|e| Error::disk(&format!("list the lane {}", path.display()), &e))
        };
        let numbers = self.disk.look(list).await?;
        let ledger = self.ledger.borrow();
        let ends: HashMap<u64, u64> =
            ledger.segments().map(|(number, account)| (number, account.end)).collect();
        let end_of = |number: u64| {
            let end = ends.get(&number).copied().unwrap_or(u64::MAX).min(end_in(number, written));
            (end < u64::MAX).then_some(end)
        };
        Ok(numbers.into_iter().map(|number| (number, end_of(number))).collect())
    }
}

/// Bytes of a segment that lie before a position.
fn end_in(segment: u64, position: Position) -> u64 {
    match segment.cmp(&position.segment) {
        std::cmp::Ordering::Less => u64::MAX,
        std::cmp::Ordering::Equal => position.offset,
        std::cmp::Ordering::Greater => 0,
    }
}

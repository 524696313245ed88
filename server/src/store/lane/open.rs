//! From a directory to a lane that serves.

use super::Lane;
use super::Standing;
use super::buffers::BatchBuffers;
use super::ledger::Ledger;
use super::log::{Log, Position};
use super::segments::SegmentFiles;
use crate::error::{Error, Kind, Result};
use crate::store::disk::Disk;
use crate::store::index_key::bucket_of;
use crate::store::lane::failures::Failures;
use crate::store::layout::{begun_path, lane_dir, number_of};
use crate::store::mountpath::Mountpath;
use crate::store::value::{self, number, put_number};
use lsm::{Home, IndexCache, LaneIndex, Opened};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use uring::{Driver, sys};

/// All that a lane is opened with.
#[derive(Clone)]
pub(crate) struct LaneSetup {
    pub(crate) driver: Driver,
    pub(crate) cache: Rc<IndexCache>,
    pub(crate) buffers: Rc<BatchBuffers>,
    pub(crate) mountpath: Arc<Mountpath>,
    pub(crate) disk: Disk,
    pub(crate) mountpath_index: usize,
    pub(crate) number: u16,
    pub(crate) segment_bytes: u64,
    /// Segments kept open for reading.
    pub(crate) segments_open: usize,
}

/// A lane whose index says what it knew at its last checkpoint.
pub(crate) struct OpenedLane {
    pub(crate) lane: Rc<Lane>,
    /// Where replay starts; without it the index is empty and must be made from everything there is.
    pub(crate) from: Option<Position>,
    pub(crate) segments: Vec<u64>,
    /// Bytes in use, at the last checkpoint, of segments that are not there any more.
    pub(crate) gone: u64,
}

impl OpenedLane {
    /// Refuses a lane that has none of its segments any more while its index still points into them. To be asked when
    /// the log has been read: after a crash one may be missing that had been reclaimed.
    ///
    /// # Errors
    /// `Corrupt`.
    pub(crate) async fn require_segments(&self, is_alive: impl Fn(u64) -> bool) -> Result<()> {
        if self.gone == 0 || !self.segments.is_empty() {
            return Ok(());
        }
        let mut cursor = self.lane.cursor(&[])?;
        while cursor.next().await? {
            let is_wanted = bucket_of(cursor.key()).is_some_and(&is_alive);
            if is_wanted && !value::decode(cursor.value(), self.lane.whence())?.place.is_file() {
                return Err(Error::disk(
                    &format!(
                        "{}: all segments (*.tar) are gone, and the objects in them: restore them, or give them up with \
                         `aisnode store rebuild-index`",
                        self.lane.path().display()
                    ),
                    &std::io::ErrorKind::NotFound.into(),
                ));
            }
        }
        Ok(())
    }
}

pub(super) fn home(disk: &Disk, driver: &Driver, dir: &Rc<OwnedFd>, cache: &Rc<IndexCache>) -> Home {
    let helpers = disk.changers().clone();
    Home { driver: driver.clone(), dir: Rc::clone(dir), cache: Rc::clone(cache), helpers }
}

impl LaneSetup {
    /// Opens the lane. A damaged index is thrown away: it can be made again.
    pub(crate) async fn open(self) -> Result<OpenedLane> {
        let dir = self.open_dir()?;
        let segments = self.list_segments()?;
        if let Some(why) = self.emptied(&segments)? {
            return Err(Error::disk(&why, &std::io::ErrorKind::NotFound.into()));
        }
        let (opened, checkpoint) = self.open_index(&dir).await?;
        Ok(self.assemble(dir, segments, opened, checkpoint))
    }

    /// Names the fault of a lane that has had segments and has neither a segment nor an index any more: it would start as
    /// an empty one.
    pub(super) fn emptied(&self, segments: &[u64]) -> Result<Option<String>> {
        let path = self.path();
        let look = || -> std::io::Result<bool> {
            Ok(segments.is_empty()
                && !path.join(lsm::MANIFEST).try_exists()?
                && self.mountpath.path.join(begun_path(self.number)).try_exists()?)
        };
        let emptied = look().map_err(|e| Error::disk(&format!("look at the lane {}", path.display()), &e))?;
        Ok(emptied.then(|| {
            format!(
                "{}: segments (*.tar) and index are gone, and the objects in them: restore them, or give them up with \
                 `aisnode store rebuild-index`",
                path.display()
            )
        }))
    }

    /// A lane of its parts.
    pub(super) fn assemble(
        self,
        dir: Rc<OwnedFd>,
        segments: Vec<u64>,
        opened: Opened,
        checkpoint: Option<(Position, Ledger)>,
    ) -> OpenedLane {
        let (from, mut ledger) = match checkpoint {
            Some((position, ledger)) => (Some(position), ledger),
            None => (None, Ledger::default()),
        };
        assert!(segments.is_sorted(), "the segments of lane {} are out of order", self.number);
        let gone = ledger.keep_segments(&segments);
        let next_segment =
            segments.last().copied().max(from.map(|from| from.segment)).map_or(1, |last| last + 1);
        let log = Log::new(
            self.driver.clone(),
            self.disk.clone(),
            self.number,
            self.buffers,
            self.segment_bytes,
            self.mountpath.slack_bytes(),
            next_segment,
        );
        let lane = Rc::new(Lane {
            driver: self.driver,
            mountpath_index: self.mountpath_index,
            mountpath: self.mountpath,
            disk: self.disk,
            number: self.number,
            dir,
            index: RefCell::new(opened.index),
            standing: Cell::new(Standing::Opening),
            log,
            ledger: RefCell::new(ledger),
            files: SegmentFiles::new(self.segments_open),
            unsettled: RefCell::new(HashMap::new()),
            changes: Cell::new(0),
            kept_up: Cell::new(false),
            checkpoint: Cell::new(from.unwrap_or_default()),
            unfinished: RefCell::default(),
            swept: RefCell::default(),
            unflushed: RefCell::default(),
            kept: RefCell::default(),
            reclaimed: Cell::new(0),
            taken_back: Cell::new(0),
            failures: Failures::default(),
        });
        OpenedLane { lane, from, segments, gone }
    }

    /// The index and its checkpoint. One that is damaged is thrown away, and so is one that was never complete.
    async fn open_index(&self, dir: &Rc<OwnedFd>) -> Result<(Opened, Option<(Position, Ledger)>)> {
        let why = match LaneIndex::open(self.home(dir)).await.map_err(Error::from) {
            Ok(opened) => match decode_checkpoint(&opened.checkpoint) {
                Some(checkpoint) => return Ok((opened, Some(checkpoint))),
                None if opened.checkpoint.is_empty() && opened.index.stats().runs == 0 => {
                    return Ok((opened, None));
                }
                None => Error::corrupt("it has no usable checkpoint"),
            },
            Err(e) if e.kind == Kind::Corrupt => e,
            Err(e) => return Err(e),
        };
        tracing::warn!(lane = %self.path().display(), %why, "the index is damaged and is made again");
        let fresh = LaneIndex::reset(self.home(dir)).await?;
        Ok((fresh, None))
    }

    /// The things that the index of this lane works with.
    pub(super) fn home(&self, dir: &Rc<OwnedFd>) -> Home {
        home(&self.disk, &self.driver, dir, &self.cache)
    }

    fn path(&self) -> PathBuf {
        self.mountpath.path.join(lane_dir(self.number))
    }

    /// The lane's directory. It was made when the mountpath was: one that is not there has been lost, and its objects
    /// with it.
    pub(super) fn open_dir(&self) -> Result<Rc<OwnedFd>> {
        let opened = sys::open_dir_beneath(self.mountpath.dir(), &lane_dir(self.number));
        opened.map(Rc::new).map_err(|e| Error::disk(&format!("open the lane {}", self.path().display()), &e))
    }

    pub(super) fn list_segments(&self) -> Result<Vec<u64>> {
        let path = self.path();
        list_segments(&path).map_err(|e| Error::disk(&format!("list the lane {}", path.display()), &e))
    }
}

/// The segments of a lane's directory in order.
pub(crate) fn list_segments(lane_dir: &std::path::Path) -> std::io::Result<Vec<u64>> {
    let names = fs::read_dir(lane_dir)?.map(|entry| entry.map(|entry| entry.file_name()));
    let names = names.collect::<std::io::Result<Vec<_>>>()?;
    let mut segments: Vec<u64> = names.iter().filter_map(|name| name.to_str().and_then(number_of)).collect();
    segments.sort_unstable();
    Ok(segments)
}

/// The beginning of a checkpoint of this form; one of another form is none, and the index is made anew.
const CHECKPOINT: u64 = 0x534c_4304;

/// The bytes that are saved with the index: how far it is complete, and the counts. Others go first now and then.
pub(super) async fn encode_checkpoint(position: Position, ledger: &Ledger) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    put_number(CHECKPOINT, &mut bytes);
    put_number(position.segment, &mut bytes);
    put_number(position.offset, &mut bytes);
    for () in ledger.encode(&mut bytes) {
        uring::yield_now().await;
    }
    bytes
}

pub(super) fn decode_checkpoint(bytes: &[u8]) -> Option<(Position, Ledger)> {
    let mut rest = bytes;
    if number(&mut rest)? != CHECKPOINT {
        return None;
    }
    let position = Position { segment: number(&mut rest)?, offset: number(&mut rest)? };
    let ledger = Ledger::decode(&mut rest)?;
    rest.is_empty().then_some((position, ledger))
}

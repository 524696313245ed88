//! Objects that are plain files, found by walking a mountpath: the first half of making an index anew.
//!
//! Nothing is deleted here. A file whose metadata is missing or damaged is reported and left where it is, out of the
//! listing, for an operator to look at.

use super::adopt::{adopt_file, name_of, read_object};
use super::{Buckets, Lane, Pace};
use crate::error::{Error, Result};
use crate::store::entry::BucketRef;
use crate::store::formatting::bucket_dirs;
use crate::store::mountpath::Mountpath;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TryRecvError, sync_channel};
use std::time::Duration;
use wire::lom::ObjectMeta;

/// Lanes of one mountpath that have no index, by their numbers.
pub(crate) type Lanes = HashMap<u16, Rc<Lane>>;

/// Files that the walk may be ahead of the core.
const AHEAD_MAX: usize = 256;
const NICENESS: i32 = 10;
/// Between two looks at what the walk has found. It cannot wake the core.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A file that the walk has met.
enum Met {
    /// The object of a lane.
    Object(u16, Box<ObjectMeta>),
    /// No object that can be used, and why.
    Unusable(PathBuf, String),
}

/// Adopts the files of these lanes. Returns how many files are not usable objects.
///
/// The file system is asked by a thread of its own: where a directory or an attribute is not in memory it waits for the
/// disk, and the core has others to serve.
pub(crate) async fn adopt_files(
    mountpath: &Mountpath,
    lanes: &Lanes,
    buckets: &Buckets,
    memtable_bytes_max: usize,
    pace: &Pace<'_>,
) -> Result<u64> {
    let Some(driver) = lanes.values().next().map(|lane| lane.driver.clone()) else { return Ok(0) };
    let (met, meeting) = sync_channel(AHEAD_MAX);
    let search = Search {
        mountpath: mountpath.path.clone(),
        lanes: lanes.keys().copied().collect(),
        lanes_all: mountpath.lanes,
        buckets: buckets.values().map(|bucket| (bucket.dir(), Arc::clone(bucket))).collect(),
        met,
    };
    let walk = std::thread::Builder::new().name("walk".to_owned()).spawn(move || search.run());
    let walk = walk.map_err(|e| Error::disk("start a thread", &e))?;
    let mut unusable = 0;
    loop {
        match meeting.try_recv() {
            Ok(Met::Object(number, meta)) => {
                if let Some(lane) = lanes.get(&number) {
                    adopt(lane, &meta, memtable_bytes_max).await?;
                }
            }
            Ok(Met::Unusable(path, why)) => {
                tracing::warn!(path = %path.display(), why, "not a usable object: left in place");
                unusable += 1;
            }
            Err(TryRecvError::Empty) => {
                pace.check()?;
                driver.sleep(LOOK_EVERY).await;
                pace.waited();
                continue;
            }
            Err(TryRecvError::Disconnected) => break,
        }
        pace.step().await?;
    }
    let walked = walk.join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked")));
    walked.map(|()| unusable).map_err(|e| Error::disk("walk a mountpath", &e))
}

/// Puts an object's file into the index of its lane, and writes that out when much of it is in memory only.
async fn adopt(lane: &Lane, meta: &ObjectMeta, memtable_bytes_max: usize) -> Result<()> {
    adopt_file(lane, meta).await?;
    let index = lane.index();
    // Without a checkpoint: a start that finds none makes the index anew.
    if index.memtable_bytes() >= memtable_bytes_max && index.freeze() {
        index.flush(&[]).await?;
    }
    Ok(())
}

/// A walk through the files of all buckets, for those of some lanes.
struct Search {
    mountpath: PathBuf,
    lanes: HashSet<u16>,
    lanes_all: u16,
    /// By their directories.
    buckets: HashMap<String, Arc<BucketRef>>,
    met: SyncSender<Met>,
}

impl Search {
    fn run(&self) -> io::Result<()> {
        // It shares the processor of the core, which goes first. Without the right to that it is merely less polite.
        let _ = rustix::process::setpriority_process(None, NICENESS);
        for dir in bucket_dirs(&self.mountpath)? {
            let path = self.mountpath.join(&dir);
            let Some(bucket) = self.buckets.get(&dir) else {
                tracing::warn!(path = %path.display(), "no such bucket: the directory is left alone");
                continue;
            };
            let mut walk = Walk::new(path.join("%ob"));
            while let Some(files) = walk.next_dir()? {
                for file in files {
                    let Some(met) = self.look(&walk.root, file, bucket) else { continue };
                    if self.met.send(met).is_err() {
                        // Nobody wants to know any more.
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells what a file is, if it concerns one of the lanes.
    fn look(&self, root: &Path, path: PathBuf, bucket: &BucketRef) -> Option<Met> {
        let Some(name) = name_of(&self.mountpath, root, &path) else {
            // Each core would say so; the first lane speaks for all.
            let speaks = self.lanes.contains(&0);
            return speaks.then(|| Met::Unusable(path, "the path is no encoded name".to_owned()));
        };
        let number = placement::lane_of(bucket.digest(&name), self.lanes_all).get();
        if !self.lanes.contains(&number) {
            return None;
        }
        match read_object(&self.mountpath, &path, &name, bucket) {
            Ok(meta) => Some(Met::Object(number, Box::new(meta))),
            // Its bucket is being destroyed.
            Err(_) if !path.exists() => None,
            Err(why) => Some(Met::Unusable(path, why)),
        }
    }
}

/// A walk through one bucket's directories.
pub(crate) struct Walk {
    pub(crate) root: PathBuf,
    dirs: Vec<PathBuf>,
}

impl Walk {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { dirs: vec![root.clone()], root }
    }

    /// The files of the next directory.
    pub(crate) fn next_dir(&mut self) -> io::Result<Option<Vec<PathBuf>>> {
        let Some(dir) = self.dirs.pop() else { return Ok(None) };
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Some(Vec::new())),
            Err(e) => return Err(e),
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let place = if entry.file_type()?.is_dir() { &mut self.dirs } else { &mut files };
            place.push(entry.path());
        }
        Ok(Some(files))
    }
}

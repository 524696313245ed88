//! Objects that are plain files, found by walking a mountpath: the first half of making an index anew.
//!
//! Nothing is deleted here. A file whose metadata is missing or damaged is reported and left where it is, out of the
//! listing, for an operator to look at.

use super::Lane;
use super::adopt::{adopt_file, name_of, read_object};
use crate::error::{Error, Result};
use crate::store::entry::BucketRef;
use crate::store::mountpath::Mountpath;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// Lanes of one mountpath that have no index, by their numbers.
pub(crate) type Lanes = HashMap<u16, Rc<Lane>>;

/// Adopts the files of these lanes. Returns how many files are not usable objects.
pub(crate) async fn adopt_files(
    mountpath: &Mountpath,
    lanes: &Lanes,
    buckets: &HashMap<String, Arc<BucketRef>>,
    memtable_bytes_max: usize,
) -> Result<u64> {
    let fail = |e: io::Error| Error::disk("walk a mountpath", &e);
    let mut unusable = 0;
    for entry in fs::read_dir(mountpath.path.join("@ais")).map_err(fail)? {
        let dir = entry.map_err(fail)?;
        let name = dir.file_name();
        let Some(bucket) = name.to_str().and_then(|name| buckets.get(name)) else {
            tracing::warn!(path = %dir.path().display(), "no such bucket: the directory is left alone");
            continue;
        };
        let mut walk = Walk::new(dir.path().join("%ob"));
        while let Some(files) = walk.next_dir().map_err(fail)? {
            for file in files {
                unusable += adopt(&walk.root, &file, bucket, mountpath, lanes, memtable_bytes_max).await?;
            }
        }
    }
    Ok(unusable)
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

/// Adopts a file if it belongs to one of the lanes; 1 if it is not usable.
async fn adopt(
    root: &Path,
    path: &Path,
    bucket: &BucketRef,
    mountpath: &Mountpath,
    lanes: &Lanes,
    memtable_bytes_max: usize,
) -> Result<u64> {
    let unusable = |why: &str| {
        tracing::warn!(path = %path.display(), why, "not a usable object: left in place");
        Ok(1)
    };
    let Some(name) = name_of(root, path) else {
        // Each core would say so; the first lane speaks for all.
        return if lanes.contains_key(&0) { unusable("the path is no encoded name") } else { Ok(0) };
    };
    let digest = placement::uname_digest(placement::BckRef::ais(&bucket.name), &name);
    let number = placement::lane_of(digest, mountpath.lanes).get();
    let Some(lane) = lanes.get(&number) else { return Ok(0) };
    match read_object(path, &name, bucket) {
        Ok(meta) => adopt_file(lane, &meta).await?,
        Err(why) => return unusable(&why),
    }
    // Without a checkpoint: a start that finds none makes the index anew.
    if lane.index.memtable_bytes() >= memtable_bytes_max && lane.index.freeze() {
        lane.index.flush(&[]).await?;
    }
    Ok(0)
}

//! What lies on a mountpath and belongs to nobody.

use super::{Finding, Observer, SidecarId};
use crate::error::{Error, Result};
use crate::store::entry::BucketRef;
use crate::store::mountpath::{Mountpath, SIDECAR_DIR, TRASH_DIR, WORK_DIR};
use crate::store::sidecar;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A sidecar beside a running node may belong to an object whose metadata are being written.
const GRACE: Duration = Duration::from_secs(60);

/// The sidecars that are there, by mountpath.
///
/// # Errors
/// What the disk says.
pub(crate) fn sidecars_there(mountpaths: &[Arc<Mountpath>]) -> Result<Vec<Vec<PathBuf>>> {
    mountpaths.iter().map(|mountpath| list(&mountpath.path.join(SIDECAR_DIR))).collect()
}

/// Says what nobody names, of the sidecars that were there before the check began; and, on a store that nobody uses, what
/// was being written or removed when it ended. `buckets` are all that there are; `None` while the store is in use.
///
/// # Errors
/// What the disk says.
pub(crate) fn leftovers(
    mountpaths: &[Arc<Mountpath>],
    sidecars: &[Vec<PathBuf>],
    named: &[SidecarId],
    buckets: Option<&[Arc<BucketRef>]>,
    observer: &dyn Observer,
) -> Result<()> {
    let named: HashSet<SidecarId> = named.iter().copied().collect();
    for (at, mountpath) in mountpaths.iter().enumerate() {
        let known: HashSet<PathBuf> = named
            .iter()
            .filter(|(mountpath, _)| *mountpath == at)
            .map(|(_, id)| mountpath.path.join(sidecar::path_of(*id)))
            .collect();
        let tell = |path: &Path, what: &str| {
            let file = path.strip_prefix(&mountpath.path).unwrap_or(path).display().to_string();
            observer.found(Finding { file: Some(file), ..Finding::leftover(&mountpath.path, what) });
        };
        let unknown = sidecars.get(at).into_iter().flatten().filter(|path| !known.contains(*path));
        for path in unknown.filter(|path| is_there(path, buckets.is_none())) {
            tell(path, "block checksums that no object names");
        }
        let Some(buckets) = buckets else { continue };
        for dir in list(&mountpath.path.join("@ais"))? {
            let name = dir.file_name().and_then(|name| name.to_str());
            if !buckets.iter().any(|bucket| Some(bucket.name.as_str()) == name) {
                tell(&dir, "there is no such bucket");
            }
        }
        list(&mountpath.path.join(WORK_DIR))?.iter().for_each(|path| tell(path, "an object half written"));
        list(&mountpath.path.join(TRASH_DIR))?.iter().for_each(|path| tell(path, "a bucket half removed"));
    }
    Ok(())
}

fn is_there(path: &Path, in_use: bool) -> bool {
    let Ok(modified) = fs::metadata(path).and_then(|file| file.modified()) else { return false };
    !in_use || SystemTime::now().duration_since(modified).is_ok_and(|age| age > GRACE)
}

/// What is in a directory, if there is one.
pub(super) fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let fail = |e: io::Error| Error::disk(&format!("list {}", dir.display()), &e);
    match fs::read_dir(dir) {
        Ok(entries) => {
            let paths = entries.map(|entry| entry.map(|entry| entry.path()));
            paths.collect::<io::Result<_>>().map_err(fail)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(fail(e)),
    }
}

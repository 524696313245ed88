//! Finds what lies on a mountpath and belongs to nobody.

use super::{Finding, Observer, SidecarId};
use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::entry::BucketRef;
use crate::store::formatting::bucket_dirs;
use crate::store::layout::{SIDECAR_DIR, TRASH_DIR, WORK_DIR};
use crate::store::mountpath::Mountpath;
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
/// The disk's error.
pub(crate) async fn sidecars_there(store: &Store) -> Result<Vec<Vec<PathBuf>>> {
    let mut there = Vec::new();
    for disk in &store.disks {
        there.push(disk.look(|mountpath| list(&mountpath.path.join(SIDECAR_DIR))).await?);
    }
    Ok(there)
}

/// Says what nobody names, of the sidecars that were there before the check began; and, on a store that nobody uses, what
/// was being written or removed when it ended. `buckets` are all that there are; `None` while the store is in use.
///
/// # Errors
/// The disk's error.
pub(crate) async fn leftovers(
    store: &Store,
    sidecars: Vec<Vec<PathBuf>>,
    named: &[SidecarId],
    buckets: Option<&[Arc<BucketRef>]>,
    observer: &dyn Observer,
) -> Result<()> {
    let named: HashSet<SidecarId> = named.iter().copied().collect();
    for ((at, disk), mut sidecars) in store.disks.iter().enumerate().zip(sidecars) {
        let of_mountpath = named.iter().filter(|(mountpath, _)| *mountpath == at);
        let known: HashSet<PathBuf> = of_mountpath
            .flat_map(|(_, id)| sidecar::files_of(*id))
            .map(|path| disk.mountpath().path.join(path))
            .collect();
        sidecars.retain(|path| !known.contains(path));
        let buckets = buckets.map(<[_]>::to_vec);
        let look = move |mountpath: &Arc<Mountpath>| look(mountpath, sidecars, buckets.as_deref());
        for (path, what) in disk.look(look).await? {
            let root = &disk.mountpath().path;
            let file = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            observer.found(Finding { file: Some(file), ..Finding::leftover(root, what) });
        }
    }
    Ok(())
}

/// The files that are left over on one mountpath, of these sidecars and of the rest.
fn look(
    mountpath: &Mountpath,
    sidecars: Vec<PathBuf>,
    buckets: Option<&[Arc<BucketRef>]>,
) -> Result<Vec<(PathBuf, &'static str)>> {
    let unknown = sidecars.into_iter().filter(|path| is_there(path, buckets.is_none()));
    let mut found: Vec<_> = unknown.map(|path| (path, "block checksums that no object names")).collect();
    let Some(buckets) = buckets else { return Ok(found) };
    let dirs = bucket_dirs(&mountpath.path).map_err(|e| Error::disk("list the buckets' directories", &e))?;
    let known: HashSet<String> = buckets.iter().map(|bucket| bucket.dir()).collect();
    let unknown = dirs.into_iter().filter(|dir| !known.contains(dir));
    found.extend(unknown.map(|dir| (mountpath.path.join(dir), "there is no such bucket")));
    found.extend(
        list(&mountpath.path.join(WORK_DIR))?.into_iter().map(|path| (path, "an object half written")),
    );
    found.extend(
        list(&mountpath.path.join(TRASH_DIR))?.into_iter().map(|path| (path, "a bucket half removed")),
    );
    Ok(found)
}

fn is_there(path: &Path, in_use: bool) -> bool {
    let Ok(modified) = fs::metadata(path).and_then(|file| file.modified()) else { return false };
    !in_use || SystemTime::now().duration_since(modified).is_ok_and(|age| age > GRACE)
}

/// The paths in a directory, if there is one.
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

//! Rebuilds the index at the start: walks every mountpath and reads each object's metadata.
//!
//! Nothing is deleted here but what a crash left half-written. A file whose metadata is missing or damaged is
//! reported and left where it is, out of the listing, for an operator to look at.

use super::entry::BucketRef;
use super::mountpath::{Mountpath, SIDECAR_DIR};
use super::{META_XATTR, names};
use placement::NodeLayout;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use uring::sys;
use wire::lom::{BlockCrcs, ObjectMeta};

/// An object found on disk.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) bucket_id: u64,
    pub(crate) name: String,
    pub(crate) mountpath: usize,
    pub(crate) meta: ObjectMeta,
}

/// What a start found.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecoveryReport {
    pub(crate) objects: u64,
    pub(crate) size_bytes: u64,
    /// Work files, half-destroyed buckets and orphaned sidecars that were removed.
    pub(crate) swept: usize,
    /// Files that are not usable objects, left in place.
    pub(crate) unusable: u64,
}

/// Everything found on one mountpath, by the core that owns it.
struct Found {
    by_core: Vec<Vec<Recovered>>,
    report: RecoveryReport,
    sidecars: HashSet<u64>,
}

/// Sweeps and scans all mountpaths, one thread each. Returns the objects of each core.
pub(crate) fn recover(
    mountpaths: &[Arc<Mountpath>],
    layout: &NodeLayout,
    buckets: &[Arc<BucketRef>],
) -> io::Result<(Vec<Vec<Recovered>>, RecoveryReport)> {
    let by_name: HashMap<&str, &BucketRef> = buckets.iter().map(|b| (b.name.as_str(), b.as_ref())).collect();
    let cores = layout.core_urls.len();
    let scans = std::thread::scope(|scope| {
        let threads: Vec<_> = mountpaths
            .iter()
            .enumerate()
            .map(|(at, mountpath)| {
                scope.spawn({
                    let by_name = &by_name;
                    move || scan_mountpath(at, mountpath, layout, cores, by_name)
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join()).collect::<Vec<_>>()
    });
    let mut all: Vec<Vec<Recovered>> = (0..cores).map(|_| Vec::new()).collect();
    let mut report = RecoveryReport::default();
    for scan in scans {
        let found = scan.map_err(|_| io::Error::other("the scan of a mountpath failed"))??;
        report.objects += found.report.objects;
        report.size_bytes += found.report.size_bytes;
        report.swept += found.report.swept;
        report.unusable += found.report.unusable;
        for (core, objects) in all.iter_mut().zip(found.by_core) {
            core.extend(objects);
        }
    }
    Ok((all, report))
}

fn scan_mountpath(
    at: usize,
    mountpath: &Mountpath,
    layout: &NodeLayout,
    cores: usize,
    buckets: &HashMap<&str, &BucketRef>,
) -> io::Result<Found> {
    let swept = mountpath.sweep()?;
    let mut found = Found {
        by_core: (0..cores).map(|_| Vec::new()).collect(),
        report: RecoveryReport { swept, ..RecoveryReport::default() },
        sidecars: HashSet::new(),
    };
    for entry in fs::read_dir(mountpath.path.join("@ais"))? {
        let dir = entry?;
        let name = dir.file_name();
        let Some(bucket) = name.to_str().and_then(|n| buckets.get(n)) else {
            tracing::warn!(path = %dir.path().display(), "no such bucket: the directory is left alone");
            continue;
        };
        scan_bucket(at, &dir.path().join("%ob"), bucket, layout, &mut found)?;
    }
    // A damaged object may still need its sidecar: with one about, none is removed.
    if found.report.unusable == 0 {
        found.report.swept += sweep_sidecars(mountpath, &found.sidecars)?;
    }
    Ok(found)
}

fn scan_bucket(
    at: usize,
    root: &Path,
    bucket: &BucketRef,
    layout: &NodeLayout,
    found: &mut Found,
) -> io::Result<()> {
    let mut dirs = vec![root.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                dirs.push(entry.path());
                continue;
            }
            match read_object(root, &entry.path(), bucket) {
                Ok((name, meta)) => adopt(at, name, meta, bucket, layout, found),
                Err(why) => {
                    found.report.unusable += 1;
                    tracing::warn!(path = %entry.path().display(), why, "not a usable object: left in place");
                }
            }
        }
    }
    Ok(())
}

fn adopt(
    at: usize,
    name: String,
    meta: ObjectMeta,
    bucket: &BucketRef,
    layout: &NodeLayout,
    found: &mut Found,
) {
    let digest = placement::uname_digest(placement::BckRef::ais(&bucket.name), &name);
    let Some(core) = layout.route(digest).and_then(|r| found.by_core.get_mut(r.core)) else { return };
    if let BlockCrcs::Sidecar { id, .. } = &meta.block_crcs {
        found.sidecars.insert(*id);
    }
    found.report.objects += 1;
    found.report.size_bytes += meta.size;
    core.push(Recovered { bucket_id: bucket.id, name, mountpath: at, meta });
}

fn read_object(root: &Path, path: &Path, bucket: &BucketRef) -> Result<(String, ObjectMeta), String> {
    let relative = path.strip_prefix(root).ok().and_then(Path::to_str).ok_or("the path is not UTF-8")?;
    let name = names::decode(relative).ok_or("the path is no encoded name")?;
    let file = fs::File::open(path).map_err(|e| e.to_string())?;
    let value = sys::get_xattr(file.as_fd(), META_XATTR).map_err(|e| e.to_string())?;
    let meta = ObjectMeta::decode(&value.ok_or("it has no metadata")?).map_err(|e| e.to_string())?;
    if meta.bucket_id != bucket.id || meta.name != name {
        return Err(format!("its metadata is that of {:?} in bucket {}", meta.name, meta.bucket_id));
    }
    let size = file.metadata().map_err(|e| e.to_string())?.len();
    if size != meta.size {
        return Err(format!("it has {size} bytes, its metadata says {}", meta.size));
    }
    Ok((name, meta))
}

fn sweep_sidecars(mountpath: &Mountpath, wanted: &HashSet<u64>) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(mountpath.path.join(SIDECAR_DIR))? {
        let entry = entry?;
        let id = entry.file_name().to_str().and_then(|n| u64::from_str_radix(n, 16).ok());
        if !id.is_some_and(|id| wanted.contains(&id)) {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

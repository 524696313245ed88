//! The marks of a mountpath: whom it belongs to, and the directories that it must have.
//!
//! They are made once, in an order that a crash may cut anywhere: an identity that is there has all its directories,
//! so one that is missing later has been lost.

use crate::store::layout::{BEGUN_DIR, LANES_DIR, PRIVATE_DIR, SIDECAR_DIR, lane_dir};
use crate::store::layout::{IDENTITY, provider_dirs};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// 1 to 3 had other metadata and other records in segments.
pub(super) const FORMAT: u32 = 4;

/// Paths beneath the mountpath of all buckets' directories, and of what else lies among them.
pub(super) fn bucket_dirs(mountpath: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for dir in provider_dirs() {
        for name in names_in(&mountpath.join(&dir))? {
            let path = format!("{dir}/{name}");
            if name.starts_with('@') && mountpath.join(&path).is_dir() {
                let inside = names_in(&mountpath.join(&path))?;
                found.extend(inside.into_iter().map(|name| format!("{path}/{name}")));
            } else {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// The names in a directory, none if it is not there. Names that are no text are shown as far as they are: no bucket has
/// one.
fn names_in(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(e) => return Err(e),
    };
    entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned())).collect()
}

/// A mountpath is marked with its own name and with those whom it belongs to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(super) format: u32,
    pub(crate) mountpath_id: String,
    pub(crate) target_id: String,
    pub(crate) cluster_id: String,
    pub(super) lanes: u16,
}

impl Identity {
    /// Refuses one that is not what was asked for.
    pub(super) fn require(&self, request: &FormatRequest<'_>) -> io::Result<()> {
        let of = [
            ("it belongs to target", self.target_id.as_str(), request.target_id),
            ("it belongs to cluster", &self.cluster_id, request.cluster_id),
            ("it is mountpath", &self.mountpath_id, &request.mountpath_id),
        ];
        match of.into_iter().find(|(_, is, wanted)| is != wanted) {
            Some((what, is, wanted)) => Err(io::Error::other(format!("{what} {is}, not {wanted}"))),
            None => Ok(()),
        }
    }
}

/// The marks that a new mountpath gets.
#[derive(Clone, Debug)]
pub(crate) struct FormatRequest<'a> {
    pub(crate) mountpath_id: String,
    pub(crate) target_id: &'a str,
    pub(crate) cluster_id: &'a str,
    pub(crate) lanes: u16,
}

pub(super) fn parse_identity(bytes: &[u8]) -> io::Result<Identity> {
    let identity: Identity =
        serde_json::from_slice(bytes).map_err(|e| io::Error::other(format!("{IDENTITY} is damaged: {e}")))?;
    if identity.format != FORMAT {
        let way = if identity.format > FORMAT {
            "a later version wrote it: start that one"
        } else {
            "have the version that wrote it export the buckets (`aisnode store export`), and PUT what is in the archives \
             into a node on new mountpaths"
        };
        let why = format!("its format is {}, this version reads {FORMAT}: {way}", identity.format);
        return Err(io::Error::other(why));
    }
    Ok(identity)
}

/// Reads the identity of the mountpath at a path; `None` where nothing of a node is. Nothing is changed.
///
/// # Errors
/// When it is damaged, of another format, or gone while objects are there.
pub(crate) fn identity_at(path: &Path) -> io::Result<Option<Identity>> {
    match fs::read(path.join(IDENTITY)) {
        Ok(bytes) => parse_identity(&bytes).map(Some),
        Err(e) if e.kind() == io::ErrorKind::NotFound => refuse_held(path).map(|()| None),
        Err(e) => Err(io::Error::new(e.kind(), format!("{IDENTITY}: {e}"))),
    }
}

/// Formatting a directory that holds objects could hide them.
pub(super) fn refuse_held(path: &Path) -> io::Result<()> {
    let Some(held) = first_held(path)? else { return Ok(()) };
    Err(io::Error::other(format!(
        "it holds {} but no {IDENTITY}; restore that file or empty the directory",
        held.strip_prefix(path).unwrap_or(&held).display()
    )))
}

/// True if there is anything on a mountpath that was acknowledged once.
pub(crate) fn holds_objects(path: &Path) -> bool {
    let files = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "tar");
    bucket_dirs(path).is_ok_and(|dirs| !dirs.is_empty())
        || files(path.join(LANES_DIR)).flat_map(files).any(|file| is_segment(&file))
}

/// Something on a mountpath that only a node in use can have put there: a bucket's directory, or a file of a lane.
pub(super) fn first_held(path: &Path) -> io::Result<Option<PathBuf>> {
    let first = |dir: &Path| match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().transpose().map(|entry| entry.map(|entry| entry.path())),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    };
    if let Some(bucket) = bucket_dirs(path)?.first() {
        return Ok(Some(path.join(bucket)));
    }
    let lanes = match fs::read_dir(path.join(LANES_DIR)) {
        Ok(lanes) => lanes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    for lane in lanes {
        if let Some(file) = first(&lane?.path())? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// The directories that hold objects were made before the identity: one that is not there has been lost.
pub(super) fn require_dirs(path: &Path) -> io::Result<()> {
    provider_dirs().try_for_each(|dir| require_dir(path, &dir))?;
    [LANES_DIR, SIDECAR_DIR, BEGUN_DIR].into_iter().try_for_each(|dir| require_dir(path, dir))
}

pub(super) fn require_lanes(path: &Path, lanes: u16) -> io::Result<()> {
    (0..lanes).try_for_each(|lane| require_dir(path, &lane_dir(lane)))
}

fn require_dir(path: &Path, dir: &str) -> io::Result<()> {
    let gone = |why: String| {
        io::Error::other(format!(
            "the directory {dir} {why}, and the objects in it with it: restore it, or make an empty one and run \
             `aisnode store rebuild-index` to give them up"
        ))
    };
    match fs::metadata(path.join(dir)) {
        Ok(there) if there.is_dir() => Ok(()),
        Ok(_) => Err(gone("is no directory any more".to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(gone("is gone".to_owned())),
        Err(e) => Err(io::Error::new(e.kind(), format!("{dir}: {e}"))),
    }
}

pub(super) fn is_there(path: &Path) -> io::Result<bool> {
    path.try_exists().map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))
}

/// Makes the lanes' directories, durably.
fn make_lanes(path: &Path, lanes: u16) -> io::Result<()> {
    for lane in 0..lanes {
        fs::create_dir_all(path.join(lane_dir(lane)))?;
    }
    for dir in [LANES_DIR, PRIVATE_DIR, ""] {
        fs::File::open(path.join(dir))?.sync_all()?;
    }
    Ok(())
}

pub(super) fn read_or_format(path: &Path, request: &FormatRequest<'_>) -> io::Result<Identity> {
    let file = path.join(IDENTITY);
    match fs::read(&file) {
        Ok(bytes) => parse_identity(&bytes),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let identity = Identity {
                format: FORMAT,
                mountpath_id: request.mountpath_id.clone(),
                target_id: request.target_id.to_owned(),
                cluster_id: request.cluster_id.to_owned(),
                lanes: request.lanes,
            };
            // A mountpath with an identity has all its lanes.
            make_lanes(path, identity.lanes)?;
            crate::durable::write_json(&file, &identity)?;
            Ok(identity)
        }
        Err(e) => Err(e),
    }
}

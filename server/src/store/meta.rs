//! An object's metadata on its file: read, and replaced.

use super::META_XATTR;
use super::mountpath::Mountpath;
use super::sidecar;
use crate::error::{Error, Result};
use std::os::fd::AsFd;
use std::path::Path;
use uring::{OpenMode, Opened, sys};
use wire::lom::{Apart, LomError, ObjectMeta, Stored};

/// An attribute is read again so often whose file has been replaced meanwhile.
const TRIES: usize = 8;

/// The metadata of a file beneath a mountpath; `None` when it carries none.
pub(crate) fn read_meta(mountpath: &Path, file: impl AsFd) -> Result<Option<ObjectMeta>> {
    read_stored(mountpath, file).map(|stored| stored.map(|(meta, _)| meta))
}

/// The same, with where they are if they did not fit into the attribute.
fn read_stored(mountpath: &Path, file: impl AsFd) -> Result<Option<(ObjectMeta, Option<Apart>)>> {
    let damaged = |e: LomError| Error::corrupt(format!("damaged metadata: {e}"));
    let mut before = None;
    for _ in 0..TRIES {
        let value = sys::get_xattr(file.as_fd(), META_XATTR).map_err(|e| Error::disk("read metadata", &e))?;
        let Some(value) = value else { return Ok(None) };
        let apart = match Stored::decode(&value).map_err(damaged)? {
            Stored::Here(meta) => return Ok(Some((*meta, None))),
            Stored::Apart(apart) => apart,
        };
        match sidecar::load_meta(mountpath, apart) {
            Ok(Some(meta)) => return Ok(Some((meta, Some(apart)))),
            // A change of metadata that comes in between writes both files in turn.
            Ok(None) if before != Some(apart) => before = Some(apart),
            Ok(None) => break,
            Err(e) => return Err(Error::disk("read metadata beside a file", &e)),
        }
    }
    Err(Error::corrupt("damaged metadata: the file beside it does not match its checksum"))
}

/// A file whose metadata are about to be replaced.
pub(crate) struct PreparedMeta {
    pub(crate) file: Opened,
    pub(crate) meta: ObjectMeta,
    /// The new attribute.
    pub(crate) value: Vec<u8>,
    /// Block checksums did not fit any more and lie in a file beside it now.
    pub(crate) moved_out: bool,
}

/// Prepares the replacement of a file's custom metadata: opens it, and has written beside it what does not
/// fit into its attribute.
pub(crate) fn prepare_meta(
    mountpath: &Mountpath,
    path: &str,
    custom: Vec<(String, String)>,
) -> Result<PreparedMeta> {
    let file = Opened::open(mountpath.dir(), path, OpenMode::Write)
        .map_err(|e| mountpath.failed("open to change metadata", &e))?;
    let stored = read_stored(&mountpath.path, &file)?;
    let (meta, apart) = stored.ok_or_else(|| Error::corrupt("the object has lost its metadata"))?;
    if apart.is_some() {
        // A power cut may leave the attribute as it was before the last change: the file that it named is free only now.
        sys::flush(file.as_fd()).map_err(|e| mountpath.lost("flush a file", &e))?;
    }
    let mut meta = ObjectMeta { custom, ..meta };
    let slot = apart.map_or(0, |apart| 1 - apart.slot);
    let (value, moved_out) = sidecar::encode(mountpath, &mut meta, slot)?;
    Ok(PreparedMeta { file, meta, value, moved_out })
}

/// Sets the metadata of a file.
pub(crate) fn write_meta(mountpath: &Mountpath, file: impl AsFd, value: &[u8]) -> Result<()> {
    let set = uring::fault::step("write-meta").and_then(|()| sys::set_xattr(file.as_fd(), META_XATTR, value));
    set.map_err(|e| mountpath.failed("write metadata", &e))
}

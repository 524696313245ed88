//! Small files that must survive a power cut: written aside, flushed, renamed, directory flushed.

use serde::Serialize;
use std::fs;
use std::io;
use std::path::Path;

const PIECE_BYTES: usize = 256 << 10;

/// Replaces a file by the JSON of a value, all or nothing.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    replace(path, |to| serde_json::to_writer_pretty(to, value)).map(drop)
}

/// The same for a value that may be large: piece by piece and without blanks. Returns the file's length.
pub(crate) fn write_large_json(path: &Path, value: &impl Serialize) -> io::Result<u64> {
    replace(path, |to| serde_json::to_writer(to, value))
}

type Pieces = io::BufWriter<fs::File>;

fn replace(path: &Path, write: impl FnOnce(&mut Pieces) -> serde_json::Result<()>) -> io::Result<u64> {
    let aside = path.with_extension("tmp");
    let mut pieces = io::BufWriter::with_capacity(PIECE_BYTES, fs::File::create(&aside)?);
    write(&mut pieces)?;
    let file = pieces.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    let bytes = file.metadata()?.len();
    fs::rename(&aside, path)?;
    // Once XFS has shut down it still reports success for the flush of a directory, but not for that of a file.
    file.sync_all()?;
    let parent = path.parent().ok_or_else(|| io::Error::other("a file without a directory"))?;
    fs::File::open(parent)?.sync_all()?;
    Ok(bytes)
}

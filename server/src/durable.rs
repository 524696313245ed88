//! Small files that must survive a power cut: written aside, flushed, renamed, directory flushed.

use serde::Serialize;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Replaces a file by the JSON of a value, all or nothing.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec_pretty(value)?;
    let aside = path.with_extension("tmp");
    let mut file = fs::File::create(&aside)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    // Once XFS has shut down it still reports success for the flush of a directory, but not for that of a file.
    file.sync_all()?;
    let parent = path.parent().ok_or_else(|| io::Error::other("a file without a directory"))?;
    fs::File::open(parent)?.sync_all()
}

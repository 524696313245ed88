//! Where everything lies on a mountpath.

use wire::api::bck::Provider;

/// Everything of ours that is not an object lies beneath this.
pub(crate) const PRIVATE_DIR: &str = ".straightline";
/// Files being written; swept at the start.
pub(crate) const WORK_DIR: &str = ".straightline/work";
/// A directory for each lane: its segments and its index.
pub(crate) const LANES_DIR: &str = ".straightline/lanes";
/// An empty file for each lane that has ever had a segment: one that has nothing any more has lost it.
pub(crate) const BEGUN_DIR: &str = ".straightline/begun";
/// Block checksums of objects too large for an attribute.
pub(crate) const SIDECAR_DIR: &str = ".straightline/crc";
/// Buckets on their way out; swept at the start.
pub(crate) const TRASH_DIR: &str = ".straightline/trash";
/// Marks a mountpath.
pub(crate) const IDENTITY: &str = ".straightline/mountpath.json";

/// A directory for each provider, with one for each of its buckets, perhaps beneath that of its namespace: the objects that
/// are plain files.
pub(crate) fn provider_dirs() -> impl Iterator<Item = String> {
    Provider::ALL.into_iter().map(|provider| format!("@{}", provider.as_str()))
}

/// A lane's directory beneath its mountpath.
pub(crate) fn lane_dir(number: u16) -> String {
    format!("{LANES_DIR}/{number:02}")
}

/// Beneath its mountpath, a file that is there once the lane has had a segment.
pub(crate) fn begun_path(number: u16) -> String {
    format!("{BEGUN_DIR}/{number:02}")
}

/// A segment's path beneath its mountpath.
pub(crate) fn segment_path(lane: u16, segment: u64) -> String {
    format!("{}/{}", lane_dir(lane), file_name(segment))
}

/// Name of a segment's file in its lane's directory.
pub(crate) fn file_name(segment: u64) -> String {
    format!("{segment:016x}.tar")
}

/// The number of the segment with this file name.
pub(crate) fn number_of(file_name: &str) -> Option<u64> {
    let digits = file_name.strip_suffix(".tar").filter(|digits| digits.len() == 16)?;
    // No segment has the last number: there is always a next one.
    u64::from_str_radix(digits, 16).ok().filter(|number| *number < u64::MAX)
}

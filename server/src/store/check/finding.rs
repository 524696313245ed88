//! The words of a check: a line for each place where something is wrong, and counts.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Class {
    /// Bytes are not what they were, or two parts of the store contradict each other.
    Damaged,
    /// A thing that a crash may leave behind: it takes room and does no harm.
    Leftover,
}

/// One place where something is wrong. What does not apply is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) class: Class,
    pub(crate) mountpath: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lane: Option<u16>,
    /// File name of the segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) segment: Option<String>,
    /// Byte in the segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<u64>,
    /// `ais://bucket/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<String>,
    /// A file beneath the mountpath.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    pub(crate) what: String,
}

impl Finding {
    /// Bytes of the texts in it.
    pub(crate) fn text_bytes(&self) -> usize {
        let optional = [&self.segment, &self.object, &self.file].into_iter().flatten().map(String::len);
        self.mountpath.len() + self.what.len() + optional.sum::<usize>()
    }

    /// Damage somewhere on a mountpath.
    pub(crate) fn damaged(mountpath: &Path, what: impl Into<String>) -> Self {
        Self {
            class: Class::Damaged,
            mountpath: mountpath.display().to_string(),
            lane: None,
            segment: None,
            offset: None,
            object: None,
            file: None,
            what: what.into(),
        }
    }

    /// Something left over.
    pub(crate) fn leftover(mountpath: &Path, what: impl Into<String>) -> Self {
        Self { class: Class::Leftover, ..Self::damaged(mountpath, what) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self.class {
            Class::Damaged => "damaged",
            Class::Leftover => "leftover",
        };
        write!(f, "{class}: {}", self.mountpath)?;
        if let Some(lane) = self.lane {
            write!(f, ", lane {lane}")?;
        }
        if let Some(segment) = &self.segment {
            write!(f, ", segment {segment}")?;
        }
        if let Some(offset) = self.offset {
            write!(f, ", byte {offset}")?;
        }
        if let Some(file) = &self.file {
            write!(f, ", file {file:?}")?;
        }
        if let Some(object) = &self.object {
            write!(f, ", {object:?}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Counts of what was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CheckCounts {
    pub(crate) lanes: u64,
    pub(crate) segments: u64,
    pub(crate) records: u64,
    pub(crate) files: u64,
    /// Objects that the indexes know.
    pub(crate) objects: u64,
    /// Bytes of segments and files that were read.
    pub(crate) bytes: u64,
}

impl CheckCounts {
    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            lanes: self.lanes + other.lanes,
            segments: self.segments + other.segments,
            records: self.records + other.records,
            files: self.files + other.files,
            objects: self.objects + other.objects,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// Who is told of a check as it goes on.
pub(crate) trait Observer {
    /// Something is wrong.
    fn found(&self, finding: Finding);
    /// More bytes will be read than was said before.
    fn expect(&self, bytes: u64);
    /// So many more bytes were read.
    fn advance(&self, bytes: u64);
    /// True if it is time to give up.
    fn is_cancelled(&self) -> bool;
}

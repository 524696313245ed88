//! The plan that a run is made from.

use crate::client::DirectMap;
use crate::settings::Config;
use crate::workload::names::NameList;
use crate::workload::range::RangeRead;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Everything a run needs.
pub struct Plan {
    /// The flags, resolved.
    pub config: Arc<Config>,
    /// Names to read.
    pub names: NameList,
    /// Where objects live, for `-direct`.
    pub direct: Option<DirectMap>,
    /// Set by Ctrl-C.
    pub interrupted: Arc<AtomicBool>,
}

impl Plan {
    /// Parts at random places need to know how large objects are.
    ///
    /// # Errors
    /// When that is not known.
    pub(crate) fn check_sizes(&self) -> io::Result<()> {
        let needs_sizes = self.config.range.as_ref().is_some_and(RangeRead::needs_sizes);
        match needs_sizes && (0..self.names.len()).any(|at| self.names.size_bytes(at).is_none()) {
            true => Err(io::Error::other("-range-mode: the sizes of the objects are not known")),
            false => Ok(()),
        }
    }
}

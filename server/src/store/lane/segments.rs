//! Segments opened for reading.

use quick_cache::unsync::Cache;
use std::cell::RefCell;
use uring::DirectFile;

/// The segments that a lane keeps open.
pub(crate) struct SegmentFiles {
    open: RefCell<Cache<u64, DirectFile>>,
}

impl SegmentFiles {
    pub(crate) fn new(files_max: usize) -> Self {
        Self { open: RefCell::new(Cache::new(files_max)) }
    }

    /// A segment that is open.
    pub(crate) fn get(&self, segment: u64) -> Option<DirectFile> {
        self.open.borrow_mut().get(&segment).cloned()
    }

    /// Keeps a segment open.
    pub(crate) fn keep(&self, segment: u64, file: &DirectFile) {
        self.open.borrow_mut().insert(segment, file.clone());
    }

    /// Forgets a segment that is being removed.
    pub(crate) fn forget(&self, segment: u64) {
        self.open.borrow_mut().remove(&segment);
    }
}

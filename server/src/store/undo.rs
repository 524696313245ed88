//! Memory gets back to what it said before a change that has failed.
//!
//! A change is visible before it is durable. One that fails afterwards has not happened: its name stands again for what
//! it stood for before, in the index, in the counts and in the caches. The commit group knows all changes that are
//! under way in their order and takes them back from the latest to the earliest, so nothing has to be looked up.

use super::cache::ReadCache;
use super::entry::Entry;
use crate::store::cache::EntryCache;
use std::rc::Rc;

/// All that must be known of a change to take it back.
pub(crate) struct Undo {
    pub(crate) bucket_id: u64,
    pub(crate) key: Vec<u8>,
    /// The entry that the change has made of the name; `None` when it removed it.
    pub(crate) new: Option<Rc<Entry>>,
    /// The entry that the name stood for before.
    pub(crate) old: Option<Rc<Entry>>,
    /// Tells which memtable of the index took the change.
    pub(crate) freezes: u64,
    /// The caches in which a request may have kept the new object.
    pub(crate) kept: Option<Kept>,
}

/// The caches of a core for objects that it was asked for.
pub(crate) struct Kept {
    pub(crate) entries: Rc<EntryCache>,
    pub(crate) pieces: Rc<ReadCache>,
}

impl Undo {
    /// Has the caches forget what the change made of the name.
    pub(crate) fn forget_kept(&self) {
        let Some(kept) = &self.kept else { return };
        kept.entries.borrow_mut().remove(self.key.as_slice());
        let Some(new) = &self.new else { return };
        if self.old.as_ref().is_some_and(|old| old.generation == new.generation) {
            kept.pieces.forget_fields(new.generation);
        } else {
            kept.pieces.forget(new);
        }
    }
}

//! The names that a core chooses from: those that were listed, which all cores share, and those that it has written.

use super::living::Living;
use crate::workload::names::NameList;
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;
use xxhash_rust::xxh64::xxh64;

/// Names of objects that exist.
pub(crate) struct Known {
    listed: Arc<Listed>,
    own: RefCell<Own>,
}

/// Names that were there before the run.
pub(crate) struct Listed {
    names: NameList,
    /// Absent when the run deletes nothing: then all live for ever.
    living: Option<Living>,
    /// Hashes of the names of a run that deletes. One that is written again is not a second name: it could be deleted once
    /// for each, and the second time it would be gone.
    hashes: HashSet<u64>,
    /// Numbers that workers may have.
    seats: usize,
}

struct Own {
    names: NameList,
    living: Option<Living>,
}

/// A name that is about to be deleted, by its number; nobody else chooses it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claimed(u64);

impl Listed {
    /// `seats`: more than any worker's number, over all cores.
    pub(crate) fn new(names: NameList, seats: usize, is_deleting: bool) -> Self {
        let living = is_deleting.then(|| Living::new(names.len(), seats));
        let listed = (0..names.len()).filter(|_| is_deleting).filter_map(|at| names.get(at));
        let hashes = listed.map(hash).collect();
        Self { names, living, hashes, seats }
    }
}

fn hash(name: &str) -> u64 {
    xxh64(name.as_bytes(), 0)
}

impl Known {
    /// The names that a core knows at the start.
    pub(crate) fn new(listed: Arc<Listed>) -> Self {
        let living = listed.living.is_some().then(|| Living::new(0, listed.seats));
        Self { listed, own: RefCell::new(Own { names: NameList::default(), living }) }
    }

    /// The number of names, deleted ones included; choices are drawn below it.
    pub(crate) fn len(&self) -> u64 {
        self.listed.names.len().saturating_add(self.own.borrow().names.len())
    }

    /// The number of names that were there at the start.
    pub(crate) fn listed(&self) -> u64 {
        self.listed.names.len()
    }

    /// True when there is nothing to read or to delete.
    pub(crate) fn is_empty(&self) -> bool {
        let own = self.own.borrow();
        let left = |names: &NameList, living: &Option<Living>| {
            living.as_ref().map_or_else(|| names.len(), Living::left)
        };
        left(&self.listed.names, &self.listed.living) == 0 && left(&own.names, &own.living) == 0
    }

    /// Adds a name that this core has written, unless it was there before.
    pub(crate) fn add(&self, name: &str, size_bytes: u64) {
        if self.listed.hashes.contains(&hash(name)) {
            return;
        }
        let mut own = self.own.borrow_mut();
        own.names.push_sized(name, size_bytes);
        if let Some(living) = &mut own.living {
            living.grow();
        }
    }

    /// Copies the name at `wish` to `out`, or another when that is deleted, and keeps it from being deleted until
    /// [`Known::release`]. Returns the number of the name; `None`: there is none.
    pub(crate) fn hold(&self, worker: u64, wish: u64, out: &mut String) -> Option<u64> {
        let at = self.choose(wish, |living, wish| living.hold(worker, wish))?;
        self.copy(at, out).then_some(at)
    }

    /// The size of the object with this number, where it is known.
    pub(crate) fn size_bytes(&self, at: u64) -> Option<u64> {
        match at.checked_sub(self.listed.names.len()) {
            None => self.listed.names.size_bytes(at),
            Some(own) => self.own.borrow().names.size_bytes(own),
        }
    }

    /// The worker has done with what it held.
    pub(crate) fn release(&self, worker: u64) {
        if let Some(living) = &self.listed.living {
            living.release(worker);
        }
        if let Some(living) = &self.own.borrow().living {
            living.release(worker);
        }
    }

    /// Copies the name at `wish` to `out`, or another when that is deleted or being read, and takes it away from all
    /// others. `None`: there is none to be had now.
    pub(crate) fn claim(&self, wish: u64, out: &mut String) -> Option<Claimed> {
        let at = self.choose(wish, Living::claim)?;
        self.copy(at, out).then_some(Claimed(at))
    }

    /// The deletion has ended; `is_left`: the object is still there after all.
    pub(crate) fn settle(&self, Claimed(at): Claimed, is_left: bool) {
        let settle = |living: &Option<Living>, at| match living {
            Some(living) if is_left => living.unmark(at),
            Some(living) => living.bury(),
            None => {}
        };
        match at.checked_sub(self.listed.names.len()) {
            None => settle(&self.listed.living, at),
            Some(own) => settle(&self.own.borrow().living, own),
        }
    }

    /// Chooses among the names on the side of `wish`, and among those of the other side when there is none.
    fn choose(&self, wish: u64, choice: impl Fn(&Living, u64) -> Option<u64>) -> Option<u64> {
        let own = self.own.borrow();
        let (Some(ours), Some(listed)) = (&own.living, &self.listed.living) else {
            return (wish < self.listed.names.len().saturating_add(own.names.len())).then_some(wish);
        };
        let first_own = self.listed.names.len();
        let of_listed = |wish| choice(listed, wish);
        let of_own = |wish| choice(ours, wish).map(|at| at.saturating_add(first_own));
        match wish.checked_sub(first_own) {
            None => of_listed(wish).or_else(|| of_own(wish)),
            Some(wish) => of_own(wish).or_else(|| of_listed(wish)),
        }
    }

    fn copy(&self, at: u64, out: &mut String) -> bool {
        out.clear();
        match at.checked_sub(self.listed.names.len()) {
            None => self.listed.names.get(at).map(|name| out.push_str(name)).is_some(),
            Some(own) => self.own.borrow().names.get(own).map(|name| out.push_str(name)).is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(is_deleting: bool) -> Known {
        let mut names = NameList::default();
        ["a", "b"].into_iter().for_each(|name| names.push(name));
        let known = Known::new(Arc::new(Listed::new(names, 2, is_deleting)));
        known.add("c", 9);
        known
    }

    #[test]
    fn numbers_reach_listed_names_and_own_ones() {
        for is_deleting in [false, true] {
            let (known, mut name) = (known(is_deleting), String::new());
            for (at, want) in ["a", "b", "c"].into_iter().enumerate() {
                assert_eq!(known.hold(0, at as u64, &mut name), Some(at as u64));
                assert_eq!(name, want);
            }
            assert!(!known.is_empty() && known.len() == 3);
            assert_eq!((known.size_bytes(1), known.size_bytes(2)), (None, Some(9)));
        }
    }

    #[test]
    fn a_listed_name_that_is_written_again_is_one_name() {
        let (known, mut name) = (known(true), String::new());
        known.add("a", 1);
        assert_eq!(known.len(), 3);
        let claimed: Vec<String> =
            (0..3).filter_map(|at| known.claim(at, &mut name).map(|_| name.clone())).collect();
        assert_eq!(claimed, ["a", "b", "c"]);
        assert!(known.claim(0, &mut name).is_none());
    }

    #[test]
    fn what_is_deleted_is_not_chosen_any_more() {
        let (known, mut name) = (known(true), String::new());
        let mut claim = || known.claim(2, &mut name).unwrap();
        let (last, other, another) = (claim(), claim(), claim());
        assert!(!known.is_empty() && known.claim(0, &mut name).is_none());
        known.settle(other, false);
        known.settle(another, false);
        assert!(!known.is_empty() && known.hold(1, 2, &mut name).is_none());
        known.settle(last, true);
        assert_eq!(known.hold(1, 0, &mut name), Some(2));
        assert_eq!(name, "c");
        known.release(1);
        let last = known.claim(1, &mut name).unwrap();
        known.settle(last, false);
        assert!(known.is_empty());
    }
}

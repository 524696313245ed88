//! The changes since the last flush, in memory.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::rc::Rc;

/// Estimated bytes that an entry takes beside its key and value: reference counts and a share of a tree node.
const OVERHEAD_BYTES: usize = 96;
/// A cursor takes this many entries at a time out of the tree.
const BATCH_ENTRIES: usize = 64;

/// `None` is a tombstone.
type Value = Option<Rc<[u8]>>;

/// A sorted map whose cursors go on while it changes.
#[derive(Default)]
pub(super) struct Memtable {
    entries: RefCell<BTreeMap<Rc<[u8]>, Value>>,
    bytes: Cell<usize>,
    tombstones: Cell<u64>,
}

impl Memtable {
    pub(super) fn put(&self, key: &[u8], value: Option<&[u8]>) {
        let value_bytes = value.map_or(0, <[u8]>::len);
        let value: Value = value.map(Rc::from);
        self.tombstones.set(self.tombstones.get() + u64::from(value.is_none()));
        let mut entries = self.entries.borrow_mut();
        let (added, old) = match entries.entry(Rc::from(key)) {
            Entry::Vacant(vacant) => {
                vacant.insert(value);
                (key.len() + OVERHEAD_BYTES, None)
            }
            Entry::Occupied(mut occupied) => (0, Some(occupied.insert(value))),
        };
        let (freed, revived) = match &old {
            None => (0, false),
            Some(old) => (old.as_ref().map_or(0, |old| old.len()), old.is_none()),
        };
        let (tombstones, bytes) = (self.tombstones.get(), self.bytes.get());
        assert!(tombstones >= u64::from(revived), "a memtable without tombstones has replaced one");
        assert!(bytes >= freed, "a memtable of {bytes} bytes gives back {freed}");
        self.tombstones.set(tombstones - u64::from(revived));
        self.bytes.set(bytes + added + value_bytes - freed);
    }

    /// `None` when nothing is known of the key, `Some(None)` when it was deleted.
    pub(super) fn get(&self, key: &[u8]) -> Option<Value> {
        self.entries.borrow().get(key).cloned()
    }

    /// Drops up to `count` entries; false when none are left. For a table that nobody looks at any more.
    pub(super) fn drop_some(&mut self, count: u64) -> bool {
        let entries = self.entries.get_mut();
        (0..count).all(|_| entries.pop_first().is_some())
    }

    /// Tombstones included.
    pub(super) fn entries(&self) -> u64 {
        self.entries.borrow().len() as u64
    }

    pub(super) fn tombstones(&self) -> u64 {
        self.tombstones.get()
    }

    /// Estimated bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.get()
    }
}

/// Walks through a memtable. What changes in it a little ahead may be seen as it was or as it is.
pub(super) struct MemtableCursor {
    memtable: Rc<Memtable>,
    from: Bound<Rc<[u8]>>,
    batch: Vec<(Rc<[u8]>, Value)>,
    at: usize,
}

impl MemtableCursor {
    /// Stands before the first key that is not smaller than `from`.
    pub(super) fn new(memtable: Rc<Memtable>, from: &[u8]) -> Self {
        Self { memtable, from: Bound::Included(from.into()), batch: Vec::new(), at: 0 }
    }

    /// Goes to the next entry; false behind the last.
    pub(super) fn advance(&mut self) -> bool {
        self.at += 1;
        if self.at < self.batch.len() {
            return true;
        }
        if let Some((last, _)) = self.batch.pop() {
            self.from = Bound::Excluded(last);
        }
        self.batch.clear();
        self.at = 0;
        let from = match &self.from {
            Bound::Included(from) => Bound::Included(&**from),
            Bound::Excluded(from) => Bound::Excluded(&**from),
            Bound::Unbounded => Bound::Unbounded,
        };
        let entries = self.memtable.entries.borrow();
        let next = entries.range::<[u8], _>((from, Bound::Unbounded)).take(BATCH_ENTRIES);
        self.batch.extend(next.map(|(key, value)| (Rc::clone(key), value.clone())));
        !self.batch.is_empty()
    }

    pub(super) fn key(&self) -> &[u8] {
        self.batch.get(self.at).map(|(key, _)| &**key).unwrap_or_default()
    }

    /// `None` is a tombstone.
    pub(super) fn value(&self) -> Option<&[u8]> {
        self.batch.get(self.at)?.1.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_sees_all_that_stays(
            first in prop::collection::btree_map(0u16..2000, 0u8..3, 0..400),
            later in prop::collection::btree_map(0u16..2000, any::<u8>(), 0..100),
            from in 0u16..2000,
            pause in 0usize..300,
        ) {
            let memtable = Rc::new(Memtable::default());
            first.iter().for_each(|(key, value)| memtable.put(&key.to_be_bytes(), Some(&[*value])));
            let mut cursor = MemtableCursor::new(Rc::clone(&memtable), &from.to_be_bytes());
            let mut seen = Vec::new();
            loop {
                if seen.len() == pause {
                    later.iter().for_each(|(key, value)| {
                        memtable.put(&key.to_be_bytes(), (value % 2 == 0).then_some(&[9]));
                    });
                }
                if !cursor.advance() {
                    break;
                }
                seen.push((u16::from_be_bytes(cursor.key().try_into().unwrap()), cursor.value().map(<[u8]>::to_vec)));
            }
            prop_assert!(seen.is_sorted_by(|a, b| a.0 < b.0));
            for (key, value) in first.range(from..).filter(|(key, _)| !later.contains_key(key)) {
                prop_assert!(seen.contains(&(*key, Some(vec![*value]))));
            }
            prop_assert!(seen.iter().all(|(key, _)| *key >= from));
        }

        #[test]
        fn counts(puts in prop::collection::vec((0u8..20, prop::option::of(0usize..50)), 0..200)) {
            let memtable = Memtable::default();
            let mut model = BTreeMap::new();
            for (key, value) in &puts {
                let value = value.map(|len| vec![1; len]);
                memtable.put(&[*key], value.as_deref());
                model.insert(*key, value);
            }
            let bytes = |v: &Option<Vec<u8>>| 1 + OVERHEAD_BYTES + v.as_ref().map_or(0, Vec::len);
            prop_assert_eq!(memtable.bytes(), model.values().map(bytes).sum::<usize>());
            prop_assert_eq!(memtable.entries() as usize, model.len());
            prop_assert_eq!(memtable.tombstones() as usize, model.values().filter(|v| v.is_none()).count());
            for (key, value) in &model {
                prop_assert_eq!(memtable.get(&[*key]), Some(value.as_deref().map(Rc::from)));
            }
        }
    }
}

//! A lane counts its objects and bytes of each bucket, and how much of each segment is still in use.
//!
//! It is saved with every checkpoint of the index and carried on by replay, so that neither a start nor a summary has
//! to look at every object. It grows with the buckets and the segments, never with the objects.
//!
//! A segment's count is over all that the index has, so a destroyed bucket is *doomed* until a sweep has gone through its
//! entries and taken them off the segments ([`super::sweep`]). A clone shares the counts of the buckets part by part, so that
//! a checkpoint is taken at once and written out little by little.

use crate::store::entry::Entry;
use crate::store::place::Place;
use crate::store::value::{number, put_number};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use wire::lom::Generation;

/// The counts of buckets lie in so many parts, by number. A change copies its part if a checkpoint is just being written.
const PARTS: usize = 128;

/// Objects of a bucket in one lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) objects: u64,
    pub(crate) size_bytes: u64,
}

impl Totals {
    fn plus(self, size_bytes: u64) -> Self {
        Self { objects: self.objects + 1, size_bytes: self.size_bytes + size_bytes }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            objects: self.objects.saturating_sub(other.objects),
            size_bytes: self.size_bytes.saturating_sub(other.size_bytes),
        }
    }
}

/// One segment's account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SegmentAccount {
    /// Bytes written so far.
    pub(crate) end: u64,
    /// Bytes of records that the index points at, those of doomed buckets included.
    live: u64,
}

impl SegmentAccount {
    /// Bytes still in use.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.live
    }
}

/// The counts of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ledger {
    buckets: Box<[Rc<HashMap<u64, Totals>>]>,
    /// Over all buckets.
    all: Totals,
    /// Destroyed buckets of which segments still count the bytes, and whether the index will not change for them any more.
    doomed: BTreeMap<u64, bool>,
    segments: BTreeMap<u64, SegmentAccount>,
    /// The largest generation seen.
    pub(crate) last_generation: Generation,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            buckets: (0..PARTS).map(|_| Rc::default()).collect(),
            all: Totals::default(),
            doomed: BTreeMap::new(),
            segments: BTreeMap::new(),
            last_generation: Generation::default(),
        }
    }
}

impl Ledger {
    fn part(&mut self, bucket_id: u64) -> Option<&mut HashMap<u64, Totals>> {
        self.buckets.get_mut(bucket_id as usize % PARTS).map(Rc::make_mut)
    }

    fn totals(&self, bucket_id: u64) -> Option<&Totals> {
        self.buckets.get(bucket_id as usize % PARTS)?.get(&bucket_id)
    }

    /// An object is there now.
    pub(crate) fn add(&mut self, bucket_id: u64, entry: &Entry) {
        if self.doomed.is_empty() || !self.doomed.contains_key(&bucket_id) {
            if let Some(part) = self.part(bucket_id) {
                let totals = part.entry(bucket_id).or_default();
                *totals = totals.plus(entry.size_bytes);
            }
            self.all = self.all.plus(entry.size_bytes);
        }
        self.note_generation(entry.generation);
        if let Place::Segment(extent) = &entry.place {
            self.segment(extent.segment).live += extent.record_bytes(entry.size_bytes);
        }
    }

    /// An object is no longer there.
    pub(crate) fn remove(&mut self, bucket_id: u64, entry: &Entry) {
        if let Place::Segment(extent) = &entry.place {
            self.take_off(extent.segment, extent.record_bytes(entry.size_bytes));
        }
        // One of a bucket that is doomed is counted no more.
        let Some(totals) = self.totals(bucket_id).copied() else { return };
        assert!(self.all.objects > 0, "bucket {bucket_id} has {} objects, all have none", totals.objects);
        let one = Totals { objects: 1, size_bytes: entry.size_bytes };
        self.all = self.all.minus(one);
        let left = totals.minus(one);
        let Some(part) = self.part(bucket_id) else { return };
        if left.objects > 0 {
            part.insert(bucket_id, left)
        } else {
            part.remove(&bucket_id)
        };
    }

    /// Bytes of a segment are no longer in use.
    pub(crate) fn take_off(&mut self, segment: u64, bytes: u64) {
        // A segment that is gone has no account any more.
        if let Some(account) = self.segments.get_mut(&segment) {
            account.live = account.live.saturating_sub(bytes);
        }
    }

    /// A change of this generation has been seen.
    pub(crate) fn note_generation(&mut self, generation: Generation) {
        self.last_generation = self.last_generation.max(generation);
    }

    /// A bucket is gone with all its objects. Changes that had begun before may still come to the index.
    pub(crate) fn forget_bucket(&mut self, bucket_id: u64) {
        let totals = self.part(bucket_id).and_then(|part| part.remove(&bucket_id));
        if let Some(totals) = totals {
            let (gone, all) = (totals.objects, self.all.objects);
            assert!(gone <= all, "bucket {bucket_id} has {gone} objects, all have {all}");
            self.all = self.all.minus(totals);
            self.doomed.insert(bucket_id, false);
        }
    }

    /// The index will not change any more for a bucket that was forgotten: it can be swept.
    pub(crate) fn bucket_is_still(&mut self, bucket_id: u64) {
        if let Some(still) = self.doomed.get_mut(&bucket_id) {
            *still = true;
        }
    }

    /// Forgets the buckets that are not wanted; nothing changes the index yet.
    pub(crate) fn keep_buckets(&mut self, wanted: impl Fn(u64) -> bool) {
        let known = self.buckets.iter().flat_map(|part| part.keys().copied());
        let gone: Vec<u64> = known.filter(|&id| !wanted(id)).collect();
        for id in gone {
            self.forget_bucket(id);
            self.bucket_is_still(id);
        }
    }

    /// Up to `count` doomed buckets that can be swept, in the order of the index.
    pub(crate) fn to_sweep(&self, count: usize) -> Vec<u64> {
        self.doomed.iter().filter(|(_, still)| **still).map(|(&id, _)| id).take(count).collect()
    }

    /// A doomed bucket's bytes have been taken off the segments.
    pub(crate) fn swept(&mut self, bucket_id: u64) {
        let is_still = self.doomed.remove(&bucket_id);
        assert!(is_still != Some(false), "bucket {bucket_id} was swept while changes of it were under way");
    }

    pub(crate) fn has_doomed(&self) -> bool {
        !self.doomed.is_empty()
    }

    /// True if segments count bytes of this bucket, so that the index must keep its entries.
    pub(crate) fn counts(&self, bucket_id: u64) -> bool {
        self.doomed.contains_key(&bucket_id) || self.totals(bucket_id).is_some()
    }

    /// The account of a segment, opened if it has none.
    pub(crate) fn segment(&mut self, segment: u64) -> &mut SegmentAccount {
        self.segments.entry(segment).or_default()
    }

    /// All segments in the order of their numbers.
    pub(crate) fn segments(&self) -> impl Iterator<Item = (u64, &SegmentAccount)> {
        self.segments.iter().map(|(&number, account)| (number, account))
    }

    /// The segments with this number and later ones.
    pub(crate) fn segments_from(&self, first: u64) -> impl Iterator<Item = (u64, &SegmentAccount)> {
        self.segments.range(first..).map(|(&number, account)| (number, account))
    }

    /// Closes the accounts of segments that are no longer there: removed after the last checkpoint, before a crash.
    /// Returns the bytes that were in use of them.
    pub(crate) fn keep_segments(&mut self, there: &[u64]) -> u64 {
        let gone = self.segments.extract_if(.., |number, _| there.binary_search(number).is_err());
        gone.map(|(_, account)| account.live).sum()
    }

    /// Closes the account of a segment that has been removed.
    pub(crate) fn drop_segment(&mut self, segment: u64) {
        self.segments.remove(&segment);
    }

    /// Sums over all buckets.
    pub(crate) fn all(&self) -> Totals {
        self.all
    }

    /// Appends the durable form, one part for each step.
    pub(crate) fn encode<'o>(&'o self, out: &'o mut Vec<u8>) -> impl Iterator<Item = ()> + 'o {
        put_number(self.last_generation.clock, out);
        put_number(self.last_generation.node, out);
        put_number(self.doomed.len() as u64, out);
        self.doomed.keys().for_each(|&id| put_number(id, out));
        put_number(self.segments.len() as u64, out);
        for (&number, account) in &self.segments {
            [number, account.end, account.live].into_iter().for_each(|n| put_number(n, out));
        }
        put_number(self.buckets.iter().map(|part| part.len() as u64).sum(), out);
        self.buckets.iter().map(|part| {
            for (&id, totals) in part.iter() {
                [id, totals.objects, totals.size_bytes].into_iter().for_each(|n| put_number(n, out));
            }
        })
    }

    /// Takes the durable form off the front; `None` for bytes that are none.
    pub(crate) fn decode(rest: &mut &[u8]) -> Option<Self> {
        let last_generation = Generation { clock: number(rest)?, node: number(rest)? };
        let mut ledger = Self { last_generation, ..Self::default() };
        for _ in 0..number(rest)? {
            // Whoever was about to change the index for it has gone.
            ledger.doomed.insert(number(rest)?, true);
        }
        for _ in 0..number(rest)? {
            let segment = number(rest)?;
            let account = SegmentAccount { end: number(rest)?, live: number(rest)? };
            ledger.segments.insert(segment, account);
        }
        for _ in 0..number(rest)? {
            let id = number(rest)?;
            let totals = Totals { objects: number(rest)?, size_bytes: number(rest)? };
            // A bucket without objects has no counts.
            if totals.objects == 0 {
                return None;
            }
            ledger.all.objects = ledger.all.objects.checked_add(totals.objects)?;
            ledger.all.size_bytes = ledger.all.size_bytes.checked_add(totals.size_bytes)?;
            ledger.part(id)?.insert(id, totals);
        }
        Some(ledger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::place::Extent;
    use proptest::prelude::*;
    use std::cell::Cell;
    use wire::cksum::CksumType;
    use wire::lom::ObjectKind;

    fn entry(segment: Option<u64>, size_bytes: u64) -> Entry {
        let extent = |segment| Extent { segment, offset: 1536, head_bytes: 1536, crcs: [0; 2] };
        Entry {
            kind: ObjectKind::Whole,
            size_bytes,
            version: 1,
            generation: Generation { clock: size_bytes, node: 1 },
            mtime_ns: 0,
            atime_ns: Cell::new(0),
            cksum_type: CksumType::None,
            cksum_value: "".into(),
            custom: Box::default(),
            mountpath: 0,
            place: segment.map_or(Place::File { has_sidecar: false }, |s| Place::Segment(extent(s))),
        }
    }

    proptest! {
        #[test]
        fn what_is_added_and_removed_leaves_nothing(
            objects in prop::collection::vec((1u64..4, prop::option::of(0u64..5), 0u64..9000), 0..40),
        ) {
            let mut ledger = Ledger::default();
            for (bucket, segment, size) in &objects {
                ledger.add(*bucket, &entry(*segment, *size));
            }
            let mut bytes = Vec::new();
            ledger.encode(&mut bytes).for_each(drop);
            prop_assert_eq!(Ledger::decode(&mut bytes.as_slice()).unwrap(), ledger.clone());
            for cut in 0..bytes.len() {
                prop_assert!(Ledger::decode(&mut &bytes[..cut]).is_none());
            }
            prop_assert_eq!(ledger.all().objects, objects.len() as u64);
            // A clone stays as it was.
            let before = ledger.clone();
            let doomed = objects.iter().any(|object| object.0 == 3);
            ledger.forget_bucket(3);
            prop_assert_eq!((ledger.has_doomed(), ledger.to_sweep(9)), (doomed, vec![]));
            ledger.bucket_is_still(3);
            prop_assert_eq!(ledger.to_sweep(9).len(), usize::from(doomed));
            let mut bytes = Vec::new();
            ledger.encode(&mut bytes).for_each(drop);
            prop_assert_eq!(Ledger::decode(&mut bytes.as_slice()).unwrap(), ledger.clone());
            // The bytes of the doomed bucket are taken off by the sweep.
            for (bucket, segment, size) in &objects {
                ledger.remove(*bucket, &entry(*segment, *size));
            }
            ledger.swept(3);
            prop_assert_eq!(ledger.all(), Totals::default());
            prop_assert!(!ledger.has_doomed() && !ledger.counts(1) && !ledger.counts(3));
            prop_assert!(ledger.segments().all(|(_, account)| account.live_bytes() == 0));
            prop_assert_eq!(before.all().objects, objects.len() as u64);
        }
    }

    #[test]
    fn it_grows_with_the_buckets_and_not_with_the_objects() {
        let mut ledger = Ledger::default();
        let encoded = |ledger: &Ledger| {
            let mut bytes = Vec::new();
            ledger.encode(&mut bytes).for_each(drop);
            bytes.len()
        };
        for object in 0..20_000u64 {
            ledger.add(object % 1000, &entry(Some(object / 400), 100));
        }
        let few = encoded(&ledger);
        assert!(few < 1000 * 8 + 50 * 12 + 32, "{few}");
        (0..20_000u64).for_each(|object| ledger.add(object % 1000, &entry(Some(object / 400), 100)));
        assert!(encoded(&ledger) <= few + 2000);
    }

    #[test]
    fn a_record_counts_with_its_head_and_padding() {
        let mut ledger = Ledger::default();
        ledger.add(1, &entry(Some(7), 100));
        assert_eq!(ledger.segment(7).live_bytes(), 1536 + 512);
        assert_eq!(ledger.all(), Totals { objects: 1, size_bytes: 100 });
    }
}

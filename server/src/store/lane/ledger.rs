//! What a lane knows by counting: objects and bytes of each bucket, and how much of each segment is still in use.
//!
//! It is saved with every checkpoint of the index and carried on by replay, so that neither a start nor a summary has
//! to look at every object.

use crate::store::entry::Entry;
use crate::store::place::Place;
use crate::store::value::{number, put_number};
use std::collections::{BTreeMap, HashMap};

/// Objects of a bucket in one lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) objects: u64,
    pub(crate) size_bytes: u64,
}

impl Totals {
    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { objects: self.objects + other.objects, size_bytes: self.size_bytes + other.size_bytes }
    }
}

/// One segment's account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SegmentAccount {
    /// Bytes written so far.
    pub(crate) end: u64,
    /// Bytes of records that the index points at, by bucket.
    live: HashMap<u64, u64>,
}

impl SegmentAccount {
    /// Bytes still in use.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.live.values().sum()
    }
}

/// The counts of a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    buckets: HashMap<u64, Totals>,
    segments: BTreeMap<u64, SegmentAccount>,
    /// The largest generation seen.
    pub(crate) last_generation: u64,
}

impl Ledger {
    /// An object is there now.
    pub(crate) fn add(&mut self, bucket_id: u64, entry: &Entry) {
        let totals = self.buckets.entry(bucket_id).or_default();
        totals.objects += 1;
        totals.size_bytes += entry.size_bytes;
        self.last_generation = self.last_generation.max(entry.generation);
        if let Place::Segment(extent) = &entry.place {
            let live = &mut self.segments.entry(extent.segment).or_default().live;
            *live.entry(bucket_id).or_default() += extent.record_bytes(entry.size_bytes);
        }
    }

    /// An object is no longer there.
    pub(crate) fn remove(&mut self, bucket_id: u64, entry: &Entry) {
        if let Some(totals) = self.buckets.get_mut(&bucket_id) {
            totals.objects = totals.objects.saturating_sub(1);
            totals.size_bytes = totals.size_bytes.saturating_sub(entry.size_bytes);
            if totals.objects == 0 {
                self.buckets.remove(&bucket_id);
            }
        }
        let Place::Segment(extent) = &entry.place else { return };
        // A segment that is gone has no account any more.
        let Some(account) = self.segments.get_mut(&extent.segment) else { return };
        if let Some(live) = account.live.get_mut(&bucket_id) {
            *live = live.saturating_sub(extent.record_bytes(entry.size_bytes));
            if *live == 0 {
                account.live.remove(&bucket_id);
            }
        }
    }

    /// A bucket is gone with all its objects.
    pub(crate) fn forget_bucket(&mut self, bucket_id: u64) {
        self.buckets.remove(&bucket_id);
        for account in self.segments.values_mut() {
            account.live.remove(&bucket_id);
        }
    }

    /// Forgets the buckets that are not wanted.
    pub(crate) fn keep_buckets(&mut self, wanted: impl Fn(u64) -> bool) {
        let gone: Vec<u64> = self.buckets.keys().copied().filter(|&id| !wanted(id)).collect();
        gone.into_iter().for_each(|id| self.forget_bucket(id));
    }

    /// The account of a segment, opened if it has none.
    pub(crate) fn segment(&mut self, segment: u64) -> &mut SegmentAccount {
        self.segments.entry(segment).or_default()
    }

    /// All segments in the order of their numbers.
    pub(crate) fn segments(&self) -> impl Iterator<Item = (u64, &SegmentAccount)> {
        self.segments.iter().map(|(&number, account)| (number, account))
    }

    /// Those with this number and later ones.
    pub(crate) fn segments_from(&self, first: u64) -> impl Iterator<Item = (u64, &SegmentAccount)> {
        self.segments.range(first..).map(|(&number, account)| (number, account))
    }

    /// Closes the accounts of segments that are no longer there: removed after the last checkpoint, before a crash.
    pub(crate) fn keep_segments(&mut self, there: &[u64]) {
        self.segments.retain(|number, _| there.binary_search(number).is_ok());
    }

    /// Closes the account of a segment that has been removed.
    pub(crate) fn drop_segment(&mut self, segment: u64) {
        self.segments.remove(&segment);
    }

    /// Sums over all buckets.
    pub(crate) fn all(&self) -> Totals {
        self.buckets.values().copied().fold(Totals::default(), Totals::plus)
    }

    /// Appends the durable form.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_number(self.last_generation, out);
        put_number(self.buckets.len() as u64, out);
        for (&id, totals) in &self.buckets {
            [id, totals.objects, totals.size_bytes].into_iter().for_each(|n| put_number(n, out));
        }
        put_number(self.segments.len() as u64, out);
        for (&number, account) in &self.segments {
            [number, account.end].into_iter().for_each(|n| put_number(n, out));
            put_number(account.live.len() as u64, out);
            for (&id, &bytes) in &account.live {
                [id, bytes].into_iter().for_each(|n| put_number(n, out));
            }
        }
    }

    /// Takes the durable form off the front; `None` for bytes that are none.
    pub(crate) fn decode(rest: &mut &[u8]) -> Option<Self> {
        let mut ledger = Self { last_generation: number(rest)?, ..Self::default() };
        for _ in 0..number(rest)? {
            let id = number(rest)?;
            ledger.buckets.insert(id, Totals { objects: number(rest)?, size_bytes: number(rest)? });
        }
        for _ in 0..number(rest)? {
            let segment = number(rest)?;
            let mut account = SegmentAccount { end: number(rest)?, live: HashMap::new() };
            for _ in 0..number(rest)? {
                let id = number(rest)?;
                account.live.insert(id, number(rest)?);
            }
            ledger.segments.insert(segment, account);
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

    fn entry(segment: Option<u64>, size_bytes: u64) -> Entry {
        let extent = |segment| Extent { segment, offset: 1536, head_bytes: 1536, crcs: [0; 2] };
        Entry {
            size_bytes,
            version: 1,
            generation: size_bytes,
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
            ledger.encode(&mut bytes);
            prop_assert_eq!(Ledger::decode(&mut bytes.as_slice()).unwrap(), ledger.clone());
            for cut in 0..bytes.len() {
                let _ = Ledger::decode(&mut &bytes[..cut]);
            }
            prop_assert_eq!(ledger.all().objects, objects.len() as u64);
            ledger.forget_bucket(3);
            for (bucket, segment, size) in objects.iter().filter(|object| object.0 != 3) {
                ledger.remove(*bucket, &entry(*segment, *size));
            }
            prop_assert_eq!(ledger.all(), Totals::default());
            prop_assert!(ledger.segments().all(|(_, account)| account.live_bytes() == 0));
        }
    }

    #[test]
    fn a_record_counts_with_its_head_and_padding() {
        let mut ledger = Ledger::default();
        ledger.add(1, &entry(Some(7), 100));
        assert_eq!(ledger.segment(7).live_bytes(), 1536 + 512);
        assert_eq!(ledger.all(), Totals { objects: 1, size_bytes: 100 });
    }
}

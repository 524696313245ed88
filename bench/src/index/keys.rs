//! The entries: names as a data set of images has them, metadata that hardly compresses, in a random order that is the
//! same in every process.

use std::ops::RangeInclusive;

/// Lanes of the index: a keyspace or table each.
pub(super) const LANES: usize = 4;
/// Buckets, each with the same share of the keys.
pub(super) const BUCKETS: u32 = 10;
/// Keys of a batch: what a group commit has to apply.
pub(super) const BATCH: usize = 64;
/// Smallest and largest distance of checkpoints, in batches.
const CHECKPOINT_EVERY: RangeInclusive<u64> = 4..=1000;

/// Eight bytes of bucket id, then the object's name.
pub(super) type Key = [u8; 32];
/// Metadata of an object.
pub(super) type Value = [u8; 70];

const NAMELESS: Key = *b"\0\0\0\0\0\0\0\0train/0000000/000000.jpg";
/// The key of the number of the batch that was applied last to a lane; it is behind all objects of the lane.
const COUNTER: Key = [0xff; 32];

/// One insertion.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) lane: usize,
    pub(super) key: Key,
    pub(super) value: Value,
}

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The object with this number.
    Object(u32),
    /// The counter of the lane.
    Counter,
}

/// Objects 0 to `keys`, and the order in which they come.
pub(crate) struct KeySet {
    order: Vec<u32>,
}

impl KeySet {
    pub(super) fn new(keys: u32) -> Self {
        let mut order: Vec<u32> = (0..keys).collect();
        let mut random = Random::new(u64::from(keys));
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at + 1));
        }
        Self { order }
    }

    pub(super) fn keys(&self) -> u32 {
        u32::try_from(self.order.len()).unwrap_or(u32::MAX)
    }

    /// The objects in the order of their insertion.
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    pub(super) fn batches(&self) -> u64 {
        self.order.len().div_ceil(BATCH) as u64
    }

    /// True when this batch is to be durable with all before it.
    pub(super) fn is_checkpoint(&self, batch: u64) -> bool {
        let every = (self.batches() / 32).clamp(*CHECKPOINT_EVERY.start(), *CHECKPOINT_EVERY.end());
        (batch + 1).is_multiple_of(every) || batch + 1 == self.batches()
    }

    /// Replaces the entries by those of a batch: its objects, and the counter of every lane.
    pub(super) fn fill(&self, batch: u64, entries: &mut Vec<Entry>) {
        entries.clear();
        let ids = usize::try_from(batch).ok().and_then(|batch| self.order.chunks(BATCH).nth(batch));
        let objects = ids.into_iter().flatten();
        entries.extend(objects.map(|id| Entry { lane: lane(*id), key: key(*id), value: value(*id) }));
        entries.extend((0..LANES).map(|lane| Entry { lane, key: COUNTER, value: counter(batch) }));
    }
}

/// The lane of an object: names are spread by a hash.
pub(super) fn lane(id: u32) -> usize {
    (mix(u64::from(id)) >> 62) as usize % LANES
}

/// The bucket of an object.
pub(super) const fn bucket(id: u32) -> u32 {
    id % BUCKETS
}

/// The first bytes of all keys of a bucket.
pub(super) fn prefix(bucket: u32) -> [u8; 8] {
    u64::from(bucket).to_be_bytes()
}

/// A thousand names to a directory.
pub(super) fn key(id: u32) -> Key {
    let number = id / BUCKETS;
    let mut key = NAMELESS;
    let mut put = |at: std::ops::Range<usize>, digits: u32| {
        let mut left = digits;
        for digit in key.get_mut(at).into_iter().flatten().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
    };
    put(14..21, number / 1000);
    put(22..28, number % 1000);
    for (to, from) in key.iter_mut().zip(prefix(bucket(id))) {
        *to = from;
    }
    key
}

/// Whose key this is; `None` for one that was never written.
pub(super) fn owner(bytes: &[u8]) -> Option<Owner> {
    if bytes == COUNTER {
        return Some(Owner::Counter);
    }
    let bucket = u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
    let digits = |at| std::str::from_utf8(bytes.get(at)?).ok()?.parse::<u32>().ok();
    let number = digits(14..21)?.checked_mul(1000)?.checked_add(digits(22..28)?)?;
    let id = number.checked_mul(BUCKETS)?.checked_add(u32::try_from(bucket).ok()?)?;
    (key(id) == bytes).then_some(Owner::Object(id))
}

/// Generation, size, time, kind, a checksum of 32 bytes; the rest is zero.
pub(super) fn value(id: u32) -> Value {
    let mut random = Random::new(u64::from(id));
    let numbers =
        [u64::from(id), random.next() >> 44, 1_750_000_000_000_000_000 + (random.next() >> 20), 7 << 56];
    let sum = [random.next(), random.next(), random.next(), random.next()];
    let mut value = [0; 70];
    let bytes = numbers.into_iter().chain(sum).flat_map(u64::to_le_bytes);
    for (to, from) in value.iter_mut().zip(bytes) {
        *to = from;
    }
    value
}

fn counter(batch: u64) -> Value {
    let mut value = [0; 70];
    for (to, from) in value.iter_mut().zip(batch.to_le_bytes()) {
        *to = from;
    }
    value
}

/// The batch that a counter names.
pub(super) fn counted(value: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(value.get(..8)?.try_into().ok()?))
}

fn mix(of: u64) -> u64 {
    let x = of.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// `SplitMix64`: the same numbers in every process.
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        let number = mix(self.0);
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        number
    }

    /// A number under `bound`; 0 when there is none.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_names_its_object(id in 0..90_000_000_u32) {
            prop_assert_eq!(owner(&key(id)), Some(Owner::Object(id)));
            prop_assert!(key(id).starts_with(&prefix(bucket(id))));
        }

        #[test]
        fn other_bytes_name_nothing_else(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(Owner::Object(id)) = owner(&bytes) {
                prop_assert_eq!(key(id).to_vec(), bytes);
            }
        }
    }

    #[test]
    fn batches_hold_every_object_once() {
        let set = KeySet::new(1000);
        let (mut entries, mut seen, mut checkpoints) = (Vec::new(), vec![0; 1000], 0);
        for batch in 0..set.batches() {
            set.fill(batch, &mut entries);
            checkpoints += u32::from(set.is_checkpoint(batch));
            let mut counters = 0;
            for entry in &entries {
                match owner(&entry.key) {
                    Some(Owner::Object(id)) => {
                        seen[id as usize] += 1;
                        assert_eq!((entry.lane, entry.value), (lane(id), value(id)));
                    }
                    Some(Owner::Counter) => {
                        counters += 1;
                        assert_eq!(counted(&entry.value), Some(batch));
                    }
                    None => panic!("a key of nobody"),
                }
            }
            assert_eq!(counters, LANES);
        }
        assert!(seen.iter().all(|times| *times == 1));
        assert_eq!((set.batches(), checkpoints), (16, 4));
        assert_ne!(set.order().to_vec(), (0..1000).collect::<Vec<_>>());
    }
}

//! Says of most keys that a run does not have, that it does not have them.
//!
//! A split-block Bloom filter, as in Parquet: a key sets one bit in each of the eight words of one group of 32 bytes, so
//! that a question costs one cache miss. It is a little larger than a fuse filter of the same error, but it is built
//! entry by entry as a run is written: a merge needs no second copy of all hashes and no pause for the construction.

use super::codec::Input;
use xxhash_rust::xxh64::xxh64;

/// 1.5 bytes for each entry: about one question in 200 is answered wrongly with "perhaps".
const BITS_PER_ENTRY: usize = 12;
const GROUP_WORDS: usize = 8;
const GROUP_BYTES: usize = GROUP_WORDS * size_of::<u32>();
const GROUPS_PER_PART: usize = 1024;
/// Odd multipliers, one for each word; part of the format.
const SALTS: [u32; GROUP_WORDS] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// The hash that a filter knows a key by; part of the format.
pub(super) fn hash(key: &[u8]) -> u64 {
    xxh64(key, 0)
}

/// A filter over the keys of one run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filter {
    groups: Box<[[u32; GROUP_WORDS]]>,
}

impl Filter {
    /// An empty filter that is of use for up to `entries` keys.
    pub(super) fn with_room_for(entries: u64) -> Self {
        let groups = (entries as usize * BITS_PER_ENTRY).div_ceil(GROUP_BYTES * 8).max(1);
        Self { groups: vec![[0; GROUP_WORDS]; groups].into_boxed_slice() }
    }

    pub(super) fn insert(&mut self, hash: u64) {
        let at = self.group_of(hash);
        let Some(group) = self.groups.get_mut(at) else { return };
        for (word, bit) in group.iter_mut().zip(bits(hash)) {
            *word |= bit;
        }
    }

    /// False only for keys that were never inserted.
    pub(super) fn may_contain(&self, hash: u64) -> bool {
        let Some(group) = self.groups.get(self.group_of(hash)) else { return true };
        group.iter().zip(bits(hash)).all(|(word, bit)| word & bit != 0)
    }

    fn group_of(&self, hash: u64) -> usize {
        (((hash >> 32) * self.groups.len() as u64) >> 32) as usize
    }

    /// Bytes of memory, and on disk.
    pub(super) fn bytes(&self) -> usize {
        self.groups.len() * GROUP_BYTES
    }

    /// Its bytes, in parts of some KiB.
    pub(super) fn encode(&self) -> impl Iterator<Item = Vec<u8>> {
        let bytes = |groups: &[[u32; GROUP_WORDS]]| {
            groups.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
        };
        self.groups.chunks(GROUPS_PER_PART).map(bytes)
    }

    /// `None` when it cannot be a filter.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let count = bytes.len() / GROUP_BYTES;
        if count == 0 || !bytes.len().is_multiple_of(GROUP_BYTES) {
            return None;
        }
        let mut words = Input::new(bytes).u32s(count * GROUP_WORDS)?;
        let group = |_| std::array::from_fn(|_| words.next().unwrap_or_default());
        Some(Self { groups: (0..count).map(group).collect() })
    }
}

fn bits(hash: u64) -> impl Iterator<Item = u32> {
    SALTS.into_iter().map(move |salt| 1 << ((hash as u32).wrapping_mul(salt) >> 27))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn few_wrong_answers() {
        let key = |i: u64| hash(&i.to_be_bytes());
        let mut filter = Filter::with_room_for(100_000);
        (0..100_000).for_each(|i| filter.insert(key(i)));
        assert!((0..100_000).all(|i| filter.may_contain(key(i))));
        let wrong = (100_000..300_000).filter(|&i| filter.may_contain(key(i))).count();
        assert!((200..2_000).contains(&wrong), "{wrong} of 200000");
        assert!(filter.bytes() <= 150_032);
    }

    proptest! {
        #[test]
        fn decodes_what_it_encodes(keys in prop::collection::vec(any::<u64>(), 0..200)) {
            let mut filter = Filter::with_room_for(keys.len() as u64);
            keys.iter().for_each(|&key| filter.insert(key));
            let bytes: Vec<u8> = filter.encode().flatten().collect();
            let back = Filter::decode(&bytes).unwrap();
            prop_assert!(keys.iter().all(|&key| back.may_contain(key)));
            prop_assert_eq!(back, filter);
        }

        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let filter = Filter::decode(&bytes);
            prop_assert_eq!(filter.is_some(), !bytes.is_empty() && bytes.len() % 32 == 0);
            if let Some(filter) = filter {
                filter.may_contain(7);
            }
        }
    }
}

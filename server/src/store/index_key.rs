//! The keys of an index: bucket, name, and which of the name's entries.
//!
//! `<bucket's number, 8 bytes, the highest first> <name> 00` is what a name stands for; other entries of the name follow it:
//! `... 00 <tag> <fields> <tag>`. No name has a zero byte, so that names come in byte order, each with all its entries; the last
//! byte tells what a key is without a search for that zero. The number stands for provider, namespace and bucket: it is never
//! used twice, and every record spells out which bucket it means.

use wire::lom::{Generation, Slot};

const END: u8 = 0;
const OLDER: u8 = 1;
const PART: u8 = 2;
const BUCKET_BYTES: usize = size_of::<u64>();
/// The latest older version comes first: its generation is written upside down.
const OLDER_BYTES: usize = 2 * size_of::<u64>();
const PART_BYTES: usize = 2 * size_of::<u64>() + size_of::<u32>();

/// The meaning of an index key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexKey<'k> {
    pub(crate) bucket_id: u64,
    pub(crate) name: &'k str,
    pub(crate) slot: Slot,
}

/// The key of what a name stands for.
pub(crate) fn index_key(bucket_id: u64, name: &str) -> Vec<u8> {
    IndexKey { bucket_id, name, slot: Slot::Current }.encode()
}

/// The beginning of all keys of a bucket's names with this prefix.
pub(crate) fn index_prefix(bucket_id: u64, prefix: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(BUCKET_BYTES + prefix.len() + 1);
    key.extend_from_slice(&bucket_id.to_be_bytes());
    key.extend_from_slice(prefix.as_bytes());
    key
}

/// The bucket and the name that a key of what a name stands for is of; `None` for keys of other entries too.
pub(crate) fn parse_index_key(key: &[u8]) -> Option<(u64, &str)> {
    let (last, rest) = key.split_last()?;
    let (bucket_id, name) = rest.split_first_chunk::<BUCKET_BYTES>().filter(|_| *last == END)?;
    Some((u64::from_be_bytes(*bucket_id), str::from_utf8(name).ok()?))
}

/// The bucket of any key.
pub(crate) fn bucket_of(key: &[u8]) -> Option<u64> {
    key.first_chunk().map(|bucket_id| u64::from_be_bytes(*bucket_id))
}

impl<'k> IndexKey<'k> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        assert!(!self.name.as_bytes().contains(&END), "a name with a zero byte has come to an index");
        let mut key = index_prefix(self.bucket_id, self.name);
        key.push(END);
        match self.slot {
            Slot::Current => {}
            Slot::Older(Generation { clock, node }) => {
                key.push(OLDER);
                key.extend_from_slice(&(!clock).to_be_bytes());
                key.extend_from_slice(&(!node).to_be_bytes());
                key.push(OLDER);
            }
            Slot::Part { upload, number } => {
                key.push(PART);
                key.extend_from_slice(&upload.clock.to_be_bytes());
                key.extend_from_slice(&upload.node.to_be_bytes());
                key.extend_from_slice(&number.to_be_bytes());
                key.push(PART);
            }
        }
        key
    }

    /// Undoes [`IndexKey::encode`]; `None` for what it does not write.
    pub(crate) fn decode(key: &'k [u8]) -> Option<Self> {
        let (bucket_id, rest) = key.split_first_chunk::<BUCKET_BYTES>()?;
        let (&last, rest) = rest.split_last()?;
        let (name, slot) = match last {
            END => (rest, Slot::Current),
            OLDER => {
                let (rest, fields) = rest.split_last_chunk::<OLDER_BYTES>()?;
                let (clock, node) = two(fields)?;
                (rest.strip_suffix(&[END, OLDER])?, Slot::Older(Generation { clock: !clock, node: !node }))
            }
            PART => {
                let (rest, fields) = rest.split_last_chunk::<PART_BYTES>()?;
                let (clock, node) = two(fields)?;
                let number = u32::from_be_bytes(*fields.last_chunk()?);
                let slot = Slot::Part { upload: Generation { clock, node }, number };
                (rest.strip_suffix(&[END, PART])?, slot)
            }
            _ => return None,
        };
        let name = str::from_utf8(name).ok().filter(|name| !name.as_bytes().contains(&END))?;
        Some(Self { bucket_id: u64::from_be_bytes(*bucket_id), name, slot })
    }
}

fn two(fields: &[u8]) -> Option<(u64, u64)> {
    let (first, rest) = fields.split_first_chunk()?;
    Some((u64::from_be_bytes(*first), u64::from_be_bytes(*rest.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slot() -> impl Strategy<Value = Slot> {
        let generation = || any::<(u64, u64)>().prop_map(|(clock, node)| Generation { clock, node });
        prop_oneof![
            2 => Just(Slot::Current),
            1 => generation().prop_map(Slot::Older),
            1 => (generation(), any::<u32>()).prop_map(|(upload, number)| Slot::Part { upload, number }),
        ]
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof!["[ab/\u{1}\u{2}]{0,4}", "[^\u{0}]{0,9}"]
    }

    proptest! {
        #[test]
        fn keys_read_back(bucket_id: u64, name in name(), slot in slot()) {
            let key = IndexKey { bucket_id, name: &name, slot };
            let encoded = key.encode();
            prop_assert_eq!(IndexKey::decode(&encoded), Some(key));
            let current = (slot == Slot::Current).then_some((bucket_id, name.as_str()));
            prop_assert_eq!(parse_index_key(&encoded).filter(|_| slot == Slot::Current), current);
            prop_assert!(encoded.starts_with(&index_prefix(bucket_id, &name)));
            prop_assert_eq!(bucket_of(&encoded), Some(bucket_id));
        }

        #[test]
        fn they_are_in_the_order_of_names(a in name(), b in name(), x in slot(), y in slot()) {
            let key = |name, slot| IndexKey { bucket_id: 1, name, slot }.encode();
            if a != b {
                prop_assert_eq!(key(&a, x).cmp(&key(&b, y)), a.cmp(&b));
            }
            // The current entry of a name comes first of all its entries.
            prop_assert!(key(&a, Slot::Current) <= key(&a, x));
        }

        #[test]
        fn strange_bytes_are_no_key_or_one(bytes in prop::collection::vec(0u8..4, 0..60)) {
            if let Some(key) = IndexKey::decode(&bytes) {
                prop_assert_eq!(key.encode(), bytes);
            }
        }
    }

    #[test]
    fn the_latest_of_the_older_versions_comes_first() {
        let at = |clock| {
            let slot = Slot::Older(Generation { clock, node: 5 });
            IndexKey { bucket_id: 1, name: "n", slot }.encode()
        };
        assert!(index_key(1, "n") < at(9) && at(9) < at(8));
    }
}

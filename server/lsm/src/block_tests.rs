use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Entries = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

fn entries() -> impl Strategy<Value = Entries> {
    let key = prop_oneof![
        prop::collection::vec(0u8..3, 0..8),
        (prop::collection::vec(any::<u8>(), 0..4)).prop_map(|tail| [vec![7; 200], tail].concat()),
    ];
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..40));
    prop::collection::btree_map(key, value, 1..120)
}

fn encode(entries: &Entries) -> Vec<u8> {
    let mut builder = BlockBuilder::default();
    entries.iter().for_each(|(key, value)| builder.push(key, value.as_deref()));
    let mut bytes = Vec::new();
    builder.finish(9, 4, &mut bytes);
    assert!(builder.is_empty() && bytes.len().is_multiple_of(PAGE_BYTES));
    bytes
}

fn walk(block: &Rc<Block>) -> Entries {
    let mut cursor = BlockCursor::default();
    cursor.enter(Rc::clone(block));
    let mut found = Entries::new();
    while cursor.advance() {
        assert!(found.last_key_value().is_none_or(|(last, _)| last.as_slice() < cursor.key()));
        found.insert(cursor.key().to_vec(), cursor.value().map(<[u8]>::to_vec));
    }
    found
}

/// A lookup and a seek must say of any key what a walk says.
fn agrees(block: &Rc<Block>, all: &Entries, key: &[u8]) {
    let expected = match all.get(key) {
        None => Lookup::Unknown,
        Some(None) => Lookup::Deleted,
        Some(Some(value)) => Lookup::Found(value),
    };
    assert_eq!(block.find(key), expected);
    let mut cursor = BlockCursor::default();
    let found = cursor.seek(Rc::clone(block), key);
    let next = all.range(key.to_vec()..).next();
    assert_eq!(found.then(|| cursor.key()), next.map(|(key, _)| key.as_slice()));
}

proptest! {
    #[test]
    fn a_block_knows_what_was_put_in(all in entries(), others in entries()) {
        let block = Rc::new(Block::decode(&encode(&all), 9, 4).unwrap());
        prop_assert_eq!(&walk(&block), &all);
        for key in all.keys().chain(others.keys()) {
            agrees(&block, &all, key);
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed(all in entries(), at: prop::sample::Index, bit in 0u8..8) {
        let mut bytes = encode(&all);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(Block::decode(&bytes, 9, 4).is_err());
    }

    /// With a right checksum: what is accepted behaves like a block, whoever wrote it.
    #[test]
    fn any_contents_are_refused_or_behave(
        all in entries(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0u8..12), 0..6),
        wanted in prop::collection::vec(prop::collection::vec(0u8..3, 0..8), 8),
    ) {
        let mut bytes = encode(&all);
        let used = bytes.iter().rposition(|&b| b != 0).unwrap() + 1;
        for (at, value) in changes {
            bytes[16 + at.index(used - 16)] = value;
        }
        let crc = crc32c(&bytes[4..]).to_le_bytes();
        bytes[..4].copy_from_slice(&crc);
        if let Ok(block) = Block::decode(&bytes, 9, 4).map(Rc::new) {
            let found = walk(&block);
            for key in found.keys().chain(&wanted) {
                agrees(&block, &found, key);
            }
        }
    }

    #[test]
    fn any_bytes_are_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Block::decode(&bytes, 9, 4).is_err());
        if bytes.len() > 24 {
            bytes[4..12].copy_from_slice(&9u64.to_le_bytes());
            bytes[12..16].copy_from_slice(&4u32.to_le_bytes());
            let crc = crc32c(&bytes[4..]).to_le_bytes();
            bytes[..4].copy_from_slice(&crc);
            let _ = Block::decode(&bytes, 9, 4);
        }
    }
}

#[test]
fn a_block_from_elsewhere_is_refused() {
    let bytes = encode(&Entries::from([(b"k".to_vec(), None)]));
    assert!(Block::decode(&bytes, 9, 4).is_ok());
    assert!(Block::decode(&bytes, 8, 4).is_err() && Block::decode(&bytes, 9, 5).is_err());
}

#[test]
fn blocks_are_two_pages_of_small_entries_and_hold_one_large_one() {
    let mut builder = BlockBuilder::default();
    let mut bytes = Vec::new();
    let mut count = 0;
    while !builder.is_full_for(format!("name-{count:06}").as_bytes(), Some(&[1; 30])) {
        builder.push(format!("name-{count:06}").as_bytes(), Some(&[1; 30]));
        count += 1;
    }
    builder.finish(1, 0, &mut bytes);
    assert_eq!(bytes.len(), 2 * PAGE_BYTES);
    assert!(bytes.iter().rposition(|&b| b != 0).unwrap() > 2 * PAGE_BYTES - 80);
    let large = [7; 20_000];
    // Keys go on from the block before.
    assert!(!builder.is_full_for(b"of-20000", Some(&large)));
    builder.push(b"of-20000", Some(&large));
    assert!(builder.is_full_for(b"of-20001", Some(b"")));
    bytes.clear();
    builder.finish(1, 1, &mut bytes);
    let block = Block::decode(&bytes, 1, 1).unwrap();
    assert_eq!(block.find(b"of-20000"), Lookup::Found(&large));
}

//! Every damage that can be planted is found, and has its right name.

use super::generate::{compare, fill};
use super::pool::{PAGES, STARTS_BYTES};
use super::stamp::{BLOCK_BYTES, STAMP_BYTES, name_hash};
use super::*;
use proptest::prelude::*;
use std::rc::Rc;

const BLOCK: u64 = BLOCK_BYTES as u64;

thread_local! {
    /// Pools are costly; the tests of a thread share them.
    static POOLS: Rc<Pools> = Rc::default();
}

fn recipe(dedupe_pct: u8) -> Recipe {
    Recipe { seed: 7, compress_pct: 25, dedupe_pct }
}

fn identity(name: &str, size_bytes: u64, version: u64, dedupe_pct: u8) -> Identity {
    let name_hash = name_hash("ais://b", name);
    Identity { recipe: recipe(dedupe_pct), name_hash, size_bytes, version, loader: 3 }
}

fn part(identity: &Identity, offset: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0xee; len];
    fill(&POOLS.with(|pools| pools.of(&identity.recipe)), identity, offset, &mut out);
    out
}

fn whole(identity: &Identity) -> Vec<u8> {
    part(identity, 0, identity.size_bytes as usize)
}

fn known(floor: u64) -> Known {
    Known { floor, loader: 3, ..Known::default() }
}

fn expected(name: &str, start: u64, len: Option<u64>, known: Known) -> Expected {
    Expected { name_hash: name_hash("ais://b", name), start, len, known, recipe: recipe(0) }
}

/// Verifies `bytes` as they come in portions of `portion`.
fn verify(expected: Expected, bytes: &[u8], portion: usize) -> Result<(), Damage> {
    let now = expected.known.clone();
    let mut verifier = Verifier::new(POOLS.with(Rc::clone), expected);
    bytes.chunks(portion.max(1)).for_each(|bytes| verifier.take(bytes));
    verifier.finish(&now)
}

fn verify_object(bytes: &[u8], portion: usize) -> Result<(), Damage> {
    verify(expected("n", 0, None, known(0)), bytes, portion)
}

fn kind(outcome: Result<(), Damage>) -> DamageKind {
    outcome.unwrap_err().kind
}

/// Sizes around every boundary.
fn size() -> impl Strategy<Value = u64> {
    prop_oneof![1..60u64, 4000..4300u64, 8100..8300u64, 1..60_000u64]
}

proptest! {
    #[test]
    fn stamps_are_read_as_they_were_written(
        seed: u64, compress_pct in 0..=100u8, dedupe_pct in 0..=100u8, name_hash in 1u64.., version: u64,
        size_bytes in STAMP_BYTES as u64.., loader: u32, block: u32, flip in 0..STAMP_BYTES * 8,
    ) {
        let recipe = Recipe { seed, compress_pct, dedupe_pct };
        let stamp = Stamp { identity: Identity { recipe, name_hash, size_bytes, version, loader }, block };
        let mut bytes = stamp.encode();
        prop_assert_eq!(Stamp::decode(&bytes), Some(stamp));
        prop_assert!(stamp.page(PAGES) < PAGES);
        bytes[flip / 8] ^= 1 << (flip % 8);
        prop_assert_eq!(Stamp::decode(&bytes), None);
        prop_assert_eq!(Stamp::decode(&bytes[..STAMP_BYTES - 1]), None);
    }

    #[test]
    fn any_part_is_the_part_of_the_whole(size in size(), dedupe in 0..=100u8, cut: (u16, u16)) {
        let identity = identity("n", size, 9, dedupe);
        let all = whole(&identity);
        let start = u64::from(cut.0) % size;
        let len = (usize::from(cut.1) + 1).min((size - start) as usize);
        let want = &all[start as usize..start as usize + len];
        prop_assert_eq!(part(&identity, start, len), want);
        let pool = POOLS.with(|pools| pools.of(&identity.recipe));
        prop_assert_eq!(compare(&pool, &identity, start, want), None);
    }

    #[test]
    fn what_is_right_passes(size in 0..60_000u64, portion in 1..9000usize, dedupe in 0..=100u8) {
        prop_assert_eq!(verify_object(&whole(&identity("n", size, 9, dedupe)), portion), Ok(()));
    }

    #[test]
    fn right_ranges_pass(size in size(), cut: (u16, u16), portion in 1..9000usize, dedupe in 0..50u8) {
        let identity = identity("n", size, 9, dedupe);
        let (start, len) = (u64::from(cut.0) % size, u64::from(cut.1) + 1);
        let bytes = part(&identity, start, len.min(size - start) as usize);
        prop_assert_eq!(verify(expected("n", start, Some(len), known(9)), &bytes, portion), Ok(()));
    }

    #[test]
    fn a_flipped_bit_is_found_where_it_is(
        size in size(), at: u16, bit in 0..8u8, portion in 1..9000usize, dedupe in 0..=100u8,
    ) {
        let mut bytes = whole(&identity("n", size, 9, dedupe));
        let at = usize::from(at) % bytes.len();
        bytes[at] ^= 1 << bit;
        let damage = verify_object(&bytes, portion).unwrap_err();
        let is_exact = damage.offset == at as u64;
        // All else follows from an only stamp, and the flipped bit may lie in it. One flipped bit can also
        // turn a byte or two into those of an object with another size, when that is all there is.
        let is_near = size < BLOCK + STAMP_BYTES as u64 && at < STAMP_BYTES && damage.offset == 0;
        prop_assert!(damage.kind == DamageKind::WrongBytes || size < 8, "{}", damage);
        prop_assert!(is_exact || is_near || size < 8, "{} at {at}", damage);
    }

    #[test]
    fn a_flipped_bit_in_a_range_is_found(
        size in 10_000..60_000u64, cut: (u16, u16), at: u16, bit in 0..8u8, portion in 1..9000usize,
    ) {
        let identity = identity("n", size, 9, 0);
        let start = u64::from(cut.0) % (size - 8500);
        // Long enough that at least one whole stamp is in it, whichever bit is flipped.
        let len = (u64::from(cut.1) + 8500).min(size - start);
        let mut bytes = part(&identity, start, len as usize);
        let at = usize::from(at) % bytes.len();
        bytes[at] ^= 1 << bit;
        let damage = verify(expected("n", start, Some(len), known(0)), &bytes, portion).unwrap_err();
        prop_assert_eq!((damage.kind, damage.offset), (DamageKind::WrongBytes, start + at as u64));
    }

    #[test]
    fn swapped_blocks_are_found(size in 8192..60_000u64, pick: (u16, u16), portion in 1..9000usize) {
        let mut bytes = whole(&identity("n", size, 9, 0));
        let blocks = bytes.len() / BLOCK_BYTES;
        let (a, b) = (usize::from(pick.0) % blocks, usize::from(pick.1) % blocks);
        prop_assume!(a != b);
        let first = bytes[a * BLOCK_BYTES..][..BLOCK_BYTES].to_vec();
        bytes.copy_within(b * BLOCK_BYTES..(b + 1) * BLOCK_BYTES, a * BLOCK_BYTES);
        bytes[b * BLOCK_BYTES..][..BLOCK_BYTES].copy_from_slice(&first);
        let damage = verify_object(&bytes, portion).unwrap_err();
        prop_assert_eq!((damage.kind, damage.offset), (DamageKind::Moved, (a.min(b) * BLOCK_BYTES) as u64));
    }

    #[test]
    fn blocks_of_two_versions_are_found(size in 8192..60_000u64, pick: u16, portion in 1..9000usize) {
        let old = whole(&identity("n", size, 9, 0));
        let mut bytes = whole(&identity("n", size, 10, 0));
        let block = usize::from(pick) % (bytes.len() / BLOCK_BYTES);
        bytes[block * BLOCK_BYTES..][..BLOCK_BYTES].copy_from_slice(&old[block * BLOCK_BYTES..][..BLOCK_BYTES]);
        let damage = verify_object(&bytes, portion).unwrap_err();
        prop_assert_eq!((damage.kind, damage.offset), (DamageKind::Mixed, (block.max(1) * BLOCK_BYTES) as u64));
    }

    #[test]
    fn a_block_torn_behind_its_stamp_is_found(size in 4096..60_000u64, pick: u16, sector in 1..8usize) {
        let old = whole(&identity("n", size, 9, 0));
        let mut bytes = whole(&identity("n", size, 10, 0));
        let at = usize::from(pick) % (bytes.len() / BLOCK_BYTES) * BLOCK_BYTES + sector * 512;
        // The two versions may start at the same page by chance.
        prop_assume!(bytes[at..at + 512] != old[at..at + 512]);
        bytes[at..at + 512].copy_from_slice(&old[at..at + 512]);
        let damage = verify_object(&bytes, 4096).unwrap_err();
        prop_assert_eq!(damage.kind, DamageKind::WrongBytes);
        prop_assert!((at as u64..at as u64 + 512).contains(&damage.offset));
    }

    #[test]
    fn another_objects_bytes_are_found(size in STAMP_BYTES as u64..60_000, portion in 1..9000usize) {
        let outcome = verify_object(&whole(&identity("m", size, 9, 0)), portion);
        prop_assert_eq!(kind(outcome), DamageKind::OtherName);
    }

    #[test]
    fn a_missing_end_is_found(size in 200..60_000u64, left: u16, portion in 1..9000usize, dedupe in 0..=100u8) {
        let bytes = whole(&identity("n", size, 9, dedupe));
        let left = 1 + usize::from(left) % (bytes.len() - 1);
        let damage = verify_object(&bytes[..left], portion).unwrap_err();
        prop_assert_eq!((damage.kind, damage.offset), (DamageKind::Truncated, left as u64));
    }

    #[test]
    fn a_longer_end_is_found(size in 3..60_000u64, more in 1..9000usize, byte: u8, portion in 1..9000usize) {
        let mut bytes = whole(&identity("n", size, 9, 0));
        bytes.resize(bytes.len() + more, byte);
        let damage = verify_object(&bytes, portion).unwrap_err();
        prop_assert_eq!((damage.kind, damage.offset), (DamageKind::Extended, size));
    }

    #[test]
    fn an_old_version_is_found(size in STAMP_BYTES as u64..60_000, version in 1..100u64, floor in 1..100u64) {
        let bytes = whole(&identity("n", size, version, 0));
        let outcome = verify(expected("n", 0, None, known(floor)), &bytes, 5000);
        prop_assert_eq!(outcome.map_err(|damage| damage.kind).err(), (version < floor).then_some(DamageKind::Stale));
    }

    #[test]
    fn no_bytes_can_make_it_panic(mut bytes: Vec<u8>, size in size(), portion in 1..9000usize, start: u16, claim: u64) {
        let _ = verify_object(&bytes, portion);
        let _ = verify(expected("n", u64::from(start), Some(claim), known(1)), &bytes, portion);
        // A stamp that is right in itself, and says what it likes.
        let recipe = Recipe { seed: 7, compress_pct: 25, dedupe_pct: 100 };
        let identity = Identity { recipe, size_bytes: claim, ..identity("n", size, claim, 0) };
        bytes.splice(0..0, Stamp { identity, block: u32::MAX }.encode());
        let _ = verify_object(&bytes, portion);
        let _ = verify(expected("n", u64::MAX - 4095, None, known(1)), &bytes, portion);
    }
}

#[test]
fn foreign_and_absent_content_is_named() {
    assert_eq!(kind(verify_object(&[0; 10_000], 4096)), DamageKind::Unstamped);
    assert_eq!(kind(verify_object(&[1; 60], 4096)), DamageKind::Unstamped);
    let outcome = verify(expected("n", 4200, Some(100), known(0)), &[3; 100], 100);
    assert_eq!(kind(outcome), DamageKind::Unstamped);
    // A hole where a block was.
    let mut bytes = whole(&identity("n", 20_000, 9, 0));
    bytes[4096..8192].fill(0);
    let damage = verify_object(&bytes, 4096).unwrap_err();
    assert_eq!((damage.kind, damage.offset), (DamageKind::WrongBytes, 4096));
    assert!(damage.text.contains("zero"), "{damage}");
}

#[test]
fn an_object_of_nothing_is_wrong_only_when_more_was_written() {
    assert_eq!(verify_object(&[], 1), Ok(()));
    let written = Known { size_bytes: Some(5000), ..known(9) };
    assert_eq!(kind(verify(expected("n", 0, None, written), &[], 1)), DamageKind::Truncated);
}

#[test]
fn other_seeds_are_read_from_the_stamps() {
    let other = Identity {
        recipe: Recipe { seed: 99, compress_pct: 80, dedupe_pct: 10 },
        ..identity("n", 90_000, 5, 0)
    };
    assert_eq!(verify_object(&whole(&other), 4096), Ok(()));
}

fn deflated(bytes: &[u8]) -> f64 {
    use std::io::Write as _;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().len() as f64 / bytes.len() as f64
}

#[test]
fn objects_compress_as_far_as_was_asked_for() {
    for compress_pct in [0, 10, 33, 50, 90, 100] {
        let recipe = Recipe { seed: 7, compress_pct, dedupe_pct: 0 };
        let object = Identity { recipe, ..identity("n", 1 << 20, 9, 0) };
        let want = 1.0 - f64::from(compress_pct) / 100.0;
        let plain = Pool::new(7, compress_pct);
        for bytes in [&whole(&object)[..], &plain.bytes()[..1 << 20]] {
            let got = deflated(bytes);
            assert!((got - want).abs() < 0.03, "{compress_pct}: {got}");
        }
    }
}

#[test]
fn blocks_repeat_as_often_as_was_asked_for() {
    for dedupe_pct in [0, 20, 50, 90, 100] {
        let mut seen = std::collections::HashSet::new();
        let mut blocks = 0usize;
        for n in 0..100 {
            let bytes = whole(&identity(&format!("n{n}"), 1 << 20, 9, dedupe_pct));
            blocks += bytes.len() / BLOCK_BYTES;
            seen.extend(bytes.chunks(BLOCK_BYTES).map(|block| xxhash_rust::xxh64::xxh64(block, 0)));
        }
        let repeated = 1.0 - seen.len() as f64 / blocks as f64;
        assert!((repeated - f64::from(dedupe_pct) / 100.0).abs() < 0.02, "{dedupe_pct}: {repeated}");
    }
}

#[test]
fn the_pool_does_not_repeat_and_the_last_ones_are_kept() {
    let pool = Pool::new(3, 50);
    let pages: std::collections::HashSet<&[u8]> = pool.bytes().chunks(BLOCK_BYTES).collect();
    assert_eq!(pages.len(), pool.bytes().len() / BLOCK_BYTES);
    assert_eq!(PAGES as usize * BLOCK_BYTES, STARTS_BYTES);
    let pools = Pools::default();
    let of = |seed| pools.of(&Recipe { seed, compress_pct: 0, dedupe_pct: 0 });
    let first = of(1);
    (2..5).for_each(|seed| drop(of(seed)));
    assert!(Rc::ptr_eq(first.bytes(), of(1).bytes()));
    (2..6).for_each(|seed| drop(of(seed)));
    assert!(!Rc::ptr_eq(first.bytes(), of(1).bytes()));
}

//! The bytes of an object, any part of it, from its identity.

use super::pool::{PAGES, Pool};
use super::stamp::{BLOCK_BYTES, Identity, STAMP_BYTES};
use placement::mix;

/// Where a part of an object first differs from what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In the object.
    pub offset: u64,
    /// The byte that is there.
    pub got: u8,
    /// The byte that should be.
    pub want: u8,
}

/// Writes the bytes of the object from `offset` on into `out`. Nothing is written behind the object's end.
pub fn fill(pool: &Pool, identity: &Identity, offset: u64, out: &mut [u8]) {
    let mut rest = out;
    each_part(pool, identity, offset, rest.len(), &mut |part| {
        let (here, behind) = std::mem::take(&mut rest).split_at_mut_checked(part.len()).unwrap_or_default();
        if here.len() == part.len() {
            here.copy_from_slice(part);
        }
        rest = behind;
        true
    });
}

/// Where `bytes`, found at `offset` of the object, first differ from what they should be. Bytes behind the object's
/// end are not looked at.
#[must_use]
pub fn compare(pool: &Pool, identity: &Identity, offset: u64, bytes: &[u8]) -> Option<Difference> {
    let (mut rest, mut at, mut found) = (bytes, offset, None);
    each_part(pool, identity, offset, bytes.len(), &mut |part| {
        let (here, behind) = rest.split_at_checked(part.len()).unwrap_or_default();
        found = if here == part { None } else { first_difference(here, part, at) };
        rest = behind;
        at = at.wrapping_add(part.len() as u64);
        found.is_none()
    });
    found
}

fn first_difference(got: &[u8], want: &[u8], offset: u64) -> Option<Difference> {
    let pairs = got.iter().zip(want).zip(offset..);
    pairs
        .filter(|((got, want), _)| got != want)
        .map(|((got, want), offset)| (offset, *got, *want))
        .next()
        .map(|(offset, got, want)| Difference { offset, got, want })
}

/// Visits the stamps and the pieces of the pool that make up `len` bytes from `offset` on, as far as the object goes,
/// until `visit` has had enough.
fn each_part(
    pool: &Pool,
    identity: &Identity,
    offset: u64,
    len: usize,
    visit: &mut dyn FnMut(&[u8]) -> bool,
) {
    let left_bytes = identity.size_bytes.saturating_sub(offset);
    let mut left = usize::try_from(left_bytes).unwrap_or(usize::MAX).min(len);
    if identity.is_tiny() {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = tiny(identity.name_hash, identity.size_bytes);
        visit(bytes.get(start..start.saturating_add(left)).unwrap_or_default());
        return;
    }
    let mut at = offset;
    while left > 0 {
        let Ok(block) = u32::try_from(at / BLOCK_BYTES as u64) else { return };
        let within = usize::try_from(at % BLOCK_BYTES as u64).unwrap_or(0);
        let part = left.min(BLOCK_BYTES.saturating_sub(within));
        let end = within.saturating_add(part);
        let stamp = identity.stamp(block);
        if within < STAMP_BYTES {
            let bytes = stamp.encode();
            if !visit(bytes.get(within..end.min(STAMP_BYTES)).unwrap_or_default()) {
                return;
            }
        }
        if end > STAMP_BYTES {
            let page = pool.page(stamp.page(PAGES));
            if !visit(page.get(within.max(STAMP_BYTES)..end).unwrap_or_default()) {
                return;
            }
        }
        at = at.wrapping_add(part as u64);
        left = left.saturating_sub(part);
    }
}

/// The bytes of an object that is too short for a stamp: they follow from its name and its size, and have no version.
#[must_use]
pub fn tiny(name_hash: u64, size_bytes: u64) -> Vec<u8> {
    let key = mix(name_hash ^ mix(size_bytes));
    (0..size_bytes.min(STAMP_BYTES as u64)).map(|at| (mix(key ^ at) >> 56) as u8).collect()
}

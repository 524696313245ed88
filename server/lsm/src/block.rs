//! A block: sorted entries with prefix-compressed keys, checked as a whole when it comes from the disk.
//!
//! ```text
//! crc32c of the rest, padding too (4) | run (8) | number (4) | bytes of entries (4) | restarts (4)
//! entries | offsets of the restart entries (4 each) | zeros up to a multiple of 4096
//! ```
//! An entry is: bytes shared with the key before, bytes of its own, value length + 1 (0: a tombstone), as variable-length
//! numbers; then its own bytes of the key, then the value. Restart entries share nothing. The run and the number are in
//! the block so that a block read from the wrong place is noticed.

use super::PAGE_BYTES;
use super::codec::{Input, common_prefix, put_varint, varint_len};
use std::cmp::Ordering;
use std::ops::Range;
use std::rc::Rc;
use wire::cksum::crc32c;

/// Blocks are closed before they become larger than this, unless one entry alone is larger.
const BLOCK_BYTES: usize = 8 << 10;
const HEADER_BYTES: usize = 24;
const CRC_BYTES: usize = 4;
/// Every so many entries a key is stored whole.
const RESTART_EVERY: usize = 16;

/// Collects the entries of one block.
#[derive(Default)]
pub(super) struct BlockBuilder {
    entries: Vec<u8>,
    restarts: Vec<u32>,
    count: usize,
    last_key: Vec<u8>,
}

impl BlockBuilder {
    /// True if the entry belongs into the next block. Never true of the first one.
    pub(super) fn is_full_for(&self, key: &[u8], value: Option<&[u8]>) -> bool {
        let value_bytes = value.map_or(0, <[u8]>::len);
        // As if it were a restart: a bound, not the exact size.
        let lengths = 1 + varint_len(key.len() as u32) + varint_len(value_bytes as u32 + 1);
        let with = self.bytes() + lengths + key.len() + value_bytes + size_of::<u32>();
        self.count > 0 && with > BLOCK_BYTES
    }

    /// True if the key may come next: it is behind all before, those of the blocks before too.
    pub(super) fn is_next(&self, key: &[u8]) -> bool {
        *self.last_key < *key || (self.is_empty() && self.last_key.is_empty())
    }

    /// Appends an entry; keys come in strictly ascending order.
    pub(super) fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        assert!(self.is_next(key), "key {key:02x?} of a block comes behind {:02x?}", self.last_key);
        let shared = if self.count.is_multiple_of(RESTART_EVERY) {
            self.restarts.push(self.entries.len() as u32);
            0
        } else {
            common_prefix(&self.last_key, key)
        };
        let own = key.get(shared..).unwrap_or_default();
        put_varint(&mut self.entries, shared as u32);
        put_varint(&mut self.entries, own.len() as u32);
        put_varint(&mut self.entries, value.map_or(0, |value| value.len() as u32 + 1));
        self.entries.extend_from_slice(own);
        self.entries.extend_from_slice(value.unwrap_or_default());
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(own);
        self.count += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The key that was pushed last, in this block or the one before.
    pub(super) fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// Appends the finished block, whole pages, to `to`, and starts the next one.
    pub(super) fn finish(&mut self, run: u64, number: u32, to: &mut Vec<u8>) {
        let start = to.len();
        assert!(!self.is_empty(), "block {number} of run {run} is ended and has no entry");
        assert!(
            start.is_multiple_of(PAGE_BYTES),
            "block {number} of run {run} begins inside a page, at {start}"
        );
        let padded = self.bytes().next_multiple_of(PAGE_BYTES);
        to.extend_from_slice(&[0; CRC_BYTES]);
        to.extend_from_slice(&run.to_le_bytes());
        to.extend_from_slice(&number.to_le_bytes());
        to.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        to.extend_from_slice(&(self.restarts.len() as u32).to_le_bytes());
        to.extend_from_slice(&self.entries);
        to.extend(self.restarts.iter().flat_map(|at| at.to_le_bytes()));
        to.resize(start + padded, 0);
        if let Some((crc, rest)) = to.get_mut(start..).and_then(|block| block.split_first_chunk_mut()) {
            *crc = crc32c(rest).to_le_bytes();
        }
        self.entries.clear();
        self.restarts.clear();
        self.count = 0;
    }

    fn bytes(&self) -> usize {
        HEADER_BYTES + self.entries.len() + self.restarts.len() * size_of::<u32>()
    }
}

/// A block's knowledge of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lookup<'a> {
    Found(&'a [u8]),
    Deleted,
    /// Not in this block: older runs may have it.
    Unknown,
}

/// A block in memory whose entries have all been looked at.
#[derive(Debug)]
pub(super) struct Block {
    entries: Box<[u8]>,
    restarts: Box<[u32]>,
}

/// One entry where it lies.
struct Parsed {
    shared: usize,
    own: Range<usize>,
    value: Option<Range<usize>>,
    next: usize,
}

impl Block {
    /// Checks and takes over the bytes of a block, padding included.
    ///
    /// # Errors
    /// The fault, in words.
    pub(super) fn decode(bytes: &[u8], run: u64, number: u32) -> Result<Self, &'static str> {
        let mut input = Input::new(bytes);
        if input.u32() != bytes.get(CRC_BYTES..).map(crc32c) {
            return Err("it does not match its checksum");
        }
        if (input.u64(), input.u32()) != (Some(run), Some(number)) {
            return Err("it belongs elsewhere");
        }
        let sizes = input.u32().zip(input.u32());
        let (entries, restarts) = sizes.ok_or("it has no header")?;
        let entries: Box<[u8]> = input.take(entries as usize).ok_or("its entries are cut short")?.into();
        let restarts = input.u32s(restarts as usize).ok_or("its restarts are cut short")?.collect();
        let block = Self { entries, restarts };
        block.check()?;
        Ok(block)
    }

    /// Bytes of memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.entries.len() + self.restarts.len() * size_of::<u32>() + size_of::<Self>()
    }

    /// Walks over all entries: whole, in order, sharing as much as they can, restarts where they are said to be.
    fn check(&self) -> Result<(), &'static str> {
        let mut key = Vec::new();
        let mut restarts = self.restarts.iter().peekable();
        let mut at = 0;
        while at < self.entries.len() {
            let entry = self.parse(at).ok_or("an entry is cut short")?;
            let own = self.entries.get(entry.own.clone()).unwrap_or_default();
            let is_restart = restarts.next_if(|&&restart| restart as usize == at).is_some();
            let ordered = match (is_restart, key.get(entry.shared)) {
                (true, _) => entry.shared == 0 && (at == 0 || key.as_slice() < own),
                (false, Some(before)) => own.first() > Some(before),
                (false, None) => at > 0 && entry.shared == key.len() && !own.is_empty(),
            };
            if !ordered {
                return Err("its entries are out of order");
            }
            key.truncate(entry.shared);
            key.extend_from_slice(own);
            at = entry.next;
        }
        if restarts.next().is_some() { Err("a restart leads to no entry") } else { Ok(()) }
    }

    fn parse(&self, at: usize) -> Option<Parsed> {
        let bytes = self.entries.get(at..)?;
        let mut input = Input::new(bytes);
        let (shared, own, value) = (input.varint()?, input.varint()?, input.varint()?);
        let own_start = at + bytes.len() - input.left();
        let own_end = own_start.checked_add(own as usize)?;
        let next = own_end.checked_add((value as usize).saturating_sub(1))?;
        let value = (value > 0).then_some(own_end..next);
        let whole = next <= self.entries.len();
        whole.then_some(Parsed { shared: shared as usize, own: own_start..own_end, value, next })
    }

    /// Where a key would be: from the last restart that is not behind it up to the next one.
    fn part_of(&self, key: &[u8]) -> Range<usize> {
        let own = |at: usize| self.parse(at).and_then(|entry| self.entries.get(entry.own));
        let after = self.restarts.partition_point(|&at| own(at as usize).is_some_and(|own| own <= key));
        let start = after.checked_sub(1).and_then(|last| self.restarts.get(last));
        let end = self.restarts.get(after);
        start.map_or(0, |&at| at as usize)..end.map_or(self.entries.len(), |&at| at as usize)
    }

    /// Looks a key up without putting any key together: as neighbours share all they can, what an entry shares with
    /// the one before says how it compares.
    pub(super) fn find(&self, key: &[u8]) -> Lookup<'_> {
        let Range { start: mut at, end } = self.part_of(key);
        // Bytes that the entry before, which is smaller, has in common with the key.
        let mut matched = 0;
        while at < end {
            let Some(entry) = self.parse(at) else { break };
            at = entry.next;
            match entry.shared.cmp(&matched) {
                Ordering::Less => break,
                Ordering::Greater => continue,
                Ordering::Equal => {}
            }
            let own = self.entries.get(entry.own).unwrap_or_default();
            let wanted = key.get(matched..).unwrap_or_default();
            let common = common_prefix(own, wanted);
            matched += common;
            match (own.get(common), wanted.get(common)) {
                (None, None) => {
                    let value = entry.value.and_then(|range| self.entries.get(range));
                    return value.map_or(Lookup::Deleted, Lookup::Found);
                }
                (own, wanted) if own > wanted => break,
                _ => {}
            }
        }
        Lookup::Unknown
    }
}

/// Walks through the entries of blocks, one block at a time.
#[derive(Default)]
pub(super) struct BlockCursor {
    block: Option<Rc<Block>>,
    key: Vec<u8>,
    value: Option<Range<usize>>,
    next: usize,
}

impl BlockCursor {
    /// Stands before the first entry of a block.
    pub(super) fn enter(&mut self, block: Rc<Block>) {
        self.block = Some(block);
        self.key.clear();
        self.value = None;
        self.next = 0;
    }

    /// Stands at the first entry of a block whose key is not smaller; false when there is none.
    pub(super) fn seek(&mut self, block: Rc<Block>, key: &[u8]) -> bool {
        let start = block.part_of(key).start;
        self.enter(block);
        self.next = start;
        while self.advance() {
            if self.key() >= key {
                return true;
            }
        }
        false
    }

    /// Goes to the next entry; false behind the last.
    pub(super) fn advance(&mut self) -> bool {
        let Some(block) = &self.block else { return false };
        let Some(entry) = block.parse(self.next) else { return false };
        self.key.truncate(entry.shared);
        self.key.extend_from_slice(block.entries.get(entry.own).unwrap_or_default());
        self.value = entry.value;
        self.next = entry.next;
        true
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// `None` is a tombstone.
    pub(super) fn value(&self) -> Option<&[u8]> {
        self.block.as_ref()?.entries.get(self.value.clone()?)
    }
}

#[cfg(test)]
#[path = "block_tests.rs"]
mod tests;

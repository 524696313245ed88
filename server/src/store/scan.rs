//! Listing: one core's share of a page, merged from its lanes in byte order.

use super::engine::Store;
use super::entry::Entry;
use super::index_key::{bucket_of, index_prefix, parse_index_key};
use super::lane::{Lane, LaneCursor};
use super::value::{self, Whence};
use crate::error::{Error, Kind, Result};
use std::rc::Rc;

/// The question of a listing.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScanQuery {
    pub(crate) bucket_id: u64,
    pub(crate) prefix: String,
    /// Names and directories up to and including this one are skipped.
    pub(crate) after: String,
    pub(crate) limit: usize,
    /// Names with a `/` behind the prefix are summed up as directories.
    pub(crate) shallow: bool,
}

/// One line of a listing.
pub(crate) enum ScanLine<'l> {
    /// An object's name and its encoded entry.
    Object(&'l str, EncodedEntry<'l>),
    /// A virtual directory; ends in `/`.
    Directory(&'l str),
}

/// An entry that is decoded as far as it is needed.
#[derive(Clone, Copy)]
pub(crate) struct EncodedEntry<'l> {
    bytes: &'l [u8],
    whence: Whence,
}

impl EncodedEntry<'_> {
    pub(crate) fn size_bytes(&self) -> Result<u64> {
        value::size_bytes(self.bytes)
    }

    pub(crate) fn decode(&self) -> Result<Entry> {
        value::decode(self.bytes, self.whence)
    }
}

/// Counts and sizes beneath a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) objects: u64,
    pub(crate) size_bytes: u64,
    pub(crate) smallest_bytes: u64,
    pub(crate) largest_bytes: u64,
}

impl Store {
    /// Up to `limit` objects behind `after`.
    pub(crate) async fn scan_objects(&self, query: &ScanQuery) -> Result<Vec<(String, Entry)>> {
        let mut objects = Vec::new();
        self.scan_lines(query, |line| {
            if let ScanLine::Object(name, entry) = line {
                objects.push((name.to_owned(), entry.decode()?));
            }
            Ok(true)
        })
        .await?;
        Ok(objects)
    }

    /// Hands up to `limit` lines behind `after` to `take`, in byte order, until it says that it has enough; false when
    /// there are no more behind them.
    pub(crate) async fn scan_lines(
        &self,
        query: &ScanQuery,
        mut take: impl FnMut(ScanLine<'_>) -> Result<bool>,
    ) -> Result<bool> {
        let mut left = query.limit;
        let mut merge = LaneMerge::new(self.lanes(), query.bucket_id, &query.start()).await?;
        while left > 0 {
            let Some((name, entry)) = merge.current() else { return Ok(false) };
            if !name.starts_with(&query.prefix) {
                return Ok(false);
            }
            let dir = query.shallow.then(|| directory_of(name, &query.prefix)).flatten();
            if let Some(dir) = dir {
                let next = behind_directory(dir);
                if !take(ScanLine::Directory(dir))? {
                    return Ok(true);
                }
                left -= 1;
                merge = LaneMerge::new(self.lanes(), query.bucket_id, &next).await?;
                continue;
            }
            if name > query.after.as_str() || query.after.is_empty() {
                match take(ScanLine::Object(name, entry)) {
                    Ok(true) => {}
                    Ok(false) => return Ok(true),
                    // An entry that makes no sense is damage of its index.
                    Err(e) => return Err(if e.kind == Kind::Corrupt { merge.heard(e) } else { e }),
                }
                left -= 1;
            }
            merge.advance().await?;
        }
        Ok(true)
    }

    /// Counts and sizes beneath a prefix.
    pub(crate) async fn summarize(&self, bucket_id: u64, prefix: &str) -> Result<Summary> {
        let mut sum = Summary::default();
        let from = index_prefix(bucket_id, prefix);
        for lane in self.lanes() {
            let mut cursor = lane.cursor(&from)?;
            while cursor.next().await? {
                if !cursor.key().starts_with(&from) {
                    break;
                }
                // Older versions and parts are no objects.
                if parse_index_key(cursor.key()).is_none() {
                    continue;
                }
                sum.add(value::size_bytes(cursor.value()).map_err(|e| cursor.heard(e))?);
            }
        }
        Ok(sum)
    }
}

impl Summary {
    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        let smallest = match (self.objects, other.objects) {
            (0, _) => other.smallest_bytes,
            (_, 0) => self.smallest_bytes,
            _ => self.smallest_bytes.min(other.smallest_bytes),
        };
        Self {
            objects: self.objects + other.objects,
            size_bytes: self.size_bytes + other.size_bytes,
            smallest_bytes: smallest,
            largest_bytes: self.largest_bytes.max(other.largest_bytes),
        }
    }

    fn add(&mut self, size_bytes: u64) {
        self.smallest_bytes =
            if self.objects == 0 { size_bytes } else { self.smallest_bytes.min(size_bytes) };
        self.largest_bytes = self.largest_bytes.max(size_bytes);
        self.objects += 1;
        self.size_bytes += size_bytes;
    }
}

impl ScanQuery {
    /// The first name that may be listed.
    fn start(&self) -> String {
        if self.after.as_str() < self.prefix.as_str() {
            return self.prefix.clone();
        }
        if self.shallow && self.after.ends_with('/') && self.after.len() > self.prefix.len() {
            return behind_directory(&self.after);
        }
        self.after.clone()
    }
}

/// The entries of a bucket in several lanes, in order.
struct LaneMerge {
    bucket_id: u64,
    lanes: Vec<LaneCursor>,
    /// Lanes that have an entry, the one with the greatest name first: the next entry is at the end.
    order: Vec<usize>,
}

impl LaneMerge {
    async fn new<'l>(lanes: impl Iterator<Item = &'l Rc<Lane>>, bucket_id: u64, from: &str) -> Result<Self> {
        let from = index_prefix(bucket_id, from);
        let cursors = lanes.map(|lane| lane.cursor(&from)).collect::<Result<Vec<_>>>()?;
        let mut merge = Self { bucket_id, lanes: cursors, order: Vec::new() };
        for at in 0..merge.lanes.len() {
            merge.step(at).await?;
        }
        Ok(merge)
    }

    /// The entry that is next.
    fn current(&self) -> Option<(&str, EncodedEntry<'_>)> {
        let cursor = self.lanes.get(*self.order.last()?)?;
        let (_, name) = parse_index_key(cursor.key())?;
        Some((name, EncodedEntry { bytes: cursor.value(), whence: cursor.lane().whence() }))
    }

    /// The answer when the entry makes no sense.
    fn heard(&self, error: Error) -> Error {
        match self.order.last().and_then(|&at| self.lanes.get(at)) {
            Some(cursor) => cursor.heard(error),
            None => error,
        }
    }

    async fn advance(&mut self) -> Result<()> {
        match self.order.pop() {
            Some(at) => self.step(at).await,
            None => Ok(()),
        }
    }

    /// Takes a lane to its next entry and into its place in the order, unless the bucket ends there.
    async fn step(&mut self, at: usize) -> Result<()> {
        let Some(cursor) = self.lanes.get_mut(at) else { return Ok(()) };
        loop {
            if !cursor.next().await? || bucket_of(cursor.key()) != Some(self.bucket_id) {
                return Ok(());
            }
            // Older versions and parts are no objects.
            if parse_index_key(cursor.key()).is_some() {
                break;
            }
        }
        let key = self.key(at);
        let place = self.order.partition_point(|&other| self.key(other) > key);
        self.order.insert(place, at);
        Ok(())
    }

    fn key(&self, at: usize) -> &[u8] {
        self.lanes.get(at).map(LaneCursor::key).unwrap_or_default()
    }
}

/// The virtual directory of a name: the prefix and all up to the next `/`.
fn directory_of<'n>(name: &'n str, prefix: &str) -> Option<&'n str> {
    let rest = name.get(prefix.len()..)?;
    let slash = rest.find('/')?;
    name.get(..prefix.len() + slash + 1)
}

/// The first possible name that is not inside the directory.
fn behind_directory(dir: &str) -> String {
    // `/` is followed by `0`: everything in `dir/` sorts before `dir0`.
    let mut next = dir.strip_suffix('/').unwrap_or(dir).to_owned();
    next.push('0');
    next
}

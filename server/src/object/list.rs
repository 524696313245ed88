//! A page of a listing: every core gives its share in order, the shares are merged. How a line looks is the façade's: it is
//! made on the core that has the object, so that many cores share the work.

use super::rights::{Caller, Operation, allow};
use crate::cluster::BucketView;
use crate::error::Result;
use crate::message_budget::{FREE_BYTES, Held};
use crate::shard::Shard;
use crate::store::{EncodedEntry, ScanLine, ScanQuery};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

/// Makes lines of what a listing meets.
pub(crate) trait Lines: Clone + Send + 'static {
    type Line: Line;

    /// Names that share this prefix, up to a slash at its end, and are not listed one by one.
    fn prefix(&self, prefix: &str) -> Self::Line;

    fn object(&self, shard: &Shard, name: &str, entry: EncodedEntry<'_>) -> Result<Self::Line>;

    /// Bytes that a usual line takes until it is sent, without those that [`Line::text_bytes`] counts.
    fn line_bytes(&self) -> usize;

    /// Bytes of the texts of a usual line.
    fn texts_bytes(&self) -> usize;
}

/// A line of a listing.
pub(crate) trait Line: Send + 'static {
    fn name(&self) -> &str;

    /// Bytes of all its texts.
    fn text_bytes(&self) -> usize;
}

/// Asks for a page.
pub(crate) struct List<'r, L> {
    pub(crate) who: Caller,
    pub(crate) bucket: &'r Arc<BucketView>,
    pub(crate) prefix: &'r str,
    /// Names behind this one.
    pub(crate) after: &'r str,
    pub(crate) lines_max: usize,
    /// Names with a slash behind the prefix are told by their common prefix only.
    pub(crate) is_shallow: bool,
    pub(crate) lines: L,
}

/// A page, and the memory that it takes.
pub(crate) struct Page<T> {
    pub(crate) lines: Vec<T>,
    /// There is more behind the last line.
    pub(crate) has_more: bool,
    pub(crate) held: Held,
}

/// The order by which a core makes its lines.
#[derive(Clone)]
struct PageQuery<L> {
    scan: ScanQuery,
    /// Bytes that the lines may take, of the page or of a core's share.
    bytes_max: usize,
    lines: L,
}

/// A page has room for so many lines, or there is none.
const LINES_MIN: usize = 64;

impl<L: Lines> List<'_, L> {
    /// One page of a bucket's listing. Where there is little memory at the moment the page is shorter than asked for: the
    /// next one goes on behind its last line.
    ///
    /// # Errors
    /// `Busy` when there is not even memory for a short one.
    pub(crate) async fn run(self, shard: &Rc<Shard>) -> Result<Page<L::Line>> {
        allow(self.who, Operation::List, self.bucket)?;
        // It lies in a core's share first and then in the page.
        let line_bytes = 2 * self.lines.line_bytes() + self.lines.texts_bytes();
        let bytes = |lines: usize| (lines * line_bytes).saturating_sub(FREE_BYTES);
        let least = self.lines_max.min(LINES_MIN);
        let mut held = shard.node.messages.hold_some(bytes(self.lines_max), bytes(least))?;
        let bytes_max = held.bytes() + FREE_BYTES;
        let query = PageQuery {
            scan: ScanQuery {
                bucket_id: self.bucket.bucket.id,
                prefix: self.prefix.to_owned(),
                after: self.after.to_owned(),
                limit: self.lines_max.min(bytes_max / line_bytes).max(1),
                shallow: self.is_shallow,
            },
            bytes_max,
            lines: self.lines,
        };
        let (lines, has_more) = collect(shard, &query, &mut held).await?;
        Ok(Page { lines, has_more, held })
    }
}

/// One core's lines that are not in the page yet.
struct Share<T> {
    lines: VecDeque<T>,
    /// It has more behind them.
    more: bool,
    /// The last line that it gave.
    last: String,
}

/// The lines of a page, and whether it is full. Each core gives its part of the page and a little more, so that a page
/// costs what it returns; one that runs short of lines is asked again.
async fn collect<L: Lines>(
    shard: &Rc<Shard>,
    query: &PageQuery<L>,
    held: &mut Held,
) -> Result<(Vec<L::Line>, bool)> {
    let limit = query.scan.limit;
    let first = PageQuery {
        scan: ScanQuery { limit: part_of(limit, shard.cores()), ..query.scan.clone() },
        bytes_max: query.bytes_max / shard.cores(),
        ..query.clone()
    };
    let shares = shard.call_all(move |core| {
        let query = first.clone();
        async move { share(&core, &query).await }
    });
    let mut shares = shares.await?.into_iter().collect::<Result<Vec<Share<L::Line>>>>()?;
    let mut page = Pile {
        lines: Vec::with_capacity(limit),
        limit,
        bytes: 0,
        bytes_max: query.bytes_max,
        line_bytes: 2 * query.lines.line_bytes(),
    };
    loop {
        page.merge(&mut shares);
        // Long texts take more than was thought: if there is memory for it, the page becomes as long as asked for.
        if page.bytes >= page.bytes_max
            && page.lines.len() < limit
            && held.resize(held.bytes() + page.bytes_max).is_ok()
        {
            page.bytes_max *= 2;
            continue;
        }
        let short = shares.iter_mut().enumerate().find(|(_, share)| share.more && share.lines.is_empty());
        let Some((core, short)) = short.filter(|_| !page.is_full()) else { break };
        let scan = ScanQuery {
            after: short.last.clone(),
            limit: part_of(limit - page.lines.len(), 2),
            ..query.scan.clone()
        };
        let bytes_max = query.bytes_max / shard.cores();
        let rest = PageQuery { scan, bytes_max, ..query.clone() };
        *short = shard.call(core, move |core| async move { share(&core, &rest).await }).await??;
    }
    let full = page.is_full();
    Ok((page.lines, full))
}

/// A page that is being put together.
struct Pile<T> {
    lines: Vec<T>,
    limit: usize,
    bytes: usize,
    bytes_max: usize,
    /// Of a line without its texts, twice.
    line_bytes: usize,
}

/// The lines that one of `cores` is likely to need for a page of `limit`: its part, and four standard deviations.
fn part_of(limit: usize, cores: usize) -> usize {
    let part = limit / cores.max(1);
    (part + 4 * part.isqrt() + 8).min(limit)
}

async fn share<L: Lines>(shard: &Shard, query: &PageQuery<L>) -> Result<Share<L::Line>> {
    let mut lines = VecDeque::with_capacity(query.scan.limit);
    let mut bytes = 0;
    let more = shard.store.scan_lines(&query.scan, |line| {
        let line = match line {
            ScanLine::Directory(prefix) => query.lines.prefix(prefix),
            ScanLine::Object(name, entry) => query.lines.object(shard, name, entry)?,
        };
        bytes += 2 * (query.lines.line_bytes() + line.text_bytes());
        lines.push_back(line);
        Ok(bytes < query.bytes_max)
    });
    let more = more.await?;
    let last = lines.back().map(|line: &L::Line| line.name().to_owned()).unwrap_or_default();
    Ok(Share { lines, more, last })
}

impl<T: Line> Pile<T> {
    /// Moves lines of the sorted shares into the page, in order, until it is full or a share runs short; a directory that
    /// several cores know appears once.
    fn merge(&mut self, shares: &mut [Share<T>]) {
        while !self.is_full() {
            let mut smallest: Option<&mut Share<T>> = None;
            for share in shares.iter_mut() {
                let Some(front) = share.lines.front() else {
                    if share.more {
                        return;
                    }
                    continue;
                };
                let is_smaller =
                    smallest.as_ref().and_then(|s| s.lines.front()).is_none_or(|s| front.name() < s.name());
                if is_smaller {
                    smallest = Some(share);
                }
            }
            let Some(entry) = smallest.and_then(|share| share.lines.pop_front()) else { return };
            if self.lines.last().is_none_or(|last| last.name() != entry.name()) {
                self.bytes += self.line_bytes + 2 * entry.text_bytes();
                self.lines.push(entry);
            }
        }
    }

    /// Full of lines, or of bytes; there is one line at least.
    fn is_full(&self) -> bool {
        self.lines.len() >= self.limit || self.bytes >= self.bytes_max
    }
}

/// Lines of names alone, for jobs that work through them.
#[derive(Clone, Copy)]
struct Names;

impl Line for String {
    fn name(&self) -> &str {
        self
    }

    fn text_bytes(&self) -> usize {
        self.len()
    }
}

impl Lines for Names {
    type Line = String;

    fn prefix(&self, prefix: &str) -> String {
        prefix.to_owned()
    }

    fn object(&self, _: &Shard, name: &str, _: EncodedEntry<'_>) -> Result<String> {
        Ok(name.to_owned())
    }

    fn line_bytes(&self) -> usize {
        size_of::<String>()
    }

    fn texts_bytes(&self) -> usize {
        192
    }
}

/// Names that a job takes at a time.
const NAMES_PAGE: usize = 1000;

/// Names of a bucket beneath a prefix, a page at a time.
pub(crate) async fn names_page(
    shard: &Rc<Shard>,
    bucket: &Arc<BucketView>,
    prefix: &str,
    after: &str,
) -> Result<Vec<String>> {
    let (who, lines_max) = (Caller::Node, NAMES_PAGE);
    let list = List { who, bucket, prefix, after, lines_max, is_shallow: false, lines: Names };
    Ok(list.run(shard).await?.lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(names: &[&str], more: bool) -> Share<String> {
        Share { lines: names.iter().map(|n| (*n).to_owned()).collect(), more, last: String::new() }
    }

    fn page(limit: usize, bytes_max: usize) -> Pile<String> {
        Pile { lines: Vec::new(), limit, bytes: 0, bytes_max, line_bytes: 400 }
    }

    #[test]
    fn shares_merge_in_order_and_directories_once() {
        let mut shares =
            [share(&["a", "d/", "x"], false), share(&["b", "d/", "y"], false), share(&[], false)];
        let mut page = page(4, usize::MAX);
        page.merge(&mut shares);
        assert_eq!(page.lines, ["a", "b", "d/", "x"]);
        assert!(page.is_full());
    }

    #[test]
    fn a_share_that_runs_short_stops_the_merge() {
        let mut shares = [share(&["a", "c"], true), share(&["b", "x", "y"], false)];
        let mut page = page(9, usize::MAX);
        page.merge(&mut shares);
        assert_eq!(page.lines, ["a", "b", "c"]);
        shares[0] = share(&["d"], false);
        page.merge(&mut shares);
        assert_eq!(page.lines, ["a", "b", "c", "d", "x", "y"]);
        assert!(!page.is_full());
    }

    #[test]
    fn long_names_fill_a_page_too() {
        let long = ["a", "b", "c"].map(|name| name.repeat(1000));
        let mut shares = [share(&long.each_ref().map(String::as_str), false)];
        let mut page = page(9, 2 * 400 + 3000);
        page.merge(&mut shares);
        assert_eq!((page.lines.len(), page.is_full()), (2, true));
        let mut tiny = Pile { bytes_max: 1, ..page };
        tiny.lines.clear();
        tiny.bytes = 0;
        tiny.merge(&mut shares);
        assert_eq!(tiny.lines.len(), 1, "a page goes on by one line at least");
    }
}

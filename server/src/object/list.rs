//! A page of a listing: every core gives its share in order, the shares are merged.

use crate::cluster::BucketView;
use crate::error::Result;
use crate::message_budget::{FREE_BYTES, Held};
use crate::shard::Shard;
use crate::store::{BucketRef, EncodedEntry, Entry, ScanLine, ScanQuery};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use wire::api::custom;
use wire::api::lso::{LsoMsg, LsoProps, flag};
use wire::api::lso_page::{LsoEntry, LsoPage, entry_flag};
use wire::api::timefmt::{HTTP_DATE, RFC822, format_nanos};

/// What a core needs to format its lines.
#[derive(Clone, Debug)]
struct PageQuery {
    scan: ScanQuery,
    /// Bytes that the lines may take, of the page or of a core's share.
    bytes_max: usize,
    bucket: Arc<BucketView>,
    props: LsoProps,
    time_format: String,
    without_directories: bool,
}

/// Bytes of a line without its texts, counted twice: it lies in a core's share first and then in the page.
const LINE_BYTES: usize = 2 * size_of::<LsoEntry>();
/// Bytes for the texts of a usual line, with little and with much asked for: in a share or the page, and in the answer.
const TEXTS_BYTES_PLAIN: usize = 192;
const TEXTS_BYTES: usize = 704;
/// A page has room for so many lines, or there is none.
const LINES_MIN: usize = 64;

/// One page of a bucket's listing, and the memory that it takes. Where there is little memory at the moment the page is
/// shorter than asked for: clients go on from its token.
///
/// # Errors
/// `Busy` when there is not even memory for a short one.
pub(crate) async fn list_page(
    shard: &Rc<Shard>,
    bucket: &Arc<BucketView>,
    message: &LsoMsg,
) -> Result<(LsoPage, Held)> {
    let plain = message.wanted().is_within(LsoProps::NAME | LsoProps::SIZE);
    let line_bytes = LINE_BYTES + if plain { TEXTS_BYTES_PLAIN } else { TEXTS_BYTES };
    let wanted = message.page_size();
    let bytes = |lines: usize| (lines * line_bytes).saturating_sub(FREE_BYTES);
    let mut held = shard.node.messages.hold_some(bytes(wanted), bytes(wanted.min(LINES_MIN)))?;
    let bytes_max = held.bytes() + FREE_BYTES;
    let limit = wanted.min(bytes_max / line_bytes).max(1);
    let query = PageQuery {
        scan: ScanQuery {
            bucket_id: bucket.bucket.id,
            prefix: message.prefix().to_owned(),
            after: message.after().to_owned(),
            limit,
            shallow: message.has(flag::NO_RECURSION),
        },
        bytes_max,
        bucket: Arc::clone(bucket),
        props: message.wanted(),
        time_format: if message.time_format.is_empty() {
            RFC822.to_owned()
        } else {
            message.time_format.clone()
        },
        without_directories: message.has(flag::NO_DIRS),
    };
    let (mut entries, full) = collect(shard, &query, &mut held).await?;
    let continuation_token =
        if full { entries.last().map(|e| e.name.clone()).unwrap_or_default() } else { String::new() };
    if query.without_directories {
        entries.retain(|entry| entry.flags & entry_flag::DIR == 0);
    }
    let uuid = if message.uuid.is_empty() { crate::jobs::new_uuid() } else { message.uuid.clone() };
    Ok((LsoPage { uuid, continuation_token, entries, flags: 0 }, held))
}

/// One core's lines that are not in the page yet.
#[derive(Default)]
struct Share {
    lines: VecDeque<LsoEntry>,
    /// It has more behind them.
    more: bool,
    /// The last line that it gave.
    last: String,
}

/// The lines of a page, and whether it is full. Each core gives its part of the page and a little more, so that a page
/// costs what it returns; one that runs short of lines is asked again.
async fn collect(shard: &Rc<Shard>, query: &PageQuery, held: &mut Held) -> Result<(Vec<LsoEntry>, bool)> {
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
    let mut shares = shares.await?.into_iter().collect::<Result<Vec<Share>>>()?;
    let mut page = Page { lines: Vec::with_capacity(limit), limit, bytes: 0, bytes_max: query.bytes_max };
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
struct Page {
    lines: Vec<LsoEntry>,
    limit: usize,
    bytes: usize,
    bytes_max: usize,
}

/// Bytes that a line takes until it is sent.
fn line_bytes(line: &LsoEntry) -> usize {
    let texts = [&line.name, &line.checksum, &line.atime, &line.version, &line.location, &line.custom];
    LINE_BYTES + 2 * texts.into_iter().map(String::len).sum::<usize>()
}

/// What one of `cores` is likely to need for a page of `limit` lines: its part, and four standard deviations.
fn part_of(limit: usize, cores: usize) -> usize {
    let part = limit / cores.max(1);
    (part + 4 * part.isqrt() + 8).min(limit)
}

async fn share(shard: &Shard, query: &PageQuery) -> Result<Share> {
    let mut lines = VecDeque::with_capacity(query.scan.limit);
    let plain = query.props.is_within(LsoProps::NAME | LsoProps::SIZE);
    let mut bytes = 0;
    let more = shard.store.scan_lines(&query.scan, |line| {
        let line = format_line(shard, query, plain, line)?;
        bytes += line_bytes(&line);
        lines.push_back(line);
        Ok(bytes < query.bytes_max)
    });
    let more = more.await?;
    let last = lines.back().map(|line| line.name.clone()).unwrap_or_default();
    Ok(Share { lines, more, last })
}

fn format_line(shard: &Shard, query: &PageQuery, plain: bool, line: ScanLine<'_>) -> Result<LsoEntry> {
    match line {
        ScanLine::Directory(name) => {
            Ok(LsoEntry { name: name.to_owned(), flags: entry_flag::DIR, ..LsoEntry::default() })
        }
        ScanLine::Object(name, entry) if plain => format_plain(query, name, entry),
        ScanLine::Object(name, entry) => Ok(format_object(shard, query, name.to_owned(), &entry.decode()?)),
    }
}

/// A line of a name and perhaps a size, for which the entry need not be decoded.
fn format_plain(query: &PageQuery, name: &str, entry: EncodedEntry<'_>) -> Result<LsoEntry> {
    let mut line = LsoEntry { name: name.to_owned(), flags: entry_flag::CACHED, ..LsoEntry::default() };
    if query.props.has(LsoProps::SIZE) {
        line.size = entry.size_bytes()?;
    }
    Ok(line)
}

fn format_object(shard: &Shard, query: &PageQuery, name: String, entry: &Entry) -> LsoEntry {
    let mut line = LsoEntry { flags: entry_flag::CACHED, ..LsoEntry::default() };
    let has = |prop| query.props.has(prop);
    if has(LsoProps::SIZE) {
        line.size = entry.size_bytes;
    }
    if has(LsoProps::CHECKSUM) {
        line.checksum = entry.cksum_value.to_string();
    }
    if has(LsoProps::VERSION) && query.bucket.props.versioning.enabled {
        line.version = entry.version.to_string();
    }
    if has(LsoProps::ATIME) {
        line.atime = format_nanos(entry.atime_ns.get(), &query.time_format);
    }
    if has(LsoProps::COPIES) {
        line.copies = 1;
    }
    if has(LsoProps::LOCATION) {
        line.location = location(shard, &query.bucket.bucket, &name, entry);
    }
    let mut pairs = if has(LsoProps::CUSTOM) { entry.custom.to_vec() } else { Vec::new() };
    if has(LsoProps::LAST_MODIFIED) {
        pairs.push(("last-modified".to_owned(), format_nanos(entry.mtime_ns, HTTP_DATE)));
    }
    if has(LsoProps::ETAG) {
        pairs.push(("ETag".to_owned(), entry.etag()));
    }
    line.custom = custom::to_list_text(&pairs);
    line.name = name;
    line
}

/// `t[ID]:<path of the file>`, as AIStore gives it; of a small object, the path of the segment that holds it.
pub(crate) fn location(shard: &Shard, bucket: &Arc<BucketRef>, name: &str, entry: &Entry) -> String {
    let mountpath = shard.node.mountpaths.get(entry.mountpath);
    let root = mountpath.map(|mountpath| mountpath.path.display().to_string()).unwrap_or_default();
    let path = shard.store.key(bucket, name, entry).map(|key| key.location(entry)).unwrap_or_default();
    format!("{}:{root}/{path}", shard.node.target_name())
}

impl Page {
    /// Moves lines of the sorted shares into the page, in order, until it is full or a share runs short; a directory that
    /// several cores know appears once.
    fn merge(&mut self, shares: &mut [Share]) {
        while !self.is_full() {
            let mut smallest: Option<&mut Share> = None;
            for share in shares.iter_mut() {
                let Some(front) = share.lines.front() else {
                    if share.more {
                        return;
                    }
                    continue;
                };
                let is_smaller =
                    smallest.as_ref().and_then(|s| s.lines.front()).is_none_or(|s| front.name < s.name);
                if is_smaller {
                    smallest = Some(share);
                }
            }
            let Some(entry) = smallest.and_then(|share| share.lines.pop_front()) else { return };
            if self.lines.last().is_none_or(|last| last.name != entry.name) {
                self.bytes += line_bytes(&entry);
                self.lines.push(entry);
            }
        }
    }

    /// Full of lines, or of bytes; there is one line at least.
    fn is_full(&self) -> bool {
        self.lines.len() >= self.limit || self.bytes >= self.bytes_max
    }
}

/// Names of a bucket beneath a prefix, a page at a time, for jobs that work through them.
pub(crate) async fn names_page(
    shard: &Rc<Shard>,
    bucket: &Arc<BucketView>,
    prefix: &str,
    after: &str,
) -> Result<Vec<String>> {
    let message = LsoMsg {
        prefix: prefix.to_owned(),
        start_after: after.to_owned(),
        pagesize: NAMES_PAGE,
        flags: flag::NAME_ONLY,
        ..LsoMsg::default()
    };
    let (page, _held) = list_page(shard, bucket, &message).await?;
    Ok(page.entries.into_iter().map(|entry| entry.name).collect())
}

/// Names that a job takes at a time.
const NAMES_PAGE: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn share(names: &[&str], more: bool) -> Share {
        let lines = names.iter().map(|n| LsoEntry { name: (*n).to_owned(), ..LsoEntry::default() });
        Share { lines: lines.collect(), more, last: String::new() }
    }

    fn page(limit: usize, bytes_max: usize) -> Page {
        Page { lines: Vec::new(), limit, bytes: 0, bytes_max }
    }

    fn names(page: &[LsoEntry]) -> Vec<&str> {
        page.iter().map(|entry| entry.name.as_str()).collect()
    }

    #[test]
    fn shares_merge_in_order_and_directories_once() {
        let mut shares =
            [share(&["a", "d/", "x"], false), share(&["b", "d/", "y"], false), share(&[], false)];
        let mut page = page(4, usize::MAX);
        page.merge(&mut shares);
        assert_eq!(names(&page.lines), ["a", "b", "d/", "x"]);
        assert!(page.is_full());
    }

    #[test]
    fn a_share_that_runs_short_stops_the_merge() {
        let mut shares = [share(&["a", "c"], true), share(&["b", "x", "y"], false)];
        let mut page = page(9, usize::MAX);
        page.merge(&mut shares);
        assert_eq!(names(&page.lines), ["a", "b", "c"]);
        shares[0] = share(&["d"], false);
        page.merge(&mut shares);
        assert_eq!(names(&page.lines), ["a", "b", "c", "d", "x", "y"]);
        assert!(!page.is_full());
    }

    #[test]
    fn long_names_fill_a_page_too() {
        let long = ["a", "b", "c"].map(|name| name.repeat(1000));
        let mut shares = [share(&long.each_ref().map(String::as_str), false)];
        let mut page = page(9, 2 * LINE_BYTES + 3000);
        page.merge(&mut shares);
        assert_eq!((page.lines.len(), page.is_full()), (2, true));
        let mut tiny = Page { bytes_max: 1, ..page };
        tiny.lines.clear();
        tiny.bytes = 0;
        tiny.merge(&mut shares);
        assert_eq!(tiny.lines.len(), 1, "a page goes on by one line at least");
    }
}

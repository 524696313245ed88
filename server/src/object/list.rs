//! A page of a listing: every core gives its share in order, the shares are merged.

use crate::cluster::BucketView;
use crate::error::Result;
use crate::shard::Shard;
use crate::store::{BucketRef, Entry, Key, ScanItem, ScanQuery};
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
    bucket: Arc<BucketView>,
    props: LsoProps,
    time_format: String,
    without_directories: bool,
}

/// One page of a bucket's listing.
pub(crate) async fn list_page(
    shard: &Rc<Shard>,
    bucket: &Arc<BucketView>,
    message: &LsoMsg,
) -> Result<LsoPage> {
    let limit = message.page_size();
    let query = PageQuery {
        scan: ScanQuery {
            bucket_id: bucket.bucket.id,
            prefix: message.prefix().to_owned(),
            after: message.after().to_owned(),
            limit,
            shallow: message.has(flag::NO_RECURSION),
        },
        bucket: Arc::clone(bucket),
        props: message.wanted(),
        time_format: if message.time_format.is_empty() {
            RFC822.to_owned()
        } else {
            message.time_format.clone()
        },
        without_directories: message.has(flag::NO_DIRS),
    };
    let without_directories = query.without_directories;
    let shares = shard.call_all(move |core| {
        let query = query.clone();
        async move { share(&core, &query).await }
    });
    let shares = shares.await?.into_iter().collect::<Result<Vec<_>>>()?;
    let mut entries = merge(shares, limit);
    let full = entries.len() >= limit;
    let continuation_token =
        if full { entries.last().map(|e| e.name.clone()).unwrap_or_default() } else { String::new() };
    if without_directories {
        entries.retain(|entry| entry.flags & entry_flag::DIR == 0);
    }
    let uuid = if message.uuid.is_empty() { crate::jobs::new_uuid() } else { message.uuid.clone() };
    Ok(LsoPage { uuid, continuation_token, entries, flags: 0 })
}

async fn share(shard: &Shard, query: &PageQuery) -> Result<Vec<LsoEntry>> {
    let lines = shard.store.scan(&query.scan).await?;
    Ok(lines.into_iter().map(|line| format_line(shard, query, line)).collect())
}

fn format_line(shard: &Shard, query: &PageQuery, line: ScanItem) -> LsoEntry {
    match line {
        ScanItem::Directory(name) => LsoEntry { name, flags: entry_flag::DIR, ..LsoEntry::default() },
        ScanItem::Object(name, entry) => format_object(shard, query, name, &entry),
    }
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
    let digest = placement::uname_digest(placement::BckRef::ais(&bucket.name), name);
    let lane = mountpath.map_or(0, |mountpath| placement::lane_of(digest, mountpath.lanes).get());
    let key = Key { bucket: Arc::clone(bucket), name: name.to_owned(), mountpath: entry.mountpath, lane };
    format!("{}:{root}/{}", shard.node.target_name(), key.location(entry))
}

/// Merges sorted shares into one sorted page; a directory that several cores know appears once.
fn merge(shares: Vec<Vec<LsoEntry>>, limit: usize) -> Vec<LsoEntry> {
    let mut shares: Vec<VecDeque<LsoEntry>> = shares.into_iter().map(VecDeque::from).collect();
    let mut page: Vec<LsoEntry> = Vec::new();
    while page.len() < limit {
        let smallest = shares
            .iter()
            .enumerate()
            .filter_map(|(at, share)| share.front().map(|entry| (entry.name.as_str(), at)))
            .min();
        let Some((_, at)) = smallest else { break };
        let Some(entry) = shares.get_mut(at).and_then(VecDeque::pop_front) else { break };
        let twice = page.last().is_some_and(|last| last.name == entry.name);
        if !twice {
            page.push(entry);
        }
    }
    page
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
    let page = list_page(shard, bucket, &message).await?;
    Ok(page.entries.into_iter().map(|entry| entry.name).collect())
}

/// Names that a job takes at a time.
const NAMES_PAGE: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(names: &[&str]) -> Vec<LsoEntry> {
        names.iter().map(|n| LsoEntry { name: (*n).to_owned(), ..LsoEntry::default() }).collect()
    }

    #[test]
    fn shares_merge_in_order_and_directories_once() {
        let page = merge(vec![lines(&["a", "d/", "x"]), lines(&["b", "d/", "y"]), lines(&[])], 4);
        let names: Vec<&str> = page.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "d/", "x"]);
    }
}

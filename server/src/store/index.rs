//! The ordered index of one core: bucket, then name, in memory.

use super::entry::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::rc::Rc;

/// Estimated bytes of a tree node's share and the reference count, for each object.
const OVERHEAD_BYTES: usize = 64;

type Names = BTreeMap<Box<str>, Rc<Entry>>;

/// Objects of this core's lanes.
#[derive(Default)]
pub(crate) struct Index {
    buckets: HashMap<u64, Names>,
    objects: u64,
    memory_bytes: usize,
}

/// What a listing asks for.
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
#[derive(Debug)]
pub(crate) enum ScanItem {
    /// An object.
    Object(String, Rc<Entry>),
    /// A virtual directory; ends in `/`.
    Directory(String),
}

#[cfg(test)]
impl ScanItem {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Object(name, _) | Self::Directory(name) => name,
        }
    }
}

/// The lines of one page from one core, in byte order.
pub(crate) type Scan = Vec<ScanItem>;

impl Index {
    pub(crate) fn get(&self, bucket_id: u64, name: &str) -> Option<&Rc<Entry>> {
        self.buckets.get(&bucket_id)?.get(name)
    }

    /// Puts an entry in; returns the one it replaces.
    pub(crate) fn insert(&mut self, bucket_id: u64, name: &str, entry: Rc<Entry>) -> Option<Rc<Entry>> {
        self.memory_bytes += cost(name, &entry);
        let old = self.buckets.entry(bucket_id).or_default().insert(name.into(), entry);
        match &old {
            Some(old) => self.memory_bytes = self.memory_bytes.saturating_sub(cost(name, old)),
            None => self.objects += 1,
        }
        old
    }

    pub(crate) fn remove(&mut self, bucket_id: u64, name: &str) -> Option<Rc<Entry>> {
        let old = self.buckets.get_mut(&bucket_id)?.remove(name)?;
        self.memory_bytes = self.memory_bytes.saturating_sub(cost(name, &old));
        self.objects -= 1;
        Some(old)
    }

    /// Forgets a bucket; returns its entries.
    pub(crate) fn remove_bucket(&mut self, bucket_id: u64) -> Vec<Rc<Entry>> {
        let names = self.buckets.remove(&bucket_id).unwrap_or_default();
        let freed: usize = names.iter().map(|(name, entry)| cost(name, entry)).sum();
        self.memory_bytes = self.memory_bytes.saturating_sub(freed);
        self.objects -= names.len() as u64;
        names.into_values().collect()
    }

    pub(crate) fn objects(&self) -> u64 {
        self.objects
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Up to `limit` lines behind `after`.
    pub(crate) fn scan(&self, query: &ScanQuery) -> Scan {
        let Some(names) = self.buckets.get(&query.bucket_id) else { return Vec::new() };
        let mut lines = Vec::new();
        let mut from = if query.after.as_str() < query.prefix.as_str() {
            Bound::Included(query.prefix.clone())
        } else {
            after_line(&query.after, query)
        };
        while lines.len() < query.limit {
            let range = (from.as_ref().map(String::as_str), Bound::Unbounded);
            let Some((name, _)) = names.range::<str, _>(range).next() else { break };
            if !name.starts_with(&query.prefix) {
                break;
            }
            match query.shallow.then(|| directory_of(name, &query.prefix)).flatten() {
                Some(dir) => {
                    from = behind_directory(dir);
                    lines.push(ScanItem::Directory(dir.to_owned()));
                }
                None => {
                    let room = query.limit - lines.len();
                    let Some(last) = take_run(names, name, query, room, &mut lines) else { break };
                    from = Bound::Excluded(last);
                }
            }
        }
        lines
    }

    /// Counts and sizes beneath a prefix: (objects, bytes, smallest, largest).
    pub(crate) fn summarize(&self, bucket_id: u64, prefix: &str) -> (u64, u64, u64, u64) {
        let Some(names) = self.buckets.get(&bucket_id) else { return (0, 0, 0, 0) };
        let range = (Bound::Included(prefix), Bound::Unbounded);
        let sizes = names
            .range::<str, _>(range)
            .take_while(|(name, _)| name.starts_with(prefix))
            .map(|(_, entry)| entry.size_bytes);
        let mut sum = (0, 0, u64::MAX, 0);
        for size in sizes {
            sum = (sum.0 + 1, sum.1 + size, size.min(sum.2), size.max(sum.3));
        }
        if sum.0 == 0 { (0, 0, 0, 0) } else { sum }
    }
}

/// Appends plain objects from `first` on until a directory, the prefix's end or the limit; returns the last name seen.
fn take_run(names: &Names, first: &str, query: &ScanQuery, room: usize, lines: &mut Scan) -> Option<String> {
    let mut last = None;
    for (name, entry) in names.range::<str, _>((Bound::Included(first), Bound::Unbounded)).take(room) {
        let stop = !name.starts_with(&query.prefix)
            || (query.shallow && directory_of(name, &query.prefix).is_some());
        if stop {
            break;
        }
        lines.push(ScanItem::Object(name.to_string(), Rc::clone(entry)));
        last = Some(name.to_string());
    }
    last
}

/// The virtual directory of a name: the prefix and all up to the next `/`.
fn directory_of<'n>(name: &'n str, prefix: &str) -> Option<&'n str> {
    let rest = name.get(prefix.len()..)?;
    let slash = rest.find('/')?;
    name.get(..prefix.len() + slash + 1)
}

/// The first possible name that is not inside the directory.
fn behind_directory(dir: &str) -> Bound<String> {
    // `/` is followed by `0`: everything in `dir/` sorts before `dir0`.
    let mut next = dir.strip_suffix('/').unwrap_or(dir).to_owned();
    next.push('0');
    Bound::Included(next)
}

fn after_line(after: &str, query: &ScanQuery) -> Bound<String> {
    if query.shallow && after.ends_with('/') && after.len() > query.prefix.len() {
        return behind_directory(after);
    }
    Bound::Excluded(after.to_owned())
}

fn cost(name: &str, entry: &Entry) -> usize {
    name.len() + entry.memory_bytes() + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;
    use std::collections::BTreeSet;
    use wire::cksum::CksumType;

    fn entry(size: u64) -> Rc<Entry> {
        Rc::new(Entry {
            size_bytes: size,
            version: 1,
            generation: size,
            mtime_ns: 0,
            atime_ns: Cell::new(0),
            cksum_type: CksumType::None,
            cksum_value: "".into(),
            custom: Box::default(),
            mountpath: 0,
            has_sidecar: false,
        })
    }

    fn index(names: &BTreeSet<String>) -> Index {
        let mut index = Index::default();
        for name in names {
            index.insert(7, name, entry(1));
        }
        index
    }

    /// What a listing must say, computed the slow way.
    fn expected(names: &BTreeSet<String>, prefix: &str, shallow: bool) -> Vec<String> {
        let mut lines: Vec<String> = names
            .iter()
            .filter(|n| n.starts_with(prefix))
            .map(|n| match directory_of(n, prefix) {
                Some(dir) if shallow => dir.to_owned(),
                _ => n.clone(),
            })
            .collect();
        lines.dedup();
        lines
    }

    proptest! {
        #[test]
        fn pages_add_up_to_the_whole(
            names in prop::collection::btree_set("[ab/0.]{1,6}", 0..60),
            prefix in "[ab/]{0,3}",
            limit in 1usize..7,
            shallow: bool,
        ) {
            let index = index(&names);
            let mut got = Vec::new();
            let mut after = String::new();
            loop {
                let query = ScanQuery { bucket_id: 7, prefix: prefix.clone(), after, limit, shallow };
                let page = index.scan(&query);
                prop_assert!(page.len() <= limit);
                got.extend(page.iter().map(|l| l.name().to_owned()));
                if page.len() < limit {
                    break;
                }
                after = got.last().unwrap().clone();
            }
            prop_assert_eq!(got, expected(&names, &prefix, shallow));
        }

        #[test]
        fn memory_returns_to_zero(names in prop::collection::btree_set("[a-c/]{1,8}", 0..40)) {
            let mut index = index(&names);
            prop_assert_eq!(index.objects(), names.len() as u64);
            for name in names.iter().take(10) {
                index.insert(7, name, entry(2));
            }
            for name in names.iter().take(20) {
                index.remove(7, name);
            }
            index.remove_bucket(7);
            prop_assert_eq!((index.objects(), index.memory_bytes()), (0, 0));
        }
    }
}

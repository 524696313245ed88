//! The kinds of jobs that AIStore has. Requests may give either name of a kind.

/// A kind of job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobKind {
    /// Its name in answers.
    pub kind: &'static str,
    /// Its name for people; empty when that is the same.
    pub display: &'static str,
    /// A client may start it with `start`; others begin with a request of their own.
    pub startable: bool,
}

const fn kind(kind: &'static str, display: &'static str) -> JobKind {
    JobKind { kind, display, startable: false }
}

const fn startable(kind: &'static str, display: &'static str) -> JobKind {
    JobKind { kind, display, startable: true }
}

/// All kinds.
pub const JOB_KINDS: [JobKind; 34] = [
    startable("rebalance", ""),
    startable("resilver", ""),
    kind("election", "elect-primary"),
    startable("lru", "lru-eviction"),
    startable("cleanup-store", "cleanup"),
    startable("rechunk", ""),
    startable("make-n-copies", "mirror"),
    startable("ec-encode", "ec-bucket"),
    startable("prefetch-listrange", "prefetch-objects"),
    startable("blob-download", ""),
    startable("load-lom-cache", "warm-up-metadata"),
    kind("copy-bck", "copy-bucket"),
    kind("move-bck", "rename-bucket"),
    kind("etl-bck", "etl-bucket"),
    kind("copy-listrange", "copy-objects"),
    kind("etl-listrange", "etl-objects"),
    kind("archive", ""),
    kind("delete-listrange", "delete-objects"),
    kind("evict-listrange", "evict-objects"),
    kind("evict-remote-bck", "evict-remote-bucket"),
    kind("promote", "promote-files"),
    kind("download", ""),
    kind("dsort", ""),
    kind("ec-get", ""),
    kind("ec-put", ""),
    kind("ec-resp", ""),
    kind("put-copies", ""),
    kind("summary-bck", "summary"),
    kind("summary-shard", "shard-summary"),
    kind("index-shard", "shard-index"),
    kind("etl-inline", ""),
    kind("list", ""),
    kind("get-batch", ""),
    kind("create-inventory", ""),
];

/// The kind that either of its names stands for.
#[must_use]
pub fn job_kind(name: &str) -> Option<&'static JobKind> {
    let is_it = |kind: &&JobKind| !name.is_empty() && (kind.kind == name || kind.display == name);
    JOB_KINDS.iter().find(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn both_names_are_known_and_no_name_twice() {
        assert_eq!(job_kind("copy-bucket"), job_kind("copy-bck"));
        assert_eq!(job_kind("lru-eviction").map(|kind| kind.startable), Some(true));
        assert_eq!((job_kind(""), job_kind("nonsense")), (None, None));
        let names = JOB_KINDS.iter().flat_map(|kind| [kind.kind, kind.display]);
        let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}

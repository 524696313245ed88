//! The memory that this process may use: the machine's, and every limit that encloses it.
//!
//! A process in a container sees the whole machine in `/proc/meminfo`, and is killed at the limit of its control group.
//! Limits nest, and both versions of control groups occur, on one machine too. The least of all counts.

mod cgroup;

use rustix::process::{Resource, getrlimit};
use std::fmt;
use std::path::{Path, PathBuf};

/// The origin of an upper bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The machine has no more.
    Machine,
    /// A control group allows no more; the file that says so.
    Cgroup(PathBuf),
    /// The process allows itself no more; the limit's name.
    Process(&'static str),
}

/// An upper bound of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Bytes.
    pub bytes: u64,
    /// Where they are from.
    pub source: Source,
}

/// Memory in use, of a control group or of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// All there is.
    pub total_bytes: u64,
    /// In use, without what the kernel would give back.
    pub used_bytes: u64,
    /// Bytes that are still to be had.
    pub available_bytes: u64,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.bytes >> 20;
        match &self.source {
            Source::Machine => write!(f, "the {mib} MiB of this machine"),
            Source::Cgroup(file) => write!(f, "the {mib} MiB that {} allows", file.display()),
            Source::Process(name) => write!(f, "the {mib} MiB that {name} allows"),
        }
    }
}

/// The least of the machine's memory, the limits of all enclosing control groups, and the process's own.
#[must_use]
pub fn limit() -> Limit {
    let info = rustix::system::sysinfo();
    let machine = (info.totalram as u64).saturating_mul(u64::from(info.mem_unit));
    least(machine, Path::new("/"), &own_limits())
}

/// Memory in use, as seen from where this process is confined to.
#[must_use]
pub fn in_use() -> Use {
    use_beneath(Path::new("/"), &limit())
}

fn own_limits() -> Vec<(&'static str, u64)> {
    [("RLIMIT_AS", Resource::As), ("RLIMIT_DATA", Resource::Data)]
        .into_iter()
        .filter_map(|(name, resource)| Some((name, getrlimit(resource).current?)))
        .collect()
}

fn least(machine: u64, root: &Path, own: &[(&'static str, u64)]) -> Limit {
    let machine = Limit { bytes: machine, source: Source::Machine };
    let groups =
        cgroup::limits(root).into_iter().map(|(file, bytes)| Limit { bytes, source: Source::Cgroup(file) });
    let own = own.iter().map(|&(name, bytes)| Limit { bytes, source: Source::Process(name) });
    // The first of equal ones is named: the machine, then the outermost reason.
    std::iter::once(machine)
        .chain(groups)
        .chain(own)
        .min_by_key(|limit| limit.bytes)
        .unwrap_or(Limit { bytes: u64::MAX, source: Source::Machine })
}

fn use_beneath(root: &Path, limit: &Limit) -> Use {
    let meminfo = std::fs::read_to_string(root.join("proc/meminfo")).unwrap_or_default();
    let machine_total = meminfo_bytes(&meminfo, "MemTotal:");
    let machine_available = meminfo_bytes(&meminfo, "MemAvailable:");
    let total_bytes = if machine_total == 0 { limit.bytes } else { machine_total.min(limit.bytes) };
    let used_bytes = match &limit.source {
        Source::Cgroup(file) => file.parent().and_then(cgroup::used_bytes),
        Source::Machine | Source::Process(_) => None,
    };
    let used_bytes = used_bytes.unwrap_or_else(|| machine_total.saturating_sub(machine_available));
    let available_bytes = total_bytes.saturating_sub(used_bytes).min(machine_available);
    Use { total_bytes, used_bytes: used_bytes.min(total_bytes), available_bytes }
}

fn meminfo_bytes(meminfo: &str, key: &str) -> u64 {
    let line = meminfo.lines().find(|line| line.starts_with(key));
    let kib = line.and_then(|line| line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or_default().saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;
    use std::fs;

    /// A tree with these files.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_least_counts_and_is_named() {
        let root = tree(&[]);
        let gib = 1 << 30;
        assert_eq!(least(gib, root.path(), &[]), Limit { bytes: gib, source: Source::Machine });
        let own = least(gib, root.path(), &[("RLIMIT_AS", 5 << 20), ("RLIMIT_DATA", 6 << 20)]);
        assert_eq!(own.to_string(), "the 5 MiB that RLIMIT_AS allows");
        let root = tree(&[
            ("proc/self/cgroup", "0::/a\n"),
            ("proc/self/mountinfo", "30 1 0:26 / /cg rw - cgroup2 cgroup2 rw\n"),
            ("cg/a/memory.max", "536870912\n"),
        ]);
        let group = least(gib, root.path(), &[("RLIMIT_AS", gib)]);
        let file = root.path().join("cg/a/memory.max");
        assert_eq!(group.to_string(), format!("the 512 MiB that {} allows", file.display()));
        assert_eq!(least(4096, root.path(), &[]).source, Source::Machine);
    }

    #[test]
    fn use_is_that_of_the_group_that_confines() {
        let meminfo = "MemTotal:       1048576 kB\nMemFree: 1 kB\nMemAvailable:    524288 kB\n";
        let root = tree(&[
            ("proc/meminfo", meminfo),
            ("proc/self/cgroup", "0::/a\n"),
            ("proc/self/mountinfo", "30 1 0:26 / /cg rw - cgroup2 cgroup2 rw\n"),
            ("cg/a/memory.max", "1000000\n"),
            ("cg/a/memory.current", "900000\n"),
            ("cg/a/memory.stat", "anon 500000\nfile 300000\n"),
        ]);
        let limit = least(1 << 30, root.path(), &[]);
        let told = use_beneath(root.path(), &limit);
        assert_eq!(told, Use { total_bytes: 1_000_000, used_bytes: 600_000, available_bytes: 400_000 });
        let root = tree(&[("proc/meminfo", meminfo)]);
        let told = use_beneath(root.path(), &least(1 << 30, root.path(), &[]));
        assert_eq!(told, Use { total_bytes: 1 << 30, used_bytes: 512 << 20, available_bytes: 512 << 20 });
    }

    #[test]
    fn this_process_may_use_some() {
        assert!(limit().bytes > 1 << 20);
        let told = in_use();
        assert!(told.total_bytes > 0 && told.available_bytes <= told.total_bytes, "{told:?}");
    }
}

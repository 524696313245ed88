//! The targets' own figures from `/metrics`, and the disks of theirs that this machine can watch.

use super::machine::Disk;
use crate::client::{Client, Tls};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);

/// The targets at one moment.
#[derive(Clone, Debug, Default)]
pub struct ServerState {
    /// Hits and misses of their caches; `None`: not told by all of them.
    cache: Option<(u64, u64)>,
    /// Counters of the devices under their mountpaths; `None`: not all are on this machine.
    disks: Option<BTreeMap<(u32, u32), Disk>>,
    /// Memory that they may use for objects and pages, with what confines them; `None`: not told by all of them.
    memory_bytes: Option<u64>,
}

/// The difference between two states of the servers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServerUse {
    /// Hits and misses of the cache.
    pub cache: Option<(u64, u64)>,
    /// Bytes that the devices read.
    pub device_read_bytes: Option<u64>,
    /// Share of the time in which the busiest device was busy.
    pub disk_busy: Option<f64>,
    /// Memory that the targets may use, with what confines them.
    pub memory_bytes: Option<u64>,
}

impl ServerState {
    /// Asks every target at its address.
    #[must_use]
    pub fn look(targets: &[String], tls: &Tls) -> Self {
        let texts: Option<Vec<String>> = targets.iter().map(|target| metrics(target, tls)).collect();
        let Some(texts) = texts.filter(|texts| !texts.is_empty()) else { return Self::default() };
        let sum = |name: &str| texts.iter().map(|text| counter(text, name)).sum::<Option<u64>>();
        let cache = sum("straightline_cache_hits_total").zip(sum("straightline_cache_misses_total"));
        let is_local = targets.iter().all(|target| is_on_this_machine(target));
        let disks = if is_local { watched(&texts) } else { None };
        Self { cache, disks, memory_bytes: sum("straightline_memory_limit_bytes") }
    }

    /// The difference to an earlier moment, `span_s` ago.
    #[must_use]
    pub fn since(&self, earlier: &Self, span_s: f64) -> ServerUse {
        let cache = earlier.cache.zip(self.cache).map(|((hits, misses), (hits_now, misses_now))| {
            (hits_now.saturating_sub(hits), misses_now.saturating_sub(misses))
        });
        let pairs = || {
            let (from, to) = (earlier.disks.as_ref()?, self.disks.as_ref()?);
            Some(to.iter().filter_map(|(id, after)| Some((*from.get(id)?, *after))))
        };
        let device_read_bytes = pairs().map(|pairs| {
            pairs.map(|(before, after)| after.read_bytes.saturating_sub(before.read_bytes)).sum()
        });
        let busy = |(before, after): (Disk, Disk)| {
            after.busy_ms.saturating_sub(before.busy_ms) as f64 / 1e3 / span_s.max(f64::MIN_POSITIVE)
        };
        let disk_busy = pairs().and_then(|pairs| pairs.map(busy).max_by(f64::total_cmp));
        ServerUse { cache, device_read_bytes, disk_busy, memory_bytes: self.memory_bytes }
    }
}

/// True when a server is on this machine: then its address can be listened on here.
#[must_use]
pub fn is_on_this_machine(address: &str) -> bool {
    let address = link::address::resolve(address);
    address.is_ok_and(|address| TcpListener::bind(SocketAddr::new(address.ip(), 0)).is_ok())
}

fn metrics(target: &str, tls: &Tls) -> Option<String> {
    let bytes = Client::new(target, Some(PATIENCE)).with_tls(tls.clone()).metrics().ok()?;
    String::from_utf8(bytes).ok()
}

/// The sum of a counter over its labels; `None` when it does not occur.
fn counter(text: &str, name: &str) -> Option<u64> {
    let value = |line: &str| {
        let rest = line.strip_prefix(name)?;
        let (_, value) = rest.rsplit_once(' ').filter(|_| rest.starts_with(['{', ' ']))?;
        value.parse::<f64>().ok().map(|value| value as u64)
    };
    let values: Vec<u64> = text.lines().filter_map(value).collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

/// The devices under all mountpaths that the texts name; `None` when one is not a block device of this machine.
fn watched(texts: &[String]) -> Option<BTreeMap<(u32, u32), Disk>> {
    let paths: BTreeSet<&str> = texts.iter().flat_map(|text| mountpaths(text)).collect();
    let all = super::machine::disks();
    let device = |path: &&str| {
        let dev = std::fs::metadata(Path::new(path)).ok()?.dev();
        let id = (rustix::fs::major(dev), rustix::fs::minor(dev));
        all.get(&id).map(|disk| (id, *disk))
    };
    paths.iter().map(device).collect::<Option<BTreeMap<_, _>>>().filter(|disks| !disks.is_empty())
}

fn mountpaths(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let (_, rest) = line.split_once("mountpath=\"")?;
        rest.split_once('"').map(|(path, _)| path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE straightline_cache_hits_total counter\n\
        straightline_cache_hits_total{node_id=\"t1\",core=\"0\"} 5\n\
        straightline_cache_hits_total{node_id=\"t1\",core=\"1\"} 7\n\
        straightline_cache_hits_total_more 100\n\
        straightline_mountpath_suspect{node_id=\"t1\",mountpath=\"/mnt/0\"} 0\n";

    #[test]
    fn counters_are_summed_over_cores() {
        assert_eq!(counter(TEXT, "straightline_cache_hits_total"), Some(12));
        assert_eq!(counter(TEXT, "straightline_cache_misses_total"), None);
        assert_eq!(mountpaths(TEXT).collect::<Vec<_>>(), ["/mnt/0"]);
    }

    #[test]
    fn use_is_a_difference_and_unknown_stays_unknown() {
        let state = |hits, read_bytes, busy_ms| ServerState {
            cache: Some((hits, 10)),
            disks: Some(BTreeMap::from([((254, 0), Disk { read_bytes, busy_ms })])),
            memory_bytes: Some(1 << 20),
        };
        let used = state(30, 5000, 900).since(&state(10, 1000, 400), 2.0);
        let want = ServerUse {
            cache: Some((20, 0)),
            device_read_bytes: Some(4000),
            disk_busy: Some(0.25),
            memory_bytes: Some(1 << 20),
        };
        assert_eq!(used, want);
        let unknown = ServerUse { memory_bytes: Some(1 << 20), ..ServerUse::default() };
        assert_eq!(state(1, 1, 1).since(&ServerState::default(), 1.0), unknown);
        assert!(is_on_this_machine("127.0.0.1:1") && !is_on_this_machine("192.0.2.1:80"));
    }
}

//! Settings: defaults, a TOML or AIStore JSON file, flags; in this order, each over the one before.

use crate::disks::Wanted;
use crate::limits;
use clap::Parser;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use wire::api::units::SizeIec;

/// Command line. Without arguments: a whole cluster in this process, on 127.0.0.1:51080.
#[derive(Debug, Default, Parser)]
#[command(name = "aisnode", version, about = "Straightline node: a whole cluster in one process by default")]
pub(crate) struct Args {
    /// Settings file: TOML, or AIStore's local configuration (JSON).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the node keeps its identity and state.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// A directory for objects, best one for each disk; may be given several times.
    #[arg(long = "mountpath", value_name = "DIR")]
    mountpaths: Vec<PathBuf>,
    /// Address to listen on.
    #[arg(long)]
    host: Option<IpAddr>,
    /// Public port; each core also listens on a port of its own, which the system chooses.
    #[arg(long)]
    port: Option<u16>,
    /// Cores to use; default all that this process may use and that there is memory for.
    #[arg(long)]
    cores: Option<usize>,
    /// Memory budget, for example 4GiB; default a quarter of what the machine has and its control groups allow.
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Connections in all; default 4096, or fewer where there is little memory. For more of them idle ones are ended, and
    /// the rest gets 503.
    #[arg(long)]
    connections_max: Option<usize>,
}

/// Settings file. Every field may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    data_dir: Option<PathBuf>,
    mountpaths: Vec<PathBuf>,
    /// Labels by path; only AIStore's configuration has them.
    #[serde(skip)]
    labels: BTreeMap<PathBuf, String>,
    host: Option<IpAddr>,
    port: Option<u16>,
    cores: Option<usize>,
    memory: Option<String>,
    connections_max: Option<usize>,
    lanes: Option<u16>,
    timeouts: Timeouts,
    zero_copy_bytes_min: Option<usize>,
    segment_bytes: Option<u64>,
}

/// Times after which a connection is ended, milliseconds. They count from the last byte that moved.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Timeouts {
    /// Time between requests.
    pub(crate) idle_ms: u64,
    /// For a request's head, which has six times as long in all.
    pub(crate) head_ms: u64,
    /// For a body that comes in; for one that goes out four times as long.
    pub(crate) body_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { idle_ms: 120_000, head_ms: 10_000, body_ms: 30_000 }
    }
}

/// The memory budget and where it is from.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub(crate) total_bytes: usize,
    /// All that this process could use: of the machine, and of the control groups that it is in.
    pub(crate) limit_bytes: u64,
    /// Why it is so much.
    pub(crate) reason: String,
    /// For the operator, when it is more than there is.
    pub(crate) warning: Option<String>,
}

/// Settings in force.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    pub(crate) mountpaths: Vec<Wanted>,
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    pub(crate) cores: usize,
    pub(crate) memory: Memory,
    pub(crate) connections_max: usize,
    /// Lanes of a mountpath that is formatted now.
    pub(crate) lanes: u16,
    pub(crate) timeouts: Timeouts,
    pub(crate) zero_copy_bytes_min: usize,
    /// Size of the archives that small objects are gathered in.
    pub(crate) segment_bytes: u64,
}

impl Config {
    /// Reads the file that the arguments name and puts everything together.
    ///
    /// # Errors
    /// A text that names the setting and what is wrong with it.
    pub(crate) fn load(args: Args) -> Result<Self, String> {
        let file = args.config.as_deref().map(read_file).transpose()?.unwrap_or_default();
        let data_dir = args.data_dir.or(file.data_dir).unwrap_or_else(|| PathBuf::from("straightline-data"));
        let mountpaths = [args.mountpaths, file.mountpaths, vec![data_dir.join("mp1")]];
        let paths = mountpaths.into_iter().find(|paths| !paths.is_empty()).unwrap_or_default();
        let memory = memory(args.memory.or(file.memory).as_deref(), &sysmem::limit())?;
        let connections_max = args.connections_max.or(file.connections_max);
        let connections_max =
            connections_max.unwrap_or_else(|| limits::default_connections(memory.total_bytes));
        // A quota of processor time lowers this number, unless cores are set.
        let usable_cores = std::thread::available_parallelism().map_or(1, usize::from);
        let cores = || limits::default_cores(memory.total_bytes, connections_max, usable_cores);
        let config = Self {
            data_dir,
            mountpaths: paths
                .into_iter()
                .map(|path| Wanted { label: file.labels.get(&path).cloned(), path })
                .collect(),
            host: args.host.or(file.host).unwrap_or(IpAddr::from([127, 0, 0, 1])),
            port: args.port.or(file.port).unwrap_or(51080),
            cores: args.cores.or(file.cores).unwrap_or_else(cores),
            memory,
            connections_max,
            lanes: file.lanes.unwrap_or(16),
            timeouts: file.timeouts,
            zero_copy_bytes_min: file.zero_copy_bytes_min.unwrap_or(32 << 10),
            segment_bytes: file.segment_bytes.unwrap_or(64 << 20),
        };
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> Result<(), String> {
        let machine_cores = crate::boot::allowed_cpus().map_or(1, |cpus| cpus.len());
        if self.cores == 0 || self.cores > machine_cores {
            return Err(format!("cores = {}: this machine has {machine_cores}", self.cores));
        }
        if self.lanes == 0 || self.lanes > 1024 {
            return Err(format!("lanes = {}: 1 to 1024", self.lanes));
        }
        if self.connections_max == 0 {
            return Err("connections_max = 0: nobody could connect".to_owned());
        }
        if !(1 << 20..=1 << 30).contains(&self.segment_bytes) {
            return Err(format!("segment_bytes = {}: 1 MiB to 1 GiB", self.segment_bytes));
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = self.mountpaths.iter().find(|wanted| !seen.insert(&wanted.path)) {
            return Err(format!("mountpath {} is given twice", twice.path.display()));
        }
        Ok(())
    }
}

fn read_file(path: &Path) -> Result<File, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    if text.trim_start().starts_with('{') {
        return from_aistore(&text).map_err(|e| format!("{}: {e}", path.display()));
    }
    toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))
}

/// AIStore's local configuration: what of it has a meaning here.
fn from_aistore(text: &str) -> Result<File, String> {
    let local: wire::api::config::LocalConfig = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let port = match local.host_net.port.as_str() {
        "" => None,
        port => Some(port.parse().map_err(|_| format!("host_net.port = {port:?} is no port"))?),
    };
    let host = match local.host_net.hostname.as_str() {
        "" => None,
        host => Some(host.parse().map_err(|_| format!("host_net.hostname = {host:?} is no address"))?),
    };
    let data_dir = (!local.confdir.is_empty()).then(|| PathBuf::from(local.confdir));
    let labels: BTreeMap<PathBuf, String> =
        local.fspaths.into_iter().map(|(path, label)| (PathBuf::from(path), label)).collect();
    let mountpaths = labels.keys().cloned().collect();
    Ok(File { data_dir, mountpaths, labels, host, port, ..File::default() })
}

fn parse_size(text: &str) -> Result<usize, String> {
    let size = SizeIec::parse(text).map_err(|e| format!("memory = {text:?}: {e}"))?;
    usize::try_from(size.0).map_err(|_| format!("memory = {text:?} is negative"))
}

fn memory(setting: Option<&str>, limit: &sysmem::Limit) -> Result<Memory, String> {
    let limit_bytes = limit.bytes;
    let Some(setting) = setting else {
        let (total_bytes, part) = limits::default_total(limit_bytes);
        return Ok(Memory { total_bytes, limit_bytes, reason: format!("{part} {limit}"), warning: None });
    };
    let total_bytes = parse_size(setting)?;
    let with_all = (total_bytes as u64).saturating_add(limits::BESIDE_BYTES as u64);
    let warning = (with_all > limit_bytes).then(|| {
        format!(
            "memory = {setting}, and {} MiB beside it for the system, are more than {limit}: the kernel ends this \
             process before that is used up",
            limits::BESIDE_BYTES >> 20
        )
    });
    Ok(Memory { total_bytes, limit_bytes, reason: format!("as set, out of {limit}"), warning })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_a_whole_cluster() {
        let config = Config::load(Args::default()).unwrap();
        assert_eq!((config.port, config.lanes), (51080, 16));
        assert_eq!(config.mountpaths, [Wanted { path: PathBuf::from("straightline-data/mp1"), label: None }]);
    }

    #[test]
    fn flags_win_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("node.toml");
        std::fs::write(
            &file,
            "port = 1\nmemory = \"2GiB\"\nmountpaths = [\"/a\", \"/b\"]\n[timeouts]\nidle_ms = 5\n",
        )
        .unwrap();
        let args = Args { config: Some(file), port: Some(2), ..Args::default() };
        let config = Config::load(args).unwrap();
        assert_eq!((config.port, config.memory.total_bytes, config.mountpaths.len()), (2, 2 << 30, 2));
        assert_eq!((config.timeouts.idle_ms, config.timeouts.head_ms), (5, 10_000));
    }

    #[test]
    fn mistakes_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("node.toml");
        std::fs::write(&file, "prot = 1\n").unwrap();
        let refused = Config::load(Args { config: Some(file), ..Args::default() }).unwrap_err();
        assert!(refused.contains("prot"), "{refused}");
        assert!(Config::load(Args { memory: Some("lots".into()), ..Args::default() }).is_err());
        assert!(Config::load(Args { cores: Some(0), ..Args::default() }).is_err());
    }

    #[test]
    fn the_budget_says_why_it_is_so_much() {
        let limit =
            sysmem::Limit { bytes: 512 << 20, source: sysmem::Source::Cgroup("/cg/x/memory.max".into()) };
        let own = memory(None, &limit).unwrap();
        assert_eq!((own.total_bytes, own.warning), (128 << 20, None));
        assert_eq!(own.reason, "a quarter of the 512 MiB that /cg/x/memory.max allows");
        assert_eq!(memory(Some("256MiB"), &limit).unwrap().warning, None);
        for too_much in ["1GiB", "480MiB"] {
            let warning = memory(Some(too_much), &limit).unwrap().warning.unwrap();
            assert!(warning.contains(too_much) && warning.contains("/cg/x/memory.max"), "{warning}");
        }
        assert!(memory(Some("-1"), &limit).is_err());
    }

    #[test]
    fn aistore_json_is_understood() {
        let text = r#"{"confdir":"/etc/ais","host_net":{"hostname":"10.0.0.1","port":"51081"},"fspaths":{"/ais/mp1":"","/ais/mp2":"fast"}}"#;
        let file = from_aistore(text).unwrap();
        assert_eq!((file.port, file.mountpaths.len()), (Some(51081), 2));
        assert_eq!(file.labels[Path::new("/ais/mp2")], "fast");
    }
}

//! A node reports of itself: metrics, disks, memory, settings.

use super::Request;
use super::health::state_info;
use super::metrics::collect;
use crate::error::{Error, Result};
use crate::metrics::sum;
use crate::node::{AIS_VERSION, Node};
use crate::shard::Shard;
use crate::store::Mountpath;
use futures_util::future::try_join_all;
use std::collections::BTreeMap;
use wire::api::capacity::{
    Cdf, FsInfo, LoadAvg, MemCpuInfo, MountpathList, MountpathPromise, TargetSysInfo, Tcdf,
};
use wire::api::config::{ClusterConfig, HostNet, LocalConfig, NodeConfig};
use wire::api::smap::{Role, Snode};
use wire::api::stats::{NodeStats, NodeStatus};

/// Metrics and disks of one of this process's two nodes.
pub(super) async fn stats(request: &Request<'_, '_>, role: Role) -> Result<NodeStats> {
    let node = &request.shard.node;
    let reports = collect(request.shard).await?;
    let counters = sum(reports.into_iter().map(|report| report.counters).collect());
    let mut tracker: BTreeMap<String, i64> =
        counters.into_iter().map(|(name, value)| (name.to_owned(), value as i64)).collect();
    tracker.insert("up.ns.time".to_owned(), node.uptime_ns() as i64);
    tracker.insert("state.flags".to_owned(), state_info(node).flags as i64);
    let capacity = if role == Role::Target { capacity(request.shard).await? } else { Tcdf::default() };
    Ok(NodeStats { snode: snode(node, role)?, tracker, capacity })
}

/// A node's state in full.
pub(super) async fn node_status(request: &Request<'_, '_>, role: Role) -> Result<NodeStatus> {
    let node = &request.shard.node;
    Ok(NodeStatus {
        rebalance_snap: None,
        status: String::new(),
        deployment: "linux".to_owned(),
        ais_version: AIS_VERSION.to_owned(),
        build_time: String::new(),
        k8s_pod_name: String::new(),
        node: stats(request, role).await?,
        cluster: state_info(node),
        sys_info: system(request.shard).await?,
        smap_version: node.view().smap.version,
    })
}

/// One of this process's nodes as the cluster map has it.
pub(super) fn snode(node: &Node, role: Role) -> Result<Snode> {
    let id = if role == Role::Target { &node.target_id } else { &node.proxy_id };
    let snode = node.view().smap.node(id).cloned();
    snode.ok_or_else(|| Error::internal("this node is not in its own cluster map"))
}

/// Space of every mountpath, as of now; of one that does not answer, as it was when it last did.
pub(super) async fn capacity(shard: &Shard) -> Result<Tcdf> {
    let looks = (0..shard.node.mountpaths.len()).map(|at| shard.store.space(at));
    let mut mountpaths = BTreeMap::new();
    for (mountpath, available_bytes) in shard.node.mountpaths.iter().zip(try_join_all(looks).await?) {
        mountpaths.insert(mountpath.path.display().to_string(), space(mountpath, available_bytes));
    }
    Ok(Tcdf::of(mountpaths))
}

fn space(mountpath: &Mountpath, available_bytes: u64) -> Cdf {
    let fs = &mountpath.file_system;
    let used = fs.total_bytes.saturating_sub(available_bytes);
    let device = format!("{}:{}", rustix::fs::major(fs.device), rustix::fs::minor(fs.device));
    Cdf {
        mountpath_label: mountpath.label.clone(),
        fs: FsInfo { fs: device.clone(), fs_type: fs.kind.to_owned(), fs_id: fs.id },
        disks: vec![device],
        used,
        avail: available_bytes,
        pct_used: (used * 100).checked_div(fs.total_bytes).unwrap_or_default() as i32,
    }
}

/// The mountpaths; disabled are those that take no more changes.
pub(super) fn mountpath_list(node: &Node) -> MountpathList {
    let mut list = MountpathList::default();
    for mountpath in node.mountpaths.iter() {
        let paths = if mountpath.is_suspect() { &mut list.disabled } else { &mut list.available };
        let path = mountpath.path.display().to_string();
        paths.push(path.clone());
        let told = MountpathPromise { id: mountpath.id.clone(), durability: mountpath.ground.describe() };
        list.straightline.insert(path, told);
    }
    list
}

/// Memory and load of the machine, or of the container that this process is confined to.
pub(super) async fn system(shard: &Shard) -> Result<MemCpuInfo> {
    let look = shard.helpers.run(|| Ok(read_system())).await;
    look.map_err(|e| Error::internal(e.to_string()))?
}

/// The same as `/proc` and the control groups say it, which the kernel may take its time for.
fn read_system() -> Result<MemCpuInfo> {
    let memory = sysmem::in_use();
    let loadavg = std::fs::read_to_string("/proc/loadavg").map_err(|e| Error::disk("/proc/loadavg", &e))?;
    let mut loads = loadavg.split_ascii_whitespace().filter_map(|word| word.parse::<f64>().ok());
    let mut next = || loads.next().unwrap_or_default();
    let load_avg = LoadAvg { one: next(), five: next(), fifteen: next() };
    let cpus = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let percent = (load_avg.one * 100.0 / cpus).min(100.0);
    Ok(MemCpuInfo {
        mem_used: memory.used_bytes,
        mem_avail: memory.available_bytes,
        pct_mem_used: memory.used_bytes as f64 * 100.0 / memory.total_bytes.max(1) as f64,
        pct_cpu_used: percent,
        load_avg,
        cpu_util: percent as i64,
    })
}

pub(super) async fn target_system(shard: &Shard) -> Result<TargetSysInfo> {
    let capacity = capacity(shard).await?;
    let total = capacity.total_used + capacity.total_avail;
    Ok(TargetSysInfo {
        mem_cpu: system(shard).await?,
        fs_used: capacity.total_used,
        fs_capacity: total,
        pct_fs_used: capacity.total_used as f64 * 100.0 / total.max(1) as f64,
    })
}

/// Cluster and node settings in one.
pub(super) fn node_config(node: &Node) -> NodeConfig {
    let host_net = HostNet { hostname: node.host.clone(), port: node.port.to_string(), ..HostNet::default() };
    let paths = node.mountpaths.iter().map(|mp| (mp.path.display().to_string(), mp.label.clone()));
    let local = LocalConfig {
        confdir: node.data_dir.display().to_string(),
        log_dir: String::new(),
        host_net,
        fspaths: paths.collect(),
        ..LocalConfig::default()
    };
    NodeConfig { cluster: ClusterConfig::clone(&node.view().config), local }
}

//! A node's disks, memory and load.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::num::{null_is_default, quoted_u64};

/// The file system under a mountpath.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FsInfo {
    /// The device.
    #[serde(rename = "Fs")]
    pub fs: String,
    /// The type (`xfs`, `ext4`).
    #[serde(rename = "FsType")]
    pub fs_type: String,
    /// `statfs`'s file system id.
    #[serde(rename = "FsID")]
    pub fs_id: [i32; 2],
}

/// One mountpath.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cdf {
    /// The user's label.
    pub mountpath_label: String,
    /// The file system.
    pub fs: FsInfo,
    /// Its block devices.
    #[serde(deserialize_with = "null_is_default")]
    pub disks: Vec<String>,
    /// Bytes used; quoted.
    #[serde(with = "quoted_u64")]
    pub used: u64,
    /// Bytes available; quoted.
    #[serde(with = "quoted_u64")]
    pub avail: u64,
    /// Percent used.
    pub pct_used: i32,
}

/// All mountpaths of a target ("target's capacity, disks and file systems"); empty for a proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tcdf {
    /// Capacities by path.
    #[serde(deserialize_with = "null_is_default")]
    pub mountpaths: BTreeMap<String, Cdf>,
    /// The fault of the capacity, if any.
    pub cs_err: String,
    /// Bytes used; quoted.
    #[serde(with = "quoted_u64")]
    pub total_used: u64,
    /// Bytes available; quoted.
    #[serde(with = "quoted_u64")]
    pub total_avail: u64,
    /// Percent used of the fullest mountpath.
    pub pct_max: i32,
    /// Percent used on average.
    pub pct_avg: i32,
    /// Percent used of the emptiest mountpath.
    pub pct_min: i32,
}

impl Tcdf {
    /// Sums up mountpaths. File systems that are shared by several mountpaths count once.
    #[must_use]
    pub fn of(mountpaths: BTreeMap<String, Cdf>) -> Self {
        let mut seen = std::collections::BTreeSet::new();
        let mut sum = Tcdf { pct_min: i32::MAX, ..Tcdf::default() };
        for (path, cdf) in &mountpaths {
            let key = if cdf.fs.fs_id == [0, 0] { path.clone() } else { format!("{:?}", cdf.fs.fs_id) };
            if seen.insert(key) {
                sum.total_used = sum.total_used.saturating_add(cdf.used);
                sum.total_avail = sum.total_avail.saturating_add(cdf.avail);
            }
            sum.pct_max = sum.pct_max.max(cdf.pct_used);
            sum.pct_min = sum.pct_min.min(cdf.pct_used);
        }
        let total = sum.total_used.saturating_add(sum.total_avail);
        let percent = u128::from(sum.total_used) * 100 / u128::from(total.max(1));
        sum.pct_avg = i32::try_from(percent).unwrap_or(100);
        sum.pct_min = if mountpaths.is_empty() { 0 } else { sum.pct_min };
        sum.mountpaths = mountpaths;
        sum
    }
}

/// Load averages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadAvg {
    /// Load of one minute.
    #[serde(rename = "One")]
    pub one: f64,
    /// Load of five minutes.
    #[serde(rename = "Five")]
    pub five: f64,
    /// Load of fifteen minutes.
    #[serde(rename = "Fifteen")]
    pub fifteen: f64,
}

/// Memory and processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemCpuInfo {
    /// Bytes used by the process.
    pub mem_used: u64,
    /// Bytes available on the host.
    pub mem_avail: u64,
    /// Percent of memory that the process uses.
    pub pct_mem_used: f64,
    /// Percent of processors that the process uses.
    pub pct_cpu_used: f64,
    /// Load averages of the host.
    pub load_avg: LoadAvg,
    /// Utilisation of the host's processors in percent.
    pub cpu_util: i64,
}

/// A target's `what=sysinfo`; a proxy answers with [`MemCpuInfo`] alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetSysInfo {
    /// Memory and processors, inlined.
    #[serde(flatten)]
    pub mem_cpu: MemCpuInfo,
    /// Bytes used on all disks; quoted.
    #[serde(with = "quoted_u64")]
    pub fs_used: u64,
    /// Bytes of all disks; quoted.
    #[serde(with = "quoted_u64")]
    pub fs_capacity: u64,
    /// Percent used.
    pub pct_fs_used: f64,
}

/// A target's `what=mountpaths`: paths by state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MountpathList {
    /// In use.
    #[serde(deserialize_with = "null_is_default")]
    pub available: Vec<String>,
    /// Being drained before they are disabled or detached.
    #[serde(deserialize_with = "null_is_default")]
    pub waiting_dd: Vec<String>,
    /// Disabled.
    #[serde(deserialize_with = "null_is_default")]
    pub disabled: Vec<String>,
    /// Straightline's own, by path. AIStore's clients skip it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub straightline: BTreeMap<String, MountpathPromise>,
}

/// The identity of a mountpath, and its promise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MountpathPromise {
    /// The identity that is written on it.
    pub id: String,
    /// The way in which a change becomes durable there: `ordered journal`, `each file`, `whole file system` or `none`, and what is to be known of it.
    pub durability: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shapes() {
        let fs = FsInfo { fs: "/dev/nvme0n1".into(), fs_type: "xfs".into(), fs_id: [1, -2] };
        let cdf =
            Cdf { fs, disks: vec!["nvme0n1".into()], used: 25, avail: 75, pct_used: 25, ..Cdf::default() };
        let both = BTreeMap::from([("/mnt/0".to_owned(), cdf.clone()), ("/mnt/1".to_owned(), cdf)]);
        let sum = Tcdf::of(both);
        let tree = serde_json::to_value(&sum).unwrap();
        assert_eq!(
            tree["mountpaths"]["/mnt/0"],
            json!({"mountpath_label": "", "fs": {"Fs": "/dev/nvme0n1", "FsType": "xfs", "FsID": [1, -2]},
                   "disks": ["nvme0n1"], "used": "25", "avail": "75", "pct_used": 25})
        );
        assert_eq!(
            (&tree["total_used"], &tree["pct_avg"], &tree["pct_min"]),
            (&json!("25"), &json!(25), &json!(25))
        );
        assert_eq!(serde_json::from_value::<Tcdf>(tree).unwrap(), sum);
        assert_eq!(Tcdf::of(BTreeMap::new()), Tcdf::default());
        assert_eq!(serde_json::to_value(TargetSysInfo::default()).unwrap()["load_avg"]["One"], 0.0);
    }
}

//! Sizes and counts of buckets (`summary-bck`, and HEAD with `bsumm_remote`).

use serde::{Deserialize, Serialize};

use super::bck::Bck;
use super::num::{null_is_default, quoted_u64};

/// The request; repeated with the `uuid` of the first answer until the result is final.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BsummCtrlMsg {
    /// Empty to start (202 and the id), the id to ask for the result.
    #[serde(deserialize_with = "null_is_default")]
    pub uuid: String,
    /// Only objects whose names begin so.
    #[serde(deserialize_with = "null_is_default")]
    pub prefix: String,
    /// Only objects in the cluster.
    #[serde(deserialize_with = "null_is_default")]
    pub cached: bool,
    /// Only buckets in the cluster.
    #[serde(deserialize_with = "null_is_default")]
    pub present: bool,
    /// Do not add remote buckets to the bucket map.
    #[serde(deserialize_with = "null_is_default")]
    pub dont_add_remote: bool,
}

/// Numbers of objects; quoted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjCount {
    /// In the cluster.
    #[serde(rename = "obj_count_present", with = "quoted_u64")]
    pub present: u64,
    /// Only at the remote backend.
    #[serde(rename = "obj_count_remote", with = "quoted_u64")]
    pub remote: u64,
}

/// Sizes of single objects, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjSize {
    /// The smallest.
    #[serde(rename = "obj_min_size")]
    pub min: u64,
    /// The mean.
    #[serde(rename = "obj_avg_size")]
    pub avg: u64,
    /// The greatest.
    #[serde(rename = "obj_max_size")]
    pub max: u64,
}

/// Sizes of the whole, in bytes; quoted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TotalSize {
    /// Space used on disks, copies and metadata included.
    #[serde(with = "quoted_u64")]
    pub size_on_disk: u64,
    /// Sum of the objects in the cluster.
    #[serde(with = "quoted_u64")]
    pub size_all_present_objs: u64,
    /// Sum of the objects that are only remote.
    #[serde(with = "quoted_u64")]
    pub size_all_remote_objs: u64,
    /// Capacity of all disks.
    #[serde(with = "quoted_u64")]
    pub total_disks_size: u64,
}

/// The result for one bucket; the bucket's own fields are inlined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BsummResult {
    /// The bucket.
    #[serde(flatten)]
    pub bck: Bck,
    /// Counts.
    #[serde(rename = "ObjCount", default)]
    pub obj_count: ObjCount,
    /// Sizes of single objects.
    #[serde(rename = "ObjSize", default)]
    pub obj_size: ObjSize,
    /// Sizes of the whole.
    #[serde(rename = "TotalSize", default)]
    pub total_size: TotalSize,
    /// Percent of the cluster's capacity that the bucket uses.
    #[serde(default)]
    pub used_pct: u64,
    /// True if the bucket is in the cluster.
    #[serde(default)]
    pub is_present: bool,
}

impl BsummResult {
    /// Adds another target's share. Means are weighted by count; capacities add up.
    pub fn merge(&mut self, other: &BsummResult) {
        let (ours, theirs) = (self.obj_count.present, other.obj_count.present);
        let (a, b) = (&mut self.obj_size, &other.obj_size);
        if theirs > 0 {
            a.min = if ours == 0 { b.min } else { a.min.min(b.min) };
            a.max = a.max.max(b.max);
            let sum = u128::from(a.avg) * u128::from(ours) + u128::from(b.avg) * u128::from(theirs);
            a.avg = u64::try_from(sum / (u128::from(ours) + u128::from(theirs))).unwrap_or(u64::MAX);
        }
        self.obj_count.present = ours.saturating_add(theirs);
        self.obj_count.remote = self.obj_count.remote.saturating_add(other.obj_count.remote);
        let (a, b) = (&mut self.total_size, &other.total_size);
        a.size_on_disk = a.size_on_disk.saturating_add(b.size_on_disk);
        a.size_all_present_objs = a.size_all_present_objs.saturating_add(b.size_all_present_objs);
        a.size_all_remote_objs = a.size_all_remote_objs.saturating_add(b.size_all_remote_objs);
        a.total_disks_size = a.total_disks_size.saturating_add(b.total_disks_size);
        self.used_pct = a.size_on_disk.saturating_mul(100).checked_div(a.total_disks_size).unwrap_or(0);
        self.is_present |= other.is_present;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shapes() {
        let mut sum = BsummResult { bck: Bck::ais("b"), is_present: true, ..BsummResult::default() };
        sum.obj_count.present = 3;
        let want = json!({"name": "b", "provider": "ais", "namespace": {"uuid": "", "name": ""},
            "ObjCount": {"obj_count_present": "3", "obj_count_remote": "0"},
            "ObjSize": {"obj_min_size": 0, "obj_avg_size": 0, "obj_max_size": 0},
            "TotalSize": {"size_on_disk": "0", "size_all_present_objs": "0", "size_all_remote_objs": "0",
                          "total_disks_size": "0"}, "used_pct": 0, "is_present": true});
        assert_eq!(serde_json::to_value(&sum).unwrap(), want);
        assert_eq!(serde_json::from_value::<BsummResult>(want).unwrap(), sum);
        let msg: BsummCtrlMsg = serde_json::from_str(r#"{"uuid":"","prefix":null,"cached":true}"#).unwrap();
        assert!(msg.cached && msg.prefix.is_empty());
    }

    #[test]
    fn shares_add_up() {
        let share = |n: u64, avg: u64, min: u64, max: u64| BsummResult {
            obj_count: ObjCount { present: n, remote: 0 },
            obj_size: ObjSize { min, avg, max },
            total_size: TotalSize { size_on_disk: n * avg, total_disks_size: 1000, ..TotalSize::default() },
            ..BsummResult::default()
        };
        let mut sum = BsummResult::default();
        sum.merge(&share(0, 0, 0, 0));
        sum.merge(&share(3, 10, 5, 20));
        sum.merge(&share(1, 50, 50, 50));
        assert_eq!((sum.obj_count.present, sum.obj_size), (4, ObjSize { min: 5, avg: 20, max: 50 }));
        assert_eq!((sum.total_size.size_on_disk, sum.used_pct), (80, 2));
    }
}

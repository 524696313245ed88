//! The inside of a target, as published in the cluster map: which disk, lane and core serve a name.
//!
//! AIStore's clients skip this part of the map. Ours read it and dial the owner core's port at once, so
//! that no request changes cores inside the node.

use serde::{Deserialize, Serialize};

use crate::hrw::{digest, pick};
use crate::lane::{LaneId, lane_of, lane_owner};

/// One mountpath of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mountpath {
    /// The identity that is written on it. It stays the same wherever the disk is mounted, so names are placed by it.
    #[serde(default)]
    pub id: String,
    /// The cleaned absolute path (no trailing slash).
    pub path: String,
    /// `digest(id)`, served so that a client need not compute it.
    pub digest: u64,
    /// True when names may be placed here; false while disabled or being drained.
    pub enabled: bool,
}

impl Mountpath {
    /// An enabled mountpath; `path` must already be clean.
    #[must_use]
    pub fn new(id: impl Into<String>, path: impl Into<String>) -> Self {
        let id = id.into();
        let digest = digest(id.as_bytes());
        Mountpath { id, path: path.into(), digest, enabled: true }
    }
}

/// The mountpaths, lanes and cores of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLayout {
    /// All mountpaths in the node's order, the disabled ones included: the order decides lane owners.
    pub mountpaths: Vec<Mountpath>,
    /// Lanes per mountpath.
    pub lanes: u16,
    /// The public URL of every core's own port, in core order, without a trailing slash.
    pub core_urls: Vec<String>,
}

/// Where in a target a name is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Index into [`NodeLayout::mountpaths`].
    pub mountpath: usize,
    /// The lane of that mountpath.
    pub lane: LaneId,
    /// The core that owns the lane.
    pub core: usize,
}

impl NodeLayout {
    /// The place of a name; `None` when no mountpath is enabled.
    #[must_use]
    pub fn route(&self, name_digest: u64) -> Option<Route> {
        let enabled = self.mountpaths.iter().enumerate().filter(|(_, mp)| mp.enabled);
        let mountpath = pick(enabled.map(|(i, mp)| (mp.digest, i)), name_digest)?;
        let lane = lane_of(name_digest, self.lanes);
        let core = lane_owner(mountpath, lane, self.lanes, self.core_urls.len());
        Some(Route { mountpath, lane, core })
    }

    /// The URL of the core that serves a name.
    #[must_use]
    pub fn core_url(&self, name_digest: u64) -> Option<&str> {
        let route = self.route(name_digest)?;
        self.core_urls.get(route.core).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_follows_the_identity_and_not_the_path() {
        let node = |paths: [&str; 3], order: [usize; 3]| {
            let all = paths.map(|path| path.to_owned());
            let mountpaths = order.map(|i| Mountpath::new(format!("mp{i}"), all[i].clone()));
            NodeLayout { mountpaths: mountpaths.into(), lanes: 16, core_urls: vec!["http://h:1".into()] }
        };
        let id_of = |node: &NodeLayout, name: u64| {
            let route = node.route(name).unwrap();
            (node.mountpaths[route.mountpath].id.clone(), route.lane)
        };
        let before = node(["/a", "/b", "/c"], [0, 1, 2]);
        let after = node(["/c", "/elsewhere", "/a"], [2, 0, 1]);
        for name in (0..1000u64).map(|n| digest(&n.to_le_bytes())) {
            assert_eq!(id_of(&before, name), id_of(&after, name));
        }
    }

    #[test]
    fn a_route_avoids_disabled_disks_and_stays_in_range() {
        let mut node = NodeLayout {
            mountpaths: (0..3).map(|i| Mountpath::new(format!("mp{i}"), format!("/mnt/{i}"))).collect(),
            lanes: 16,
            core_urls: (0..5).map(|i| format!("http://h:{}", 9000 + i)).collect(),
        };
        let before: Vec<Route> = (0..1000).map(|n| node.route(digest(&[n as u8, 1])).unwrap()).collect();
        node.mountpaths[1].enabled = false;
        for (n, old) in before.iter().enumerate() {
            let new = node.route(digest(&[n as u8, 1])).unwrap();
            assert_ne!(new.mountpath, 1);
            assert!(new.core < 5 && new.lane.get() < 16);
            if old.mountpath != 1 {
                assert_eq!(*old, new);
            }
            assert!(node.core_url(digest(&[n as u8, 1])).is_some());
        }
        assert_eq!(NodeLayout::default().route(1), None);
    }
}

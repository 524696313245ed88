//! The cluster map tells the server that an object lives on: then no gateway and no redirect are needed.

use link::address::address_of;
use placement::{BckRef, NodeLayout, Smap, pick, uname_digest};
use std::collections::BTreeMap;

/// The targets of a cluster and what is inside of them.
#[derive(Clone, Debug, Default)]
pub struct DirectMap {
    nodes: Vec<Node>,
    /// The primary's id: targets take writes only from requests that look redirected by it.
    pub primary_id: String,
}

#[derive(Clone, Debug)]
struct Node {
    id: String,
    /// The address of the node as a whole.
    public: Option<String>,
    /// `ID:/path` of each mountpath, in the order of the layout.
    mountpaths: Vec<String>,
    id_digest: u64,
    layout: Option<NodeLayout>,
    /// One of every core, in core order, or the node's only one.
    addresses: Vec<String>,
}

/// A target and one of its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) node: usize,
    pub(crate) port: usize,
}

impl DirectMap {
    /// Reads a cluster map as the gateway serves it.
    ///
    /// # Errors
    /// When it is not a map or has no active target.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let smap: Smap = serde_json::from_slice(json).map_err(|e| format!("the cluster map: {e}"))?;
        let mut nodes = Vec::new();
        for (id, snode) in smap.tmap.iter().filter(|(_, snode)| snode.is_active()) {
            let layout = snode.layout.clone().filter(|layout| !layout.core_urls.is_empty());
            let urls = match &layout {
                Some(layout) => layout.core_urls.clone(),
                None => vec![snode.public_net.direct_url.clone()],
            };
            let addresses: Vec<String> = urls.iter().filter_map(|url| address_of(url)).collect();
            if addresses.len() != urls.len() {
                return Err(format!(
                    "the cluster map: target {id} has an address that is not understood: {urls:?}"
                ));
            }
            let paths = layout.iter().flat_map(|layout| &layout.mountpaths);
            nodes.push(Node {
                id: id.clone(),
                public: address_of(&snode.public_net.direct_url),
                mountpaths: paths.map(|mountpath| format!("{id}:{}", mountpath.path)).collect(),
                id_digest: snode.id_digest,
                layout,
                addresses,
            });
        }
        if nodes.is_empty() {
            return Err("the cluster map has no active target".to_owned());
        }
        let primary_id = smap.primary().map(|primary| primary.daemon_id.clone()).unwrap_or_default();
        Ok(Self { nodes, primary_id })
    }

    /// True when every target tells which core owns what.
    #[must_use]
    pub fn knows_cores(&self) -> bool {
        self.nodes.iter().all(|node| node.layout.is_some())
    }

    /// The addresses of every target, in order.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &[String]> {
        self.nodes.iter().map(|node| node.addresses.as_slice())
    }

    /// One address of every target.
    #[must_use]
    pub fn targets(&self) -> Vec<String> {
        self.addresses().filter_map(|all| all.first().cloned()).collect()
    }

    /// The id of every target under each of its addresses.
    #[must_use]
    pub fn ids(&self) -> BTreeMap<String, String> {
        let all = self.nodes.iter().flat_map(|node| {
            node.addresses.iter().chain(&node.public).map(|address| (address.clone(), node.id.clone()))
        });
        all.collect()
    }

    /// The mountpath of an object, `ID:/path`; `None` when its target does not tell.
    pub(crate) fn mountpath(&self, bucket: BckRef<'_>, name: &str) -> Option<&str> {
        let digest = uname_digest(bucket, name);
        let all = self.nodes.iter().enumerate().map(|(at, node)| (node.id_digest, at));
        let node = self.nodes.get(pick(all, digest)?)?;
        let route = node.layout.as_ref()?.route(digest)?;
        node.mountpaths.get(route.mountpath).map(String::as_str)
    }

    /// Where an object lives.
    pub(crate) fn place(&self, bucket: BckRef<'_>, name: &str) -> Option<Place> {
        let digest = uname_digest(bucket, name);
        let all = self.nodes.iter().enumerate().map(|(at, node)| (node.id_digest, at));
        let at = pick(all, digest)?;
        let layout = self.nodes.get(at).and_then(|node| node.layout.as_ref());
        let port = layout.and_then(|layout| layout.route(digest)).map_or(0, |route| route.core);
        Some(Place { node: at, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement::{Mountpath, NetInfo, Role, Snode};

    fn smap() -> Smap {
        let mut smap = Smap::single_node("U", "", "pAAAAAAA", "tAAAAAAA", &NetInfo::http("h", 1));
        smap.tmap.insert("tBBBBBBB".into(), Snode::new(Role::Target, "tBBBBBBB", NetInfo::http("g", 2)));
        smap
    }

    #[test]
    fn plain_maps_lead_to_plain_addresses() {
        let smap = smap();
        let map = DirectMap::from_json(&serde_json::to_vec(&smap).unwrap()).unwrap();
        assert!(!map.knows_cores());
        assert_eq!(map.primary_id, "pAAAAAAA");
        let bucket = BckRef::ais("b");
        for n in 0..100 {
            let name = format!("o{n}");
            let place = map.place(bucket, &name).unwrap();
            let owner = &smap.target_for(uname_digest(bucket, &name)).unwrap().public_net;
            let address = &map.addresses().nth(place.node).unwrap()[place.port];
            assert_eq!(owner.direct_url, format!("http://{address}"));
        }
    }

    #[test]
    fn layouts_lead_to_the_owner_core() {
        let mut smap = smap();
        for (id, host, disks) in [("tAAAAAAA", "h", 2), ("tBBBBBBB", "g", 1)] {
            let disk = |n| Mountpath::new(format!("{id}-{n}"), format!("/mnt/{n}"));
            smap.tmap.get_mut(id).unwrap().layout = Some(NodeLayout {
                mountpaths: (0..disks).map(disk).collect(),
                lanes: 16,
                core_urls: (9000..9003).map(|port| format!("http://{host}:{port}")).collect(),
            });
        }
        let map = DirectMap::from_json(&serde_json::to_vec(&smap).unwrap()).unwrap();
        assert!(map.knows_cores());
        let seen: std::collections::HashSet<String> = (0..200)
            .filter_map(|n| map.place(BckRef::ais("b"), &format!("o{n}")))
            .map(|place| map.addresses().nth(place.node).unwrap()[place.port].clone())
            .collect();
        assert_eq!(seen.len(), 6, "{seen:?}");
        let disks: std::collections::HashSet<&str> =
            (0..200).filter_map(|n| map.mountpath(BckRef::ais("b"), &format!("o{n}"))).collect();
        assert_eq!(disks, ["tAAAAAAA:/mnt/0", "tAAAAAAA:/mnt/1", "tBBBBBBB:/mnt/0"].into());
        let ids = map.ids();
        assert_eq!((ids["h:9002"].as_str(), ids["g:2"].as_str(), ids.len()), ("tAAAAAAA", "tBBBBBBB", 8));
    }

    #[test]
    fn maps_of_tls_lead_to_tls() {
        let json = serde_json::to_string(&smap()).unwrap().replace("http://", "https://");
        let map = DirectMap::from_json(json.as_bytes()).unwrap();
        assert_eq!(map.targets(), ["https://h:1", "https://g:2"]);
        assert_eq!(map.ids()["https://g:2"], "tBBBBBBB");
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for bad in ["", "{}", "[]", r#"{"tmap":{}}"#] {
            assert!(DirectMap::from_json(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}

//! The gateways of a cluster, for runs that ask all of them.

use link::address::address_of;
use placement::Smap;

/// The addresses of the active gateways of a cluster map.
///
/// # Errors
/// When it is not a map, or none of its gateways has an address.
pub fn gateways(smap_json: &[u8]) -> Result<Vec<String>, String> {
    let smap: Smap = serde_json::from_slice(smap_json).map_err(|e| format!("the cluster map: {e}"))?;
    let active = smap.pmap.values().filter(|snode| snode.is_active());
    let all: Vec<String> = active.filter_map(|snode| address_of(&snode.public_net.direct_url)).collect();
    if all.is_empty() {
        return Err("the cluster map has no active gateway with an address".to_owned());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement::{NetInfo, Role, Snode};

    #[test]
    fn all_gateways_of_a_map() {
        let mut smap = Smap::single_node("U", "", "pAAAAAAA", "tAAAAAAA", &NetInfo::http("h", 1));
        smap.pmap.insert("pBBBBBBB".into(), Snode::new(Role::Proxy, "pBBBBBBB", NetInfo::http("g", 2)));
        let mut secure = Snode::new(Role::Proxy, "pCCCCCCC", NetInfo::http("f", 3));
        secure.public_net.direct_url = "https://f:3".into();
        smap.pmap.insert("pCCCCCCC".into(), secure);
        let json = serde_json::to_vec(&smap).unwrap();
        assert_eq!(gateways(&json).unwrap(), ["h:1", "g:2", "https://f:3"]);
        assert!(gateways(b"{}").is_err() && gateways(b"").is_err());
    }
}

//! The JSON to the letter, and the rules of replacement and placement.

use super::*;
use serde_json::json;

fn sample() -> Smap {
    Smap::single_node(
        "ClusterUu1",
        "2026-01-01 00:00:00",
        "pAAAAAAA",
        "tBBBBBBB",
        &NetInfo::http("10.0.0.5", 8080),
    )
}

#[test]
fn json_is_aistores() {
    let net =
        json!({"node_ip_addr": "10.0.0.5", "daemon_port": "8080", "direct_url": "http://10.0.0.5:8080"});
    let node = |kind: &str, id: &str, flags: u64| {
        json!({"public_net": net, "intra_data_net": net, "intra_control_net": net, "daemon_type": kind,
               "daemon_id": id, "flags": flags, "id_digest": digest(id.as_bytes())})
    };
    let want = json!({
        "pmap": {"pAAAAAAA": node("proxy", "pAAAAAAA", 2)},
        "proxy_si": node("proxy", "pAAAAAAA", 2),
        "tmap": {"tBBBBBBB": node("target", "tBBBBBBB", 0)},
        "uuid": "ClusterUu1", "creation_time": "2026-01-01 00:00:00", "version": "1",
    });
    assert_eq!(serde_json::to_value(sample()).unwrap(), want);
    assert_eq!(serde_json::from_value::<Smap>(want).unwrap(), sample());
}

#[test]
fn unknown_keys_and_bare_versions_are_read() {
    let got: Smap = serde_json::from_str(r#"{"ext":{"a":1},"version":7}"#).unwrap();
    assert_eq!(got.version, 7);
    assert!(serde_json::from_str::<Smap>(r#"{"version":"x"}"#).is_err());
}

#[test]
fn ipv6_addresses_get_brackets() {
    assert_eq!(NetInfo::http("::1", 80).direct_url, "http://[::1]:80");
}

#[test]
fn newer_maps_of_the_same_cluster_replace_older() {
    let ours = sample();
    let mut next = sample();
    assert_eq!(ours.accepts(&next), Err(SmapRefusal::NotNewer { ours: 1, theirs: 1 }));
    next.version = 2;
    assert_eq!(ours.accepts(&next), Ok(()));
    assert_eq!(Smap::default().accepts(&next), Ok(()));
    next.uuid = "Other".into();
    assert!(matches!(ours.accepts(&next), Err(SmapRefusal::OtherCluster { .. })));
    next.uuid = ours.uuid.clone();
    next.pmap.clear();
    assert_eq!(ours.accepts(&next), Err(SmapRefusal::NoPrimary));
}

#[test]
fn placement_skips_nodes_that_are_out() {
    let mut map = sample();
    for i in 0..5 {
        let id = format!("t{i}CCCCCC");
        map.tmap.insert(id.clone(), Snode::new(Role::Target, &id, NetInfo::http("h", 1)));
    }
    let name = digest(b"ais/@#/b/o");
    let first = map.target_for(name).unwrap().daemon_id.clone();
    map.tmap.get_mut(&first).unwrap().flags = FLAG_MAINTENANCE;
    let second = map.target_for(name).unwrap().daemon_id.clone();
    assert_ne!(first, second);
    map.tmap.get_mut(&second).unwrap().flags = FLAG_DECOMMISSION;
    assert_ne!(map.target_for(name).unwrap().daemon_id, second);
    assert_eq!(map.active_targets(), 4);
    for node in map.tmap.values_mut() {
        node.flags = FLAG_MAINTENANCE;
    }
    assert!(map.target_for(name).is_none());
}

#[test]
fn the_successor_is_another_electable_proxy() {
    let mut map = sample();
    assert!(map.successor("pAAAAAAA").is_none());
    let mut other = Snode::new(Role::Proxy, "pBBBBBBB", NetInfo::http("h", 1));
    map.pmap.insert("pBBBBBBB".into(), other.clone());
    assert_eq!(map.successor("pAAAAAAA").unwrap().daemon_id, "pBBBBBBB");
    other.flags = FLAG_NON_ELECTABLE;
    map.pmap.insert("pBBBBBBB".into(), other);
    assert!(map.successor("pAAAAAAA").is_none());
    assert_eq!(map.node("tBBBBBBB").unwrap().display(), "t[tBBBBBBB]");
    assert_eq!(map.primary().unwrap().display(), "p[pAAAAAAA]");
}

//! Completeness for clients, and updates.

use super::*;
use crate::api::config::{LocalConfig, NodeConfig};
use serde_json::json;

#[test]
fn every_section_that_clients_dereference_is_present() {
    let tree = serde_json::to_value(ClusterConfig::default()).unwrap();
    for section in [
        "backend",
        "mirror",
        "ec",
        "chunks",
        "log",
        "periodic",
        "timeout",
        "client",
        "proxy",
        "space",
        "lru",
        "disk",
        "rebalance",
        "resilver",
        "checksum",
        "versioning",
        "net",
        "fshc",
        "auth",
        "keepalivetracker",
        "downloader",
        "transport",
        "memsys",
        "tcb",
        "tco",
        "arch",
        "lso",
        "get_batch",
        "write_policy",
        "rate_limit",
    ] {
        assert!(tree[section].is_object(), "{section}");
    }
    assert_eq!(tree["features"], "0");
    assert_eq!(tree["config_version"], "0");
    assert_eq!(tree["timeout"]["startup_time"], "1m");
    assert_eq!(tree["ec"]["bundle_multiplier"], 2);
    assert_eq!(tree["ec"]["objsize_limit"], 262_144);
    assert_eq!(tree["chunks"]["chunk_size"], "1GiB");
    assert_eq!(tree["net"]["http"]["idle_conn_time"], "6s");
    assert_eq!(tree["checksum"]["type"], "xxhash2");
    assert_eq!(serde_json::from_value::<ClusterConfig>(tree).unwrap(), ClusterConfig::default());
    assert_eq!(serde_json::from_str::<ClusterConfig>("{}").unwrap(), ClusterConfig::default());
}

#[test]
fn defaults_are_valid_and_an_empty_update_changes_nothing() {
    let mut config = ClusterConfig { uuid: "Uu".into(), config_version: 3, ..Default::default() };
    let before = config.clone();
    config.apply(&json!({})).unwrap();
    assert_eq!(config, before);
}

#[test]
fn nested_updates() {
    let mut config = ClusterConfig::default();
    let change = json!({"mirror": {"enabled": true, "copies": 3}, "timeout": {"max_host_busy": "45s"},
                        "backend": {"aws": {"x": 1}}, "features": 5, "lru": null, "ec": {"bundle_multiplier": 4}});
    config.apply(&change).unwrap();
    assert!(config.mirror.enabled && config.mirror.copies == 3);
    assert_eq!(config.timeout.max_host_busy.to_string(), "45s");
    assert_eq!(config.backend["aws"]["x"], 1);
    assert_eq!((config.features, config.ec.xact.bundle_multiplier), (5, 4));
}

#[test]
fn refused_updates_name_the_setting_and_change_nothing() {
    let mut config = ClusterConfig::default();
    for (change, name) in [
        (json!({"mirror": {"copys": 3}}), "mirror.copys"),
        (json!({"nothing": 1}), "nothing"),
        (json!({"uuid": "x"}), "uuid"),
        (json!({"mirror": {"copies": 99}}), "mirror.copies"),
        (json!({"mirror": {"enabled": true, "copies": "x"}}), "mirror.copies"),
        (json!({"space": {"lowwm": 10}}), "space"),
        (json!({"timeout": {"max_keepalive": "0s"}}), "timeout.max_keepalive"),
        (json!({"checksum": {"type": "crc99"}}), "checksum.type"),
        (json!({"log": {"level": "x"}}), "log.level"),
        (json!({"timeout": {"max_keepalive": "soon"}}), "soon"),
        (json!([1]), "object"),
    ] {
        let error = config.apply(&change).unwrap_err();
        assert!(error.contains(name), "{change}: {error}");
    }
    assert_eq!(config, ClusterConfig::default());
}

#[test]
fn flat_updates_are_all_or_none() {
    let mut config = ClusterConfig::default();
    config
        .apply_flat([
            ("mirror.copies", "4"),
            ("periodic.stats_time", "5s"),
            ("features", "18446744073709551615"),
        ])
        .unwrap();
    assert_eq!((config.mirror.copies, config.features), (4, u64::MAX));
    assert_eq!(config.periodic.stats_time.to_string(), "5s");
    let before = config.clone();
    assert!(config.apply_flat([("mirror.copies", "5"), ("mirror.zzz", "1")]).is_err());
    assert!(config.apply_flat([("mirror..copies", "5")]).is_err());
    assert_eq!(config.apply_flat([]).unwrap_err(), "no properties to update");
    assert_eq!(config, before);
}

#[test]
fn a_nodes_configuration_is_flat() {
    let mut local = LocalConfig { confdir: "/etc/ais".into(), ..Default::default() };
    local.fspaths.insert("/mnt/0".into(), String::new());
    let node = NodeConfig { cluster: ClusterConfig::default(), local };
    let tree = serde_json::to_value(&node).unwrap();
    assert_eq!(tree["confdir"], "/etc/ais");
    assert_eq!(tree["fspaths"], json!({"/mnt/0": ""}));
    assert_eq!(tree["mirror"]["copies"], 2);
    assert_eq!(tree["config_version"], "0");
}

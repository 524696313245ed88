"""Facts that nodes tell of themselves: clients fail on missing fields, so presence is checked field by field."""

import pytest

from node import assert_error

SECTIONS = {
    "checksum": {"type", "validate_cold_get", "validate_warm_get", "validate_obj_move", "enable_read_range"},
    "versioning": {"enabled", "validate_warm_get", "synchronize"},
    "mirror": {"copies", "burst_buffer", "enabled"},
    "ec": {
        "compression", "bundle_multiplier", "burst_buffer", "objsize_limit", "data_slices", "parity_slices", "enabled",
        "disk_only",
    },
    "chunks": {"objsize_limit", "max_monolithic_size", "chunk_size", "checkpoint_every", "flags"},
    "lru": {"dont_evict_time", "capacity_upd_time", "batch_size", "enabled"},
    "space": {"cleanupwm", "lowwm", "highwm", "out_of_space", "batch_size", "dont_cleanup_time"},
    "write_policy": {"data", "md"},
    "rate_limit": {"backend", "frontend"},
    "rebalance": {"dest_retry_time", "enabled", "compression", "bundle_multiplier", "burst_buffer"},
    "resilver": {"enabled"},
    "timeout": {
        "cplane_operation", "max_keepalive", "max_host_busy", "startup_time", "join_startup_time", "send_file_time",
        "ec_streams_time", "object_md", "cold_get_conflict",
    },
    "client": {"client_timeout", "client_long_timeout", "list_timeout"},
    "periodic": {"stats_time", "retry_sync_time", "notif_time"},
    "log": {"level", "max_size", "max_total", "flush_time", "stats_time", "to_stderr"},
    "keepalivetracker": {"proxy", "target", "num_retries", "retry_factor"},
    "disk": {
        "disk_util_low_wm", "disk_util_high_wm", "disk_util_max_wm", "iostat_time_long", "iostat_time_short",
        "iostat_time_smooth",
    },
    "fshc": {"test_files", "error_limit", "io_err_limit", "io_err_time", "enabled"},
    "transport": {"max_header", "burst_buffer", "idle_teardown", "quiescent", "lz4_block", "lz4_frame_checksum"},
    "memsys": {"min_free", "default_buf", "to_gc", "hk_time", "min_pct_total", "min_pct_free"},
    "net": {"l4", "http", "use_ipv6"},
    "auth": {"client_auth_required"},
    "proxy": {"primary_url", "original_url", "discovery_url", "non_electable"},
    "tcb": {"compression", "bundle_multiplier", "burst_buffer"},
    "tco": {"compression", "bundle_multiplier", "burst_buffer"},
    "arch": {"compression", "bundle_multiplier", "burst_buffer"},
    "lso": {"compression", "bundle_multiplier", "burst_buffer", "walk_buffer", "idle_time", "quiescent"},
    "get_batch": {
        "compression", "bundle_multiplier", "burst_buffer", "max_wait", "warmup_workers", "max_soft_errs", "max_gfn",
    },
    "downloader": {"timeout"},
    "backend": set(),
}  # fmt: skip
INNER = {
    ("rate_limit", "backend"): {"interval", "max_tokens", "enabled", "num_retries"},
    ("rate_limit", "frontend"): {"interval", "max_tokens", "enabled", "burst_size"},
    ("keepalivetracker", "proxy"): {"name", "interval", "factor"},
    ("keepalivetracker", "target"): {"name", "interval", "factor"},
    ("net", "l4"): {"proto", "sndrcv_buf_size"},
    ("net", "http"): {
        "use_https", "idle_conn_time", "backend_idle_conn_time", "idle_conns_per_host", "idle_conns",
        "write_buffer_size", "read_buffer_size", "skip_verify", "chunked_transfer", "domain_tls", "server_crt",
        "server_key", "client_ca_tls", "client_auth_tls",
    },
}  # fmt: skip


def check_config(config):
    for section, fields in SECTIONS.items():
        assert isinstance(config[section], dict), section
        assert fields <= set(config[section]), (section, fields - set(config[section]))
    for (section, inner), fields in INNER.items():
        assert fields <= set(config[section][inner]), (section, inner)
    for text in ("uuid", "lastupdate_time", "config_version", "features"):
        assert isinstance(config[text], str), text
    assert int(config["config_version"]) >= 1


@pytest.fixture(scope="module")
def ids(node):
    smap = node.get_json("/v1/daemon?what=smap")
    (proxy,), (target,) = smap["pmap"], smap["tmap"]
    return {"proxy": proxy, "target": target}


def ask(node, node_id, what):
    return node.request("GET", f"/v1/reverse/daemon?what={what}", headers={"Ais-Node-Id": node_id})


def test_cluster_config(node):
    config = node.get_json("/v1/cluster?what=cluster_config")
    check_config(config)
    assert config["uuid"] == node.get_json("/v1/daemon?what=smap")["uuid"]


@pytest.mark.parametrize("role", ["proxy", "target"])
def test_node_config(node, ids, role):
    config = ask(node, ids[role], "config").json()
    check_config(config)
    assert config["confdir"] == str(node.directory / "data")
    assert isinstance(config["log_dir"], str)
    assert config["host_net"]["port"] == str(node.port)
    for field in ("hostname", "hostname_intra_control", "hostname_intra_data", "port_intra_control", "port_intra_data"):
        assert isinstance(config["host_net"][field], str), field
    assert list(config["fspaths"]) == [str(node.directory / "data" / "mp1")]
    assert {"root", "count", "instance"} <= set(config["test_fspaths"])


def check_snode(snode, node, role, ids):
    assert snode["daemon_id"] == ids[role] and snode["daemon_type"] == role
    assert isinstance(snode["flags"], int) and isinstance(snode["id_digest"], int)
    for net in ("public_net", "intra_data_net", "intra_control_net"):
        assert snode[net]["direct_url"] == node.url
        assert snode[net]["daemon_port"] == str(node.port)
        assert snode[net]["node_ip_addr"] == "127.0.0.1"


def test_smap(node, ids):
    for family in ("daemon", "cluster"):
        smap = node.get_json(f"/v1/{family}?what=smap")
        assert isinstance(smap["version"], str) and int(smap["version"]) >= 1
        assert smap["uuid"] and smap["creation_time"]
        check_snode(smap["proxy_si"], node, "proxy", ids)
        check_snode(smap["pmap"][ids["proxy"]], node, "proxy", ids)
        check_snode(smap["tmap"][ids["target"]], node, "target", ids)


@pytest.mark.parametrize("role", ["proxy", "target"])
def test_snode(node, ids, role):
    check_snode(ask(node, ids[role], "snode").json(), node, role, ids)


def test_bmd(node, bucket):
    before = node.get_json("/v1/daemon?what=bmd")
    assert before["uuid"] and isinstance(before["version"], str)
    props = before["providers"]["ais"]["@#"][bucket.name]
    assert props["provider"] == "ais" and int(props["bid"]) > 0
    bucket.delete()
    after = node.get_json("/v1/daemon?what=bmd")
    assert bucket.name not in after["providers"]["ais"]["@#"]
    assert int(after["version"]) > int(before["version"])


@pytest.mark.parametrize("role", ["proxy", "target"])
@pytest.mark.parametrize("accept", ["application/json", "application/msgpack"])
def test_node_status(node, ids, role, accept):
    headers = {"Ais-Node-Id": ids[role], "Accept": accept}
    response = node.request("GET", "/v1/reverse/daemon?what=node_status", headers=headers)
    assert response.status_code == 200
    # The server may answer JSON to those who prefer msgpack; then it must say so.
    assert response.headers["Content-Type"].startswith("application/json")
    status = response.json()
    check_snode(status["snode"], node, role, ids)
    assert status["ais_version"].startswith("5.0")
    assert status["deployment"] in ("dev", "K8s", "linux")
    assert isinstance(status["status"], str) and isinstance(status["build_time"], str)
    assert isinstance(status["k8s_pod_name"], str)
    assert isinstance(status["smap_version"], str)
    assert status["tracker"] and all(type(value) is int for value in status["tracker"].values())
    check_system(status["sys_info"])
    check_capacity(status["capacity"], [str(node.directory / "data" / "mp1")] if role == "target" else [])
    check_state(status["cluster"], node, ids)


def check_system(system):
    assert system["mem_used"] + system["mem_avail"] > 0
    assert 0 < system["pct_mem_used"] < 100
    assert 0 <= system["pct_cpu_used"] <= 100
    assert {"One", "Five", "Fifteen"} == set(system["load_avg"])


def check_capacity(capacity, paths):
    assert list(capacity["mountpaths"]) == paths
    for mountpath in capacity["mountpaths"].values():
        assert isinstance(mountpath["mountpath_label"], str)
        assert {"Fs", "FsType", "FsID"} == set(mountpath["fs"])
        assert len(mountpath["fs"]["FsID"]) == 2
        assert mountpath["disks"]
        assert int(mountpath["used"]) > 0 and int(mountpath["avail"]) > 0
        assert 0 <= mountpath["pct_used"] <= 100
    for text in ("total_used", "total_avail"):
        assert isinstance(capacity[text], str)
    assert {"cs_err", "pct_max", "pct_avg", "pct_min"} <= set(capacity)


def check_state(state, node, ids):
    assert state["smap"]["Primary"] == {"pub_url": node.url, "control_url": node.url, "id": ids["proxy"]}
    for part in ("smap", "bmd", "rmd", "config", "etlmd"):
        assert isinstance(state[part]["version"], str), part
    # Cluster started, node started, nothing wrong.
    assert state["flags"] == 6


def test_health(node, ids):
    for query in ("", "?readiness=true", "?prr=true"):
        response = node.request("GET", f"/v1/health{query}")
        assert response.status_code == 200 and response.content == b""
        assert int(response.headers["Ais-Node-Uptime"]) > 0
        assert int(response.headers["Ais-Cluster-Uptime"]) > 0
    check_state(node.get_json("/v1/health?cii=true"), node, ids)
    assert node.request("GET", "/v1/health?cii=true&prr=true").status_code == 400


@pytest.mark.parametrize("role", ["proxy", "target"])
def test_everything_else_that_a_node_answers(node, ids, role):
    questions = ("node_stats", "metrics", "sysinfo", "software_version", "remote")
    answers = {what: ask(node, ids[role], what) for what in questions}
    assert {what: answer.status_code for what, answer in answers.items()} == dict.fromkeys(answers, 200)
    check_snode(answers["node_stats"].json()["snode"], node, role, ids)
    kinds = {"counter", "total", "size", "special", "gauge", "histogram", "latency", "bw", "compbw"}
    assert set(answers["metrics"].json().values()) <= kinds
    assert answers["metrics"].json()["get.n"] == "counter"
    check_system(answers["sysinfo"].json())
    assert answers["software_version"].text.startswith("5.0")
    assert answers["remote"].json()["a"] == []


def test_disks_and_mountpaths_of_a_target(node, ids):
    paths = [str(node.directory / "data" / "mp1")]
    check_capacity(ask(node, ids["target"], "disk").json(), paths)
    mountpaths = ask(node, ids["target"], "mountpaths").json()
    (told,) = mountpaths.pop("straightline").values()
    assert mountpaths == {"available": paths, "waiting_dd": [], "disabled": []}
    assert told["id"] and told["durability"].startswith(("ordered journal", "each file", "whole file system", "none"))
    assert int(ask(node, ids["target"], "sysinfo").json()["fs_capacity"]) > 0


def test_reverse_needs_a_known_node(node):
    path = "/v1/reverse/daemon"
    body = assert_error(node.request("GET", f"{path}?what=smap"), 400, "GET", path)
    assert "missing node ID" in body["message"]
    assert_error(ask(node, "tNobody1", "smap"), 404, "GET", path)


@pytest.mark.parametrize("family", ["daemon", "cluster"])
def test_unknown_questions(node, family):
    body = assert_error(node.request("GET", f"/v1/{family}?what=weather"), 400, "GET", f"/v1/{family}")
    assert "unrecognized 'what=" in body["message"]


def test_cluster_answers(node, ids):
    stats = node.get_json("/v1/cluster?what=node_stats")
    check_snode(stats["proxy"]["snode"], node, "proxy", ids)
    assert list(stats["target"]) == [ids["target"]]
    system = node.get_json("/v1/cluster?what=sysinfo")
    assert list(system["proxy"]) == [ids["proxy"]] and list(system["target"]) == [ids["target"]]
    mountpaths = node.get_json("/v1/cluster?what=mountpaths")["targets"][ids["target"]]
    assert mountpaths["available"] == [str(node.directory / "data" / "mp1")]
    assert node.get_json("/v1/cluster?what=backends") == []
    assert node.get_json("/v1/cluster?what=remote")["a"] == []
    assert node.request("GET", "/v1/cluster?what=target_ips").text == "127.0.0.1"
    assert node.get_json("/v1/cluster?what=running_all") == []


def test_set_config(node):
    before = node.get_json("/v1/cluster?what=cluster_config")
    assert node.act("PUT", "/v1/cluster", "set-config", {"mirror": {"copies": 3}}).status_code == 200
    assert node.request("PUT", "/v1/cluster/set-config?periodic.stats_time=17s").status_code == 200
    after = node.get_json("/v1/cluster?what=cluster_config")
    assert after["mirror"]["copies"] == 3
    assert after["periodic"]["stats_time"] == "17s"
    assert int(after["config_version"]) > int(before["config_version"])
    for wrong in ({"no_such": 1}, {"mirror": {"copies": "many"}}, {"uuid": "mine"}):
        assert_error(node.act("PUT", "/v1/cluster", "set-config", wrong), 400, "PUT", "/v1/cluster")
    assert node.act("PUT", "/v1/cluster", "reset-config").status_code == 200
    reset = node.get_json("/v1/cluster?what=cluster_config")
    for section in SECTIONS:
        assert reset[section] == before[section], section


def test_prometheus_metrics(node, bucket):
    bucket.object("o").get_writer().put_content(b"x")
    response = node.request("GET", "/metrics")
    assert response.status_code == 200
    lines = [line for line in response.text.splitlines() if line and not line.startswith("#")]
    values = {line.rsplit(" ", 1)[0].partition("{")[0]: float(line.rsplit(" ", 1)[1]) for line in lines}
    assert values["ais_target_put_count"] >= 1
    assert all(name.startswith(("ais_", "straightline_")) for name in values)

"""The questions that the SDK asks of a cluster."""

import pytest
from aistore.sdk import Client
from aistore.sdk.utils import get_digest

from conftest import impatient
from node import free_port


def test_info_lists_one_proxy_and_one_target(client, node):
    smap = client.cluster().get_info()
    assert len(smap.pmap) == 1 and len(smap.tmap) == 1
    assert set(smap.pmap).isdisjoint(smap.tmap)
    assert smap.proxy_si.daemon_id in smap.pmap
    for role, nodes in (("proxy", smap.pmap), ("target", smap.tmap)):
        for node_id, snode in nodes.items():
            assert snode.daemon_id == node_id
            assert snode.daemon_type == role
            assert snode.public_net.direct_url == node.url
            assert snode.public_net.daemon_port == str(node.port)
            # Clients place objects with it.
            assert snode.id_digest == get_digest(node_id)


def test_uuid_is_valid_and_stable(client):
    uuid = client.cluster().get_uuid()
    assert 9 <= len(uuid) <= 32
    assert client.cluster().get_uuid() == uuid


def test_primary_url_is_the_node(client, node):
    assert client.cluster().get_primary_url() == node.url


def test_is_ready(client):
    assert client.cluster().is_ready() is True


def test_is_not_ready_when_nobody_is_there():
    assert impatient(f"http://127.0.0.1:{free_port()}").cluster().is_ready() is False


def test_get_performance_answers_for_every_target(client):
    performance = client.cluster().get_performance()
    assert set(performance) == set(client.cluster().get_info().tmap)
    (status,) = performance.values()
    assert status["snode"]["daemon_id"] in performance
    assert status["tracker"]["up.ns.time"] > 0
    (mountpath,) = status["capacity"]["mountpaths"].values()
    assert int(mountpath["avail"]) > 0


def test_counters_count(client, bucket):
    def tracker():
        (status,) = client.cluster().get_performance().values()
        return status["tracker"]

    before = tracker()
    bucket.object("o").get_writer().put_content(b"12345")
    bucket.object("o").get_reader().read_all()
    after = tracker()
    for name, grown in {"put.n": 1, "put.size": 5, "get.n": 1, "get.size": 5}.items():
        assert after[name] - before.get(name, 0) == grown, name


def test_list_buckets(client, bucket, other):
    listed = client.cluster().list_buckets()
    names = [model.name for model in listed]
    assert {bucket.name, other.name} <= set(names)
    assert names == sorted(names)
    assert {model.provider for model in listed} == {"ais"}
    assert bucket.name in [model.name for model in client.cluster().list_buckets(provider="")]
    assert client.cluster().list_buckets(provider="aws") == []


def test_nothing_runs_and_jobs_are_listed(client, bucket, new_name):
    assert client.cluster().list_running_jobs() == []
    target = client.bucket(new_name())
    job = bucket.copy(target)
    client.job(job).wait(timeout=30)
    assert job in [status.uuid for status in client.cluster().list_jobs_status()]
    assert job in [status.uuid for status in client.cluster().list_jobs_status(job_kind="copy-bck")]
    assert job not in [status.uuid for status in client.cluster().list_jobs_status(job_kind="move-bck")]
    target.delete()


def test_no_etls(client):
    assert client.cluster().list_etls() == []


@pytest.mark.parametrize("slash", ["", "/"])
def test_endpoint_with_or_without_slash(node, slash):
    assert Client(node.url + slash).cluster().get_uuid()

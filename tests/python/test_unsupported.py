"""A feature that is not built answers 501 in AIStore's form, at once, and does not disturb anything."""

import pytest
import requests
from aistore.sdk.archive_config import ArchiveConfig
from aistore.sdk.errors import AISError
from aistore.sdk.etl import ETLConfig

from node import assert_error


@pytest.fixture
def obj(bucket):
    obj = bucket.object("o.tar")
    obj.get_writer().put_content(b"not really a tar")
    return obj


def init_etl(client, bucket, obj):
    client.etl("some-etl").init(image="image")


def inline_etl(client, bucket, obj):
    obj.get_reader(etl=ETLConfig(name="some-etl")).read_all()


def get_batch(client, bucket, obj):
    list(client.batch([obj.name], bucket=bucket).get())


SDK_CALLS = {
    "etl init": init_etl,
    "etl start": lambda client, bucket, obj: client.etl("some-etl").start(),
    "etl stop": lambda client, bucket, obj: client.etl("some-etl").stop(),
    "etl view": lambda client, bucket, obj: client.etl("some-etl").view(),
    "etl inline": inline_etl,
    "etl bucket": lambda client, bucket, obj: bucket.transform("some-etl", bucket),
    "dsort": lambda client, bucket, obj: client.dsort("some-id").abort(),
    "archive": lambda client, bucket, obj: bucket.objects(obj_names=[obj.name]).archive("all.tar"),
    "archive member": lambda client, bucket, obj: obj.get_reader(archive_config=ArchiveConfig(archpath="x")).read_all(),
    "copy objects": lambda client, bucket, obj: bucket.objects(obj_names=[obj.name]).copy(bucket, prepend="x"),
    "multipart": lambda client, bucket, obj: obj.multipart_upload().create(),
    "get-batch": get_batch,
    "promote": lambda client, bucket, obj: obj.promote("/var/lib/ais/promote/x"),
    "inventory": lambda client, bucket, obj: bucket.create_inventory(),
    "log": lambda client, bucket, obj: client.cluster().get_cluster_logs(),
    "job start": lambda client, bucket, obj: client.job(job_kind="lru").start(),
}


@pytest.mark.parametrize("call", SDK_CALLS.values(), ids=SDK_CALLS)
def test_sdk(client, bucket, obj, call):
    # With the SDK's own patience: 501 is final, so nothing is retried.
    with pytest.raises(AISError) as caught:
        call(client, bucket, obj)
    assert caught.value.status_code == 501
    assert '"tcode":"ErrUnsupp"' in caught.value.message
    assert [entry.name for entry in bucket.list_all_objects()] == ["o.tar"]
    assert obj.get_reader().read_all() == b"not really a tar"


def requests_for(bucket):
    buckets, objects = f"/v1/buckets/{bucket}", f"/v1/objects/{bucket}"
    return {
        "make-n-copies": ("POST", buckets, "make-n-copies", 2),
        "ec-encode": ("POST", buckets, "ec-encode", '{"data_slices":2,"parity_slices":2}'),
        "rechunk": ("POST", buckets, "rechunk", {}),
        "prefetch": ("POST", buckets, "prefetch-listrange", {"objnames": ["o"]}),
        "etl objects": ("POST", buckets, "etl-listrange", {"objnames": ["o"]}),
        "archive": ("PUT", buckets, "archive", {"archname": "x.tar", "objnames": ["o"]}),
        "mpt-upload": ("POST", f"{objects}/o.tar", "mpt-upload", None),
        "mpt-complete": ("POST", f"{objects}/o.tar", "mpt-complete", []),
        "mpt-abort": ("DELETE", f"{objects}/o.tar", "mpt-abort", None),
        "promote": ("POST", objects, "promote", {"src": "/x"}),
        "blob download": ("POST", objects, "blob-download", {}),
        "download": ("POST", "/v1/download", "", None),
        "dsort": ("POST", "/v1/sort", "", None),
        "get-batch": ("GET", f"/v1/ml/moss/{bucket}", "", None),
        "revoke tokens": ("DELETE", "/v1/tokens", "", None),
        "shutdown": ("PUT", "/v1/cluster", "shutdown", None),
        "maintenance": ("PUT", "/v1/cluster", "start-maintenance", {"sid": "x"}),
        "attach": ("PUT", "/v1/cluster/attach", "", None),
        "set primary": ("PUT", "/v1/cluster/proxy/some-id", "", None),
        "s3": ("GET", "/s3/some-bucket", "", None),
    }


@pytest.mark.parametrize("name", requests_for(""))
def test_raw(node, bucket, obj, name):
    method, path, action, value = requests_for(bucket.name)[name]
    assert_error(node.act(method, path, action, value), 501, method, path, "ErrUnsupp")
    assert obj.get_reader().read_all() == b"not really a tar"


@pytest.mark.parametrize("query", ["uploadId=x&partNumber=1", "archpath=x", "etl_name=x"])
def test_special_puts_write_nothing(node, bucket, obj, query):
    path = f"/v1/objects/{bucket.name}/o.tar"
    assert_error(node.request("PUT", f"{path}?{query}", data=b"x" * 5000), 501, "PUT", path, "ErrUnsupp")
    assert obj.get_reader().read_all() == b"not really a tar"


@pytest.mark.parametrize("provider", ["aws", "s3", "gcp", "gs", "azure", "az", "oci"])
def test_other_providers(node, bucket, provider):
    path = f"/v1/objects/{bucket.name}/o"
    assert_error(node.request("GET", f"{path}?provider={provider}"), 501, "GET", path, "ErrUnsupp")


def test_mountpaths_stay(node):
    (target,) = node.get_json("/v1/daemon?what=smap")["tmap"]
    path = "/v1/reverse/daemon/mountpaths"
    message = {"action": "attach-mp", "value": "/tmp"}
    response = node.request("PUT", path, json=message, headers={"Ais-Node-Id": target})
    assert_error(response, 501, "PUT", path, "ErrUnsupp")


@pytest.mark.parametrize("family", ["etl", "download", "sort"])
def test_lists_of_what_never_runs_are_empty(node, family):
    assert node.get_json(f"/v1/{family}") == []


@pytest.mark.parametrize("path", ["/v1/cluster", "/v1/daemon"])
def test_transient_settings_are_refused_not_kept(node, path):
    before = requests.get(f"{node.url}/v1/cluster?what=cluster_config").json()
    message = {"action": "set-config", "value": {"mirror": {"burst_buffer": 999}}}
    for reply in (
        requests.put(f"{node.url}{path}?transient=true", json=message),
        requests.put(f"{node.url}{path}/set-config?transient=true&mirror.burst_buffer=999"),
    ):
        assert reply.status_code == 501
    assert requests.get(f"{node.url}/v1/cluster?what=cluster_config").json() == before

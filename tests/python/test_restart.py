"""A node that ends and starts again has everything it promised."""

import json
import random

import pytest
from aistore.sdk import Client

OBJECTS = {
    "empty": b"",
    "small": b"small",
    "dir/a": b"1",
    "dir/a/b": b"2",
    "with space/100%/ünïcode": b"3",
    "large": random.Random(1).randbytes(3_000_001),
    "overwritten": b"new",
}


def fill(client):
    bucket = client.bucket("kept").create()
    bucket.make_request("PATCH", "set-bprops", value={"checksum": {"type": "sha256"}})
    client.bucket("empty").create()
    client.bucket("destroyed").create()
    client.bucket("destroyed").object("o").get_writer().put_content(b"gone")
    client.bucket("destroyed").delete()
    bucket.object("overwritten").get_writer().put_content(b"old" * 1000)
    for name, content in OBJECTS.items():
        bucket.object(name).get_writer().put_content(content)
    bucket.object("small").get_writer().set_custom_props({"color": "red"})
    bucket.object("deleted").get_writer().put_content(b"gone")
    bucket.object("deleted").delete()
    bucket.object("unflushed").get_writer().append_content(b"never promised")
    return bucket


def facts(client, node):
    """All that must not change."""
    bucket = client.bucket("kept")
    smap = node.get_json("/v1/daemon?what=smap")
    config = node.get_json("/v1/cluster?what=cluster_config")
    return {
        "nodes": (smap["uuid"], list(smap["pmap"]), list(smap["tmap"])),
        "setting": config["mirror"]["copies"],
        "buckets": [model.name for model in client.cluster().list_buckets()],
        "props": json.loads(bucket.head()["Ais-Bucket-Props"]),
        "listing": [
            (entry.name, entry.size, entry.checksum, entry.version)
            for entry in bucket.list_all_objects(props="name,size,checksum,version")
        ],
        "tags": [bucket.object(name).head("etag,last-modified,custom").etag for name in OBJECTS],
        "custom": bucket.object("small").props.custom_metadata,
        "summary": bucket.summary()["TotalSize"]["size_all_present_objs"],
    }


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_everything_is_kept(own_node, end):
    own_node.start()
    client = Client(own_node.url)
    bucket = fill(client)
    assert own_node.act("PUT", "/v1/cluster", "set-config", {"mirror": {"copies": 4}}).status_code == 200
    before = facts(client, own_node)
    assert before["buckets"] == ["empty", "kept"]
    assert [line[0] for line in before["listing"]] == sorted(OBJECTS)

    status = getattr(own_node, end)()
    assert status == (0 if end == "stop" else -9)
    assert not own_node.is_healthy()
    own_node.start()

    assert facts(client, own_node) == before
    for name, content in OBJECTS.items():
        assert bucket.object(name).get_reader().read_all() == content
    bucket.object("overwritten").get_writer().put_content(b"newer")
    assert bucket.object("overwritten").props.obj_version == "3"
    client.bucket("destroyed").create()
    assert client.bucket("destroyed").list_all_objects() == []
    assert own_node.stop() == 0
    assert "panicked" not in own_node.log()


def test_two_nodes_do_not_share_a_directory(own_node):
    own_node.start()
    second = type(own_node)(own_node.directory)
    with pytest.raises(AssertionError, match="the node ended"):
        second.start()
    second.process = None
    assert own_node.is_healthy()

"""Objects through the SDK: put, get, range, head, append, copy, custom metadata, delete."""

import random

import pytest
import xxhash
from aistore.sdk.errors import AISError, ErrBckNotFound, ErrObjNotFound

SIZES = [0, 1, 100, 4095, 4096, 4097, 65_535, 65_536, 65_537, 1 << 20, (1 << 20) + 1, 5_000_003]


def content(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("size", SIZES)
def test_put_get_head(bucket, size):
    data = content(size)
    obj = bucket.object("dir/o")
    response = obj.get_writer().put_content(data)
    checksum = xxhash.xxh64_hexdigest(data)
    assert response.status_code == 200 and response.content == b""
    assert response.headers["Ais-Checksum-Type"] == "xxhash2"
    assert response.headers["Ais-Checksum-Value"] == checksum

    reader = obj.get_reader()
    assert reader.read_all() == data
    assert b"".join(obj.get_reader(chunk_size=1000)) == data
    assert reader.attributes.checksum_value == checksum

    head = obj.head()
    assert head.size == size
    assert head.present is True
    assert (head.name, head.bucket_name, head.bucket_provider) == ("dir/o", bucket.name, "ais")


def test_put_file(bucket, tmp_path):
    data = content(3_000_001)
    path = tmp_path / "file"
    path.write_bytes(data)
    bucket.object("o").get_writer().put_file(path)
    assert bucket.object("o").get_reader().read_all() == data


def test_read_into_a_writer(bucket, tmp_path):
    data = content(300_000)
    bucket.object("o").get_writer().put_content(data)
    with open(tmp_path / "copy", "wb") as writer:
        bucket.object("o").get_reader(writer=writer)
    assert (tmp_path / "copy").read_bytes() == data


def test_raw(bucket):
    bucket.object("o").get_writer().put_content(b"raw bytes")
    assert bucket.object("o").get_reader().raw().read() == b"raw bytes"


def test_overwrite(bucket):
    obj = bucket.object("o")
    versions = []
    for data in (content(100_000), b"short", b""):
        obj.get_writer().put_content(data)
        assert obj.get_reader().read_all() == data
        assert obj.head().size == len(data)
        versions.append(int(obj.props.obj_version))
    assert versions == [1, 2, 3]


@pytest.mark.parametrize("size", [1000, 300_000])
@pytest.mark.parametrize(
    "text, part",
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=10-19", slice(10, 20)),
        ("bytes=900-", slice(900, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=-9999999", slice(None)),
        ("bytes=990-9999999", slice(990, None)),
    ],
)
def test_range(bucket, size, text, part):
    data = content(size)
    obj = bucket.object("o")
    obj.get_writer().put_content(data)
    assert obj.get_reader(byte_range=text).read_all() == data[part]


def test_range_across_blocks(bucket):
    data = content(3_000_000)
    obj = bucket.object("o")
    obj.get_writer().put_content(data)
    for first, last in [(4095, 4096), (65_535, 131_072), (1_048_575, 2_097_153), (2_999_999, 2_999_999)]:
        assert obj.get_reader(byte_range=f"bytes={first}-{last}").read_all() == data[first : last + 1]


def test_props(bucket):
    obj = bucket.object("o")
    obj.get_writer().put_content(b"hello")
    props = obj.props
    assert props.size == 5
    assert props.checksum_type == "xxhash2"
    assert props.checksum_value == xxhash.xxh64_hexdigest(b"hello")
    assert int(props.access_time) > 1_600_000_000_000_000_000
    assert props.obj_version == "1"
    assert props.mirror_copies == 1
    # A small object lies in a segment of its lane, a TAR archive.
    assert props.location.startswith("t[") and props.location.endswith(".tar")
    assert props.custom_metadata == {}
    assert obj.props_cached is props


def test_head_selects(bucket):
    obj = bucket.object("o")
    obj.get_writer().put_content(b"hello")
    only = obj.head("last-modified,etag")
    assert only.last_modified.endswith(" GMT")
    assert only.etag
    assert only.checksum_value == "" and only.access_time == "" and only.location == ""
    assert obj.head("chunked").chunks is None
    assert obj.head("ec").ec is None


def test_append(bucket):
    obj = bucket.object("log")
    writer = obj.get_writer()
    parts = [b"first ", content(200_000), b"", b" last"]
    handle = ""
    for part in parts:
        handle = writer.append_content(part, handle=handle)
        assert len(handle.split("|")) == 4
    with pytest.raises(AISError):
        obj.head()
    writer.append_content(b"", handle=handle, flush=True)
    assert obj.get_reader().read_all() == b"".join(parts)
    assert obj.props.checksum_value == xxhash.xxh64_hexdigest(b"".join(parts))


def test_append_continues_an_object(bucket):
    obj = bucket.object("log")
    obj.get_writer().put_content(b"old+")
    handle = obj.get_writer().append_content(b"new")
    assert obj.get_reader().read_all() == b"old+"
    obj.get_writer().append_content(b"", handle=handle, flush=True)
    assert obj.get_reader().read_all() == b"old+new"


def test_append_bad_handle(bucket):
    writer = bucket.object("log").get_writer()
    with pytest.raises(AISError) as caught:
        writer.append_content(b"x", handle="nonsense")
    assert caught.value.status_code == 400
    with pytest.raises(AISError) as caught:
        writer.append_content(b"", flush=True)
    assert caught.value.status_code == 400


def test_writer_as_file(bucket):
    obj = bucket.object("file")
    with obj.get_writer().as_file("w") as file:
        file.write(b"one,")
        file.write(b"two")
    assert obj.get_reader().read_all() == b"one,two"
    with obj.get_writer().as_file("a") as file:
        file.write(b",three")
        file.flush()
        assert obj.get_reader().read_all() == b"one,two,three"
        file.write(b",four")
    assert obj.get_reader().read_all() == b"one,two,three,four"
    with obj.get_writer().as_file("w") as file:
        file.write(b"anew")
    assert obj.get_reader().read_all() == b"anew"


def test_reader_as_file(bucket):
    data = content(700_000)
    bucket.object("o").get_writer().put_content(data)
    with bucket.object("o").get_reader().as_file() as file:
        assert file.read(5) == data[:5]
        assert file.read(100_000) == data[5:100_005]
        assert file.read() == data[100_005:]
        assert file.read(1) == b""


def test_parallel_reader(bucket):
    data = content(2_500_001)
    bucket.object("o").get_writer().put_content(data)
    reader = bucket.object("o").get_reader(num_workers=2, chunk_size=1 << 20)
    with reader.read_all() as buffer:
        assert buffer.tobytes() == data
    assert b"".join(bucket.object("o").get_reader(num_workers=2, chunk_size=1 << 20)) == data


@pytest.mark.parametrize("name", ["o", "a/b c", "ünïcode%20"])
def test_direct_reader(bucket, name):
    bucket.object(name).get_writer().put_content(b"direct")
    assert bucket.object(name).get_reader(direct=True).read_all() == b"direct"
    assert bucket.object(name).get_reader(direct=True, byte_range="bytes=1-3").read_all() == b"ire"


def test_copy_object(bucket, other):
    obj = bucket.object("dir/from")
    data = content(1_500_000)
    obj.get_writer().put_content(data)
    obj.get_writer().set_custom_props({"color": "red"})
    for target in (bucket.object("to"), other.object("dir/to a")):
        assert obj.copy(target).status_code == 200
        assert target.get_reader().read_all() == data
        assert target.props.custom_metadata == {"color": "red"}
        assert target.props.checksum_value == obj.props.checksum_value
    other.object("dir/to a").get_writer().put_content(b"changed")
    assert obj.get_reader().read_all() == data


def test_copy_object_missing(client, once, bucket, new_name):
    target = bucket.object("to")
    with pytest.raises(ErrObjNotFound):
        once.bucket(bucket.name).object("nope").copy(target)
    assert bucket.list_all_objects() == []
    bucket.object("from").get_writer().put_content(b"1")
    with pytest.raises(ErrBckNotFound):
        bucket.object("from").copy(client.bucket(new_name()).object("to"))


def test_custom_props(bucket):
    obj = bucket.object("o")
    obj.get_writer().put_content(b"data")
    writer = obj.get_writer()
    writer.set_custom_props({"a": "1", "b": "two words"})
    assert obj.props.custom_metadata == {"a": "1", "b": "two words"}
    writer.set_custom_props({"b": "2", "c": "x=y"})
    assert obj.props.custom_metadata == {"a": "1", "b": "2", "c": "x=y"}
    writer.set_custom_props({"only": "me"}, replace_existing=True)
    assert obj.props.custom_metadata == {"only": "me"}
    assert obj.get_reader().attributes.custom_metadata == {"only": "me"}
    assert obj.get_reader().read_all() == b"data"
    obj.get_writer().put_content(b"new data")
    assert obj.props.custom_metadata == {}


def test_custom_props_missing(once, bucket):
    with pytest.raises(ErrObjNotFound):
        once.bucket(bucket.name).object("nope").get_writer().set_custom_props({"a": "1"})


def test_delete(once, bucket):
    obj = bucket.object("o")
    obj.get_writer().put_content(b"1")
    obj.delete()
    with pytest.raises(ErrObjNotFound):
        once.bucket(bucket.name).object("o").get_reader().read_all()
    with pytest.raises(AISError) as caught:
        once.bucket(bucket.name).object("o").delete()
    assert caught.value.status_code == 404
    assert bucket.list_all_objects() == []


def test_url(client, node, bucket):
    obj = bucket.object("dir/o p")
    obj.get_writer().put_content(b"by url")
    path = obj.get_url().removeprefix(node.url)
    assert node.request("GET", path).content == b"by url"
    assert client.get_object_from_url(obj.get_semantic_url()).get_reader().read_all() == b"by url"

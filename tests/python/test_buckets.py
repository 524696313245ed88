"""Buckets: create, head, properties, delete, summary."""

import json

import pytest
from aistore.sdk.errors import AISError, ErrBckAlreadyExists, ErrBckNotFound
from aistore.sdk.enums import FLTPresence


def props_of(bucket):
    return json.loads(bucket.head()["Ais-Bucket-Props"])


def names(client):
    return [model.name for model in client.cluster().list_buckets()]


def test_create_list_delete(client, new_name):
    bucket = client.bucket(new_name())
    assert bucket.name not in names(client)
    assert bucket.create() is bucket
    assert bucket.name in names(client)
    bucket.delete()
    assert bucket.name not in names(client)


def test_create_twice(client, bucket):
    with pytest.raises(ErrBckAlreadyExists) as caught:
        client.bucket(bucket.name).create()
    assert caught.value.status_code == 409
    bucket.object("kept").get_writer().put_content(b"1")
    client.bucket(bucket.name).create(exist_ok=True)
    assert bucket.object("kept").get_reader().read_all() == b"1"


def test_delete_missing(client, new_name):
    bucket = client.bucket(new_name())
    with pytest.raises(ErrBckNotFound) as caught:
        bucket.delete()
    assert caught.value.status_code == 404
    bucket.delete(missing_ok=True)


def test_delete_takes_the_objects_along(client, once, bucket):
    bucket.object("o").get_writer().put_content(b"old")
    bucket.delete()
    bucket.create()
    assert bucket.list_all_objects() == []
    with pytest.raises(AISError):
        once.bucket(bucket.name).object("o").get_reader().read_all()


@pytest.mark.parametrize("name", ["a" * 65, "with space", "two..dots", "ünïcode", ".hidden"])
def test_bad_names_are_refused(client, name):
    with pytest.raises(AISError) as caught:
        client.bucket(name).create()
    assert caught.value.status_code == 400
    assert name not in names(client)


def test_head_tells_the_properties(bucket):
    props = props_of(bucket)
    sections = {
        "backend_bck", "write_policy", "provider", "checksum", "extra", "rate_limit", "ec", "chunks", "mirror",
        "lru", "access", "features", "bid", "created", "versioning",
    }  # fmt: skip
    assert sections <= set(props)
    assert props["provider"] == "ais"
    assert props["checksum"]["type"] == "xxhash2"
    assert props["access"] == "18446744073709551615"
    for quoted in ("access", "features", "bid", "created"):
        assert int(props[quoted]) >= 0
    assert int(props["created"]) > 1_600_000_000_000_000_000


def test_head_missing(client, new_name):
    with pytest.raises(AISError) as caught:
        client.bucket(new_name()).head()
    assert caught.value.status_code == 404


def test_set_and_reset_props(bucket):
    before = props_of(bucket)
    change = {"checksum": {"type": "md5"}, "mirror": {"copies": 1}, "versioning": {"enabled": False}}
    bucket.make_request("PATCH", "set-bprops", value=change)
    props = props_of(bucket)
    assert props["checksum"]["type"] == "md5"
    assert props["versioning"]["enabled"] is False
    bucket.object("o").get_writer().put_content(b"abc")
    assert bucket.object("o").props.checksum_type == "md5"
    assert bucket.object("o").props.checksum_value == "900150983cd24fb0d6963f7d28e17f72"
    assert bucket.object("o").props.obj_version == ""
    bucket.make_request("PATCH", "reset-bprops")
    assert props_of(bucket) == before


@pytest.mark.parametrize("change", [{"no_such": 1}, {"checksum": {"type": "rot13"}}, {"mirror": {"copies": "many"}}])
def test_bad_props_change_nothing(bucket, change):
    before = props_of(bucket)
    with pytest.raises(AISError) as caught:
        bucket.make_request("PATCH", "set-bprops", value=change)
    assert caught.value.status_code == 400
    assert props_of(bucket) == before


def test_create_with_props(client, new_name):
    bucket = client.bucket(new_name())
    bucket.make_request("POST", "create-bck", value={"checksum": {"type": "sha256"}})
    assert props_of(bucket)["checksum"]["type"] == "sha256"
    bucket.delete()


@pytest.fixture
def filled(bucket):
    for number, size in enumerate((10, 20, 60)):
        bucket.object(f"in/{number}").get_writer().put_content(b"x" * size)
    bucket.object("out").get_writer().put_content(b"y" * 1000)
    return bucket


def test_summary(filled):
    summary = filled.summary()
    assert summary["name"] == filled.name and summary["provider"] == "ais"
    assert summary["is_present"] is True
    assert summary["ObjCount"] == {"obj_count_present": "4", "obj_count_remote": "0"}
    assert summary["TotalSize"]["size_all_present_objs"] == "1090"
    assert int(summary["TotalSize"]["size_on_disk"]) >= 1090
    assert summary["ObjSize"] == {"obj_min_size": 10, "obj_avg_size": 272, "obj_max_size": 1000}


def test_summary_of_a_prefix(filled):
    summary = filled.summary(prefix="in/")
    assert summary["ObjCount"]["obj_count_present"] == "3"
    assert summary["TotalSize"]["size_all_present_objs"] == "90"


def test_summary_of_an_empty_bucket(bucket):
    summary = bucket.summary()
    assert summary["ObjCount"]["obj_count_present"] == "0"
    assert summary["TotalSize"]["size_all_present_objs"] == "0"


def test_summary_missing(client, new_name):
    with pytest.raises(ErrBckNotFound):
        client.bucket(new_name()).summary()


def test_info(filled):
    props, summary = filled.info(flt_presence=FLTPresence.FLT_EXISTS, bsumm_remote=True)
    assert json.loads(props)["provider"] == "ais"
    assert summary["ObjCount"]["obj_count_present"] == "4"
    assert summary["TotalSize"]["size_all_present_objs"] == "1090"


def test_put_files(bucket, tmp_path):
    (tmp_path / "deep").mkdir()
    contents = {"one.txt": b"1", "two.bin": b"2" * 5000, "deep/three.txt": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    put = bucket.put_files(tmp_path, recursive=True, prepend="up/")
    assert sorted(put) == sorted("up/" + name for name in contents)
    for name, content in contents.items():
        assert bucket.object("up/" + name).get_reader().read_all() == content

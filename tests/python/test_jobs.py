"""Work that runs as a job: bucket copy, bucket rename, deleting many."""

import pytest
from aistore.sdk.errors import AISError, ErrBckAlreadyExists, ErrBckNotFound, JobInfoNotFound
from aistore.sdk.multiobj import ObjectRange

from test_listing import put_all

WAIT_S = 30
COUNT = 300
ALL = [f"set/{number:03}.txt" for number in range(COUNT)]


@pytest.fixture
def filled(bucket, node):
    put_all(node.port, bucket.name, ALL, threads=4)
    return bucket


def names(bucket):
    return [entry.name for entry in bucket.list_all_objects()]


def finish(client, job_id, kind):
    """Waits as users do and checks all that the cluster says of the job."""
    assert 9 <= len(job_id) <= 32 and '"' not in job_id
    result = client.job(job_id).wait(timeout=WAIT_S)
    assert result.success, result.error
    assert result.job_id == job_id
    assert client.job(job_id, kind).status().end_time > 0
    (snap,) = client.job(job_id).get_details().list_snapshots()
    assert (snap.id, snap.kind, snap.aborted, snap.is_idle) == (job_id, kind, False, True)
    assert snap.start_time <= snap.end_time
    return snap


def test_copy_bucket(client, filled, new_name):
    filled.make_request("PATCH", "set-bprops", value={"checksum": {"type": "md5"}})
    target = client.bucket(new_name())
    snap = finish(client, filled.copy(target), "copy-bck")
    assert snap.stats.objects == COUNT
    assert snap.stats.bytes == sum(len(name) for name in ALL)
    assert (snap.source_bck.name, snap.destination_bck.name) == (filled.name, target.name)
    assert names(target) == names(filled) == ALL
    assert target.object(ALL[7]).get_reader().read_all() == ALL[7].encode()
    # The new bucket is made in the image of the old one.
    assert target.object(ALL[7]).props.checksum_type == "md5"
    target.delete()


def test_copy_bucket_selects_and_renames(client, filled, other):
    other.object("kept").get_writer().put_content(b"kept")
    job = filled.copy(other, prefix_filter="set/01", prepend="copy/", ext={"txt": "bin"})
    finish(client, job, "copy-bck")
    assert names(other) == [f"copy/set/{number:03}.bin" for number in range(10, 20)] + ["kept"]
    assert other.object("copy/set/012.bin").get_reader().read_all() == b"set/012.txt"


def test_copy_bucket_rehearsal(client, filled, other):
    finish(client, filled.copy(other, dry_run=True), "copy-bck")
    assert names(other) == []


def test_copy_bucket_refusals(client, bucket, new_name):
    with pytest.raises(AISError) as caught:
        bucket.copy(bucket)
    assert caught.value.status_code == 400
    with pytest.raises(ErrBckNotFound):
        client.bucket(new_name()).copy(bucket)


def test_rename_bucket(client, once, filled, new_name):
    old, new = filled.name, new_name()
    job = filled.rename(new)
    finish(client, job, "move-bck")
    assert filled.name == new
    assert names(filled) == ALL
    assert filled.object(ALL[0]).get_reader().read_all() == ALL[0].encode()
    listed = [model.name for model in client.cluster().list_buckets()]
    assert new in listed and old not in listed
    with pytest.raises(ErrBckNotFound):
        once.bucket(old).list_objects()
    filled.object("writable").get_writer().put_content(b"1")
    # The old name is free again.
    again = client.bucket(old).create()
    assert names(again) == []
    again.delete()


def test_rename_refusals(client, bucket, other, new_name):
    name = bucket.name
    bucket.object("o").get_writer().put_content(b"1")
    with pytest.raises(ErrBckAlreadyExists):
        bucket.rename(other.name)
    with pytest.raises(AISError) as caught:
        bucket.rename(name)
    assert caught.value.status_code == 400
    with pytest.raises(ErrBckNotFound):
        client.bucket(new_name()).rename(new_name())
    assert names(bucket) == ["o"] and names(other) == []
    bucket.object("still writable").get_writer().put_content(b"1")


def test_delete_names(client, filled):
    snap = finish(client, filled.objects(obj_names=ALL[:100]).delete(), "delete-listrange")
    assert snap.stats.objects == 100
    assert names(filled) == ALL[100:]


def test_delete_range(client, filled):
    chosen = ObjectRange("set/", 10, 50, pad_width=3, step=20, suffix=".txt")
    finish(client, filled.objects(obj_range=chosen).delete(), "delete-listrange")
    gone = {"set/010.txt", "set/030.txt", "set/050.txt"}
    assert names(filled) == [name for name in ALL if name not in gone]


def test_delete_template(client, filled):
    finish(client, filled.objects(obj_template="set/{000..249}.txt").delete(), "delete-listrange")
    assert names(filled) == ALL[250:]


def test_delete_prefix(client, filled):
    filled.object("other").get_writer().put_content(b"1")
    finish(client, filled.objects(obj_template="set/").delete(), "delete-listrange")
    assert names(filled) == ["other"]


def test_delete_many_that_miss(client, filled):
    job = filled.objects(obj_names=["nope", *ALL[:2]]).delete()
    result = client.job(job).wait(timeout=WAIT_S)
    assert not result.success and "nope" in result.error
    assert set(names(filled)) >= set(ALL[2:])


def test_delete_many_in_no_bucket(client, new_name):
    with pytest.raises(ErrBckNotFound):
        client.bucket(new_name()).objects(obj_names=["a"]).delete()


def test_unknown_job(client):
    with pytest.raises(AISError) as caught:
        client.job("nosuchjob1").status()
    assert caught.value.status_code == 404
    with pytest.raises((AISError, JobInfoNotFound)):
        client.job("nosuchjob1").wait(timeout=WAIT_S)

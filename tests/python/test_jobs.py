"""Work that runs as a job: bucket copy, bucket rename, deleting many; how jobs are asked about and stopped."""

import time

import pytest
from aistore.sdk import Client
from aistore.sdk.errors import AISError, ErrBckAlreadyExists, ErrBckNotFound, JobInfoNotFound
from aistore.sdk.multiobj import ObjectRange

from node import assert_error
from test_listing import put_all

WAIT_S = 30
COUNT = 300
ALL = [f"set/{number:03}.txt" for number in range(COUNT)]
LARGE = [f"large/{number:04}" for number in range(2000)]


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


def snap_of(client, job_id):
    (snap,) = client.job(job_id).get_details().list_snapshots()
    return snap


def until(what, holds):
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, f"{what} never comes"
        time.sleep(0.005)


def aborted(client, job_id):
    """Waits as users do for the end of a job that was stopped, and checks all that is said of it."""
    result = client.job(job_id).wait(timeout=WAIT_S)
    assert not result.success
    snap, status = snap_of(client, job_id), client.job(job_id).status()
    assert (snap.aborted, snap.is_idle, snap.abort_err) == (True, True, status.err)
    assert status.aborted and status.end_time > 0 and result.error == status.err
    return status.err


@pytest.fixture
def large(client, node, new_name):
    """A bucket that takes longer to copy than a test to stop that."""
    bucket = client.bucket(new_name()).create()
    bucket.make_request("PATCH", "set-bprops", value={"durability": "none"})
    put_all(node.port, bucket.name, LARGE, threads=4)
    yield bucket
    bucket.delete(missing_ok=True)


def test_abort_a_copy(client, large, other):
    job = large.copy(other)
    until("the first copy", lambda: snap_of(client, job).stats.objects > 0)
    assert f"copy-bck[{job}]" in client.cluster().list_running_jobs()
    assert f"copy-bck[{job}]" in client.cluster().list_running_jobs(job_kind="copy-bucket")
    assert client.cluster().list_running_jobs(job_kind="move-bck") == []
    client.job(job).abort()
    assert aborted(client, job) == "user abort"
    # The copies that were made stay.
    copied = names(other)
    assert 0 < len(copied) < len(LARGE) and set(copied) <= set(LARGE)
    assert snap_of(client, job).stats.objects == len(copied)
    assert other.object(copied[0]).get_reader().read_all() == copied[0].encode()
    assert client.cluster().list_running_jobs() == []


def test_abort_a_renaming(client, large, new_name):
    old, new = large.name, new_name()
    job = large.rename(new)
    until("the first copy", lambda: snap_of(client, job).stats.objects > 0)
    with pytest.raises(AISError) as caught:
        client.bucket(old).object("late").get_writer().put_content(b"late")
    assert caught.value.status_code == 403
    client.job(job_kind="move-bck").abort()
    aborted(client, job)
    again = client.bucket(old)
    assert names(again) == LARGE
    again.object("more").get_writer().put_content(b"more")
    client.bucket(new).delete()
    again.delete()


def test_the_end_of_a_bucket_aborts_its_jobs(client, large, new_name):
    target = client.bucket(new_name()).create()
    job = large.copy(target)
    until("the first copy", lambda: snap_of(client, job).stats.objects > 0)
    target.delete()
    assert f"ais://{target.name}" in aborted(client, job)
    assert names(large) == LARGE


def test_abort_what_has_ended_or_never_was(client, node, bucket, other):
    job = bucket.copy(other)
    finish(client, job, "copy-bck")
    client.job(job).abort()
    assert not client.job(job).status().aborted
    path = "/v1/cluster"
    for args, status in [
        ({"ID": "nosuchjob1"}, 404),
        ({"Kind": "nonsense"}, 400),
        ({}, 400),
        ({"Kind": "lru"}, 200),
    ]:
        response = node.act("PUT", path, "stop", args)
        if status == 200:
            assert response.status_code == 200, response.text
        else:
            assert_error(response, status, "PUT", path)


def test_jobs_are_asked_for_by_bucket_and_target(client, node, bucket, other, new_name):
    third = client.bucket(new_name()).create()
    jobs = {name: target for target in (other, third) for name in [bucket.copy(target)]}
    for job in jobs:
        finish(client, job, "copy-bck")

    def asked(query):
        response = node.request("GET", "/v1/cluster?what=qryxstats", json=query)
        if response.status_code == 404:
            return set()
        (snaps,) = response.json().values()
        return {snap["id"] for snap in snaps}

    model = {"name": other.name, "provider": "ais", "namespace": None}
    to_other = {job for job, target in jobs.items() if target is other}
    assert asked({"bck": model}) == to_other
    assert asked({"buckets": [model]}) == to_other
    assert asked({"bck": model, "kind": "copy-bucket"}) == to_other
    assert asked({"bck": model, "kind": "move-bck"}) == set()
    assert asked({"bck": model, "show_active": True}) == set()
    assert asked({"bck": {**model, "provider": "aws"}}) == set()
    (target,) = client.cluster().get_info().tmap
    assert to_other <= {status.uuid for status in client.cluster().list_jobs_status(target_id=target)}
    with pytest.raises(AISError) as caught:
        client.cluster().list_jobs_status(target_id="tNobody12")
    assert caught.value.status_code == 404
    third.delete()


@pytest.mark.parametrize("kind, status", [("cleanup", 501), ("copy-bck", 400), ("nonsense", 400), ("", 400)])
def test_jobs_that_cannot_be_started(node, kind, status):
    assert_error(node.act("PUT", "/v1/cluster", "start", {"Kind": kind}), status, "PUT", "/v1/cluster")


def test_jobs_are_known_after_a_restart(own_node):
    own_node.start()
    client = Client(own_node.url)
    source = client.bucket("source").create()
    source.make_request("PATCH", "set-bprops", value={"durability": "none"})
    put_all(own_node.port, source.name, LARGE, threads=4)
    done = source.copy(client.bucket("done"), prefix_filter=LARGE[0])
    finish(client, done, "copy-bck")
    before = snap_of(client, done)
    cut = source.rename("renamed")
    until("the first copy", lambda: snap_of(client, cut).stats.objects > 0)
    own_node.kill()
    own_node.start()
    assert snap_of(client, done) == before
    assert client.job(done).wait(timeout=WAIT_S).success
    assert "restarted" in aborted(client, cut)
    assert client.cluster().list_running_jobs() == []
    client.bucket("source").object("more").get_writer().put_content(b"more")
    assert own_node.stop() == 0
    assert "panicked" not in own_node.log()

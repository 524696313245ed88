"""Errors, as the SDK's exceptions and as AIStore's error body."""

import pytest
import requests
from aistore.sdk.errors import AISError, ErrBckAlreadyExists, ErrBckNotFound, ErrObjNotFound

from conftest import impatient
from node import assert_error, free_port


def test_object_missing(node, once, bucket):
    with pytest.raises(ErrObjNotFound) as caught:
        once.bucket(bucket.name).object("no such").get_reader().read_all()
    assert caught.value.status_code == 404
    path = f"/v1/objects/{bucket.name}/nope"
    body = assert_error(node.request("GET", path), 404, "GET", path, "ErrNotFound")
    assert f"ais://{bucket.name}/nope does not exist" in body["message"]


def test_object_missing_on_delete(node, bucket):
    path = f"/v1/objects/{bucket.name}/nope"
    body = assert_error(node.request("DELETE", path), 404, "DELETE", path)
    assert f"ais://{bucket.name}/nope doesn't exist" in body["message"]


def test_bucket_missing(node, once, new_name):
    name = new_name()
    with pytest.raises(ErrBckNotFound) as caught:
        once.bucket(name).object("o").get_reader().read_all()
    assert caught.value.status_code == 404
    with pytest.raises(ErrBckNotFound):
        once.bucket(name).object("o").get_writer().put_content(b"x")
    path = f"/v1/objects/{name}/o"
    body = assert_error(node.request("GET", path), 404, "GET", path, "ErrBckNotFound")
    assert f'bucket "ais://{name}" does not exist' in body["message"]


def test_bucket_exists(node, once, bucket):
    with pytest.raises(ErrBckAlreadyExists):
        once.bucket(bucket.name).create()
    path = f"/v1/buckets/{bucket.name}"
    response = node.act("POST", path, "create-bck")
    body = assert_error(response, 409, "POST", path, "ErrBucketAlreadyExists")
    assert f'bucket "ais://{bucket.name}" already exists' in body["message"]


def test_head_errors_are_plain(once, bucket):
    with pytest.raises(AISError) as caught:
        once.bucket(bucket.name).object("nope").head()
    assert type(caught.value) is AISError and caught.value.status_code == 404


def test_range_error(once, bucket):
    bucket.object("o").get_writer().put_content(b"12345")
    with pytest.raises(AISError) as caught:
        once.bucket(bucket.name).object("o").get_reader(byte_range="bytes=5-").read_all()
    assert caught.value.status_code == 416


def test_read_only_bucket(node, once, bucket):
    obj = bucket.object("o")
    obj.get_writer().put_content(b"kept")
    bucket.make_request("PATCH", "set-bprops", value={"access": str(1 | 2 | 256 | 512 | 1024 | 2048 | 32768)})
    barred = once.bucket(bucket.name).object("o")
    writer = barred.get_writer()
    for refused in (lambda: writer.put_content(b"x"), lambda: writer.append_content(b"x"), barred.delete):
        with pytest.raises(AISError) as caught:
            refused()
        assert type(caught.value) is AISError and caught.value.status_code == 403
    path = f"/v1/objects/{bucket.name}/o"
    body = assert_error(node.request("PUT", path, data=b"x"), 403, "PUT", path, "ErrBucketAccessDenied")
    assert f"ais://{bucket.name}" in body["message"]
    assert obj.get_reader().read_all() == b"kept"


def test_write_only_bucket(once, bucket):
    bucket.object("o").get_writer().put_content(b"secret")
    bucket.make_request("PATCH", "set-bprops", value={"access": str(4 | 2048 | 32768)})
    barred = once.bucket(bucket.name)
    for refused in (barred.object("o").get_reader().read_all, barred.object("o").head, barred.list_objects):
        with pytest.raises(AISError) as caught:
            refused()
        # A conflict would have the SDK try again for a minute.
        assert type(caught.value) is AISError and caught.value.status_code == 403


def test_nobody_is_there():
    with pytest.raises(requests.ConnectionError):
        impatient(f"http://127.0.0.1:{free_port()}").cluster().list_buckets()


@pytest.mark.parametrize("path", ["/v1/nothing", "/v2/buckets", "/v1/objects", "/v1/objects/b/%FF", "/nothing"])
def test_bad_paths(node, path):
    assert_error(node.request("GET", path), 400, "GET", path)


@pytest.mark.parametrize(
    "method, action",
    [("POST", "fly"), ("GET", "fly"), ("PATCH", "fly"), ("DELETE", "fly"), ("PUT", "fly"), ("POST", "")],
)
def test_unknown_actions(node, bucket, method, action):
    path = f"/v1/buckets/{bucket.name}"
    assert_error(node.act(method, path, action), 400, method, path)


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b'{"action": 5}', b"\xff\xfe"])
def test_malformed_messages(node, bucket, body):
    path = f"/v1/buckets/{bucket.name}"
    assert_error(node.request("POST", path, data=body), 400, "POST", path)


def test_wrong_method(node, bucket):
    response = node.request("BREW", f"/v1/objects/{bucket.name}/o")
    assert response.status_code == 405
    assert response.headers["Content-Type"].startswith("text/plain")
    assert "GET" in response.headers["Allow"]
    assert node.request("OPTIONS", f"/v1/objects/{bucket.name}/o").status_code == 200


def test_evicting_is_for_remote_buckets(node, bucket):
    path = f"/v1/buckets/{bucket.name}"
    assert_error(node.act("DELETE", path, "evict-remote-bck"), 400, "DELETE", path)
    assert_error(node.act("DELETE", path, "evict-listrange", {"objnames": ["a"]}), 400, "DELETE", path)


def test_the_connection_survives_errors(node, bucket):
    for _ in range(3):
        assert node.request("GET", f"/v1/objects/{bucket.name}/nope").status_code == 404
        assert node.request("PUT", f"/v1/objects/{bucket.name}/o", data=b"x").status_code == 200

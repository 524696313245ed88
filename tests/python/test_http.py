"""The wire protocol of objects, seen without the SDK: heads, conditions, ranges, checksums."""

import hashlib
import zlib
from email.utils import formatdate, parsedate_to_datetime

import pytest
import xxhash

from node import assert_error

DATA = bytes(range(256)) * 40


@pytest.fixture
def path(node, bucket):
    path = f"/v1/objects/{bucket.name}/dir/o"
    assert node.request("PUT", path, data=DATA, headers={"Ais-Custom-Md": "color=red"}).status_code == 200
    return path


def names(bucket):
    return [entry.name for entry in bucket.list_all_objects()]


# HEAD


def test_head_1(node, bucket, path):
    response = node.request("HEAD", path)
    assert response.status_code == 200 and response.content == b""
    headers = response.headers
    assert headers["Content-Length"] == str(len(DATA))
    assert headers["Ais-Checksum-Type"] == "xxhash2"
    assert headers["Ais-Checksum-Value"] == xxhash.xxh64_hexdigest(DATA)
    assert int(headers["Ais-Atime"]) > 1_600_000_000_000_000_000
    assert headers["Ais-Version"] == "1"
    assert headers["Ais-Custom-Md"] == "color=red"
    assert headers["Ais-Present"] == "true"
    assert headers["Ais-Name"] == "dir/o"
    assert headers["Ais-Bucket-Name"] == bucket.name
    assert headers["Ais-Bucket-Provider"] == "ais"
    assert headers["Ais-Mirror-Copies"] == "1"
    assert headers["Ais-Location"].startswith("t[")


@pytest.mark.parametrize("presence", [1, 3])
def test_head_1_asks_only_whether_it_is_there(node, path, presence):
    response = node.request("HEAD", path, params={"presence": presence})
    assert response.status_code == 200
    assert "Ais-Checksum-Value" not in response.headers and "Ais-Atime" not in response.headers


CHOICES = {
    "checksum": {"Ais-Checksum-Type", "Ais-Checksum-Value"},
    "atime": {"Ais-Atime"},
    "version": {"Ais-Version"},
    "custom": {"Ais-Custom-Md"},
    "location": {"Ais-Location"},
    "copies": {"Ais-Mirror-Copies"},
    "last-modified": {"Last-Modified"},
    "etag": {"ETag"},
    "ec": set(),
    "chunked": set(),
    "name": set(),
    "size": set(),
}


@pytest.mark.parametrize("choice", [*CHOICES, "name,size", "checksum,custom", ",".join(CHOICES)])
def test_head_2_gives_what_was_asked_for(node, path, choice):
    response = node.request("HEAD", path, params={"props": choice, "presence": 2})
    assert response.status_code == 200
    expected = set().union(*(CHOICES[prop] for prop in choice.split(",")))
    assert set(response.headers) - {"Connection"} == expected | {"Ais-Present", "Content-Length"}
    assert response.headers["Content-Length"] == str(len(DATA))


def test_head_2_of_an_empty_object(node, bucket):
    path = f"/v1/objects/{bucket.name}/empty"
    node.request("PUT", path, data=b"")
    assert node.request("HEAD", path, params={"props": "name,size"}).headers["Content-Length"] == "0"


@pytest.mark.parametrize("props", ["cached", "status", "nonsense", "name,nonsense"])
def test_head_2_refuses_unknown_properties(node, path, props):
    response = node.request("HEAD", path, params={"props": props})
    assert response.status_code == 400 and response.content == b""
    assert '"status":400' in response.headers["Hdr-Error"]


@pytest.mark.parametrize("query", ["", "?props=name,size"])
def test_head_of_nothing(node, bucket, query):
    response = node.request("HEAD", f"/v1/objects/{bucket.name}/nope{query}")
    assert response.status_code == 404 and response.content == b""
    assert f"ais://{bucket.name}/nope" in response.headers["Hdr-Error"]
    assert "Ais-Present" not in response.headers


# GET


def test_get(node, path):
    response = node.request("GET", path)
    assert response.status_code == 200 and response.content == DATA
    headers = response.headers
    assert headers["Content-Length"] == str(len(DATA))
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Ais-Checksum-Value"] == xxhash.xxh64_hexdigest(DATA)
    assert headers["Ais-Custom-Md"] == "color=red"
    assert "Content-Encoding" not in headers


def test_range(node, path):
    response = node.request("GET", path, headers={"Range": "bytes=5-9"})
    assert response.status_code == 206 and response.content == DATA[5:10]
    assert response.headers["Content-Range"] == f"bytes 5-9/{len(DATA)}"
    assert response.headers["Content-Length"] == "5"
    # Of the whole object, as AIStore has it.
    assert response.headers["Ais-Checksum-Value"] == xxhash.xxh64_hexdigest(DATA)


@pytest.mark.parametrize("text", [f"bytes={len(DATA)}-", "bytes=999999-1000000", "bytes=0-1,4-5", "bytes=-0"])
def test_range_out_of_reach(node, path, text):
    response = node.request("GET", path, headers={"Range": text})
    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{len(DATA)}"
    assert len(response.content) < 500
    assert node.request("GET", path).content == DATA


def test_range_of_an_empty_object(node, bucket):
    path = f"/v1/objects/{bucket.name}/empty"
    node.request("PUT", path, data=b"")
    response = node.request("GET", path, headers={"Range": "bytes=0-0"})
    assert response.status_code == 416 and response.headers["Content-Range"] == "bytes */0"


# Conditions


def test_conditions_by_tag(node, path):
    tag = node.request("HEAD", path).headers["ETag"]
    assert tag.startswith('"') and tag.endswith('"')

    def get(**headers):
        response = node.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        return response.status_code, response.content

    assert get(If_Match=tag) == (200, DATA)
    assert get(If_Match="*") == (200, DATA)
    assert get(If_Match=f'"other", {tag}') == (200, DATA)
    assert get(If_Match='"other"')[0] == 412
    assert get(If_None_Match=tag) == (304, b"")
    assert get(If_None_Match="*") == (304, b"")
    assert get(If_None_Match='"other"') == (200, DATA)
    assert get(If_Range=tag, Range="bytes=0-3") == (206, DATA[:4])
    assert get(If_Range='"other"', Range="bytes=0-3") == (200, DATA)


def test_a_write_changes_the_tag(node, path):
    tag = node.request("HEAD", path).headers["ETag"]
    node.request("PUT", path, data=DATA)
    assert node.request("GET", path, headers={"If-None-Match": tag}).status_code == 200


def test_conditions_by_date(node, path):
    modified = node.request("HEAD", path).headers["Last-Modified"]
    moment = parsedate_to_datetime(modified).timestamp()
    before, after = (formatdate(moment + shift, usegmt=True) for shift in (-10, 10))

    def status(name, date):
        return node.request("GET", path, headers={name: date}).status_code

    assert status("If-Modified-Since", modified) == 304
    assert status("If-Modified-Since", after) == 304
    assert status("If-Modified-Since", before) == 200
    assert status("If-Unmodified-Since", modified) == 200
    assert status("If-Unmodified-Since", before) == 412
    assert status("If-Modified-Since", "no date") == 200


def test_conditional_writes(node, bucket, path):
    tag = node.request("HEAD", path).headers["ETag"]
    body = assert_error(node.request("PUT", path, data=b"x", headers={"If-None-Match": "*"}), 412, "PUT", path)
    assert body["status"] == 412
    assert node.request("PUT", path, data=b"x", headers={"If-Match": '"other"'}).status_code == 412
    assert node.request("GET", path).content == DATA
    assert node.request("PUT", path, data=b"new", headers={"If-Match": tag}).status_code == 200
    assert node.request("GET", path).content == b"new"
    fresh = f"/v1/objects/{bucket.name}/fresh"
    assert node.request("PUT", fresh, data=b"x", headers={"If-Match": "*"}).status_code == 412
    assert names(bucket) == ["dir/o"]
    assert node.request("PUT", fresh, data=b"x", headers={"If-None-Match": "*"}).status_code == 200


# Checksums


CHECKSUMS = {
    "xxhash": xxhash.xxh64_hexdigest(DATA),
    "xxhash2": xxhash.xxh64_hexdigest(DATA),
    "md5": hashlib.md5(DATA).hexdigest(),
    "sha256": hashlib.sha256(DATA).hexdigest(),
    "sha512": hashlib.sha512(DATA).hexdigest(),
}


def checked(kind, value):
    return {"Ais-Checksum-Type": kind, "Ais-Checksum-Value": value}


@pytest.mark.parametrize("kind", CHECKSUMS)
def test_right_checksum(node, bucket, kind):
    path = f"/v1/objects/{bucket.name}/o"
    response = node.request("PUT", path, data=DATA, headers=checked(kind, CHECKSUMS[kind]))
    assert response.status_code == 200
    assert response.headers["Ais-Checksum-Type"] == "xxhash2"
    assert node.request("GET", path).content == DATA


@pytest.mark.parametrize("kind", CHECKSUMS)
@pytest.mark.parametrize("size", [len(DATA), 2_000_000])
def test_wrong_checksum_writes_nothing(node, bucket, kind, size):
    path = f"/v1/objects/{bucket.name}/o"
    # Wrong in the last digit only.
    value = CHECKSUMS[kind][:-1] + ("0" if CHECKSUMS[kind][-1] != "0" else "1")
    body = (DATA * (size // len(DATA) + 1))[:size]
    assert_error(node.request("PUT", path, data=body, headers=checked(kind, value)), 500, "PUT", path, "ErrBadCksum")
    assert node.request("GET", path).status_code == 404
    assert names(bucket) == []


def test_wrong_checksum_keeps_what_was_there(node, path):
    response = node.request("PUT", path, data=b"evil", headers=checked("md5", "0" * 32))
    assert response.status_code == 500
    response = node.request("GET", path)
    assert response.content == DATA and response.headers["Ais-Version"] == "1"


@pytest.mark.parametrize("headers", [checked("rot13", "00"), checked("md5", "short"), {"Ais-Checksum-Value": "00"}])
def test_malformed_checksum(node, bucket, headers):
    path = f"/v1/objects/{bucket.name}/o"
    assert_error(node.request("PUT", path, data=DATA, headers=headers), 400, "PUT", path)
    assert names(bucket) == []


@pytest.mark.parametrize("kind", ["none", "xxhash", "md5", "crc32c", "sha256", "sha512"])
def test_checksum_of_the_bucket(node, bucket, kind):
    bucket.make_request("PATCH", "set-bprops", value={"checksum": {"type": kind}})
    path = f"/v1/objects/{bucket.name}/o"
    node.request("PUT", path, data=b"123456789")
    headers = node.request("GET", path).headers
    known = {
        "xxhash": xxhash.xxh64_hexdigest(b"123456789"),
        "md5": hashlib.md5(b"123456789").hexdigest(),
        "crc32c": "e3069283",
        "sha256": hashlib.sha256(b"123456789").hexdigest(),
        "sha512": hashlib.sha512(b"123456789").hexdigest(),
    }
    if kind == "none":
        assert "Ais-Checksum-Value" not in headers
    else:
        assert (headers["Ais-Checksum-Type"], headers["Ais-Checksum-Value"]) == (kind, known[kind])


# Bodies


@pytest.mark.parametrize("size", [0, 1, 100_000, 3_000_000])
def test_chunked_put(node, bucket, size):
    data = (DATA * (size // len(DATA) + 1))[:size]
    pieces = (data[at : at + 70_001] for at in range(0, size, 70_001))
    path = f"/v1/objects/{bucket.name}/o"
    assert node.request("PUT", path, data=pieces).status_code == 200
    assert node.request("GET", path).content == data


def test_compressed_bodies_stay_as_they_are(node, bucket):
    squeezed = zlib.compress(DATA)
    path = f"/v1/objects/{bucket.name}/o.z"
    node.request("PUT", path, data=squeezed, headers={"Content-Type": "application/json"})
    assert node.request("GET", path, headers={"Accept-Encoding": "gzip, deflate"}).content == squeezed


def test_custom_metadata_with_the_body(node, bucket):
    path = f"/v1/objects/{bucket.name}/o"
    node.request("PUT", path, data=b"1", headers={"Ais-Custom-Md": "a=b=c"})
    assert node.request("HEAD", path).headers["Ais-Custom-Md"] == "a=b=c"
    node.request("PUT", path, data=b"1")
    assert "Ais-Custom-Md" not in node.request("HEAD", path).headers


def test_rename_object(node, bucket, path):
    assert node.act("POST", path, "rename-obj", name="new/name").status_code == 200
    assert names(bucket) == ["new/name"]
    assert node.request("GET", f"/v1/objects/{bucket.name}/new/name").content == DATA
    assert node.request("GET", path).status_code == 404


def test_check_lock(node, path):
    assert node.act("POST", path, "check-lock").status_code == 200


def test_easy_url(node, bucket, path):
    assert node.request("GET", f"/ais/{bucket.name}/dir/o").content == DATA
    assert node.request("PUT", f"/ais/{bucket.name}/easy", data=b"1").status_code == 200
    assert names(bucket) == ["dir/o", "easy"]
    assert bucket.name in [bck["name"] for bck in node.get_json("/ais")]


def test_extra_slashes(node, bucket, path):
    assert node.request("GET", f"//v1//objects/{bucket.name}/dir/o").content == DATA

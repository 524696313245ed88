"""Listing objects: pages, prefixes, properties, flags; 10,000 objects."""

import http.client
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from aistore.sdk.errors import ErrBckNotFound
from aistore.sdk.list_object_flag import ListObjectFlag

MANY = 10_000
MANY_NAMES = [f"d{number % 100:02}/{number:05}" for number in range(MANY)]
DIRECTORY = 1 << 8
CACHED = 1 << 6


def put_all(port: int, bucket: str, names: list[str], threads: int = 16) -> None:
    """Puts objects that hold their own names, each thread over a connection of its own."""

    def put_share(share):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for name in share:
            connection.request("PUT", f"/v1/objects/{bucket}/{name}?provider=ais", body=name.encode())
            response = connection.getresponse()
            response.read()
            assert response.status == 200, name
        connection.close()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(put_share, [names[at::threads] for at in range(threads)]))


@pytest.fixture(scope="module")
def many(client, node):
    bucket = client.bucket("ten-thousand").create()
    put_all(node.port, bucket.name, MANY_NAMES)
    yield bucket
    bucket.delete()


@pytest.fixture
def few(bucket):
    for name in ("a", "b/1", "b/2", "b/c/3", "b/c/4", "c"):
        bucket.object(name).get_writer().put_content(name.encode())
    return bucket


def names(entries):
    return [entry.name for entry in entries]


@pytest.mark.parametrize("page_size", [0, 333, 1000, 4999, 10_000, 20_000])
def test_all_of_ten_thousand(many, page_size):
    assert names(many.list_all_objects(page_size=page_size)) == sorted(MANY_NAMES)


@pytest.mark.parametrize("page_size", [0, 700])
def test_iterate_ten_thousand(many, page_size):
    assert names(many.list_objects_iter(page_size=page_size)) == sorted(MANY_NAMES)


def test_pages_of_ten_thousand(many):
    pages, uuid, token = [], "", ""
    while not pages or token:
        page = many.list_objects(page_size=3000, uuid=uuid, continuation_token=token)
        assert page.uuid and page.uuid == (uuid or page.uuid)
        uuid, token = page.uuid, page.continuation_token
        pages.append(names(page.entries))
    assert [len(page) for page in pages] == [3000, 3000, 3000, 1000]
    assert sum(pages, []) == sorted(MANY_NAMES)


def test_sizes_of_ten_thousand(many):
    assert {entry.size for entry in many.list_all_objects(props="name,size")} == {len(MANY_NAMES[0])}


def test_prefix_of_ten_thousand(many):
    assert names(many.list_all_objects(prefix="d07/", page_size=30)) == sorted(MANY_NAMES[7::100])


def test_directories_of_ten_thousand(many):
    listed = many.list_all_objects(flags=[ListObjectFlag.NO_RECURSION], page_size=7)
    assert names(listed) == [f"d{number:02}/" for number in range(100)]


def test_summary_of_ten_thousand(many):
    assert many.summary()["ObjCount"]["obj_count_present"] == str(MANY)


def test_empty_bucket(bucket):
    page = bucket.list_objects()
    assert page.entries == [] and page.continuation_token == "" and page.uuid
    assert list(bucket.list_objects_iter()) == []
    assert bucket.list_all_objects() == []
    assert list(bucket.list_all_objects_iter()) == []
    assert list(bucket.list_urls()) == []


def test_missing_bucket(client, new_name):
    with pytest.raises(ErrBckNotFound):
        client.bucket(new_name()).list_objects()


@pytest.mark.parametrize(
    "prefix, expected",
    [
        ("", ["a", "b/1", "b/2", "b/c/3", "b/c/4", "c"]),
        ("b", ["b/1", "b/2", "b/c/3", "b/c/4"]),
        ("b/c/", ["b/c/3", "b/c/4"]),
        ("b/c/3", ["b/c/3"]),
        ("b/*", ["b/1", "b/2", "b/c/3", "b/c/4"]),
        ("z", []),
    ],
)
def test_prefix(few, prefix, expected):
    assert names(few.list_all_objects(prefix=prefix)) == expected
    assert names(few.list_all_objects(prefix=prefix, page_size=1)) == expected


@pytest.mark.parametrize(
    "after, expected",
    [
        ("a", ["b/1", "b/2", "b/c/3", "b/c/4", "c"]),
        ("b/2", ["b/c/3", "b/c/4", "c"]),
        ("b/9", ["b/c/3", "b/c/4", "c"]),
        ("c", []),
    ],
)
def test_start_after(few, after, expected):
    assert names(few.list_all_objects(start_after=after)) == expected
    assert names(few.list_objects_iter(start_after=after, page_size=2)) == expected


def test_start_after_within_a_prefix(few):
    assert names(few.list_all_objects(prefix="b/", start_after="b/2")) == ["b/c/3", "b/c/4"]


@pytest.mark.parametrize("page_size", [0, 1])
def test_no_recursion(few, page_size):
    shallow = [ListObjectFlag.NO_RECURSION]
    listed = few.list_all_objects(flags=shallow, page_size=page_size)
    assert names(listed) == ["a", "b/", "c"]
    assert [bool(entry.flags & DIRECTORY) for entry in listed] == [False, True, False]
    inner = few.list_all_objects(prefix="b/", flags=shallow, page_size=page_size)
    assert names(inner) == ["b/1", "b/2", "b/c/"]


def test_no_dirs(few):
    flags = [ListObjectFlag.NO_RECURSION, ListObjectFlag.NO_DIRS]
    assert names(few.list_all_objects(flags=flags)) == ["a", "c"]
    assert names(few.list_all_objects(flags=flags, page_size=1)) == ["a", "c"]


def test_name_only_and_name_size(few):
    (entry, *_) = few.list_all_objects(flags=[ListObjectFlag.NAME_ONLY])
    assert entry.name == "a" and entry.size == 0 and entry.checksum == ""
    (entry, *_) = few.list_all_objects(flags=[ListObjectFlag.NAME_SIZE])
    assert entry.size == 1 and entry.checksum == ""


def test_props(few):
    obj = few.object("b/1")
    props = obj.props
    (entry,) = few.list_all_objects(prefix="b/1", props="name,size,checksum,atime,version,location,copies,cached")
    assert entry.name == "b/1" and entry.size == 3 and entry.copies == 1
    assert entry.checksum == props.checksum_value
    assert entry.version == props.obj_version == "1"
    assert entry.location == props.location
    assert entry.atime
    assert entry.is_cached() and entry.is_ok()
    assert entry.object.get_reader().read_all() == b"b/1"


def test_props_on_demand_only(few):
    (entry,) = few.list_all_objects(prefix="b/1", props="name")
    assert entry.size == 0 and entry.checksum == "" and entry.atime == "" and entry.version == ""
    (entry,) = few.list_all_objects(prefix="b/1", props="name,checksum")
    assert entry.checksum and entry.version == ""


def test_objects_from_a_listing_know_their_size(few):
    sizes = {obj.name: obj.props_cached.size for obj in few.list_all_objects_iter(prefix="b/c")}
    assert sizes == {"b/c/3": 5, "b/c/4": 5}


def test_urls(few, node):
    urls = list(few.list_urls(prefix="b/c"))
    assert [node.request("GET", url.removeprefix(node.url)).content for url in urls] == [b"b/c/3", b"b/c/4"]


def raw_list(node, bucket, accept, **value):
    message = {"action": "list", "name": "", "value": {"props": "name,size,checksum,custom", **value}}
    return node.request("GET", f"/v1/buckets/{bucket}?provider=ais", json=message, headers={"Accept": accept})


def test_msgpack_and_json_say_the_same(few, node):
    few.object("a").get_writer().set_custom_props({"k": "v"})
    as_json = raw_list(node, few.name, "application/json")
    assert as_json.headers["Content-Type"] == "application/json; charset=utf-8"
    as_msgpack = raw_list(node, few.name, "application/json, application/msgpack")
    assert as_msgpack.headers["Content-Type"] == "application/msgpack"

    one, two = as_json.json(), msgspec.msgpack.decode(as_msgpack.content)
    assert list(two) == ["UUID", "ContinuationToken", "Entries", "Flags"]
    assert one["uuid"] and two["UUID"]
    assert one["continuation_token"] == two["ContinuationToken"] == ""
    assert one["flags"] == two["Flags"] == 0
    short = {"name": "n", "checksum": "cs", "size": "s", "flags": "f", "custom-md": "m"}
    for line, entry in zip(one["entries"], two["Entries"], strict=True):
        assert line["flags"] == CACHED
        assert isinstance(line["size"], str)
        line["size"] = int(line["size"])
        assert {short[key]: value for key, value in line.items()} == entry
    assert "k" in one["entries"][0]["custom-md"] and "custom-md" not in one["entries"][1]


def test_a_page_by_json(few, node):
    page = raw_list(node, few.name, "*/*", pagesize=2).json()
    assert [entry["name"] for entry in page["entries"]] == ["a", "b/1"]
    assert page["continuation_token"] == "b/1"
    page = raw_list(node, few.name, "*/*", pagesize=2, uuid=page["uuid"], continuation_token="b/1").json()
    assert [entry["name"] for entry in page["entries"]] == ["b/2", "b/c/3"]


def test_without_a_message(few, node):
    for path in (f"/v1/buckets/{few.name}", f"/ais/{few.name}"):
        page = node.get_json(path)
        assert [entry["name"] for entry in page["entries"]] == names(few.list_all_objects())


def test_bad_messages(few, node):
    for value in ({"pagesize": -1}, {"flags": "many"}):
        assert raw_list(node, few.name, "*/*", **value).status_code == 400, value

"""One node for the whole run, clients for it, and a fresh bucket for each test."""

import itertools
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aistore.sdk import Client
from aistore.sdk.retry_config import RetryConfig
from tenacity import Retrying, stop_after_attempt
from urllib3.util.retry import Retry

from node import REPOSITORY, Node

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def disk():
    """A directory on a real disk: the server's I/O differs on tmpfs, where the system's own often lies."""
    parent = REPOSITORY / "target"
    parent.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="python-tests-", dir=parent))
    yield directory
    remove(directory)


def remove(directory: Path) -> None:
    """Removes a tree. The file system lets each removal wait for the disk, so many wait at a time."""
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(Path.unlink, [path for path in directory.rglob("*") if not path.is_dir()]))
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def node(disk):
    directory = disk / "shared"
    directory.mkdir()
    running = Node(directory)
    running.start()
    yield running
    status = running.stop()
    assert status == 0, running.log()
    assert "panicked" not in running.log()


@pytest.fixture
def own_node(disk):
    """A node that a test may stop and start; not started yet."""
    directory = Path(tempfile.mkdtemp(prefix="own-", dir=disk))
    own = Node(directory)
    yield own
    if own.process is not None:
        own.kill()


def impatient(url: str) -> Client:
    """A client that takes the first answer: the SDK asks for a missing object seven times otherwise."""
    once = Retrying(stop=stop_after_attempt(1), reraise=True)
    return Client(url, retry_config=RetryConfig(http_retry=Retry(total=0), network_retry=once))


@pytest.fixture(scope="session")
def client(node):
    """The SDK as users have it."""
    return Client(node.url)


@pytest.fixture(scope="session")
def once(node):
    """The SDK without retries, for what must fail."""
    return impatient(node.url)


@pytest.fixture
def new_name():
    """Makes names that no other test has."""
    return lambda: f"bucket-{next(_numbers)}"


@pytest.fixture
def bucket(client, new_name):
    bucket = client.bucket(new_name()).create()
    yield bucket
    bucket.delete(missing_ok=True)


@pytest.fixture
def other(client, new_name):
    """A second bucket."""
    bucket = client.bucket(new_name()).create()
    yield bucket
    bucket.delete(missing_ok=True)

"""A Straightline node as a child process, and what several tests need of its wire protocol."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import requests

REPOSITORY = Path(__file__).resolve().parents[2]
# Below the ports that the system hands out to clients.
PORTS = range(18200, 18300)
START_S = 60
STOP_S = 30


def binary() -> Path:
    """The server to test: $AISNODE, else what cargo has built."""
    if named := os.environ.get("AISNODE"):
        return Path(named)
    built = [REPOSITORY / "target" / profile / "aisnode" for profile in ("release", "debug")]
    for path in built:
        if path.exists():
            return path
    raise FileNotFoundError(f"no aisnode: set AISNODE or build one of {[str(p) for p in built]}")


def free_port() -> int:
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port in {PORTS}")


class Node:
    """`aisnode` over one data directory; may be stopped and started again."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.port = free_port()
        self.process = None
        self.http = requests.Session()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        assert self.process is None, "already started"
        arguments = [binary(), "--data-dir", self.directory / "data", "--port", str(self.port), "--memory", "1GiB"]
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(arguments, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while not self.is_healthy():
            assert self.process.poll() is None, f"the node ended:\n{self.log()}"
            assert time.monotonic() < deadline, f"the node does not answer:\n{self.log()}"
            time.sleep(0.05)

    def is_healthy(self) -> bool:
        try:
            return requests.get(f"{self.url}/v1/health", timeout=2).status_code == 200
        except requests.ConnectionError:
            return False

    def stop(self) -> int:
        """Ends the node as an administrator would; returns its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Ends the node as a crash would."""
        return self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> int:
        process, self.process = self.process, None
        self.http.close()
        process.send_signal(how)
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def request(self, method: str, path: str, **more) -> requests.Response:
        """A request without the SDK: nothing is retried, no status is an error."""
        return self.http.request(method, f"{self.url}{path}", timeout=30, allow_redirects=False, **more)

    def get_json(self, path: str, **more):
        response = self.request("GET", path, **more)
        assert response.status_code == 200, response.text
        return response.json()

    def act(self, method: str, path: str, action: str, value=None, name: str = "") -> requests.Response:
        return self.request(method, path, json={"action": action, "name": name, "value": value})


def assert_error(response: requests.Response, status: int, method: str, path: str, tcode: str | None = None) -> dict:
    """Checks AIStore's error body and returns it."""
    assert response.status_code == status, f"{response.status_code}: {response.text}"
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.text.endswith("}\n")
    body = response.json()
    assert body["status"] == status
    assert body["method"] == method
    assert body["url_path"] == path
    assert body["message"]
    assert body["remote_addr"].startswith("127.0.0.1:")
    assert body["node"].startswith(("t[", "p["))
    assert isinstance(body["caller"], str)
    if tcode is not None:
        assert body["tcode"] == tcode
    return body

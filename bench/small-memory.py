#!/usr/bin/env python3
"""The demo's work in a control group of 512 MiB, for half an hour: a node on defaults, written to and read from.

As root. `DURATION` (seconds, 1800) and `LIMIT_MIB` (512) may be set. What comes of it is written to
bench/results/small-memory.json: how much the group and the process used, and how many the kernel killed.
"""
import json
import math
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULT = pathlib.Path(os.environ.get("RESULT", ROOT / "bench/results/small-memory.json"))
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "target/release"))
LIMIT = int(os.environ.get("LIMIT_MIB", "512")) << 20
DURATION_S = int(os.environ.get("DURATION", "1800"))
PORT = int(os.environ.get("PORT", "51080"))
MIB = 1 << 20


def make_group():
    """A group with the limit, and its files: version 2, or 1 where that has the memory controller."""
    top = pathlib.Path("/sys/fs/cgroup")
    first = (top / "memory/memory.limit_in_bytes").exists()
    if first:
        top = top / "memory"
    else:
        try:
            (top / "cgroup.subtree_control").write_text("+memory")
        except OSError:
            pass  # It is on already, or the limit below cannot be set.
    group = top / f"straightline-small-{os.getpid()}"
    group.mkdir()
    (group / ("memory.limit_in_bytes" if first else "memory.max")).write_text(str(LIMIT))
    names = ("memory.max_usage_in_bytes", "memory.oom_control") if first else ("memory.peak", "memory.events")
    return group, group / names[0], group / names[1]


def resident_bytes(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) << 10


def killed(events):
    return int(re.search(r"^oom_kill (\d+)", events.read_text(), re.M)[1])


def wait_until_it_serves(node):
    for _ in range(600):
        if node.poll() is not None:
            sys.exit("aisnode did not start")
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{PORT}/v1/health", timeout=2).close()
        except OSError:
            time.sleep(0.1)
    sys.exit("aisnode does not serve")


def load(seconds, *words):
    """Starts the loader, outside of the group."""
    base = [BUILD / "aisloader", "-ip", "127.0.0.1", "-port", str(PORT), "-bucket", "ais://demo",
            "-minsize", "1MiB", "-maxsize", "1MiB", "-statsinterval", "30", "-duration", f"{seconds}s",
            "-allow", "not-steady,too-short,client-saturated,clock-step,steal,cache"]
    return [str(word) for word in base] + list(words)


def phases(begun):
    """Objects first, which may be done early, then reads and writes together until the time is over."""
    filling = min(60, max(5, DURATION_S // 10))
    yield filling, ["-pctput", "100", "-numworkers", "8", "-totalputsize", "4GiB", "-cleanup=false"]
    yield max(1, math.ceil(DURATION_S - (time.monotonic() - begun))), ["-pctput", "0", "-pctupdate", "10", "-numworkers", "16", "-cleanup=false"]


def watch(node, command):
    """Runs the loader and samples the node; returns its exit code, its last lines and the samples."""
    with tempfile.TemporaryFile("w+") as out:
        loader = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        samples = []
        while loader.poll() is None:
            if node.poll() is not None:
                loader.kill()
                break
            samples.append(resident_bytes(node.pid))
            time.sleep(0.5)
        out.seek(0)
        return loader.wait(), out.read().splitlines()[-25:], samples


def main():
    group, peak, events = make_group()
    data = tempfile.mkdtemp(prefix="straightline-small.", dir=ROOT)
    script = f'echo $$ > {group}/cgroup.procs && exec "$@"'
    node_words = [str(BUILD / "aisnode"), "--data-dir", data, "--port", str(PORT)]
    banner = tempfile.TemporaryFile("w+")
    node = subprocess.Popen(["sh", "-c", script, "sh", *node_words], stdout=banner)
    begun = time.monotonic()
    result = {"what": "the demo's work in a control group, on defaults", "limit_bytes": LIMIT, "phases": []}
    try:
        wait_until_it_serves(node)
        for seconds, words in phases(begun):
            code, tail, samples = watch(node, load(seconds, *words))
            print("\n".join(tail), flush=True)
            result["phases"].append({"loader": words, "seconds": seconds, "exit": code,
                                     "resident_bytes_max": max(samples, default=0), "samples": len(samples)})
            if node.poll() is not None or code != 0:
                break
        result["ran_s"] = round(time.monotonic() - begun)
        result["node_alive"] = node.poll() is None
    finally:
        node.send_signal(signal.SIGTERM) if node.poll() is None else None
        result["node_exit"] = node.wait()
        shutil.rmtree(data, ignore_errors=True)
        banner.seek(0)
        result["banner"] = banner.read().replace(data, "DATA").splitlines()
        result["group_bytes_max"] = int(peak.read_text()) if peak.exists() else None
        result["killed"] = killed(events)
        time.sleep(0.5)
        group.rmdir()
    budget = int(re.search(r"memory\s+(\d+) MiB", "\n".join(result["banner"]))[1]) * MIB
    result["budget_bytes"] = budget
    result["resident_bytes_max"] = max(phase["resident_bytes_max"] for phase in result["phases"])
    result["resident_allowed_bytes"] = budget + 64 * MIB
    result["passed"] = (result["node_alive"] and result["node_exit"] == 0 and result["killed"] == 0
                        and all(phase["exit"] == 0 for phase in result["phases"])
                        and result["resident_bytes_max"] <= result["resident_allowed_bytes"]
                        and result["ran_s"] >= DURATION_S)
    uname = os.uname()
    result["build"] = BUILD.name
    result["host"] = {"kernel": f"{uname.sysname} {uname.release}", "cpus": os.cpu_count()}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: v for k, v in result.items() if k not in ("banner", "phases")}, indent=1))
    sys.exit(0 if result["passed"] else 1)


if __name__ == "__main__":
    main()

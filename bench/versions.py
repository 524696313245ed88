#!/usr/bin/env python3
"""Is one build of the node as fast as another? Alternating runs of both, the same loader, ratios.

usage: versions.py OLD_NODE NEW_NODE LOADER [--rounds N] [--seconds S] [--only WORK,WORK] [--out FILE.json]

Each round starts both nodes in turn (old new, new old, ...) on the same objects, one data directory for each build.
"""
import argparse, json, os, platform, re, shutil, statistics, subprocess, sys, tempfile, time, urllib.request

WAIVED = "not-steady,too-short,client-saturated,clock-step,steal,cache"
# name: (bucket, arguments of the loader, settings of the node)
WORKS = {
    "get-4k-hot": ("hot", ["-pctput", "0", "-numworkers", "64", "-dist", "hot:95/1"]),
    "get-4k-cold": ("cold", ["-pctput", "0", "-numworkers", "64"]),
    "get-1m-cold": ("large", ["-pctput", "0", "-numworkers", "16"]),
    "put-4k": ("put4k", ["-pctput", "100", "-numworkers", "64", "-minsize", "4KiB", "-maxsize", "4KiB"]),
    "put-1m": ("put1m", ["-pctput", "100", "-numworkers", "8", "-minsize", "1MiB", "-maxsize", "1MiB"]),
    "list": ("cold", ["-pctput", "0", "-pctlist", "100", "-numworkers", "8"]),
}
# bucket: (objects, size, its properties)
BUCKETS = {
    "hot": (20000, "4KiB", {}),
    "cold": (400000, "4KiB", {"read_cache": False}),
    "large": (3000, "1MiB", {"read_cache": False}),
    "put4k": (0, "4KiB", {}),
    "put1m": (0, "1MiB", {}),
}


class Node:
    running = []

    def __init__(self, program, data, port):
        self.url, self.port = f"http://127.0.0.1:{port}", port
        self.process = subprocess.Popen(
            [program, "--data-dir", data, "--port", str(port), "--memory", "1GiB"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.running.append(self)
        for _ in range(600):
            try:
                urllib.request.urlopen(self.url + "/v1/health", timeout=1)
                return
            except OSError:
                if self.process.poll() is not None:
                    sys.exit(f"{program} did not start")
                time.sleep(0.05)
        sys.exit(f"{program} does not answer")

    def destroy(self, bucket):
        request = urllib.request.Request(f"{self.url}/v1/buckets/{bucket}?provider=ais", method="DELETE",
                                         data=b'{"action":"destroy-bck"}')
        urllib.request.urlopen(request, timeout=60)

    def durable_by(self):
        """The flushes by which this build says that changes become durable; None for one that says nothing."""
        text = urllib.request.urlopen(self.url + "/metrics").read().decode()
        said = re.findall(r'^straightline_mountpath_durability\{.*by="([^"]*)".*\} 1$', text, re.M)
        return said[0] if said else None

    def stop(self):
        self.running.remove(self)
        self.process.terminate()
        self.process.wait(60)

    def cpu_s(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(loader, node, bucket, arguments):
    """Runs the loader; gives operations, bytes, errors and the 99th percentile of its final line."""
    with tempfile.NamedTemporaryFile() as log:
        command = [loader, "-ip", "127.0.0.1", "-port", str(node.port), "-bucket", f"ais://{bucket}", "-cleanup=false",
                   "-quiet", "-allow", WAIVED, "-ndjson", log.name, *arguments]
        before = node.cpu_s()
        ran = subprocess.run(command, capture_output=True, text=True)
        cpu_s = node.cpu_s() - before
        lines = [json.loads(line) for line in open(log.name)]
        if ran.returncode or not lines:
            sys.exit(f"{' '.join(command)}\n{ran.stdout}{ran.stderr}")
        return lines, cpu_s


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("old"), args.add_argument("new"), args.add_argument("loader")
    args.add_argument("--rounds", type=int, default=5)
    args.add_argument("--seconds", type=int, default=6)
    args.add_argument("--only", default=",".join(WORKS))
    args.add_argument("--port", type=int, default=47150)
    args.add_argument("--dir", default=".")
    args.add_argument("--out")
    args = args.parse_args()
    works = args.only.split(",")
    builds = {"old": args.old, "new": args.new}
    top = tempfile.mkdtemp(prefix="versions.", dir=args.dir)
    durable_by = {}
    try:
        for build, program in builds.items():
            node = Node(program, f"{top}/{build}", args.port)
            durable_by[build] = node.durable_by()
            for bucket in dict.fromkeys(WORKS[work][0] for work in works):
                count, size, props = BUCKETS[bucket]
                props = ["-bprops", json.dumps(props)] if props else []
                load(args.loader, node, bucket, ["-pctput", "100", "-numworkers", "32", "-maxputs", str(max(count, 1)),
                     "-minsize", size, "-maxsize", size, "-duration", "10m", *props])
            node.stop()
        rates = {work: {"old": [], "new": []} for work in works}
        cpu = {work: {"old": [], "new": []} for work in works}
        for number in range(args.rounds):
            for build in ["old", "new"] if number % 2 == 0 else ["new", "old"]:
                node = Node(builds[build], f"{top}/{build}", args.port)
                for work in works:
                    bucket, arguments = WORKS[work]
                    started = time.monotonic()
                    lines, cpu_s = load(args.loader, node, bucket, [*arguments, "-duration", f"{args.seconds}s"])
                    if BUCKETS[bucket][0] == 0:
                        # The objects written would fill the disk after a few rounds.
                        node.destroy(bucket)
                    rate = operations_per_second(lines)
                    rates[work][build].append(round(rate, 1))
                    cpu[work][build].append(round(cpu_s / max(rate * args.seconds, 1) * 1e6, 2))
                    print(number, build, work, f"{rate:.0f}/s", f"{time.monotonic() - started:.1f} s", flush=True)
                node.stop()
        report = {"command": " ".join(["versions.py", *[os.path.basename(p) for p in (args.old, args.new, args.loader)],
                                       *[a for a in sys.argv[4:] if "/" not in a]]),
                  "host": {"cpus": os.cpu_count(), "kernel": platform.release(), "durable_by": durable_by},
                  "works": {work: summary(rates[work], cpu[work]) for work in works}}
        print(json.dumps({work: row["ratio"] for work, row in report["works"].items()}))
        if args.out:
            json.dump(report, open(args.out, "w"), indent=1)
    finally:
        for node in list(Node.running):
            node.stop()
        shutil.rmtree(top, ignore_errors=True)


def operations_per_second(lines):
    final = [line for line in lines if line.get("type") == "final"][-1]
    return sum(kind["ops"] for kind in final["ops"].values()) / final["window_s"]


def summary(rates, cpu):
    pairs = [new / old for old, new in zip(rates["old"], rates["new"])]
    medians = {build: statistics.median(values) for build, values in rates.items()}
    return {"ops_per_s": rates, "server_cpu_us_per_op": cpu,
            "ratio": round(medians["new"] / medians["old"], 3),
            "ratio_by_round": [round(min(pairs), 3), round(max(pairs), 3)],
            "cpu_ratio": round(statistics.median(cpu["new"]) / max(statistics.median(cpu["old"]), 1e-9), 3)}


if __name__ == "__main__":
    main()

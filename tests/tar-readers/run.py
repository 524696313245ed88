"""Has the TAR readers of Debian, PyPI, npm and Go read what a node left, and compares every member: `make tar-readers`.

The argument is the directory that `TAR_ARCHIVES` named in the test `archives`. Readers are installed into a temporary
directory, Debian's by the make target. One that cannot be installed is an error that names it, and none is left out.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYPI = ["numpy==1.26.4", "braceexpand==0.1.7", "PyYAML==6.0.2", "webdataset==0.2.111"]
PYPI_ALONE = ["torchdata==0.9.0"]
NPM = ["tar@7.4.3", "tar-stream@3.1.7", "tar-fs@3.0.9"]


def run(*command, cwd=None):
    """Standard output of a command that ends well and complains of nothing."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    try:
        ran = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, timeout=600)
    except FileNotFoundError as error:
        raise SystemExit(f"{command[0]} is not installed: {error}") from error
    if ran.returncode != 0 or ran.stderr:
        raise Failed(f"{' '.join(map(str, command))}: exit code {ran.returncode}\n{ran.stderr.decode(errors='replace')}")
    return ran.stdout


class Failed(Exception):
    pass


class Archive:
    def __init__(self, tar: Path):
        self.path = str(tar)
        self.bytes = tar.read_bytes()
        lines = tar.with_suffix(".members").read_text().splitlines()
        members = [line.split("\t") for line in lines]
        self.names = [member[0] for member in members]
        self.header_names = [member[1] for member in members]
        self.contents = [(int(member[2]), member[3]) for member in members]

    def compare(self, found: list, names: list) -> None:
        """What a reader has found: names, sizes and checksums in order."""
        expected = [(name, *content) for name, content in zip(names, self.contents, strict=True)]
        for at, (one, other) in enumerate(zip(found, expected)):
            if one != other:
                raise Failed(f"member {at}: found {one}, expected {other}")
        if len(found) != len(expected):
            raise Failed(f"{len(found)} members, expected {len(expected)}")

    def compare_lines(self, out: bytes, names: list) -> None:
        lines = [line.split("\t") for line in out.decode().split("\n")[:-1]]
        self.compare([(name, int(size), checksum) for name, size, checksum in lines], names)

    def compare_stream(self, found_names: list, data: bytes, names: list) -> None:
        """Names, and the bytes of all files one behind the other."""
        found, at = [], 0
        for name, (size, _) in zip(found_names, self.contents):
            found.append((name, size, hashlib.sha256(data[at : at + size]).hexdigest()))
            at += size
        if at != len(data):
            raise Failed(f"{len(data)} bytes, expected {at}")
        self.compare(found, names)
        if len(found_names) != len(names):
            raise Failed(f"{len(found_names)} names, expected {len(names)}")

    def compare_tree(self, root: Path, names: list) -> None:
        files = {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}
        if files != set(names):
            raise Failed(f"missing {sorted(set(names) - files)[:3]}, unexpected {sorted(files - set(names))[:3]}")
        for name, (size, checksum) in zip(names, self.contents):
            data = (root / name).read_bytes()
            if (len(data), hashlib.sha256(data).hexdigest()) != (size, checksum):
                raise Failed(f"{name}: other bytes")


class Readers:
    """Each function reads an archive and compares; those that extract take a directory too.

    Ruby, Perl and the mapping reader of wids know only the header's own fields, where long names have short ones."""

    def __init__(self, work: Path):
        self.work = work

    def install(self):
        steps = {
            "Python environment": [sys.executable, "-m", "venv", "python"],
            " ".join(PYPI): ["python/bin/pip", "install", "-q", *PYPI],
            " ".join(PYPI_ALONE): ["python/bin/pip", "install", "-q", "--no-deps", *PYPI_ALONE],
            " ".join(NPM): ["npm", "install", "--silent", "--no-audit", "--no-fund", *NPM],
            "Go's archive/tar": ["go", "build", "-o", "go_reader", str(HERE / "go_reader.go")],
        }
        shutil.copy(HERE / "npm_reader.cjs", self.work)
        for what, command in steps.items():
            try:
                subprocess.run(command, cwd=self.work, check=True, timeout=900)
            except (OSError, subprocess.SubprocessError) as error:
                raise SystemExit(f"cannot install {what}: {error}") from error

    def gnu_tar(self, archive):
        names = run("tar", "--quoting-style=literal", "-tf", archive.path).decode().splitlines()
        self._stream(archive, names, run("tar", "-xOf", archive.path), archive.names)

    def bsdtar(self, archive):
        names = run("bsdtar", "-tf", archive.path).decode().replace("\\\\", "\\").splitlines()
        self._stream(archive, names, run("bsdtar", "-xOf", archive.path), archive.names)

    def busybox(self, archive):
        names = run("busybox", "tar", "-tf", archive.path).decode().splitlines()
        self._stream(archive, names, run("busybox", "tar", "-xOf", archive.path), archive.names)

    def seven_zip(self, archive):
        text = run("7zz", "l", "-slt", "-ba", "-sccUTF-8", archive.path).decode()
        blocks = [dict(line.split(" = ", 1) for line in block.splitlines() if " = " in line) for block in text.split("\n\n")]
        names = [block["Path"] for block in blocks if block.get("Folder") == "-"]
        data = run("7zz", "x", "-so", archive.path)
        archive.compare_stream(names, data, archive.names)

    def ruby(self, archive):
        archive.compare_lines(run("ruby", HERE / "ruby_reader.rb", archive.path), archive.header_names)

    def perl(self, archive):
        archive.compare_lines(run("perl", HERE / "perl_reader.pl", archive.path), archive.header_names)

    def go(self, archive):
        archive.compare_lines(run(self.work / "go_reader", archive.path), archive.names)

    def webdataset(self, archive):
        archive.compare_lines(self._python("webdataset", archive), archive.names)

    def torchdata(self, archive):
        archive.compare_lines(self._python("torchdata", archive), archive.names)

    def torchdata_stream(self, archive):
        archive.compare_lines(self._python("torchdata_stream", archive), archive.names)

    def wids(self, archive):
        archive.compare_lines(self._python("wids", archive), archive.names)

    def wids_mapped(self, archive):
        # It knows one field of a header, the last hundred bytes of a name.
        fields = [short_field(name) for name in archive.header_names]
        archive.compare_lines(self._python("wids_mapped", archive), fields)

    def npm_tar(self, archive):
        archive.compare_lines(self._npm("tar", archive), archive.names)

    def npm_tar_stream(self, archive):
        archive.compare_lines(self._npm("tar-stream", archive), archive.names)

    def npm_tar_extracts(self, archive, into):
        self._npm("tar extract", archive, into)
        archive.compare_tree(into, archive.names)

    def npm_tar_fs_extracts(self, archive, into):
        self._npm("tar-fs", archive, into)
        archive.compare_tree(into, archive.names)

    def busybox_extracts(self, archive, into):
        run("busybox", "tar", "-C", into, "-xf", archive.path)
        archive.compare_tree(into, archive.names)

    def seven_zip_extracts(self, archive, into):
        run("7zz", "x", "-bd", f"-o{into}", archive.path)
        archive.compare_tree(into, archive.names)

    def _stream(self, archive, listed, data, names):
        archive.compare_stream([name for name in listed if name != "%log/"], data, names)

    def _python(self, which, archive):
        return run(self.work / "python/bin/python", HERE / "python_readers.py", which, archive.path)

    def _npm(self, which, archive, into=""):
        return run("node", self.work / "npm_reader.cjs", which, archive.path, str(into), cwd=self.work)


def short_field(name: str) -> str:
    """The part of a name that stands in a header's first field."""
    encoded = name.encode()
    if len(encoded) <= 100:
        return name
    return encoded[encoded.index(b"/", len(encoded) - 101) + 1 :].decode()


def main() -> int:
    archives = [Archive(path) for path in sorted(Path(sys.argv[1]).glob("*.tar"))]
    if not any(archive.path.endswith("export.tar") for archive in archives) or len(archives) < 2:
        raise SystemExit(f"{sys.argv[1]} holds no archives of the test")
    failures = 0
    with tempfile.TemporaryDirectory(prefix="tar-readers-") as work:
        readers = Readers(Path(work))
        readers.install()
        checks = [name for name in vars(Readers) if not name.startswith("_") and name != "install"]
        for name in checks:
            extracts = name.endswith("_extracts")
            for archive in archives:
                if extracts and not archive.path.endswith("export.tar"):
                    # A segment is a log: it holds several versions, and files where others have directories.
                    continue
                into = Path(work, f"into-{name}")
                try:
                    if extracts:
                        into.mkdir()
                        getattr(readers, name)(archive, into)
                    else:
                        getattr(readers, name)(archive)
                    print(f"{name}: {Path(archive.path).name}: {len(archive.names)} members, names and bytes right", flush=True)
                except Failed as failed:
                    failures += 1
                    print(f"{name}: {Path(archive.path).name}: FAILED: {failed}", flush=True)
    print(f"{len(checks)} readers, {len(archives)} archives, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Writes bench/RESULTS.md from bench/results/*.json: every figure with its command, host and commit.

usage: results.py [--check]

With --check it writes nothing and ends with 1 when the page is not what the data say.
"""
import json
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE / "RESULTS.md"
# Told above the figures, in this order, where a file has them.
TOLD = ("what", "question", "scenario", "experiment", "command", "commands", "date", "commit", "git_commit", "host", "build", "note")
ROWS_MAX = 60


def text(value):
    """A figure as people read it."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}"


def is_series(value):
    return isinstance(value, list) and len(value) > 1 and all(isinstance(v, (int, float)) for v in value)


def leaves(value, path=()):
    """The figures of a tree with the words that lead to them; a series is its median and its range."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from leaves(part, (*path, str(name)))
    elif is_series(value):
        yield path, f"{text(statistics.median(value))} ({text(min(value))} to {text(max(value))}, {len(value)})"
    elif isinstance(value, list):
        for at, part in enumerate(value):
            yield from leaves(part, (*path, str(part.get("name", at)) if isinstance(part, dict) else str(at)))
    else:
        yield path, text(value)


def flat(value):
    """The text above the figures, on one line."""
    if isinstance(value, dict):
        return "; ".join(f"{name} {flat(part)}" for name, part in value.items())
    if isinstance(value, list):
        return "; ".join(map(flat, value))
    return text(value)


def cell(words):
    return words.replace("|", "\\|").replace("\n", " ")


def section(file):
    document = json.loads(file.read_text())
    lines = [f"## {file.stem}", ""]
    lines += [f"* {name.replace('_', ' ')}: {flat(document[name])}" for name in TOLD if name in document]
    figures = list(leaves({name: part for name, part in document.items() if name not in TOLD}))
    lines += ["", "| Figure | Value |", "|---|---|"]
    lines += [f"| {cell(' / '.join(path))} | {cell(value)} |" for path, value in figures[:ROWS_MAX]]
    if len(figures) > ROWS_MAX:
        lines += ["", f"{len(figures) - ROWS_MAX} more are in the file."]
    return "\n".join(lines)


def page():
    files = sorted((HERE / "results").glob("*.json"))
    head = ("# Results\n\nMade by `bench/results.py` of the data in `bench/results/`; do not edit. A series is told by its median, its "
            "range and its length.\nRatios were measured in alternating rounds of one run; absolute figures of a virtual machine with two processors move by half.")
    return "\n\n".join([head, *map(section, files)]) + "\n"


def main():
    wanted = page()
    if sys.argv[1:] == ["--check"]:
        if not PAGE.exists() or PAGE.read_text() != wanted:
            sys.exit(f"{PAGE} is not what the data say: run bench/results.py")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        PAGE.write_text(wanted)


if __name__ == "__main__":
    main()

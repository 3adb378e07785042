"""Instructions a row, counted by callgrind: the cost of a row does not grow with the number of rows.

Counts repeat to the digit where times do not, so this works on a busy machine. The fast engine runs alone on one
thread over a few rows of a file and over many (evenly spaced ones); what reading and preparing cost is subtracted.
Before, benches/kernel.rs compares the sizes of some rows with zlib's. It needs valgrind and takes some minutes::

    python -m benches.sample pool.jsonl.zst sample.jsonl --rows 20000
    python -m benches.instructions --source sample.jsonl --target humaneval.jsonl
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from benches import report

CHECKED_ROWS = 200
"""Rows whose sizes are compared before anything is counted; arbitrary, some seconds of work."""


def kernel() -> str:
    """The program of benches/kernel.rs, built if need be."""
    command = ["cargo", "bench", "--quiet", "--bench", "kernel", "--no-run", "--message-format", "json"]
    built = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    return str(next(message["executable"] for message in messages if message.get("executable")))


def texts(options: argparse.Namespace) -> list[str]:
    """What tells the program which files to read."""
    return ["--source", os.fspath(options.source), "--target", os.fspath(options.target)]


def counted(program: str, rows: int, runs: int, options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Instructions of a run over so many rows, and the program's own report."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, "--rival", "no"]
    command += [*texts(options), "--rows", str(rows), "--runs", str(runs)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    collected = re.search(r"Collected : (\d+)", finished.stderr)
    if finished.returncode != 0 or collected is None:
        sys.exit(f"{shlex.join(command)} failed:\n{finished.stderr[-2000:]}")
    return int(collected[1]), json.loads(finished.stdout)


def main() -> None:
    """Read the arguments, count, print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, required=True, help="JSON Lines with a field text")
    parser.add_argument("--target", type=Path, required=True, help="JSON Lines with a field text")
    parser.add_argument("--rows", type=int, nargs=2, default=[2000, 20_000], metavar=("FEW", "MANY"))
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    program = kernel()
    check = [program, *texts(options), "--rows", str(CHECKED_ROWS), "--runs", "1"]
    subprocess.run(check, check=True, stdout=subprocess.DEVNULL)
    results: list[dict[str, Any]] = []
    for rows in options.rows:
        before, _ = counted(program, rows, 0, options)
        instructions, counts = counted(program, rows, 1, options)
        found = counts["results"][0]
        found["instructions a row"] = round((instructions - before) / found["rows"])
        del found["seconds to prepare"]  # under callgrind they are not ours
        results.append(found)
    few, many = results
    counts["command"] = report.command_line("benches.instructions")
    counts["results"] = results
    ratio = many["instructions a row"] / few["instructions a row"]
    counts[f"instructions a row, {many['rows']} rows over {few['rows']}"] = round(ratio, 3)
    report.tell(counts, options.record)


if __name__ == "__main__":
    main()

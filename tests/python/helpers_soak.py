"""What the soak tests share: how much to do, rows, runs that are disturbed and runs that are not.

``ZIPFIT_SOAK=1`` asks for the long form (`make soak`), ``ZIPFIT_SEED`` for other random numbers, and
``ZIPFIT_SOAK_RECORD`` names the JSON file that the numbers found go to.
"""

from __future__ import annotations

import functools
import gzip
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import helpers_forks
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from helpers_files import digest, environment, lines_of, write_texts
from helpers_texts import function_sources

LONG = os.environ.get("ZIPFIT_SOAK") == "1"
SEED = int(os.environ.get("ZIPFIT_SEED", "0"))
DRIVER = Path(__file__).parent / "soak" / "driver.py"
RESULTS: dict[str, Any] = {}
"""What goes to the record."""


def count(short: int, long: int) -> int:
    """Return how often to do something: `short` as a part of `make test`, `long` for `make soak`."""
    return long if LONG else short


def record(name: str, **numbers: Any) -> None:
    """Keep what was found until now, also where it is not what should be."""
    RESULTS[name] = {"seed": SEED, **numbers}


def none(problems: list[str]) -> None:
    """Fail if there are problems; says how to see them again."""
    assert not problems, f"{len(problems)} problems with ZIPFIT_SEED={SEED}:\n" + "\n".join(problems[:20])


# Rows -----------------------------------------------------------------------------------------------------------------


def some_texts(rows: int, seed: int) -> list[str]:
    """Functions of Python's library, each with a number, so that no two are equal."""
    numbers, functions = random.Random(seed), library_functions()
    return [f"# {row}\n{numbers.choice(functions)[:1200]}" for row in range(rows)]


@functools.cache
def library_functions() -> list[str]:
    """Sources of some 200 functions."""
    return [text for module in ("ast", "statistics") for text in function_sources(module)]


def make_pool(folder: Path, rows: int, targets: int = 24) -> Path:
    """Write the same rows in every format, and what else a run reads."""
    texts = some_texts(rows, 1)
    for row in range(39, rows, 40):
        texts[row] = texts[row - 13]
    objects = [
        {"id": f"row-{row}", "text": text, "group": row % 7, "tokens": len(text) // 4} for row, text in enumerate(texts)
    ]
    content = lines_of(objects)
    half = content.index(b"\n", len(content) // 2) + 1
    (folder / "a.jsonl").write_bytes(content[:half])
    # Bad rows, to be passed over.
    (folder / "b.jsonl").write_bytes(content[half:] + b'{"id": "bad", "text": null}\n{"id": "cut", "te\n')
    # Two members, of which the second begins inside a row.
    members = [gzip.compress(part, mtime=0) for part in (content[: half // 2], content[half // 2 : half])]
    (folder / "a.jsonl.gz").write_bytes(b"".join(members))
    (folder / "b.jsonl.zst").write_bytes(zstandard.ZstdCompressor(write_checksum=True).compress(content[half:]))
    table, groups = pa.Table.from_pylist(objects), max(rows // 5, 1)
    pq.write_table(table, folder / "a.parquet", row_group_size=groups)
    pq.write_table(table, folder / "checked.parquet", row_group_size=groups, write_page_checksum=True)
    write_texts(folder / "target.jsonl", some_texts(targets, 2))
    write_texts(folder / "exclude.jsonl", [texts[row] for row in range(0, rows, 50)])
    return folder


@dataclass(frozen=True)
class Way:
    """A command, without its output directory."""

    arguments: tuple[str, ...]
    batch_rows: int = 64
    has_journal: bool = True


BOTH = ("a.jsonl", "b.jsonl", "--target", "target.jsonl", "--on-bad-row", "skip")
GZ = ("a.jsonl.gz", "b.jsonl.zst", "--target", "target.jsonl")
PARQUET = ("a.parquet", "--target", "target.jsonl")
FILTERS = ("--exclude", "exclude.jsonl", "--dedup", "1", "--metric", "gain")

WAYS = {
    "score, JSONL": Way(("score", *BOTH)),
    "score, .gz and .zst": Way(("score", *GZ, "--group", "group")),
    "select, JSONL": Way(("select", *BOTH, "--top-k", "100")),
    "select, Parquet": Way(("select", *PARQUET, "--group", "group", "--top-k", "9", "--threads", "1")),
    "select, filters": Way(("select", *GZ, *FILTERS, "--budget-bytes", "50000", "--keep-order")),
    "score, a shard": Way(("score", *BOTH, "--metric", "gain", "--shard", "2/3"), batch_rows=20),
    "select, joint": Way(("select", *BOTH, "--cover", "--top-k", "60"), has_journal=False),
}


# Runs -----------------------------------------------------------------------------------------------------------------


@dataclass
class Undisturbed:
    """What a run that nobody disturbs leaves, and how long it takes."""

    files: dict[str, str]
    seconds: float
    batches: list[str]
    """Notes of what was scored, in order."""


def driven(way: Way, output: Path, notes: Path, *more: str) -> list[str]:
    """Return a command that scores in small batches and notes them."""
    arguments = [*way.arguments, "-o", str(output), *more]
    return [sys.executable, str(DRIVER), str(way.batch_rows), str(notes), *arguments]


@dataclass
class Done:
    """A process that has ended."""

    status: int
    said: str
    seconds: float

    def __str__(self) -> str:
        return f"status {self.status}, {self.said[-600:]!r}"


def run(command: list[str], cwd: Path, *, forked: bool = False) -> Done:
    """Run a command to its end; forked where its seconds and its system calls are not what matters."""
    start = time.perf_counter()
    if forked and (done := helpers_forks.run(command, cwd, environment())):
        return Done(done.returncode, done.stderr, time.perf_counter() - start)
    finished = subprocess.run(
        command, cwd=cwd, env=child_environment(), capture_output=True, encoding="utf-8", timeout=300, check=False
    )
    return Done(finished.returncode, finished.stderr, time.perf_counter() - start)


def child_environment() -> dict[str, str]:
    """Return the environment of a child; none leaves compiled modules, so that all make the same system calls."""
    return environment(PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="0")


def undisturbed(way: Way, pool: Path, directory: Path) -> Undisturbed:
    """Run to the end."""
    output, notes = directory / "whole", directory / "notes"
    done = run(driven(way, output, notes), pool)
    assert done.status == 0, done
    batches = lines(notes)
    assert len(set(batches)) == len(batches)
    assert bool(batches) == way.has_journal
    return Undisturbed(digest(output), done.seconds, batches)


def lines(path: Path) -> list[str]:
    """Return the lines of a file that may not be there."""
    return path.read_text().splitlines() if path.exists() else []


def whole_records(output: Path) -> int:
    """Count the batches in a journal that are whole, by the description of its format and not by its own code."""
    path = output / ".zipfit" / "journal"
    content = path.read_bytes() if path.exists() else b""
    at, found = len(b"zipfit journal 1\n"), -1
    while at + 12 <= len(content):
        length, checksum = struct.unpack_from("<QI", content, at)
        body = content[at + 12 : at + 12 + length]
        if len(body) < length or zlib.crc32(body) != checksum:
            break
        at, found = at + 12 + length, found + 1
    # The first record is the header.
    return max(found, 0)


@dataclass
class Resumed:
    """How a run went on."""

    problem: str | None
    redone: int
    """Batches that were scored before, and again."""


def resume(way: Way, pool: Path, output: Path, whole: Undisturbed, scored_before: list[str]) -> Resumed:
    """Go on with a run that was disturbed, and hold it against one that was not."""
    with tempfile.TemporaryDirectory() as notes_directory:
        notes = Path(notes_directory, "notes")
        in_journal = whole_records(output)
        is_finished = (output / "manifest.json").exists() and not (output / ".zipfit" / "journal").exists()
        done = run(driven(way, output, notes, "--resume"), pool, forked=True)
        scored_now = lines(notes)
    redone = len(set(scored_before) & set(scored_now))
    problem = None
    if done.status != 0:
        problem = f"--resume: {done}"
    elif (found := digest(output)) != whole.files:
        names = [name for name in {**found, **whole.files} if found.get(name) != whole.files.get(name)]
        problem = f"--resume ends with other files: {names}"
    elif way.has_journal and scored_now != ([] if is_finished else whole.batches[in_journal:]):
        problem = f"{in_journal} of {len(whole.batches)} batches were in the journal, {len(scored_now)} scored then"
    elif redone > 1:
        problem = f"{redone} batches were scored twice"
    return Resumed(problem, redone)


def remove(directory: Path) -> None:
    """Remove a directory that may not be there."""
    if directory.exists():
        shutil.rmtree(directory)


# System calls ---------------------------------------------------------------------------------------------------------


def need_strace() -> None:
    """Skip, for all to see, where system calls cannot be disturbed."""
    if sys.platform != "linux":
        pytest.skip("needs strace, which only Linux has")
    if shutil.which("strace") is None:
        pytest.skip("needs strace (on Debian and Ubuntu: apt install strace)")
    if subprocess.run(["strace", "-f", "-o", os.devnull, "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs strace with the right to trace (ptrace), which this machine does not give")


def traced(command: list[str], log: Path, *options: str, paths: tuple[str, ...] = ()) -> list[str]:
    """Return a command under strace that is a process of its own number: ``PID`` in `paths`, of files, stands for it.

    With -D the tracer is a child of what it traces. (With --seccomp-bpf nothing would be injected.)
    """
    names = " ".join("-P '" + path.replace("PID", "'$$'") + "'" for path in paths)
    script = f'log=$1; options=$2; shift 2; exec strace -D -f -q -y -e signal=none -o "$log" {names} $options "$@"'
    return ["sh", "-c", script, "sh", str(log), " ".join(options), *command]

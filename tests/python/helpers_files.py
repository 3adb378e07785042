"""What the tests of files and of the command line share."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import helpers_forks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

COVER_NAMES = {"selected.jsonl", "selection.jsonl", "manifest.json", "run.json"}
"""What rows chosen jointly, and rows of a `Selection`, leave: there is no table of scores."""

OUTPUT_NAMES = COVER_NAMES | {"scores.parquet"}

TARGET_TEXTS = ["def add(a, b): return a + b", "def mul(a, b): return a * b"]

SOURCE_TEXTS = [
    "The cat sat on the mat and looked at the rain.",
    "def sub(a, b): return a - b",
    "SELECT name FROM users WHERE id = 3",
    "def div(a, b): return a / b",
    "lorem ipsum dolor sit amet",
    "class Point: pass",
]


def environment(**changes: str) -> dict[str, str]:
    """Return the environment of a child, without what would colour or widen its output."""
    kept = {key: value for key, value in os.environ.items() if key not in {"FORCE_COLOR", "NO_COLOR", "COLUMNS"}}
    return kept | {"PYTHONUTF8": "1"} | changes


def command(*arguments: str | Path) -> list[str]:
    """Return the command line that runs zipfit with the Python that runs the tests."""
    return [sys.executable, "-m", "zipfit", *map(str, arguments)]


def zipfit_cli(
    *arguments: str | Path,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    stdin: bytes | int | None = None,
    preexec_fn: Callable[[], object] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run zipfit and return its exit status, standard output and standard error.

    Its standard input brings the bytes that are given, or is a descriptor, or has nothing.
    """
    if not preexec_fn:
        forked = helpers_forks.run(command(*arguments), cwd or Path.cwd(), env or environment(), stdin)
        if forked:
            return forked
    fed = {"stdin": subprocess.DEVNULL if stdin is None else stdin}
    given: dict[str, Any] = {"input": stdin} if isinstance(stdin, bytes) else fed
    done: subprocess.CompletedProcess[bytes] = subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=env or environment(),
        capture_output=True,
        timeout=300,
        check=False,
        preexec_fn=preexec_fn,
        **given,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def lines_of(rows: Iterable[dict[str, Any]]) -> bytes:
    """Return rows as JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def write_texts(path: Path, texts: Sequence[str]) -> Path:
    """Write one object with the field ``text`` a row."""
    path.write_bytes(lines_of({"text": text} for text in texts))
    return path


def digest(directory: Path) -> dict[str, str]:
    """Hashes of all files but the one that tells how the run went."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != "run.json")
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read JSON Lines by Python's own parser."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]

"""What rows are chosen for, and the pool that they are chosen from, written once to a directory.

Of each task zipfit and its rivals see some examples, the target; what is learnt is measured on others, the test. Two
tasks come from files. The others are made of the pool: `TARGET_ROWS` and `TEST_ROWS` rows of one kind, drawn by seed 0,
which then are in the pool no more, while the other rows of their kind are. `KINDS` were written down before any result
was looked at: a programming language that neither of the two tasks from files has, word problems, scientific prose,
and dialogue; several of a sort would have been one opinion told twice.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zipfit

KINDS = ("r", "math_word_problems", "biomedical", "dialogue")
"""Values of the field kind in the pool."""

TARGET_ROWS = 100

TEST_ROWS = 300

POOL, MADE_OF = "pool.jsonl", "made_of.json"

OVERLAP_WORDS = 13
"""Test rows of fewer words would be found whole in rows that have nothing to do with them."""


@dataclass(frozen=True)
class Task:
    """A directory with the files target.jsonl and test.jsonl; its name is the task's."""

    directory: Path

    @property
    def name(self) -> str:
        """As in the tables."""
        return self.directory.name

    @property
    def target_path(self) -> Path:
        """The examples that choosing may look at."""
        return self.directory / "target.jsonl"

    def target(self) -> list[str]:
        """The texts of the target."""
        return read(self.target_path)

    def test(self) -> list[str]:
        """The texts that a model is judged by."""
        return read(self.directory / "test.jsonl")


def read(path: Path) -> list[str]:
    """The texts of a plain JSON Lines file."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in file]


def made_of(directory: Path) -> dict[str, Any]:
    """What `write` made a directory of: hashes of the files, kinds, rows."""
    found: dict[str, Any] = json.loads((directory / MADE_OF).read_text(encoding="utf-8"))
    return found


def write(
    directory: Path, source: Path, named: Sequence[Sequence[str]], kinds: Sequence[str], rows: int
) -> tuple[Path, list[Task]]:
    """Write pool and tasks, unless they are there; the pool's path, and the tasks.

    Parameters
    ----------
    directory
        Where to.
    source
        JSON Lines with the fields text and, for tasks made of it, kind.
    named
        For each task from files its name, and the files of target and test.
    kinds
        Kinds of which tasks are made.
    rows
        Rows of the pool, drawn by seed 0 and in their order; 0 for all.
    """
    names = [name for name, *_ in named] + list(kinds)
    tasks = [Task(directory / "tasks" / name) for name in names]
    pool = directory / POOL
    asked = {
        "source": _sha256(source),
        "tasks": [[name, _sha256(Path(target)), _sha256(Path(test))] for name, target, test in named],
        "kinds": list(kinds),
        "rows": rows,
    }
    if pool.exists():
        if made_of(directory) != asked:
            sys.exit(f"{directory} was made of another source, tasks, kinds or rows; name another directory")
        return pool, tasks
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MADE_OF).write_text(json.dumps(asked), encoding="utf-8")
    generator = random.Random(0)
    with source.open(encoding="utf-8") as file:
        lines = list(file)
    if kinds and (unknown := next((n for n, line in enumerate(lines, 1) if "kind" not in json.loads(line)), None)):
        sys.exit(f"{source}:{unknown}: no field kind to make tasks of; write --kind without a name to make none")
    taken: set[int] = set()
    texts: dict[str, tuple[list[str], list[str]]] = {
        name: (read(Path(target)), read(Path(test))) for name, target, test in named
    }
    for kind in kinds:
        # Each text once, so that none is in the target and in the test.
        of_kind = {row["text"]: number for number, row in enumerate(map(json.loads, lines)) if row["kind"] == kind}
        drawn = generator.sample(list(of_kind.values()), TARGET_ROWS + TEST_ROWS)
        taken.update(drawn)
        chosen = [json.loads(lines[row])["text"] for row in drawn]
        texts[kind] = chosen[:TARGET_ROWS], chosen[TARGET_ROWS:]
    for task in tasks:
        task.directory.mkdir(parents=True, exist_ok=True)
        for name, part in zip(("target", "test"), texts[task.name], strict=True):
            _write(part, task.directory / f"{name}.jsonl")
    # A row that repeats one of a task would be its answer.
    known = {text for parts in texts.values() for part in parts for text in part}
    left = [row for row in range(len(lines)) if row not in taken and json.loads(lines[row])["text"] not in known]
    sample = sorted(generator.sample(left, rows)) if rows else left
    partial = pool.with_suffix(".partial")
    chosen = [json.loads(lines[row])["text"] for row in sample]
    _write(chosen, partial)
    tests = [text for _, test in texts.values() for text in test]
    holding = int(zipfit.contaminated(chosen, [text for text in tests if len(text.split()) >= OVERLAP_WORDS]).sum())
    print(f"{len(chosen):,} rows in the pool; {holding:,} hold 13 words in a row of a test row", file=sys.stderr)
    partial.rename(pool)
    return pool, tasks


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(texts: Sequence[str], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)

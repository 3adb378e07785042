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
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import zipfit
from benches.quality import kept

KINDS = ("r", "math_word_problems", "biomedical", "dialogue")
"""Values of the field kind in the pool."""

TARGET_ROWS = 100

TEST_ROWS = 300

POOL, MADE_OF = "pool.jsonl", "made_of.json"

OVERLAP_WORDS = 13
"""Test rows of fewer words would be found whole in rows that have nothing to do with them."""

SURROGATE = re.compile("[\ud800-\udfff]")


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
    return [row["text"] for row in rows_of(path)]


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a plain JSON Lines file, each with a text; exit with the line of one without."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                sys.exit(f"{path}:{number}: invalid JSON: {error}; each line must be an object with the field text")
            if not isinstance(row, dict) or not isinstance(row.get("text"), str):
                sys.exit(f"{path}:{number}: no field text with a string; each line must be an object that has one")
            if SURROGATE.search(row["text"]):
                sys.exit(f"{path}:{number}: a lone surrogate, which has no bytes, in the text; mend or drop the row")
            yield row


def made_of(directory: Path) -> dict[str, Any]:
    """What `Making.write` made a directory of: hashes of the files, kinds, rows."""
    return kept.fields(directory / MADE_OF)


@dataclass(frozen=True)
class Making:
    """What pool and tasks are made of."""

    directory: Path
    """Where to."""
    source: Path
    """JSON Lines with the fields text and, for tasks made of it, kind."""
    named: Sequence[Sequence[str]]
    """For each task from files its name, and the files of target and test."""
    kinds: Sequence[str]
    """Of which tasks are made."""
    rows: int
    """Of the pool, drawn by seed 0 and in their order; 0 for all."""

    @property
    def pool(self) -> Path:
        """Its path."""
        return self.directory / POOL

    @property
    def tasks(self) -> list[Task]:
        """All of them, be they written or not."""
        return [Task(self.directory / "tasks" / name) for name in (*(name for name, *_ in self.named), *self.kinds)]

    @cached_property
    def asked(self) -> dict[str, Any]:
        """What a directory must have been made of to be used again."""
        return {
            "source": _sha256(self.source),
            "tasks": [[name, _sha256(Path(target)), _sha256(Path(test))] for name, target, test in self.named],
            "kinds": list(self.kinds),
            "rows": self.rows,
        }

    def refuse_other(self) -> None:
        """Exit if the directory was made of something else."""
        if self.pool.exists() and made_of(self.directory) != self.asked:
            sys.exit(f"{self.directory} was made of another source, tasks, kinds or rows; name another directory")

    def write(self) -> None:
        """Write pool and tasks, unless they are there; nothing is written before all is read and drawn."""
        self.refuse_other()
        if self.pool.exists():
            return
        texts, pool = self._drawn()
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / MADE_OF).write_text(json.dumps(self.asked), encoding="utf-8")
        for task in self.tasks:
            task.directory.mkdir(parents=True, exist_ok=True)
            for name, part in zip(("target", "test"), texts[task.name], strict=True):
                _write(part, task.directory / f"{name}.jsonl")
        partial = self.pool.with_suffix(".partial")
        _write(pool, partial)
        tests = [text for _, test in texts.values() for text in test if len(text.split()) >= OVERLAP_WORDS]
        holding = int(zipfit.contaminated(pool, tests).sum()) if tests else 0
        print(f"{len(pool):,} rows in the pool; {holding:,} hold 13 words in a row of a test row", file=sys.stderr)
        partial.rename(self.pool)

    def _drawn(self) -> tuple[dict[str, tuple[list[str], list[str]]], list[str]]:
        """Target and test of each task, and the texts of the pool."""
        generator = random.Random(0)
        texts = {name: (_some(Path(target)), _some(Path(test))) for name, target, test in self.named}
        rows = []
        for number, row in enumerate(rows_of(self.source), 1):
            if self.kinds and "kind" not in row:
                where = f"{self.source}:{number}"
                sys.exit(f"{where}: no field kind to make tasks of; write --kind without a name to make none")
            rows.append((row["text"], row.get("kind")))
        taken: set[int] = set()
        for kind in self.kinds:
            # Each text once, so that none is in the target and in the test.
            of_kind = {text: number for number, (text, named) in enumerate(rows) if named == kind}
            if len(of_kind) < TARGET_ROWS + TEST_ROWS:
                wanted = f"{TARGET_ROWS + TEST_ROWS} different rows, {self.source} has {len(of_kind)}"
                sys.exit(f"--kind {kind}: a task needs {wanted}; name other kinds, or none to make none")
            drawn = generator.sample(list(of_kind.values()), TARGET_ROWS + TEST_ROWS)
            taken.update(drawn)
            chosen = [rows[row][0] for row in drawn]
            texts[kind] = chosen[:TARGET_ROWS], chosen[TARGET_ROWS:]
        # A row that repeats one of a task would be its answer.
        known = {text for parts in texts.values() for part in parts for text in part}
        left = [row for row, (text, _) in enumerate(rows) if row not in taken and text not in known]
        if not left:
            sys.exit(f"{self.source}: no row is left for the pool, since the tasks have them all; name a larger source")
        if self.rows > len(left):
            sys.exit(f"--rows {self.rows}: {self.source} has {len(left)} for the pool; write --rows 0 for all of them")
        return texts, [rows[row][0] for row in (sorted(generator.sample(left, self.rows)) if self.rows else left)]


def _some(path: Path) -> list[str]:
    """The texts of a file of a task, which must have some."""
    texts = read(path)
    if not any(texts):
        sys.exit(f"{path}: no row with a text that is not empty; a task needs some in its target and in its test")
    return texts


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(texts: Sequence[str], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)

"""The command ``zipfit``, but with small batches, and with a note of each batch that is about to be scored.

    python driver.py ROWS NOTES select ...

A note is a line in the file NOTES, written before the batch is scored, so that one that was scored twice, by a run that
was killed and by the run that went on, is seen.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import sys
from typing import Any

from zipfit import cli, paths, pipeline, scoring

ROWS, NOTES = int(sys.argv[1]), sys.argv[2]
del sys.argv[1:3]


class Noted:
    """A scorer that notes what it scores."""

    def __init__(self, scorer: Any) -> None:
        self._scorer = scorer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scorer, name)

    def score(self, texts: Any, *rest: Any) -> Any:
        note = hashlib.sha256(b"\0".join(texts.to_list())).hexdigest()[:16] + "\n"
        file = os.open(NOTES, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.write(file, note.encode())
        os.close(file)
        return self._scorer.score(texts, *rest)


def make_scorer(task: scoring.Task) -> tuple[Any, dict[str, object]]:
    scorer, resolved = original_make_scorer(task)
    return Noted(scorer), resolved


def expanded(options: Any) -> Any:
    return dataclasses.replace(original_expanded(options), batch_rows=ROWS)


original_make_scorer, original_expanded = scoring.make_scorer, paths.expanded
scoring.make_scorer = make_scorer
pipeline.expanded = expanded  # type: ignore[attr-defined]

raise SystemExit(cli.main())

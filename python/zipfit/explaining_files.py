"""`zipfit explain`: a row of a finished run, or all rows that it chose."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit import _core, explain
from zipfit.checks import whole_number
from zipfit.errors import ParameterError
from zipfit.former import FormerRun
from zipfit.scorer import DEFAULT_METRIC
from zipfit.spool import Spool

if TYPE_CHECKING:
    from zipfit.explain import Explanation, SelectionExplanation

__all__ = ["ExplainedRow", "ExplainedSelection", "explain_row", "explain_selection"]

BEGINNING = 60
"""Characters that show which target is meant; white space counts as one."""

BY_GAIN = "what follows is its gain, which had no part in that"

PLACE = ("file", "line", "row_group", "index", "id")
"""What selection.jsonl says of where a row lies."""


@dataclass(frozen=True, kw_only=True)
class ExplainedRow:
    """A row of a run, and why it has its score."""

    row: int
    """Its number over all sources, from 0."""
    rank: int | None
    """Among the chosen rows, from 0; None if it is not one of them."""
    chosen: int
    """How many there are."""
    lies: dict[str, Any]
    """Where: file with line, or with row_group and index; of chosen rows the id, too, if they have one."""
    cover: dict[str, float] | None
    """Of a row that was chosen jointly the score, what it added per byte, and the coverage then; else None."""
    note: str | None
    """None where there is nothing to add."""
    explanation: Explanation

    @property
    def place(self) -> str:
        """Which row it is, in words."""
        where = f"{self.lies['file']}:{self.lies['line']}" if "line" in self.lies else self.lies["file"]
        if "index" in self.lies:
            where += f", row group {self.lies['row_group']}, index {self.lies['index']}"
        if self.lies.get("id") is not None:
            where += f", id {json.dumps(self.lies['id'], ensure_ascii=False)}"
        if self.rank is not None:
            return f"row {self.row} ({where}), rank {self.rank} of {self.chosen:,} chosen"
        return f"row {self.row} ({where})" + (f", not among the {self.chosen:,} chosen" if self.chosen else "")

    def to_dict(self) -> dict[str, Any]:
        """Return all of it but the text, ready for ``json.dumps``."""
        found = {"row": self.row, **self.lies, "rank": self.rank, "chosen": self.chosen, "note": self.note}
        return found | {"cover": self.cover} | self.explanation.to_dict()


@dataclass(frozen=True, kw_only=True)
class ExplainedSelection:
    """What the rows that a run chose cover of its target."""

    coverage: SelectionExplanation
    best: list[dict[str, Any]]
    """Of the rows that cover most: rank, row, id, and the bytes that each covers and no better row."""
    lacking: list[dict[str, Any]]
    """Of the targets that are covered least, and not wholly: number, share covered, and how the text begins."""

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, ready for ``json.dumps``."""
        return {**self.coverage.to_dict(), "best": self.best, "lacking": self.lacking}


def explain_row(
    directory: str,
    *,
    row: int | None,
    rank: int | None,
    top: int = 5,
    verify: bool = False,
    threads: int | None = None,
) -> ExplainedRow:
    """Explain one row of a finished run.

    Parameters
    ----------
    directory
        What ``zipfit select`` or ``zipfit score`` wrote.
    row, rank
        Which one, by exactly one of these: its number over all sources, or its place among the chosen rows, from 0.
    top
        Nearest targets to name.
    verify
        Hold the sources, which are read for a `row`, against their hashes; False: their sizes and times only.
    threads
        None: all CPUs that this process may use.

    Raises
    ------
    ParameterError
        There is no such row or run.
    MismatchError
        Files are not what they were.
    """
    if (row is None) == (rank is None):
        raise ParameterError("give exactly one of --row and --rank")
    whole_number(top, "--top")
    run = FormerRun(directory)
    chosen = run.selection() if run.has_selection or rank is not None else []
    ranks = {int(entry["row"]): int(entry["rank"]) for entry in chosen}
    if rank is not None:
        row = next((number for number, place in ranks.items() if place == rank), None)
        if row is None:
            raise run.wrong(f"there is no rank {rank}; {len(ranks)} rows were chosen, counted from 0")
    if row is None or not 0 <= row < run.rows_read:
        raise run.wrong(f"there is no row {row}; the sources have {run.rows_read} rows, counted from 0")
    with tempfile.TemporaryDirectory() as temporary:
        spool = Spool(Path(temporary, "spool"))
        target = run.read_targets(spool, threads)
        entry = next((entry for entry in chosen if entry["row"] == row), None)
        if rank is None:
            text, lies = _found(run, row, spool, verify, threads)
        else:
            text = _at(run.chosen_texts(threads), [entry["rank"] for entry in chosen].index(rank))
        if entry is not None:
            lies = {name: entry[name] for name in PLACE if name in entry}
    parameters, cover = run.parameters, bool(run.parameters.get("cover"))
    metric = "gain" if cover else parameters["metric"] or DEFAULT_METRIC
    scorer = _core.Scorer(target, metric, parameters["compressor"], parameters["aggregate"] or "mean", threads)
    found = explain.explain(scorer, _core.SharedIndex(target), text, top=top)
    added = {name: entry[name] for name in ("score", "coverage")} if cover and entry is not None else None
    notes = [_why_left_out(run, row, len(text)), _chosen_jointly(added) if cover else None]
    note = "; ".join(note for note in notes if note is not None) or None
    return ExplainedRow(
        row=row, rank=ranks.get(row), chosen=len(ranks), lies=lies, cover=added, note=note, explanation=found
    )


def _chosen_jointly(added: dict[str, float] | None) -> str:
    if added is None:
        return f"rows were chosen jointly; {BY_GAIN}"
    score, coverage = added["score"], added["coverage"]
    return f"chosen jointly, as it added {score:.4g} per byte and the coverage became {coverage:.3f}; {BY_GAIN}"


def _found(run: FormerRun, row: int, spool: Spool, verify: bool, threads: int | None) -> tuple[bytes, dict[str, Any]]:
    """Read the text of a row, and where it lies; reading ends there."""
    reader = run.open_sources(spool, verify=verify)
    while (batch := reader.next_batch(threads)) is not None:
        if any(rejected["row"] == row for rejected in batch.rejected):
            raise run.wrong(f"row {row} was rejected, so it has no score; rejected.jsonl says why")
        numbers = np.asarray(batch.columns()["row"])
        if len(at := np.flatnonzero(numbers == row)):
            columns = batch.columns()
            lies = {name: int(np.asarray(columns[name])[at[0]]) for name in PLACE if name in columns and name != "id"}
            return _at(batch.texts, int(at[0])), lies | {"file": run.sources[lies["file"]]}
    raise run.wrong(f"there is no row {row} in the sources any more; select again")


def _at(texts: _core.Texts, place: int) -> bytes:
    return texts.take(np.array([place])).to_list()[0]


def _why_left_out(run: FormerRun, row: int, size: int) -> str | None:
    """Say why a row could not be chosen; None if it could."""
    for name, is_beyond in (("min_bytes", size.__lt__), ("max_bytes", size.__gt__)):
        limit = run.parameters.get(name)
        if limit is not None and is_beyond(limit):
            return f"it was left out by --{name.replace('_', '-')} {limit}"
    for entry in run.left_out():
        if entry["row"] == row:
            reasons = {
                "contaminated": "as it holds a piece of row {against_row} of the --exclude files",
                "duplicate": "as it repeats row {of_row}",
                "copy_of_target": "as it equals target {target_row}",
            }
            return f"it was left out, {reasons[entry['reason']].format(**entry)}"
    return None


def explain_selection(directory: str, *, top: int = 5, threads: int | None = None) -> ExplainedSelection:
    """Tell what part of the target the rows cover that a run chose.

    Parameters
    ----------
    directory
        What ``zipfit select`` wrote.
    top
        Rows and targets to name.
    threads
        None: all CPUs that this process may use.

    Raises
    ------
    ParameterError
        No rows were chosen there.
    MismatchError
        Files are not what they were.
    """
    whole_number(top, "--top")
    run = FormerRun(directory)
    chosen = run.selection()
    texts = run.chosen_texts(threads) if chosen else _core.Texts.from_iterable([], "source")
    if any(entry["rank"] != place for place, entry in enumerate(chosen)):
        # They lie in the order of the input.
        by_rank = sorted(range(len(chosen)), key=lambda place: chosen[place]["rank"])
        texts = texts.take(np.array(by_rank))
        chosen = [chosen[place] for place in by_rank]
    with tempfile.TemporaryDirectory() as temporary:
        target = run.read_targets(Spool(Path(temporary, "spool")), threads)
    found = explain.explain_selection(target, texts)
    return ExplainedSelection(
        coverage=found,
        best=[
            {"rank": row.rank, "row": chosen[row.rank]["row"], "id": chosen[row.rank].get("id"), "covers": row.covers}
            for row in found.best(top)
        ],
        lacking=[
            {"target": number, "covered": share, "begins": " ".join(_at(target, number).decode().split())[:BEGINNING]}
            for number, share in found.lacking(top)
        ],
    )

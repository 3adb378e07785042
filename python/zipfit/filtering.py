"""The filters of a run: which rows may be chosen, and what speaks against the others.

A row is left out for one reason, the first of: its size, a piece of an evaluation row in it, a target that it equals,
an earlier row that it repeats. A row that is left out neither repeats nor is repeated. Copies of targets may be ranked,
but not chosen jointly; `cover` finds them by itself, which is too late where repeats are left out before.

Memory: the evaluation rows, 16 bytes a row that is left out for its text or could not be read, and some 50 a row for
equal texts. Near duplicates alone need all texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zipfit import _core
from zipfit.filters import DEFAULT_OVERLAP
from zipfit.paths import located
from zipfit.progress import rows_bar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zipfit._core import _Column
    from zipfit.options import ScoreOptions

__all__ = ["BY_SIZE", "BY_TEXT", "Filtered", "Filters", "nothing_left"]

BY_SIZE = ("below_min_bytes", "above_max_bytes")
"""Reasons to leave a row out that its size gives, named as the counts of such rows."""

BY_TEXT = {"contaminated": "contaminated", "copy_of_target": "copies_of_target", "duplicate": "duplicates"}
"""Reasons that its text gives, each with the name of the count of such rows."""


@dataclass(frozen=True, kw_only=True)
class Filtered:
    """What the filters found, by positions among the rows that could be read."""

    read: int
    """Rows that could be read."""
    eligible: int
    """Those of them that may be chosen."""
    where: NDArray[np.bool_] | None
    """True for rows that may be chosen, where near duplicates were looked for; None where `Filters.add` has told it."""
    counts: dict[str, int]
    """Rows left out by each filter; no entry for a text filter that was not asked for."""
    by_text: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]
    """For each of `BY_TEXT` the positions left out, rising, and beside each the row that speaks against it: an
    evaluation row, a target, or an earlier row of the sources by its number."""
    ahead: NDArray[np.int64]
    """How far numbers of rows are ahead of their positions: int64 (2, m), from which position on, and how much."""

    def numbers(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of the rows at some positions."""
        since, by = self.ahead
        numbers: NDArray[np.int64] = positions + by[np.searchsorted(since, positions, side="right") - 1]
        return numbers

    def columns(self, first: int, sizes: NDArray[np.int64], low: int | None, high: int | None) -> dict[str, _Column]:
        """Return ``left_out`` and ``left_out_by`` of `scores.parquet` for the rows from position `first`."""
        names = (*BY_SIZE, *BY_TEXT)
        codes = np.full(len(sizes), -1)
        by = np.full(len(sizes), -1, np.int64)
        codes[sizes < (low or 0)] = 0
        if high is not None:
            codes[sizes > high] = 1
        for code, reason in enumerate(BY_TEXT, start=len(BY_SIZE)):
            positions, others = self.by_text[reason]
            part = slice(*np.searchsorted(positions, (first, first + len(sizes))))
            codes[positions[part] - first] = code
            by[positions[part] - first] = others[part]
        lengths = np.array([len(name) for name in names] + [-1], np.int32)[codes]
        text = b"".join(names[code].encode() for code in codes[codes >= 0])
        return {"left_out": (lengths, text), "left_out_by": by}


def nothing_left(counts: Mapping[str, int], eligible: int) -> str | None:
    """Say which filters leave no row of `eligible` ones; None where there is one, be it a copy of a target."""
    if eligible or counts.get("copies_of_target"):
        return None
    # Not --dedup: of rows that repeat each other the first stays.
    causes = ["the limits on size"] * any(counts[name] for name in BY_SIZE)
    causes += ["--exclude"] * (counts.get("contaminated", 0) > 0)
    verb = "leaves" if causes == ["--exclude"] else "leave"
    return f"{' and '.join(causes)} {verb} no row to choose from; nothing is selected"


class Filters:
    """Filters that are shown the rows batch by batch.

    Parameters
    ----------
    options
        Of the run. The evaluation files are read here.
    target
        Texts whose copies are left out before repeats are looked for; None where they may be chosen, or where nothing
        is looked for.
    threads
        As in the options, but known.
    copies
        Where files lie that are read from a copy.

    Raises
    ------
    ParameterError
        Evaluation files without a row, or with a text that has nothing to look for.
    BadRowError, InvalidTextError, TextTypeError, TruncatedInputError, OSError
        What is wrong with an evaluation file.
    """

    def __init__(
        self, options: ScoreOptions, target: _core.Texts | None, threads: int, copies: Mapping[str, str]
    ) -> None:
        self._options = options
        self._threads = threads
        self.reader: _core.Reader | None = None
        """Of the evaluation files."""
        self.resolved: dict[str, object] = {}
        """Parameters whose value was not given but found."""
        self._contamination: _core.Contamination | None = None
        if options.exclude:
            text = options.text if options.exclude_text is None else options.exclude_text
            overlap = DEFAULT_OVERLAP if options.exclude_overlap is None else options.exclude_overlap
            self.reader = _core.Reader(
                located(options.exclude, copies),
                text,
                "against",
                max_row_bytes=options.max_row_bytes,
                keep_places=True,
                text_by=options.text_by,
                names=options.exclude,
            )
            self._contamination = _core.Contamination(self.reader.rest(threads), overlap, self.reader)
            self.resolved = {"exclude_text": text, "exclude_overlap": overlap}
        self._targets: _core.ExactDuplicates | None = None
        if target is not None:
            self._targets = _core.ExactDuplicates()
            self._targets.add(target, threads=threads)
        self._copies = _core.ExactDuplicates() if options.dedup == 1 else None
        self._near = None if options.dedup == 1 else options.dedup
        self._texts: list[_core.Texts] = []
        self._position = self._small = self._large = self._eligible = 0
        # Only where it may change once more.
        self._where: list[NDArray[np.bool_]] = [np.empty(0, np.bool_)]
        self._ahead = [np.zeros((2, 1), np.int64)]
        nothing = np.empty((2, 0), np.int64)
        self._found = {reason: [nothing] for reason in BY_TEXT}

    def files(self) -> list[_core.InputFile]:
        """Return the evaluation files, with their hashes."""
        return [] if self.reader is None else self.reader.files()

    @property
    def look_at_texts(self) -> bool:
        """Whether some filter looks at texts, so that the rows that it leaves out are to be listed."""
        return self._contamination is not None or self._options.dedup is not None

    @property
    def are_there(self) -> bool:
        """Whether some row may be left out."""
        options = self._options
        return self.look_at_texts or options.min_bytes is not None or options.max_bytes is not None

    @property
    def need_all(self) -> bool:
        """Whether which rows may be chosen is known at the end only, and all texts are held until then."""
        return self._near is not None

    def add(self, texts: _core.Texts, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Look at the next rows, whose numbers are `rows`; returns True where one may be chosen, as far as known."""
        low, high = self._options.min_bytes, self._options.max_bytes
        sizes = texts.sizes()
        small = np.zeros(len(sizes), np.bool_) if low is None else sizes < low
        large = np.zeros(len(sizes), np.bool_) if high is None else sizes > high
        self._small += int(small.sum())
        self._large += int(large.sum())
        where = ~(small | large)
        if self._contamination is not None:
            self._leave_out("contaminated", np.where(where, self._contamination.find(texts, self._threads), -1), where)
        if self._targets is not None:
            self._leave_out("copy_of_target", self._targets.find(texts, where, self._threads), where)
        if self._copies is not None:
            self._leave_out("duplicate", self._copies.add(texts, where, self._threads), where)
        if self._near is not None:
            self._texts.append(texts)
            self._where.append(where)
        self._eligible += int(np.count_nonzero(where))
        self._note_numbers(rows)
        self._position += len(texts)
        return where

    def _note_numbers(self, rows: NDArray[np.int64]) -> None:
        """Note where the numbers of rows get further ahead of their positions."""
        positions = np.arange(self._position, self._position + len(rows))
        by = rows - positions
        further = np.flatnonzero(np.diff(by, prepend=self._ahead[-1][1, -1]))
        if len(further):
            self._ahead.append(np.stack((positions[further], by[further])))

    def _leave_out(self, reason: str, others: NDArray[np.int64], where: NDArray[np.bool_]) -> None:
        """Note rows with another that speaks against them, -1 for none."""
        positions = np.flatnonzero(others >= 0)
        self._found[reason].append(np.stack((positions + self._position, others[positions])))
        where[positions] = False

    def finish(self) -> Filtered:
        """Return what was found, after the last batch; near duplicates are looked for now."""
        read, where = self._position, None
        if self._near is not None:
            where = np.concatenate(self._where)
            earlier = self._near_duplicates(self._near, where)
            self._position = 0
            self._leave_out("duplicate", earlier, where)
            self._eligible = int(np.count_nonzero(where))
        found = {reason: np.concatenate(parts, axis=1) for reason, parts in self._found.items()}
        by_text = {reason: (positions, others) for reason, (positions, others) in found.items()}
        counts = dict(zip(BY_SIZE, (self._small, self._large), strict=True))
        asked = {
            "contaminated": self._contamination is not None,
            "copy_of_target": self._targets is not None,
            "duplicate": self._options.dedup is not None,
        }
        counts |= {BY_TEXT[reason]: len(by_text[reason][0]) for reason in BY_TEXT if asked[reason]}
        ahead = np.concatenate(self._ahead, axis=1)
        filtered = Filtered(
            read=read, eligible=self._eligible, where=where, counts=counts, by_text=by_text, ahead=ahead
        )
        positions, others = by_text["duplicate"]
        by_text["duplicate"] = positions, filtered.numbers(others)
        return filtered

    def _near_duplicates(self, threshold: float, where: NDArray[np.bool_]) -> NDArray[np.int64]:
        source = _core.Texts.concat(self._texts)
        self._texts = []
        with rows_bar(len(source), "comparing") as progress:
            return _core.duplicates(source, threshold, where, self._threads, progress)

"""The filters of a run: which rows may be chosen, and what speaks against the others.

A row is left out for one reason, the first of: its size, a piece of an evaluation row in it, a target that it equals,
an earlier row that it repeats. A row that is left out neither repeats nor is repeated. Copies of targets may be ranked,
but not chosen jointly; `cover` finds them by itself, which is too late where repeats are left out before.

Memory: the evaluation rows, one byte a row, 16 more a row that is left out for its text, and some 40 a row for equal
texts. Near duplicates alone need all texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zipfit import _core
from zipfit.filters import DEFAULT_OVERLAP
from zipfit.progress import rows_bar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zipfit.options import SelectOptions

__all__ = ["Filtered", "Filters"]


@dataclass(frozen=True, kw_only=True)
class Filtered:
    """What the filters found."""

    where: NDArray[np.bool_]
    """True for rows that may be chosen."""
    counts: dict[str, int]
    """Rows left out by each filter; no entry for a text filter that was not asked for."""
    contaminated: NDArray[np.int64]
    """Shape (m, 2): a row and the first evaluation row that it holds a piece of."""
    copies_of_target: NDArray[np.int64]
    """Shape (m, 2): a row and the first target that it equals."""
    duplicates: NDArray[np.int64]
    """Shape (m, 2): a row and the earlier row that it repeats."""

    def nothing_left(self) -> str | None:
        """Say which filters leave no row; None where there is one, be it a copy of a target."""
        if self.where.any() or len(self.copies_of_target):
            return None
        # Not --dedup: of rows that repeat each other the first stays.
        sizes = self.counts["below_min_bytes"] + self.counts["above_max_bytes"]
        causes = ["the limits on size"] * (sizes > 0) + ["--exclude"] * (len(self.contaminated) > 0)
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

    Raises
    ------
    ParameterError
        Evaluation files without a row, or with a text that has nothing to look for.
    BadRowError, InvalidTextError, TextTypeError, TruncatedInputError, OSError
        What is wrong with an evaluation file.
    """

    def __init__(self, options: SelectOptions, target: _core.Texts | None, threads: int) -> None:
        self._options = options
        self._threads = threads
        self.files: list[_core.InputFile] = []
        """The evaluation files."""
        self.resolved: dict[str, object] = {}
        """Parameters whose value was not given but found."""
        self._contamination: _core.Contamination | None = None
        if options.exclude:
            text = options.text if options.exclude_text is None else options.exclude_text
            overlap = DEFAULT_OVERLAP if options.exclude_overlap is None else options.exclude_overlap
            reader = _core.Reader(options.exclude, text, "against")
            self._contamination = _core.Contamination(reader.rest(threads), overlap, reader)
            self.files = reader.files()
            self.resolved = {"exclude_text": text, "exclude_overlap": overlap}
        self._targets: _core.ExactDuplicates | None = None
        if target is not None:
            self._targets = _core.ExactDuplicates()
            self._targets.add(target, threads=threads)
        self._copies = _core.ExactDuplicates() if options.dedup == 1 else None
        self._near = None if options.dedup == 1 else options.dedup
        self._texts: list[_core.Texts] = []
        self._rows = self._small = self._large = 0
        self._where: list[NDArray[np.bool_]] = []
        nothing = np.empty((0, 2), np.int64)
        self._contaminated, self._copies_of_target, self._duplicates = [nothing], [nothing], [nothing]

    @property
    def list_rows(self) -> bool:
        """Whether some filter looks at texts, so that the rows that it leaves out are to be listed."""
        return self._contamination is not None or self._options.dedup is not None

    def add(self, texts: _core.Texts) -> None:
        """Look at the next rows."""
        low, high = self._options.min_bytes, self._options.max_bytes
        sizes = texts.sizes()
        small = np.zeros(len(sizes), np.bool_) if low is None else sizes < low
        large = np.zeros(len(sizes), np.bool_) if high is None else sizes > high
        self._small += int(small.sum())
        self._large += int(large.sum())
        where = ~(small | large)
        if self._contamination is not None:
            against = np.where(where, self._contamination.find(texts, self._threads), -1)
            self._contaminated.append(_pairs(against, self._rows))
            where &= against < 0
        if self._targets is not None:
            equal = self._targets.find(texts, where, self._threads)
            self._copies_of_target.append(_pairs(equal, self._rows))
            where &= equal < 0
        if self._copies is not None:
            earlier = self._copies.add(texts, where, self._threads)
            self._duplicates.append(_pairs(earlier, self._rows))
            where &= earlier < 0
        if self._near is not None:
            self._texts.append(texts)
        self._where.append(where)
        self._rows += len(texts)

    def finish(self) -> Filtered:
        """Return what was found, after the last batch; near duplicates are looked for now."""
        where = np.concatenate(self._where)
        if self._near is not None:
            earlier = self._near_duplicates(self._near, where)
            self._duplicates.append(_pairs(earlier, 0))
            where &= earlier < 0
        contaminated, duplicates = np.concatenate(self._contaminated), np.concatenate(self._duplicates)
        copies_of_target = np.concatenate(self._copies_of_target)
        counts = {"below_min_bytes": self._small, "above_max_bytes": self._large}
        if self._contamination is not None:
            counts["contaminated"] = len(contaminated)
        if self._targets is not None:
            counts["copies_of_target"] = len(copies_of_target)
        if self._options.dedup is not None:
            counts["duplicates"] = len(duplicates)
        return Filtered(
            where=where,
            counts=counts,
            contaminated=contaminated,
            copies_of_target=copies_of_target,
            duplicates=duplicates,
        )

    def _near_duplicates(self, threshold: float, where: NDArray[np.bool_]) -> NDArray[np.int64]:
        source = _core.Texts.concat(self._texts)
        self._texts = []
        with rows_bar(len(source), "comparing") as progress:
            return _core.duplicates(source, threshold, where, self._threads, progress)


def _pairs(others: NDArray[np.int64], first_row: int) -> NDArray[np.int64]:
    """Return rows, counted from ``first_row``, beside the row that speaks against each; -1 for none."""
    rows = np.flatnonzero(others >= 0)
    return np.column_stack((rows + first_row, others[rows]))

"""Models that each read a choice of rows, and what they know of held-out rows then."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from zipfit import _core
from zipfit.errors import ParameterError
from zipfit.evaluation import BETTER, NO_BETTER, UNDECIDED, WORSE, Evaluation, Judgement, RandomRows
from zipfit.filters import DEFAULT_OVERLAP

__all__ = ["NO_BYTES", "Comparison"]

WHOLE_POOL_BYTES = 64 << 20
"""A pool of more text is not read as a whole for comparison: seconds, and nobody trains on it to match a selection."""

ENOUGH_ROWS = 10
"""A note tells of fewer held-out rows. Drawn again from themselves, few rows differ less than others of their kind
would: with rows and draws that differ by normal or log-normal numbers the interval missed what it should hold 27 to 39
of 100 times with one, 10 to 15 with two, 7 to 9 with three, 5 to 6 with five, 4 to 5, as it should, with seven. Ten,
because real rows may differ more from each other."""

FEW_ROWS = f"with fewer than {ENOUGH_ROWS} the interval may be narrower than it should be; give more"

SAME_ROWS = "the whole pool was selected, so that random rows are the same rows and cannot differ; select fewer"

NO_BYTES = "held_out has no bytes of text; there is nothing to judge by"

_OVERLAP_WORDS = 13
"""Words in a row that two texts share by copying only: the default of ``zipfit.contaminated``."""

_WHOLE = "1000-gram"
"""A row of fewer words counts as a whole, see ``zipfit.contaminated``."""

_ROWS_NAMED = 5


class Comparison:
    """Models that each read their part of the source, batch by batch: rows selected, random, shortest, all.

    Memory: some 50 bytes for each distinct string of up to 6 bytes of the held-out rows, in each of these models; some
    60 a row of the source while random rows are drawn; no texts of the source.

    Parameters
    ----------
    held_out
        Texts to judge by.
    sizes
        Bytes of each row of the source, int64 (N,).
    where
        bool (N,), True for rows that random ones may be; None for all.
    rows
        Those selected.
    seeds, seed
        Draws of random rows, and the seed of the first.
    threads
        None: all CPUs that this process may use.
    target
        Rows that the selection was made by, none of which may be held out; None where they are not known.
    """

    def __init__(
        self,
        held_out: _core.Texts,
        sizes: NDArray[np.int64],
        where: NDArray[np.bool_] | None,
        rows: NDArray[np.int64],
        *,
        seeds: int,
        seed: int,
        threads: int | None,
        target: _core.Texts | None = None,
    ) -> None:
        if not len(held_out):
            raise ParameterError("held_out has 0 rows; there is nothing to judge by")
        held_out, self._repeated = _different(held_out, threads)
        self._held_out, self._sizes, self._where, self._threads = held_out, sizes, where, threads
        if not held_out.total_bytes:
            raise ParameterError(NO_BYTES)
        budget = _checked_budget(rows, sizes)
        # Empty rows say nothing.
        self._telling = int(np.count_nonzero(held_out.sizes()))
        self._seeds = tuple((seed + draw) % 2**64 for draw in range(seeds))
        eligible = np.arange(len(sizes)) if where is None else np.flatnonzero(where)
        self._pool = len(eligible), int(sizes[eligible].sum())
        if not self._pool[1]:
            raise ParameterError("no row with a byte of text is left to draw random rows from")
        # Empty ones change nothing that is told.
        selected, drawable = (np.sort(part[sizes[part] > 0]) for part in (rows, eligible))
        self._is_whole_pool = np.array_equal(selected, drawable)
        by_size = eligible[np.argsort(sizes[eligible], kind="stable")]
        self._arms = {
            "selection": rows,
            "shortest": by_size[: np.searchsorted(np.cumsum(sizes[by_size]), budget, side="right")],
            **{f"random {number}": _core.draw(sizes, where, budget, number) for number in self._seeds},
        }
        if self._pool[1] <= WHOLE_POOL_BYTES:
            self._arms["pool"] = eligible
        self._arms = {name: np.sort(part) for name, part in self._arms.items()}
        first = _core.NgramModel(held_out)
        self._models = {name: first.fresh() for name in self._arms}
        self._target_words = _core.word_counts(held_out, None, threads)
        self._words = {name: np.zeros_like(self._target_words) for name in {**self._arms, "pool": eligible}}
        self._copies = _Copies(held_out, threads)
        self._from_target = 0 if target is None else self._copies.within(target)
        self._equal: list[int] = []
        self._holding: list[int] = []

    def add(self, texts: _core.Texts, rows: NDArray[np.int64], tell: Callable[[int], None] | None = None) -> None:
        """Read the next rows, whose numbers are `rows`, rising; `tell` hears of how many the work is done."""
        if not len(rows):
            return
        where = None if self._where is None else self._where[rows]
        self._words["pool"] += _core.word_counts(texts, where, self._threads)
        for done, (name, wanted) in enumerate(self._arms.items(), start=1):
            part = wanted[slice(*np.searchsorted(wanted, (rows[0], rows[-1] + 1)))]
            if len(part):
                taken = np.isin(rows, part, assume_unique=True)
                self._models[name].read(texts, taken, self._threads)
                if name != "pool":
                    self._words[name] += _core.word_counts(texts, taken, self._threads)
                if name == "selection":
                    equal, holding = self._copies.among(texts.take(np.flatnonzero(taken)))
                    self._equal += rows[taken][equal].tolist()
                    self._holding += rows[taken][holding].tolist()
            if tell is not None:
                tell(len(rows) * done // len(self._arms))

    @property
    def illusions(self) -> list[str]:
        """Why the verdict is worth less than it seems, or nothing."""
        found = []
        if self._repeated:
            found.append(f"held-out rows that equal an earlier one: {self._repeated:,}; they do not count")
        illusion = "they may make the verdict an illusion"
        if self._from_target:
            what = "held-out rows that equal target rows or are within one, by which the selection was made"
            found.append(f"{what}: {self._from_target:,}; {illusion}, hold others out")
        for what, rows in (
            ("equal held-out rows", self._equal),
            (f"hold {_OVERLAP_WORDS} words in a row of a held-out row", self._holding),
        ):
            if rows:
                named = f"row{'s' * (len(rows) > 1)} {', '.join(map(str, rows[:_ROWS_NAMED]))}"
                named += ", ..." if len(rows) > _ROWS_NAMED else ""
                remedy = "select without them, by --exclude or zipfit.contaminated"
                found.append(f"selected rows that {what}: {len(rows):,} ({named}); {illusion}, {remedy}")
        return found

    def finish(self, notes: Sequence[str]) -> Evaluation:
        """Predict, and compare."""
        sizes = self._held_out.sizes()
        total = int(sizes.sum())
        bits = {name: model.bits(self._threads) for name, model in self._models.items()}
        draws = {number: bits[f"random {number}"] for number in self._seeds}
        each = tuple(math.fsum(of) / total for of in draws.values())
        mean = math.fsum(each) / len(each)
        apart = {name: _core.word_divergence(self._target_words, counts) for name, counts in self._words.items()}

        def judged(name: str) -> Judgement:
            of = math.fsum(bits[name]) / total
            interval = _core.bootstrap(bits[name], list(draws.values()), sizes, self._seeds[0], self._threads)
            return Judgement(
                rows=len(self._arms[name]),
                bytes=int(self._sizes[self._arms[name]].sum()),
                bits_per_byte=of,
                difference=of - mean,
                interval=interval,
                kl_reduction=apart["pool"] - apart[name],
            )

        selection = judged("selection")
        low, high = selection.interval
        names = [f"random {number}" for number in self._seeds]
        own = [SAME_ROWS] if self._is_whole_pool else []
        if empty := len(self._held_out) - self._telling:
            own.append(f"held-out rows without a byte: {empty:,}; they do not count")
        if self._telling < ENOUGH_ROWS:
            own.append(f"held-out rows: {self._telling}; {FEW_ROWS}")
        return Evaluation(
            verdict=self._verdict(low, high),
            held_out_rows=self._telling,
            held_out_bytes=total,
            pool_rows=self._pool[0],
            pool_bytes=self._pool[1],
            selection=selection,
            random=RandomRows(
                seeds=self._seeds,
                rows=tuple(len(self._arms[name]) for name in names),
                bytes=tuple(int(self._sizes[self._arms[name]].sum()) for name in names),
                each=each,
                bits_per_byte=mean,
                kl_reduction=math.fsum(apart["pool"] - apart[name] for name in names) / len(names),
            ),
            shortest=judged("shortest"),
            pool=judged("pool") if "pool" in self._arms else None,
            notes=(*self.illusions, *own, *notes),
        )

    def _verdict(self, low: float, high: float) -> str:
        if self._telling == 1:
            return UNDECIDED
        return BETTER if high < 0 else WORSE if low > 0 else NO_BETTER


def _checked_budget(rows: NDArray[np.int64], sizes: NDArray[np.int64]) -> int:
    """Return the bytes of the rows, which must be there, each once."""
    if not len(rows):
        raise ParameterError("selection has no rows; there is nothing to evaluate")
    found, times = np.unique(rows, return_counts=True)
    if len(twice := found[times > 1]):
        raise ParameterError(f"selection: row {twice[0]} is there more than once", row=int(twice[0]))
    budget = int(sizes[rows].sum())
    if not budget:
        raise ParameterError("the selected rows have no bytes of text; there is nothing to evaluate")
    return budget


class _Copies:
    """Finds rows that give held-out rows away."""

    def __init__(self, held_out: _core.Texts, threads: int | None) -> None:
        self._held_out, self._threads = held_out, threads
        self._equal = _core.ExactDuplicates()
        self._equal.add(held_out, held_out.sizes() > 0, threads)
        # A short one would be found whole in rows that have nothing to do with it.
        texts = enumerate(held_out.to_list())
        long = np.array([row for row, text in texts if _has_words(text)], np.int64)
        self._long = long if len(long) else None
        self._pieces = None if self._long is None else _core.Contamination(held_out.take(long), DEFAULT_OVERLAP)

    def among(self, texts: _core.Texts) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which texts equal a held-out row, and which of the others hold a piece of one."""
        equal = self._equal.find(texts, threads=self._threads) >= 0
        if self._pieces is None:
            return equal, np.zeros(len(texts), np.bool_)
        return equal, (self._pieces.find(texts, self._threads) >= 0) & ~equal

    def within(self, texts: _core.Texts) -> int:
        """Count the held-out rows that a text equals or holds whole, word by word."""
        found = self._equal.find(texts, threads=self._threads)
        if self._long is not None:
            whole = _core.Contamination(self._held_out.take(self._long), _WHOLE)
            held = whole.find(texts, self._threads)
            found = np.concatenate([found[found >= 0], self._long[held[held >= 0]]])
        return len(np.unique(found[found >= 0]))


def _different(texts: _core.Texts, threads: int | None) -> tuple[_core.Texts, int]:
    """Return the texts without those that repeat an earlier one, and how many these are; empty ones stay."""
    repeats = _core.ExactDuplicates().add(texts, texts.sizes() > 0, threads) >= 0
    return (texts.take(np.flatnonzero(~repeats)), int(repeats.sum())) if repeats.any() else (texts, 0)


def _has_words(text: bytes) -> bool:
    words: Iterable[object] = re.finditer(rb"[0-9A-Za-z\x80-\xff]+", text)
    return sum(1 for _ in words) >= _OVERLAP_WORDS

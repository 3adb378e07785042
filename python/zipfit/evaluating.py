"""`evaluate`: would a selection help? What an n-gram model that reads it knows of held-out rows, beside random rows."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zipfit import _core
from zipfit.checks import Where, bar_if, checked_seed, checked_where, numbers, whole_number
from zipfit.covering import Cover
from zipfit.errors import ParameterError
from zipfit.filters import DEFAULT_OVERLAP
from zipfit.inputs import TextData, resolve_target_text, to_texts
from zipfit.selection import Selection

WHOLE_POOL_BYTES = 64 << 20
"""A pool of more text is not read as a whole for comparison: seconds, and nobody trains on it to match a selection."""

BETTER, NO_BETTER, WORSE = "better than random", "no better than random", "worse than random"

FLATTERS_COVER = "the rows were chosen by cover, and a model that counts n-grams flatters those: docs/quality.md"

ENOUGH_ROWS = 10
"""A note tells of fewer held-out rows. Drawn again from themselves, few rows differ less than others of their kind
would: with rows and draws that differ by normal or log-normal numbers the interval missed what it should hold 27 to 39
of 100 times with one, 10 to 15 with two, 7 to 9 with three, 5 to 6 with five, 4 to 5, as it should, with seven. Ten,
because real rows may differ more from each other."""

FEW_ROWS = f"with fewer than {ENOUGH_ROWS} the interval may be narrower than it should be; give more"

NO_BYTES = "held_out has no bytes of text; there is nothing to judge by"

_OVERLAP_WORDS = 13
"""Words in a row that two texts share by copying only: the default of ``zipfit.contaminated``."""

_MIN_SEEDS = 2
"""One draw does not tell what chance does."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What came of one choice of rows."""

    rows: int
    bytes: int
    """Of their texts."""
    bits_per_byte: float
    """Of the held-out rows; lower is better, 8 is to know nothing."""
    difference: float
    """To the mean of the random rows; below 0 is better."""
    interval: tuple[float, float]
    """Where this difference lies, with 95% confidence: to one more draw of random rows, on other held-out rows."""
    kl_reduction: float
    """DSIR's measure, in nats; higher is better, the whole pool has 0."""


@dataclass(frozen=True, kw_only=True)
class RandomRows:
    """What came of rows drawn at random, as many bytes as were selected."""

    seeds: tuple[int, ...]
    """One a draw."""
    rows: tuple[int, ...]
    bytes: tuple[int, ...]
    each: tuple[float, ...]
    """Bits per byte of each draw."""
    bits_per_byte: float
    """Their mean."""
    kl_reduction: float
    """The mean over the draws."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What `evaluate` has to tell."""

    verdict: str
    """"better than random", "no better than random" or "worse than random": which side of 0 the interval lies on."""
    held_out_rows: int
    held_out_bytes: int
    pool_rows: int
    """Rows that random ones were drawn from."""
    pool_bytes: int
    selection: Judgement
    random: RandomRows
    shortest: Judgement
    """The shortest rows, which is what some scores come down to."""
    pool: Judgement | None
    """The whole pool; None if it has more than 64 MiB of text."""
    notes: tuple[str, ...]
    """Why the verdict may mislead."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as dictionaries, lists, numbers and strings, ready for ``json.dumps``."""
        return asdict(self)

    def __repr__(self) -> str:
        low, high = self.selection.interval
        return (
            f"Evaluation({self.verdict}: {self.selection.bits_per_byte:.3f} bits per byte, random rows "
            f"{self.random.bits_per_byte:.3f}, difference {self.selection.difference:+.3f} ({low:+.3f} to {high:+.3f}))"
        )

    def __str__(self) -> str:
        random = self.random
        draws = len(random.seeds)
        spread = f"{min(random.each):.3f} to {max(random.each):.3f}"
        lines = [f"{'':<14}{'bits per byte':>13}  {'against random':<26}{'KL reduction':>12}{'rows':>10}{'bytes':>14}"]
        lines.append(_line("selection", self.selection))
        lines.append(
            f"{f'random, {draws}x':<14}{random.bits_per_byte:>13.3f}  {spread:<26}{random.kl_reduction:>12.3f}"
            f"{round(sum(random.rows) / draws):>10,}{round(sum(random.bytes) / draws):>14,}"
        )
        lines.append(_line("shortest", self.shortest))
        if self.pool is not None:
            lines.append(_line("whole pool", self.pool))
        held_out = "1 held-out row" if self.held_out_rows == 1 else f"{self.held_out_rows:,} held-out rows"
        lines.append(f"the selection is {self.verdict}, by {held_out}")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


def _line(name: str, of: Judgement) -> str:
    low, high = of.interval
    against = f"{of.difference:+.3f} ({low:+.3f} to {high:+.3f})"
    return f"{name:<14}{of.bits_per_byte:>13.3f}  {against:<26}{of.kl_reduction:>12.3f}{of.rows:>10,}{of.bytes:>14,}"


def evaluate(
    source: TextData,
    selection: Selection | ArrayLike,
    held_out: TextData,
    *,
    where: Where = None,
    text: str | None = None,
    held_out_text: str | None = None,
    seeds: int = 5,
    seed: int = 0,
    threads: int | None = None,
    progress: bool = False,
) -> Evaluation:
    """Tell whether a selection would help, before any model is trained on it.

    A model of byte n-grams (interpolated Witten-Bell, contexts of up to 6 bytes) reads the selected rows and then
    predicts the held-out ones, in bits per byte; others read random rows of as many bytes, the shortest rows, and the
    whole pool if that is at most 64 MiB. The verdict is "better than random" if the 95% interval of the difference to
    random rows is below 0: a bootstrap over the held-out rows and the draws, to what one more draw would give.

    DSIR's KL reduction is given beside: KL(held-out || pool) - KL(held-out || rows) over the shares of words and pairs
    of words in 10,000 buckets, 1e-8 being added to each share in a logarithm. It punishes what small selections lack.

    Parameters
    ----------
    source
        What was chosen from, of any kind that `rank` takes.
    selection
        A `Selection`, or row numbers.
    held_out
        Examples of the wanted task that the selection has *not* seen: neither targets nor rows of the source. Some
        hundred kilobytes are plenty.
    where
        bool (N,), False for rows that random rows may not be. None, the default, allows all.
    text, held_out_text
        As `text` and `target_text` in `rank`.
    seeds
        Draws of random rows, at least 2. More make the interval narrower, as a few tell little of what chance does.
    seed
        That of the first draw, from 0 to 2^64 - 1; the others follow.
    threads, progress
        As in `rank`. The numbers do not depend on them.

    Returns
    -------
    Evaluation

    Raises
    ------
    ParameterError
        A selection without a row or a byte, with a row twice, or with one that is not in the source; held-out rows
        without a byte; `seeds` below 2.
    BadRowError, InvalidTextError, TextTypeError
        As in `rank`.

    Warns
    -----
    UserWarning
        Selected rows equal held-out ones or hold a piece of one, so that the verdict is an illusion.

    References
    ----------
    Xie et al. 2023, arXiv:2302.03169 (KL reduction); Chen and Goodman 1999, "An empirical study of smoothing
    techniques for language modeling".

    Examples
    --------
    >>> import zipfit
    >>> source = ["def triple(x): return 3 * x", "We went to the sea in May.", "It rained all day."]
    >>> result = zipfit.evaluate(source, [0], ["def double(x): return 2 * x"])
    >>> result.selection.bits_per_byte < result.shortest.bits_per_byte
    True
    """
    seeds, seed = checked_seeds(seeds), checked_seed(seed)
    held_out_text = resolve_target_text(held_out, held_out_text, text)
    held = to_texts(held_out, text=held_out_text, side="held_out", threads=threads)
    sources = to_texts(source, text=text, side="source", threads=threads)
    rows = _chosen(selection, len(sources))
    mask, _ = checked_where(where, len(sources))
    notes = [FLATTERS_COVER] if isinstance(selection, Cover) else []
    comparison = Comparison(held, sources.sizes(), mask, rows, seeds=seeds, seed=seed, threads=threads)
    with bar_if(progress, len(sources), "evaluating") as tell:
        comparison.add(sources, np.arange(len(sources)), tell)
        result = comparison.finish(notes)
    for note in comparison.illusions:
        warnings.warn(note, UserWarning, stacklevel=2)
    return result


def checked_seeds(value: Any) -> int:
    """Return the number of draws."""
    return whole_number(value, "seeds", at_least=_MIN_SEEDS)


def _chosen(selection: Selection | ArrayLike, total: int) -> NDArray[np.int64]:
    """Return the rows that are selected, which are rows of the source, each once."""
    if isinstance(selection, Selection):
        ranked = selection.provenance["sources"]
        if ranked != total:
            message = f"source has {total} rows but {ranked} were ranked; pass the source that was ranked"
            raise ParameterError(message)
        return selection.rows
    rows: NDArray[np.int64] = numbers(selection, "selection", np.int64)
    if len(outside := np.flatnonzero((rows < 0) | (rows >= total))):
        row = int(rows[outside[0]])
        raise ParameterError(f"selection: there is no row {row}; the source has {total} rows", row=row)
    return rows


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
        self._held_out, self._sizes, self._where, self._threads = held_out, sizes, where, threads
        if not len(held_out):
            raise ParameterError("held_out has 0 rows; there is nothing to judge by")
        if not held_out.total_bytes:
            raise ParameterError(NO_BYTES)
        budget = _checked_budget(rows, sizes)
        self._few = [f"held-out rows: {len(held_out)}; {FEW_ROWS}"] if len(held_out) < ENOUGH_ROWS else []
        self._seeds = tuple((seed + draw) % 2**64 for draw in range(seeds))
        eligible = np.arange(len(sizes)) if where is None else np.flatnonzero(where)
        self._pool = len(eligible), int(sizes[eligible].sum())
        if not self._pool[1]:
            raise ParameterError("no row with a byte of text is left to draw random rows from")
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
        self._from_target = 0 if target is None else _equal_in(held_out, target, threads)
        self._equal = self._holding = 0

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
                    self._equal, self._holding = self._equal + equal, self._holding + holding
            if tell is not None:
                tell(len(rows) * done // len(self._arms))

    @property
    def illusions(self) -> list[str]:
        """Why the verdict is worth nothing, if it is."""
        found = {
            "held-out rows that equal target rows, by which the selection was made": self._from_target,
            "selected rows that equal held-out rows": self._equal,
            f"selected rows that hold {_OVERLAP_WORDS} words in a row of a held-out row": self._holding,
        }
        remedy = "they may make the verdict an illusion, leave them out"
        return [f"{what}: {count:,}; {remedy}" for what, count in found.items() if count]

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
        return Evaluation(
            verdict=BETTER if high < 0 else WORSE if low > 0 else NO_BETTER,
            held_out_rows=len(self._held_out),
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
            notes=(*self.illusions, *self._few, *notes),
        )


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
        self._threads = threads
        self._equal = _core.ExactDuplicates()
        self._equal.add(held_out, held_out.sizes() > 0, threads)
        # A short one would be found whole in rows that have nothing to do with it.
        texts = enumerate(held_out.to_list())
        long = [row for row, text in texts if _has_words(text)]
        self._pieces = None
        if long:
            self._pieces = _core.Contamination(held_out.take(np.array(long, np.int64)), DEFAULT_OVERLAP)

    def among(self, texts: _core.Texts) -> tuple[int, int]:
        """Count the texts that equal a held-out row, and the others that hold a piece of one."""
        equal = self._equal.find(texts, threads=self._threads) >= 0
        if self._pieces is None:
            return int(equal.sum()), 0
        holding = self._pieces.find(texts, self._threads) >= 0
        return int(equal.sum()), int((holding & ~equal).sum())


def _equal_in(held_out: _core.Texts, target: _core.Texts, threads: int | None) -> int:
    """Count the held-out rows that equal a target."""
    targets = _core.ExactDuplicates()
    targets.add(target, target.sizes() > 0, threads)
    return int(np.count_nonzero(targets.find(held_out, threads=threads) >= 0))


def _has_words(text: bytes) -> bool:
    words: Iterable[object] = re.finditer(rb"[0-9A-Za-z\x80-\xff]+", text)
    return sum(1 for _ in words) >= _OVERLAP_WORDS

"""`cover`: rows that together hold what the target holds, and the selection that comes of it."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zipfit import _core
from zipfit.checks import Where, bar_if, checked_where, numbers, real_number, whole_number
from zipfit.inputs import TextData, resolve_target_text, to_texts
from zipfit.selection import Selection, left_out, read_only, sha256


def cover(
    source: TextData,
    target: TextData,
    *,
    budget_bytes: int | None = None,
    budget_tokens: int | None = None,
    top_k: int | None = None,
    tokens: ArrayLike | None = None,
    beta: float | None = None,
    where: Where = None,
    text: str | None = None,
    target_text: str | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Cover:
    """Choose rows that together cover what the target texts contain.

    Rows that are each close to the target are close to each other, and the tenth of them teaches little that the
    first nine did not. Here every row is chosen for what it adds. With w_g the occurrences in the targets of each
    distinct byte n-gram g (3 to 6 bytes, inside one text), and c_g those in the chosen rows S, the coverage is
    F(S) = sum of w_g c_g / (c_g + beta); each step takes the row with the largest gain in F per byte of its text,
    ties by row, skips rows that do not fit the rest of the budget, and ends when nothing is left that fits and adds
    something. Rows equal to a target or to an earlier row are left out first.

    Parameters
    ----------
    source
        Texts to choose from, N of them, of any kind that `rank` takes; held in memory, with about as much again.
    target
        Examples of the wanted task, at least one.
    budget_bytes, budget_tokens, top_k
        How much to choose, in bytes of text, tokens or rows: exactly one of them, at least 1.
    tokens
        Tokens of each row, whole numbers of shape (N,); goes with `budget_tokens`.
    beta
        Occurrences at which an n-gram is half covered, above 0. Small values ask for every n-gram once and move on,
        large ones want frequent n-grams often. None, the default: max(1, budget_bytes / P) with P the bytes of the
        targets joined by newlines, which is how often the rows chosen could repeat the target; a budget of tokens
        or rows is converted by the mean size of the rows that may be chosen. A model of n-grams mostly prefers
        1; a small network, and a pretrained model in runs of 48 steps, learnt more at the default:
        docs/quality-judges.md.
    where
        bool (N,), True for rows that may be chosen; None, the default, allows all.
    text, target_text, threads, progress
        As in `rank`.

    Returns
    -------
    Cover
        A `Selection` whose ``scores`` are what F gained per byte when a row was chosen, with the curve of F over the
        sum of all w_g in ``coverage``, and the rows left out as copies.

    Raises
    ------
    ParameterError
        Not exactly one budget, a budget below 1, a `beta` that is not above 0, `tokens` missing or negative, or no
        target of three bytes.
    EmptyTargetError, BadRowError, InvalidTextError, TextTypeError
        As in `rank`.

    Warns
    -----
    UserWarning
        Budget remains, but no row is left that adds anything; no row fits the budget; or none may be chosen.

    References
    ----------
    Nemhauser, Wolsey, Fisher 1978 (greedy choice reaches 1 - 1/e of the best); Lin and Bilmes 2011, "A class of
    submodular functions for document summarization".

    Examples
    --------
    >>> import zipfit
    >>> target = ["red green", "blue"]
    >>> source = ["red", "reds", "green", "greens", "blue sky"]
    >>> zipfit.cover(source, target, top_k=3, beta=1).take(source)
    ['green', 'blue sky', 'red']
    """
    amounts = {"budget_bytes": budget_bytes, "budget_tokens": budget_tokens, "top_k": top_k}
    amounts = {name: None if amount is None else _amount(amount, name) for name, amount in amounts.items()}
    beta = None if beta is None else real_number(beta, "beta")
    targets = to_texts(target, text=resolve_target_text(target, target_text, text), side="target", threads=threads)
    sources = to_texts(source, text=text, side="source", threads=threads)
    counts = None if tokens is None else numbers(tokens, "tokens", np.int64, len(sources))
    mask, eligible = checked_where(where, len(sources))
    search = _core.CoverSearch(
        targets,
        budget_bytes=amounts["budget_bytes"],
        budget_tokens=amounts["budget_tokens"],
        top_k=amounts["top_k"],
        beta=beta,
    )
    search.add(sources, counts, mask, threads)
    with bar_if(progress, eligible, "covering") as on_progress:
        found = search.choose(threads, on_progress)
    if len(sources) and (note := shortfall(found, eligible, len(found.copies_of_target))):
        warnings.warn(note, UserWarning, stacklevel=2)
    provenance = {
        "version": _core.__version__,
        "sources": len(sources),
        "chooser": "cover",
        **{name: amount for name, amount in amounts.items() if amount is not None},
        "beta": found.beta,
        "targets": len(targets),
        "target_sha256": targets.sha256(),
        "source_sha256": sources.sha256(),
        **({} if counts is None else {"tokens_sha256": sha256(counts)}),
        **left_out(mask),
        "left_out_as_copies_of_target": len(found.copies_of_target),
        "left_out_as_duplicates": len(found.duplicates),
    }
    return Cover(
        found.rows,
        found.scores,
        coverage=found.coverage,
        copies_of_target=found.copies_of_target,
        duplicates=found.duplicates,
        provenance=provenance,
    )


def _amount(value: int, name: str) -> int:
    # More than can be counted is as good as everything.
    return min(whole_number(value, name), np.iinfo(np.int64).max)


def shortfall(found: _core.Cover, eligible: int, copies_of_target: int) -> str | None:
    """Say why less was chosen than the budget allows; None where it was used up.

    Of the ``eligible`` rows ``copies_of_target`` were left out because they equal a target.
    """
    if not eligible:
        return "where leaves no row to choose from; nothing is selected"
    if eligible == copies_of_target:
        return "no row but copies of targets may be chosen; nothing is selected"
    chosen = len(found.rows)
    if found.exhausted:
        if not chosen:
            return "no row that may be chosen shares anything with the target; nothing is selected"
        rows = "the only row" if chosen == 1 else f"all {chosen} rows"
        shares, are = ("shares", "is") if chosen == 1 else ("share", "are")
        rows += f" that {shares} anything with the target, and may be chosen, {are} selected"
        return f"nothing is left to gain: {rows}, below the budget"
    if not chosen:
        return "no row that shares anything with the target fits the budget; nothing is selected"
    return None


class Cover(Selection):
    """Rows chosen together by `zipfit.cover`, in the order of their choice.

    A coverage is no share of n-grams held: one that occurs c times counts c / (c + beta) of its weight. A coverage of 1
    needs endless repetition, and coverages compare only at equal beta (``provenance["beta"]``).

    Parameters
    ----------
    rows
        Row numbers, int64 (k,), in the order of their choice.
    scores
        What F gained per byte of each when it was chosen, float64 (k,), falling.
    coverage
        F after each row, over the weight of all n-grams of the target: float64 (k,), between 0 and 1, rising.
    copies_of_target
        Rows left out because they equal a target: int64 (m, 2), the row and the target.
    duplicates
        Rows left out because they equal an earlier row: int64 (m, 2), the row and the earlier one.
    provenance
        What determines the selection.
    """

    def __init__(
        self,
        rows: NDArray[np.int64],
        scores: NDArray[np.float64],
        *,
        coverage: NDArray[np.float64],
        copies_of_target: NDArray[np.int64],
        duplicates: NDArray[np.int64],
        provenance: Mapping[str, Any],
    ) -> None:
        super().__init__(rows, scores, provenance=provenance)
        self._coverage = read_only(np.array(coverage, np.float64))
        self._copies_of_target = read_only(np.array(copies_of_target, np.int64))
        self._duplicates = read_only(np.array(duplicates, np.int64))

    @property
    def coverage(self) -> NDArray[np.float64]:
        """F after each row over the weight of all n-grams of the target, float64 (k,), read-only, rising."""
        return self._coverage

    @property
    def copies_of_target(self) -> NDArray[np.int64]:
        """Rows left out because they equal a target, int64 (m, 2), read-only: the row and the target."""
        return self._copies_of_target

    @property
    def duplicates(self) -> NDArray[np.int64]:
        """Rows left out because they equal an earlier row, int64 (m, 2), read-only: the row and the earlier one."""
        return self._duplicates

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would lose that the arrays are read-only.
        make = functools.partial(
            Cover,
            coverage=self._coverage,
            copies_of_target=self._copies_of_target,
            duplicates=self._duplicates,
            provenance=self.provenance,
        )
        return make, (self.rows, self.scores)

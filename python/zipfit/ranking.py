"""Scores of all rows, and the ways of choosing rows by them.

Every chooser gives rows best first; equal scores are ordered by row number, so that the same scores always give the
same rows. The arithmetic is in ``_core``; here arguments are checked and results described.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zipfit import _core
from zipfit.checks import Where, checked_seed, checked_where, numbers, real_number, whole_number
from zipfit.errors import ParameterError
from zipfit.labels import group_codes
from zipfit.selection import Selection, left_out, read_only, sha256


class Ranking:
    """One score a row, and the ways of choosing rows by them.

    `zipfit.rank` returns one; make one yourself to choose by scores of another origin (embeddings, a classifier).

    Parameters
    ----------
    scores
        Numbers of shape (N,); higher is better. Copied as float64.
    sizes
        Bytes of each text, whole numbers of shape (N,); needed by ``within(budget_bytes=...)`` only. None, the
        default, when they are not known.
    provenance
        What the scores were made from, strings and numbers by name; the version and the number of rows are added.
        None, the default, when there is nothing else to say. Unless ``source_sha256`` is among them, as it is after
        `zipfit.rank`, hashes of the scores and the sizes are added, which determine them too.

    Raises
    ------
    ParameterError
        A score that is NaN or infinite (the message names its row), or an array of another shape or type.

    Examples
    --------
    >>> import zipfit
    >>> zipfit.Ranking([0.25, 0.75, 0.5]).top_k(2).rows.tolist()
    [1, 2]
    """

    def __init__(
        self, scores: ArrayLike, sizes: ArrayLike | None = None, *, provenance: Mapping[str, Any] | None = None
    ) -> None:
        self._scores = read_only(numbers(scores, "scores", np.float64))
        rows = len(self._scores)
        self._sizes = None if sizes is None else read_only(numbers(sizes, "sizes", np.int64, rows))
        self._provenance = {"version": _core.__version__, **(provenance or {}), "sources": rows}
        if "source_sha256" not in self._provenance:
            self._provenance["scores_sha256"] = sha256(self._scores)
            if self._sizes is not None:
                self._provenance["sizes_sha256"] = sha256(self._sizes)
        self._order: NDArray[np.int64] | None = None
        self._where: NDArray[np.bool_] | None = None
        if not np.isfinite(self._scores).all():
            _core.order(self._scores)  # raises, naming the row; now, and not when the order is first asked for

    @classmethod
    def of_table(
        cls,
        scores: NDArray[np.float64],
        sizes: NDArray[np.int64] | None,
        where: NDArray[np.bool_] | None,
        provenance: Mapping[str, Any],
    ) -> Ranking:
        """Make a ranking of which some rows may never be chosen (where `where` is False), for `zipfit.load_scores`.

        Those may have the score NaN. The arrays are taken as they are, and made read-only.
        """
        ranking = cls.__new__(cls)
        ranking._scores = read_only(scores)
        ranking._sizes = None if sizes is None else read_only(sizes)
        ranking._where = None if where is None else read_only(where)
        ranking._provenance = {**provenance, "sources": len(scores)}
        ranking._order = None
        return ranking

    def with_sizes(self, sizes: NDArray[np.int64]) -> Ranking:
        """Return the same ranking, of a table, with the bytes of each text; taken as they are, and made read-only."""
        ranking = Ranking.of_table(self._scores, sizes, self._where, self._provenance)
        ranking._order = self._order
        return ranking

    @property
    def scores(self) -> NDArray[np.float64]:
        """Scores, float64 (N,), read-only; higher is better. NaN for rows that `zipfit score` rejected."""
        return self._scores

    @property
    def sizes(self) -> NDArray[np.int64] | None:
        """Bytes of each text (UTF-8 where it is str), int64 (N,), read-only; None where not known."""
        return self._sizes

    @property
    def order(self) -> NDArray[np.int64]:
        """All rows, best first, equal scores by row number: int64 (N,), read-only. Sorted when first asked for."""
        if self._order is None:
            # Rows that may not be chosen may have no score; they come last.
            self._order = read_only(_core.order(self._scores, nan_last=self._where is not None))
        return self._order

    @property
    def eligible(self) -> NDArray[np.bool_] | None:
        """Rows that may be chosen, bool (N,), read-only; None, the usual case, for all of them.

        Only `zipfit.load_scores` makes rankings where some may not: rows that were rejected or left out when scored.
        """
        return self._where

    @property
    def provenance(self) -> dict[str, Any]:
        """What determines the scores: version, metric, compressor with its library, aggregate, counts, hashes.

        ``source_sha256`` and ``target_sha256`` are those of the texts. Scores of another origin have ``scores_sha256``
        and, with sizes, ``sizes_sha256`` in their place: of the bytes of the arrays (float64, int64; little-endian).
        A copy, and nothing but strings and numbers, ready for ``json.dumps``.
        """
        return dict(self._provenance)

    def __len__(self) -> int:
        return len(self._scores)

    def __repr__(self) -> str:
        parts = [f"{len(self)} rows"]
        if "metric" in self._provenance:
            parts.append("{metric} {compressor} {aggregate}".format(**self._provenance))
        # A row that may not be chosen is not the best, and may have no score.
        scores = self._scores if self._where is None else np.where(self._where, self._scores, -np.inf)
        if len(scores) and np.isfinite(scores[best := int(np.argmax(scores))]):
            parts.append(f"best row {best} with {scores[best]:.6g}")
        return f"Ranking({', '.join(parts)})"

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would lose that the arrays are read-only.
        return functools.partial(_restored, provenance=self._provenance), (self._scores, self._sizes, self._where)

    def top_k(self, k: int, *, where: Where = None) -> Selection:
        """Choose the k best rows.

        Parameters
        ----------
        k
            Number of rows, at least 1. Where fewer can be chosen, all of them are, with a warning.
        where
            bool (N,), True for rows that may be chosen; None, the default, allows all.

        Raises
        ------
        ParameterError
            `k` is below 1 or no whole number.
        """
        k = whole_number(k, "top_k")
        mask, eligible = self._combined(where)
        if k > eligible:
            warnings.warn(all_selected("top_k", k, eligible), UserWarning, stacklevel=2)
        rows = _core.top_k(self.order, mask, min(k, max(len(self), 1)))
        return self._select(rows, mask, chooser="top_k", top_k=k)

    def top_fraction(self, fraction: float, *, where: Where = None) -> Selection:
        """Choose the best rows, this fraction of those that may be chosen.

        Parameters
        ----------
        fraction
            Above 0 and at most 1. Of M rows that may be chosen, floor(fraction * M) are, but at least 1.
        where
            bool (N,), True for rows that may be chosen; None, the default, allows all.

        Raises
        ------
        ParameterError
            `fraction` is not in (0, 1].
        """
        mask, _ = self._combined(where)
        rows = _core.top_fraction(self.order, mask, real_number(fraction, "top_fraction"))
        return self._select(rows, mask, chooser="top_fraction", top_fraction=float(fraction))

    def threshold(self, threshold: float, *, where: Where = None) -> Selection:
        """Choose all rows whose score is at least `threshold`; there may be none.

        Parameters
        ----------
        threshold
            In the unit of the scores. For "ncd" a useful one depends on the lengths of the texts, so look at
            ``scores`` before choosing it.
        where
            bool (N,), True for rows that may be chosen; None, the default, allows all.

        Raises
        ------
        ParameterError
            `threshold` is NaN.
        """
        mask, _ = self._combined(where)
        rows = _core.threshold(self.order, mask, self._scores, real_number(threshold, "threshold"))
        return self._select(rows, mask, chooser="threshold", threshold=float(threshold))

    def within(
        self,
        *,
        budget_bytes: int | None = None,
        budget_tokens: int | None = None,
        tokens: ArrayLike | None = None,
        where: Where = None,
    ) -> Selection:
        """Choose the best rows that together fit a budget, ending before the first that does not.

        What is chosen is the longest such beginning of the order: later rows that would still fit are not looked at,
        so that the budget is an upper bound, and one long row near the top can leave much of it unspent (`where` can
        leave that row out).

        Parameters
        ----------
        budget_bytes
            Bytes of text (`sizes`), at least 1.
        budget_tokens
            Tokens, at least 1; exactly one of the two budgets is given.
        tokens
            Tokens of each row, whole numbers of shape (N,); goes with `budget_tokens`.
        where
            bool (N,), True for rows that may be chosen; None, the default, allows all.

        Raises
        ------
        ParameterError
            Not exactly one budget, a budget below 1, `tokens` missing or negative, or a ranking without `sizes`.

        Warns
        -----
        UserWarning
            The best row alone is larger than the budget, so that nothing is chosen.
        """
        unit, budget = _one_budget(budget_bytes, budget_tokens)
        costs = self._costs(unit, tokens)
        mask, eligible = self._combined(where)
        rows = _core.within(self.order, mask, costs, min(budget, np.iinfo(np.int64).max))
        if not len(rows) and eligible:
            best = self.order[0] if mask is None else self.order[mask[self.order]][0]
            message = f"budget of {budget} {unit} is below the {costs[best]} {unit} of the best row (row {best})"
            warnings.warn(message + "; nothing is selected", UserWarning, stacklevel=2)
        counted = {"tokens_sha256": sha256(costs)} if unit == "tokens" else {}
        return self._select(rows, mask, chooser="within", **{f"budget_{unit}": budget}, **counted)

    def sample(self, k: int, temperature: float, seed: int = 0, *, where: Where = None) -> Selection:
        """Draw k rows without replacement, each draw in proportion to exp(score / temperature).

        The rows with the k largest ``score / temperature + g``, where g is Gumbel noise made of `seed` and the row
        number alone: no row's noise depends on the other rows, and a sample of k rows is part of that of k + 1. The
        same rows in another order are other rows to it and draw other numbers. Equal scores, ranking and seed give
        equal samples everywhere.

        Parameters
        ----------
        k
            Number of rows, at least 1. Where fewer can be chosen, all of them are, with a warning.
        temperature
            Above 0, in the unit of the scores: a row whose score is higher by this much is 2.7 times as likely.
            Small ones lead to `top_k`, large ones to a uniform sample.
        seed
            Whole number from 0 (the default) to 2^64 - 1.
        where
            bool (N,), True for rows that may be chosen; None, the default, allows all.

        Returns
        -------
        Selection
            Best first by score, not in the order of drawing.

        Raises
        ------
        ParameterError
            `k` is below 1, `temperature` is not above 0 and finite, `seed` is out of its range.

        References
        ----------
        Xie et al. 2023, arXiv:2302.03169 (DSIR), which samples so; Kool et al. 2019, arXiv:1903.06059.

        Examples
        --------
        >>> import zipfit
        >>> ranking = zipfit.Ranking([0.1, 0.4, 0.2, 0.3])
        >>> ranking.sample(2, temperature=0.1, seed=3).rows.tolist() == ranking.sample(2, 0.1, 3).rows.tolist()
        True
        >>> ranking.sample(2, temperature=0.001).rows.tolist()
        [1, 3]
        """
        k = whole_number(k, "k")
        temperature = real_number(temperature, "temperature")
        seed = checked_seed(seed)
        mask, eligible = self._combined(where)
        if k > eligible:
            warnings.warn(all_selected("k", k, eligible), UserWarning, stacklevel=2)
        rows = _core.sample(self._scores, mask, min(k, max(len(self), 1)), temperature, seed)
        return self._select(rows, mask, chooser="sample", k=k, temperature=temperature, seed=seed)

    def per_group(self, labels: Iterable[Any], k: int, *, where: Where = None) -> Selection:
        """Choose the k best rows of each group: quotas by language, origin or topic.

        Parameters
        ----------
        labels
            One label a row: a sequence, numpy array, or column of pyarrow, pandas or polars, with N hashable values.
            Rows with equal labels are one group.
        k
            Rows of each group, at least 1. All rows of a group that has fewer, without a warning.
        where
            bool (N,), True for rows that may be chosen; None, the default, allows all.

        Returns
        -------
        Selection
            Of all groups together, best first.

        Raises
        ------
        ParameterError
            `k` is below 1; not N labels; a label that is None, NaN or not hashable (the message names its row).

        Examples
        --------
        >>> import zipfit
        >>> zipfit.Ranking([0.1, 0.4, 0.2, 0.3]).per_group(["en", "de", "en", "de"], 1).rows.tolist()
        [1, 2]
        """
        k = whole_number(k, "k")
        codes, groups = group_codes(labels, len(self))
        mask, _ = self._combined(where)
        rows = _core.per_group(self.order, mask, codes, min(k, max(len(self), 1)))
        hashed = sha256(codes)
        return self._select(rows, mask, chooser="per_group", k=k, groups=groups, labels_sha256=hashed)

    def _combined(self, where: Where) -> tuple[NDArray[np.bool_] | None, int]:
        """Return which rows may be chosen (None: all), and how many these are."""
        mask, eligible = checked_where(where, len(self))
        if self._where is None:
            return mask, eligible
        mask = self._where if mask is None else mask & self._where
        return mask, int(np.count_nonzero(mask))

    def _costs(self, unit: str, tokens: ArrayLike | None) -> NDArray[np.int64]:
        if unit == "tokens":
            if tokens is None:
                raise ParameterError("budget_tokens needs tokens=, the number of tokens of each row")
            if isinstance(tokens, np.ndarray) and tokens.dtype == np.int64 and tokens.shape == self._scores.shape:
                return tokens
            return numbers(tokens, "tokens", np.int64, len(self))
        if tokens is not None:
            raise ParameterError("tokens= has no effect on budget_bytes; leave it out or give budget_tokens")
        if self._sizes is None:
            raise ParameterError("budget_bytes needs the size of each text; make the ranking with sizes=")
        return self._sizes

    def _select(self, rows: NDArray[np.int64], mask: NDArray[np.bool_] | None, **chosen: Any) -> Selection:
        provenance = {**self._provenance, **chosen, **left_out(mask)}
        return Selection(rows, self._scores[rows], provenance=provenance)


def _restored(
    scores: NDArray[np.float64],
    sizes: NDArray[np.int64] | None,
    where: NDArray[np.bool_] | None,
    *,
    provenance: Mapping[str, Any],
) -> Ranking:
    return Ranking.of_table(scores, sizes, where, provenance)


def all_selected(name: str, k: int, eligible: int) -> str:
    """Say that fewer rows than asked for can be chosen."""
    return f"{name} is {k}, but only {eligible} rows can be chosen; all of them are selected"


def _one_budget(budget_bytes: int | None, budget_tokens: int | None) -> tuple[str, int]:
    if (budget_bytes is None) == (budget_tokens is None):
        given = "neither" if budget_bytes is None else "both"
        raise ParameterError(f"within needs either budget_bytes or budget_tokens, got {given}")
    if budget_bytes is not None:
        return "bytes", whole_number(budget_bytes, "budget_bytes")
    return "tokens", whole_number(budget_tokens, "budget_tokens")

"""`fuse`: several rankings of the same rows as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zipfit import _core
from zipfit.checks import real_number
from zipfit.errors import ParameterError
from zipfit.ranking import Ranking


def fuse(*rankings: Ranking, weights: Sequence[float] | None = None) -> Ranking:
    """Make one ranking of several of the same rows: the weighted mean of their percentile ranks.

    Compression does not see a paraphrase, and embeddings do not see how a text is written. Their scores have scales
    that cannot be added, ranks can: a row with m others below it and e - 1 equal to it, of M, has the percentile rank
    (m + e / 2) / M, between 0 and 1. Whether it helps depends on the task; `zipfit.evaluate`
    tells.

    Parameters
    ----------
    *rankings
        At least one, of the same rows in the same order: from `zipfit.rank`, `zipfit.load_scores`, or
        ``zipfit.Ranking(scores)`` for scores of your own.
    weights
        One a ranking, at least 0 and not all 0; only their ratios count. None, the default, weighs all alike.

    Returns
    -------
    Ranking
        Scores in (0, 1), higher is better, whose mean over the rows is 1/2. A row that one of the rankings does not
        allow to be chosen (`Ranking.eligible`) cannot be chosen, takes no part in the ranks and has the score NaN.
        Sizes are those of the first ranking that knows them.

    Raises
    ------
    ParameterError
        No ranking, an argument that is none, rankings of different numbers of rows or of different texts (as far as
        they know them), or unusable weights.

    Examples
    --------
    >>> import zipfit
    >>> by_compression = zipfit.rank(["x = 1", "the cat sat", "y += 1"], ["z = 2"])
    >>> by_embedding = zipfit.Ranking([0.2, 0.1, 0.9])
    >>> zipfit.fuse(by_compression, by_embedding, weights=[2, 1]).order.tolist()
    [0, 2, 1]
    """
    if not rankings:
        raise ParameterError("fuse needs at least one ranking")
    source = _check_same_rows(rankings)
    checked = _checked_weights(weights, len(rankings))
    where = _eligible_in_all(rankings)
    scores = _core.fuse([(weight, ranking.scores) for weight, ranking in zip(checked, rankings, strict=True)], where)
    sizes = next((ranking.sizes for ranking in rankings if ranking.sizes is not None), None)
    parts = [ranking.provenance for ranking in rankings]
    provenance: dict[str, Any] = {"version": _core.__version__, "fused": parts, "weights": checked} | source
    return Ranking.of_table(scores, sizes, where, provenance)


def _checked_weights(weights: Any, expected: int) -> list[float]:
    """Return one weight a ranking; of a mapping it is not clear which is whose."""
    if weights is None:
        return [1.0] * expected
    if isinstance(weights, str | bytes) or not isinstance(weights, Sequence | np.ndarray) or np.ndim(weights) == 0:
        raise ParameterError(f"weights must be a sequence of numbers, one a ranking, got {weights!r}")
    checked = [real_number(weight, "weights") for weight in weights]
    if len(checked) != expected:
        raise ParameterError(f"weights: {len(checked)} entries; expected one a ranking, {expected}")
    return checked


def _eligible_in_all(rankings: Sequence[Ranking]) -> NDArray[np.bool_] | None:
    """Return which rows may be chosen by every ranking; None for all of them."""
    where = None
    for ranking in rankings:
        if ranking.eligible is not None:
            where = ranking.eligible if where is None else where & ranking.eligible
    return where


def _check_same_rows(rankings: Sequence[Any]) -> dict[str, str]:
    """Raise unless all are rankings of the same rows, as far as they know; the hash of these for provenance, if any."""
    known: dict[str, tuple[int, Any]] = {}
    for number, ranking in enumerate(rankings):
        if not isinstance(ranking, Ranking):
            message = f"ranking {number} is a {type(ranking).__name__}; make one with zipfit.Ranking(scores)"
            raise ParameterError(message)
        if len(ranking) != len(rankings[0]):
            message = f"ranking {number} has {len(ranking)} rows, ranking 0 has {len(rankings[0])}"
            raise ParameterError(message + "; fuse rankings of the same rows")
        for what, value in (("sizes", ranking.sizes), ("texts", ranking.provenance.get("source_sha256"))):
            if value is None:
                continue
            earlier, other = known.setdefault(what, (number, value))
            if not np.array_equal(value, other):
                message = f"rankings {earlier} and {number} are of rows with different {what}"
                raise ParameterError(message + "; fuse rankings of the same rows in the same order")
    return {"source_sha256": known["texts"][1]} if "texts" in known else {}

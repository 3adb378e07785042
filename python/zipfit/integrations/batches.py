"""What the integrations share: scores as a column of an Arrow batch, and the best rows of many batches."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zipfit import _core
from zipfit.errors import MissingExtraError, ParameterError
from zipfit.inputs import quoted
from zipfit.ranking import all_selected
from zipfit.scorer import Scorer

if TYPE_CHECKING:
    import pyarrow as pa

DEFAULT_COLUMN = "score"
"""Name of the column with the scores."""


def missing(framework: str, error: ImportError) -> MissingExtraError:
    """Return the error for a framework that cannot be imported; its extra has the same name."""
    # It may be there, and something missing that it needs.
    package = (error.name or framework).partition(".")[0]
    message = f'zipfit.integrations.{framework} needs {package}; pip install "zipfit[{framework}]"'
    return MissingExtraError(message)


def with_scores(batch: pa.Table, scorer: Scorer, *, text: str | None, column: str, threads: int | None) -> pa.Table:
    """Return `batch` with the scores of its rows as a last column."""
    import pyarrow as pa

    refuse_taken(column, batch.column_names)
    return batch.append_column(column, pa.array(scorer.score(batch, text=text, threads=threads)))


def refuse_taken(column: str, names: Sequence[str]) -> None:
    """Raise if a column of this name is there, which the scores would replace."""
    if column in names:
        message = f"dataset has a column {quoted([column])} already; name the one for the scores with column="
        raise ParameterError(message)


def scores_of(table: pa.Table, column: str) -> NDArray[np.float64]:
    """Return a column of scores as an array."""
    scores: NDArray[np.float64] = table[column].to_numpy()
    return scores


class Best:
    """The k best of rows that arrive in batches; holds some 2 k of them.

    Equal scores are ordered by arrival, as `zipfit.rank` orders them by row.
    """

    def __init__(self, k: int, column: str) -> None:
        self.rows = 0
        """Rows that have arrived."""
        self._k = k
        self._column = column
        self._tables: list[Any] = []
        self._held = 0

    def add(self, batch: pa.Table) -> None:
        """Take the next rows in."""
        self.rows += len(batch)
        self._held += len(batch)
        self._tables.append(batch)
        # So that the sorting, too, costs little a row, however small the batches are.
        if self._held > 2 * self._k:
            self._prune()

    def table(self) -> pa.Table | None:
        """Return the best rows, best first, all if there are fewer than k; None if no batch has arrived."""
        if not self._tables:
            return None
        self._prune()
        return self._tables[0]

    def _prune(self) -> None:
        import pyarrow as pa

        # Batches of a stream can differ in type: a column whose first values are all null, say.
        table = pa.concat_tables(self._tables, promote_options="permissive")
        # Those held from before come first, and equal ones among them in the order of their arrival.
        kept = table.take(best_first(scores_of(table, self._column))[: self._k])
        self._tables, self._held = [kept], len(kept)


def best_first(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return all rows, best first, equal scores in the order in which they are."""
    return _core.order(scores)


def warn_if_fewer(rows: int, k: int) -> None:
    """Warn, on behalf of the caller's caller, that there are fewer than k rows."""
    if rows < k:
        warnings.warn(all_selected("k", k, rows), UserWarning, stacklevel=3)

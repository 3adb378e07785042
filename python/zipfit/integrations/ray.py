"""Ray Data: scores as a column, and the best rows of a whole dataset.

The scorer travels to the workers with the tasks, some bytes more than its targets, and is prepared once in each worker.
A task scores on as many threads as CPUs are reserved for it, 1 unless ``num_cpus`` says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zipfit.checks import whole_number
from zipfit.errors import TextTypeError
from zipfit.integrations.batches import (
    DEFAULT_COLUMN,
    Best,
    best_first,
    missing,
    scores_of,
    warn_if_fewer,
    with_scores,
)
from zipfit.scorer import Scorer

if TYPE_CHECKING:
    import pyarrow as pa
    import ray.data

# Columns between the passes of `top_k`. The place of a row: its batch, where in it, and how many rows that batch had.
_PLACE = [_BATCH, _INDEX, _ROWS] = ["__zipfit_batch__", "__zipfit_index__", "__zipfit_rows__"]
# And its number over the whole dataset.
_ROW = "__zipfit_row__"

_BLOCK_BYTES = 128 << 20
"""Size of a block where Ray sets no limit: its own default."""


def score(
    dataset: ray.data.Dataset,
    scorer: Scorer,
    *,
    text: str | None = None,
    column: str = DEFAULT_COLUMN,
    **options: Any,
) -> ray.data.Dataset:
    """Add the score of each row, lazily, by ``Dataset.map_batches`` on pyarrow batches.

    Parameters
    ----------
    dataset
        A ``ray.data.Dataset`` with a column of texts.
    scorer
        The target set.
    text
        Column of the texts. None, the default: ``"text"`` if it is there, else the only column.
    column
        Name of the new column, float64; "score" by default.
    options
        Passed on to ``map_batches``: ``batch_size``, ``num_cpus``, ``memory`` and so on.

    Returns
    -------
    ray.data.Dataset
        Ray keeps the order of rows only if ``DataContext.execution_options.preserve_order`` is set.

    Raises
    ------
    MissingExtraError
        Ray is not installed: ``pip install "zipfit[ray]"``.
    TextTypeError
        `dataset` is something else.
    ray.exceptions.RayTaskError
        In place of the errors of `zipfit.Scorer.score`, when Ray runs the tasks; the message holds theirs, whose row
        counts from the start of its batch. There is a column of the name `column` already: likewise.
    """
    _check(dataset)
    function = _Score(scorer, text, column, _threads(options))
    return dataset.map_batches(function, batch_format="pyarrow", **options)


def top_k(
    dataset: ray.data.Dataset,
    scorer: Scorer,
    k: int,
    *,
    text: str | None = None,
    column: str = DEFAULT_COLUMN,
    **options: Any,
) -> ray.data.Dataset:
    """Choose the k best rows of the whole dataset: those of ``zipfit.rank(...).top_k(k)``, in that order.

    The dataset is executed once, now. Each task keeps the k best rows of its batch, which stay where the task ran; the
    calling process sees their scores and places alone, and holds those of some 2 k rows at a time. A last pass, on the
    cluster, keeps and sorts the k best of all. So no node needs room for the dataset. (A batch of k rows or fewer keeps
    all of its rows until that last pass: in Ray's object store, which is distributed and spills to disk.)

    The number of a row, by which equal scores are ordered, is its place in the dataset as Ray orders it: items as
    given, files in the order in which Ray lists them. This execution is told to keep that order (``preserve_order``).

    Parameters
    ----------
    dataset, scorer, text, column, options
        As in `score`.
    k
        Number of rows, at least 1. Where there are fewer, all of them are chosen, with a warning.

    Returns
    -------
    ray.data.Dataset
        Materialised; best first, with the scores as a last column. What is made of it keeps that order.

    Raises
    ------
    ParameterError
        `k` is below 1 or no whole number.
    MissingExtraError, TextTypeError, ray.exceptions.RayTaskError
        As in `score`.
    """
    _check(dataset)
    import pyarrow as pa

    k = whole_number(k, "k")
    function = _KeepBest(_Score(scorer, text, column, _threads(options)), k)
    # Materialising copies the context, so that all that follows keeps the order too.
    with _preserved_order(dataset):
        kept = dataset.map_batches(function, batch_format="pyarrow", **options).materialize()
    first_rows = _FirstRows()
    best = Best(k, column)
    places = kept.select_columns([column, *_PLACE])
    for block in places.iter_batches(batch_format="pyarrow", batch_size=None):
        first_rows.add(block)
        rows = pa.array(_row_numbers(block, first_rows.of))
        best.add(pa.table({column: block[column], _ROW: rows}))
    warn_if_fewer(first_rows.rows, k)
    chosen = best.table()
    if not chosen:
        return kept
    cut = _Cut(first_rows.of, column, chosen[column][-1].as_py(), chosen[_ROW][-1].as_py())
    few = kept.map_batches(cut, batch_format="pyarrow").materialize()
    # Sorting starts a worker for each block, and here there are many blocks of few rows.
    blocks = math.ceil(few.size_bytes() / (few.context.target_max_block_size or _BLOCK_BYTES))
    fewer = few.repartition(max(1, min(blocks, few.num_blocks())))
    return fewer.sort([column, _ROW], descending=[True, False]).drop_columns([_ROW]).materialize()


class _Score:
    """Adds the scores to a batch; runs in the tasks."""

    def __init__(self, scorer: Scorer, text: str | None, column: str, threads: int) -> None:
        self._scorer = scorer
        self._options: dict[str, Any] = {"text": text, "column": column, "threads": threads}
        self.column = column

    def __call__(self, batch: pa.Table) -> pa.Table:
        return with_scores(batch, self._scorer, **self._options)


class _KeepBest:
    """Keeps the k best rows of a batch, and their places; runs in the tasks."""

    def __init__(self, score: _Score, k: int) -> None:
        self._score = score
        self._k = k
        self._task = ""
        self._batches = 0

    def __call__(self, batch: pa.Table) -> pa.Table:
        import pyarrow as pa

        scored = self._score(batch)
        indices = best_first(scores_of(scored, self._score.column))[: self._k]
        kept = scored.take(indices)
        kept = kept.append_column(_BATCH, pa.repeat(pa.scalar(self._name(), pa.binary()), len(indices)))
        kept = kept.append_column(_INDEX, pa.array(indices))
        return kept.append_column(_ROWS, pa.repeat(pa.scalar(len(batch), pa.int64()), len(indices)))

    def _name(self) -> bytes:
        """Return what tells this batch from all others, and is the same when Ray runs a lost task again."""
        import ray

        task = ray.get_runtime_context().get_task_id() or ""
        self._batches = self._batches + 1 if task == self._task else 0
        self._task = task
        return f"{task}.{self._batches}".encode()


class _FirstRows:
    """The number of each batch's first row over the whole dataset, learnt as the batches come by in their order."""

    def __init__(self) -> None:
        self.of: dict[bytes, int] = {}
        self.rows = 0

    def add(self, places: pa.Table) -> None:
        names = places[_BATCH].combine_chunks().dictionary_encode()
        # An entry of a dictionary is where its value first appears.
        _, at = np.unique(names.indices.to_numpy(), return_index=True)
        for name, rows in zip(names.dictionary.to_pylist(), places[_ROWS].take(at).to_pylist(), strict=True):
            if name not in self.of:
                self.of[name] = self.rows
                self.rows += rows


class _Cut:
    """Keeps the rows that are no worse than the last one chosen, and numbers them; runs in the tasks."""

    def __init__(self, first_rows: dict[bytes, int], column: str, score: float, row: int) -> None:
        self._first_rows = first_rows
        self._column = column
        self._score = score
        self._row = row

    def __call__(self, batch: pa.Table) -> pa.Table:
        import pyarrow as pa

        scores = scores_of(batch, self._column)
        rows = _row_numbers(batch, self._first_rows)
        chosen = (scores > self._score) | ((scores == self._score) & (rows <= self._row))
        numbered = batch.drop_columns(_PLACE).append_column(_ROW, pa.array(rows))
        return numbered.filter(pa.array(chosen))


def _row_numbers(batch: pa.Table, first_rows: dict[bytes, int]) -> NDArray[np.int64]:
    """Return the number of each row over the whole dataset."""
    names = batch[_BATCH].combine_chunks().dictionary_encode()
    firsts = np.array([first_rows[name] for name in names.dictionary.to_pylist()], dtype=np.int64)
    rows: NDArray[np.int64] = firsts[names.indices.to_numpy()] + batch[_INDEX].to_numpy()
    return rows


def _check(dataset: object) -> None:
    try:
        import ray.data
    except ImportError as error:
        raise missing("ray", error) from None
    if not isinstance(dataset, ray.data.Dataset):
        raise TextTypeError(f"dataset is of type {type(dataset).__name__}; expected a ray.data.Dataset")


def _threads(options: dict[str, Any]) -> int:
    return max(1, int(options.get("num_cpus") or 1))


@contextmanager
def _preserved_order(dataset: ray.data.Dataset) -> Iterator[None]:
    options = dataset.context.execution_options
    before = options.preserve_order
    options.preserve_order = True
    try:
        yield
    finally:
        options.preserve_order = before

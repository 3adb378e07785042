"""Hugging Face datasets: scores as a column, and the best rows, of a `Dataset` or a stream (`IterableDataset`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from zipfit.checks import whole_number
from zipfit.errors import ParameterError, TextTypeError, ZipfitError
from zipfit.inputs import choose_column
from zipfit.integrations.batches import (
    DEFAULT_COLUMN,
    Best,
    best_first,
    missing,
    refuse_taken,
    scores_of,
    warn_if_fewer,
    with_scores,
)
from zipfit.scorer import Scorer

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

_SETTLED = (
    *("batched", "with_indices", "with_rank", "input_columns", "remove_columns", "drop_last_batch"),
    *("features", "fn_kwargs", "new_fingerprint"),
)
"""Options of ``map`` that decide what it is given and gives."""

AnyDataset = TypeVar("AnyDataset", "datasets.Dataset", "datasets.IterableDataset")


def score(
    dataset: AnyDataset,
    scorer: Scorer,
    *,
    text: str | None = None,
    column: str = DEFAULT_COLUMN,
    **options: Any,
) -> AnyDataset:
    """Add the score of each row by ``map``: now, cached on disk, for a `Dataset`; lazily for an `IterableDataset`.

    The cache knows the rows, the targets, the parameters of the scorer and the version of zipfit. The same again,
    whatever ``batch_size`` or ``num_proc``, is read from disk.

    Parameters
    ----------
    dataset
        A ``datasets.Dataset`` or ``datasets.IterableDataset`` with a column of texts. A stream in the format "arrow"
        (``with_format``) is scored without making Python objects of its rows; a `Dataset` always is.
    scorer
        The target set.
    text
        Column of the texts. None, the default: ``"text"`` if it is there, else the only column.
    column
        Name of the new column, float64; "score" by default.
    options
        Passed on to ``map``: ``batch_size``, and for a `Dataset` ``num_proc``, ``keep_in_memory`` and so on. With
        ``num_proc`` each process scores on one thread, else one process on all CPUs that it may use.

    Returns
    -------
    Dataset or IterableDataset
        As `dataset`, its format included.

    Raises
    ------
    MissingExtraError
        datasets is not installed: ``pip install "zipfit[datasets]"``.
    ParameterError
        No or several columns to choose from, or one of the name `column` is there already.
    BadRowError, InvalidTextError, TextTypeError
        A text that is null, not Unicode, or no text; or `dataset` is something else. Of a stream when it is read.
    """
    datasets = _datasets(dataset)
    for name in _SETTLED:
        if name in options:
            raise ParameterError(f"{name} would change how scores are added, or to which rows; leave it out")
    names = dataset.column_names
    if names is not None:
        refuse_taken(column, names)
        text = choose_column(names, text, "dataset")
    function = _Score(scorer, text, column, 1 if options.get("num_proc") else None)
    options = {"batched": True, "with_indices": True, **options}
    if isinstance(dataset, datasets.IterableDataset):
        if dataset.features is not None:
            options["features"] = datasets.Features({**dataset.features, column: datasets.Value("float64")})
        return dataset.map(function, **options)
    # datasets would hash the number of threads too.
    made_of = [dataset._fingerprint, "zipfit.score", scorer.provenance, text, column]
    options = {"new_fingerprint": datasets.fingerprint.Hasher.hash(made_of), "desc": "zipfit", **options}
    scored = dataset.with_format("arrow").map(function, **options)
    if not len(scored):  # map leaves an empty one alone
        scored = scored.add_column(column, [], feature=datasets.Value("float64"))
    before: dict[str, Any] = dataset.format
    shown = None if set(before["columns"]) == set(dataset.column_names) else [*before["columns"], column]
    return scored.with_format(
        before["type"], shown, output_all_columns=before["output_all_columns"], **before["format_kwargs"]
    )


def top_k(
    dataset: datasets.Dataset | datasets.IterableDataset,
    scorer: Scorer,
    k: int,
    *,
    text: str | None = None,
    column: str = DEFAULT_COLUMN,
    **options: Any,
) -> datasets.Dataset:
    """Choose the k best rows: those of ``zipfit.rank(...).top_k(k)``, in that order.

    A stream is read once, to its end, and at most 2 k of its rows and a batch are held at a time.

    Parameters
    ----------
    dataset, scorer, text, column, options
        As in `score`.
    k
        Number of rows, at least 1. Where there are fewer, all of them are chosen, with a warning.

    Returns
    -------
    Dataset
        Best first, with the scores as a last column. Of a stream it is in memory.

    Raises
    ------
    ParameterError
        `k` is below 1 or no whole number, or as in `score`.
    MissingExtraError, BadRowError, InvalidTextError, TextTypeError
        As in `score`.
    """
    datasets = _datasets(dataset)
    import pyarrow as pa

    k = whole_number(k, "k")
    if isinstance(dataset, datasets.IterableDataset):
        # Rows of no declared type go through Python: datasets itself has no Arrow type for a value that comes late.
        typed = dataset.features is not None
        stream = score(dataset.with_format("arrow" if typed else None), scorer, text=text, column=column, **options)
        best = Best(k, column)
        for batch in stream.iter(options.get("batch_size") or 1000):
            best.add(batch if typed else pa.table(batch))
        warn_if_fewer(best.rows, k)
        return _in_memory(datasets, best.table(), stream, column)
    scored = score(dataset, scorer, text=text, column=column, **options)
    warn_if_fewer(len(scored), k)
    scores = scores_of(scored.with_format("arrow").select_columns([column])[:], column)
    return scored.select(best_first(scores)[:k])


class _Score:
    """Adds the scores to a batch, which is an Arrow table or columns by name."""

    def __init__(self, scorer: Scorer, text: str | None, column: str, threads: int | None) -> None:
        self._scorer = scorer
        self._text = text
        self._column = column
        self._threads = threads

    def __call__(self, batch: Any, indices: Sequence[int]) -> Any:
        try:
            return self._scored(batch)
        except ZipfitError as error:
            if error.row is None:
                raise
            row = int(indices[error.row])
            place = f"in rows {indices[0]} to {indices[-1]} of the dataset"
            raise type(error)(f"{place}: {error.message}", row=row) from None

    def _scored(self, batch: Any) -> Any:
        if not isinstance(batch, Mapping):
            if not hasattr(batch, "column_names"):
                kind = type(batch).__name__
                message = f'a batch is a {kind}; give the dataset another format, as in dataset.with_format("arrow")'
                raise TextTypeError(message)
            return with_scores(batch, self._scorer, text=self._text, column=self._column, threads=self._threads)
        names = list(batch)
        refuse_taken(self._column, names)
        texts = batch[choose_column(names, self._text, "dataset")]
        return {self._column: self._scorer.score(texts, threads=self._threads).tolist()}


def _in_memory(datasets: Any, table: pa.Table | None, stream: Any, column: str) -> Any:
    if table is None:
        return datasets.Dataset.from_dict({name: [] for name in stream.features or [column]}, stream.features)
    return datasets.Dataset(table, info=datasets.DatasetInfo(features=stream.features), split=stream.split)


def _datasets(dataset: object) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise missing("datasets", error) from None
    if isinstance(dataset, (datasets.Dataset, datasets.IterableDataset)):
        return datasets
    kind = type(dataset).__name__
    if isinstance(dataset, Mapping):
        raise TextTypeError(f'dataset is a {kind}; pass one of its splits, as in dataset["train"]')
    raise TextTypeError(f"dataset is of type {kind}; expected a datasets.Dataset or datasets.IterableDataset")

"""The rows chosen out of a ranking, and what can be done with them."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zipfit import taking
from zipfit.inputs import TextData

_ROWS_SHOWN = 3
"""Rows in the repr of a selection: what fits on a line."""


class Selection:
    """Chosen rows, best first; the choosers of `Ranking` return it.

    Parameters
    ----------
    rows
        Row numbers, int64 (k,), best first.
    scores
        Their scores, float64 (k,).
    provenance
        That of the ranking and how the rows were chosen.
    """

    def __init__(self, rows: NDArray[np.int64], scores: NDArray[np.float64], *, provenance: Mapping[str, Any]) -> None:
        self._rows = read_only(np.array(rows, np.int64))
        self._scores = read_only(np.array(scores, np.float64))
        self._provenance = dict(provenance)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Row numbers in the source, from 0: int64 (k,), read-only, best first."""
        return self._rows

    @property
    def scores(self) -> NDArray[np.float64]:
        """Scores of these rows, float64 (k,), read-only, falling."""
        return self._scores

    @property
    def provenance(self) -> dict[str, Any]:
        """What determines the selection: that of the ranking, the chooser and its values. A copy.

        Arrays that had a part in it are there as a hash of their bytes (little-endian), and not if none was given:
        ``where_sha256``; ``tokens_sha256``, for a budget of tokens; ``labels_sha256``, for groups, of the number of
        each row's group (int64), numbered in the order of their coming, since their names choose nothing.
        """
        return dict(self._provenance)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        shown = zip(self._rows[:_ROWS_SHOWN], self._scores[:_ROWS_SHOWN], strict=True)
        parts = [f"{len(self)} of {self._provenance['sources']} rows"]
        parts += [f"row {row}: {score:.6g}" for row, score in shown]
        parts += ["..."] if len(self) > _ROWS_SHOWN else []
        return f"Selection({', '.join(parts)})"

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would lose that the arrays are read-only.
        return functools.partial(Selection, provenance=self._provenance), (self._rows, self._scores)

    def take(self, source: TextData) -> Any:
        """Take the chosen rows, whole and best first, out of the source that was ranked.

        Parameters
        ----------
        source
            What was ranked, or anything else with the same rows in the same order (a query without an order may give
            another one when it runs again: materialise it first).

        Returns
        -------
        list, tuple, numpy array, or an object of the library of `source`
            list in, list out, and the same for tuples, numpy, pyarrow, pandas, polars and Hugging Face datasets. A
            duckdb relation and other Arrow producers give a pyarrow table. A ``pathlib.Path`` gives the file's own
            lines; another iterable a list.

        Raises
        ------
        ParameterError
            `source` has another number of rows than was ranked.
        TextTypeError
            An iterator, which ranking has used up.
        MissingExtraError
            The result is a pyarrow table, and pyarrow is not installed.
        """
        return taking.take(source, self._rows, self._provenance["sources"])

    def write(
        self, directory: str | os.PathLike[str], source: TextData, *, keep_order: bool = False, overwrite: bool = False
    ) -> None:
        """Write ``selected.jsonl``, ``selection.jsonl``, ``manifest.json`` and ``run.json`` into a directory.

        A `Cover` also writes ``left_out.jsonl``, the rows left out as copies.

        Parameters
        ----------
        directory
            Made if it is not there.
        source
            What was ranked.
        keep_order
            Write the rows in the order of the source, instead of best first (the default).
        overwrite
            Replace these files if they are there, instead of refusing (the default).

        Raises
        ------
        OutputExistsError
            One of the files is there already, and `overwrite` is False.
        """
        from zipfit import writing

        writing.write_selection(self, directory, source, keep_order=keep_order, overwrite=overwrite)


def left_out(mask: NDArray[np.bool_] | None) -> dict[str, Any]:
    """Return what provenance says of the argument `where`."""
    if mask is None:
        return {"left_out_by_where": 0}
    return {"left_out_by_where": int(np.count_nonzero(~mask)), "where_sha256": sha256(mask)}


def sha256(array: NDArray[Any]) -> str:
    """Return the hash of an array's entries, little-endian, one after another."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return hashlib.sha256(little.data).hexdigest()


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return the same array, closed for writing."""
    array.flags.writeable = False
    return array

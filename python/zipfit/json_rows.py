"""Rows that are in memory, as JSON Lines: what `Selection.write` writes when the source is no file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, time
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import InvalidTextError, TextTypeError
from zipfit.inputs import quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["json_rows"]


def json_rows(taken: Any, rows: NDArray[np.int64]) -> list[bytes]:
    """Return one JSON object a row, UTF-8 without line terminators.

    Plain texts become ``{"text": ...}``, rows of a table objects of their columns. None, NaN, NaT and NA become
    null, dates and times of day ISO 8601 strings, bytes the string that they hold as UTF-8.

    Parameters
    ----------
    taken
        The chosen rows, as `Selection.take` returns them: a list, a numpy array, or a table or column of pyarrow,
        pandas, polars or datasets.
    rows
        Their numbers in the source, int64 (k,), for messages.

    Raises
    ------
    TextTypeError
        A value that JSON cannot hold: another type, or infinity.
    InvalidTextError
        Bytes that are not UTF-8, or a str with a lone surrogate.
    """
    return [_json_row(value, int(row)) for value, row in zip(_python_rows(taken), rows, strict=True)]


def _python_rows(taken: Any) -> list[Any]:
    # pyarrow; polars DataFrame; polars and pandas Series, datasets.Dataset; numpy.
    for method in ("to_pylist", "to_dicts", "to_list", "tolist"):
        if hasattr(taken, method):
            return list(getattr(taken, method)())
    if hasattr(taken, "itertuples"):  # pandas DataFrame
        names = list(taken.columns)
        return [dict(zip(names, values, strict=True)) for values in taken.itertuples(index=False, name=None)]
    return list(taken)


def _json_row(value: Any, row: int) -> bytes:
    columns = value if isinstance(value, Mapping) else {"text": value}
    content = {str(name): _plain(cell, row, str(name)) for name, cell in columns.items()}
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()


def _plain(cell: Any, row: int, column: str) -> Any:
    """Return what `json.dumps` can write for one value, at any depth of nesting."""
    plain = cell
    if _is_missing(cell):
        plain = None
    elif isinstance(cell, str):
        _refuse_surrogates(cell, row, column)
    elif isinstance(cell, (date, time)):  # datetime too
        plain = cell.isoformat()
    elif isinstance(cell, bytes):
        plain = _decoded(cell, row, column)
    elif isinstance(cell, Mapping):
        plain = {str(name): _plain(inner, row, column) for name, inner in cell.items()}
    elif isinstance(cell, (list, tuple)):
        plain = [_plain(inner, row, column) for inner in cell]
    elif isinstance(cell, (np.ndarray, np.bool_, np.number)):
        plain = _plain(cell.tolist(), row, column)
    elif not isinstance(cell, (bool, int, float)) or (isinstance(cell, float) and math.isinf(cell)):
        what = repr(cell) if isinstance(cell, float) else f"a value of type {type(cell).__name__}"
        message = f"source row {row}, column {quoted([column])}: {what} has no form in JSON; convert or drop the column"
        raise TextTypeError(message, row=row)
    return plain


def _is_missing(cell: Any) -> bool:
    # pandas.NaT is a date to isinstance; neither it nor pandas.NA can be imported where pandas is not installed.
    return (
        cell is None or (isinstance(cell, float) and math.isnan(cell)) or type(cell).__name__ in {"NaTType", "NAType"}
    )


def _decoded(cell: bytes, row: int, column: str) -> str:
    try:
        return cell.decode()
    except UnicodeDecodeError as error:
        message = f"source row {row}, column {quoted([column])}: invalid UTF-8 at byte {error.start}; decode it first"
        raise InvalidTextError(message, row=row) from None


def _refuse_surrogates(cell: str, row: int, column: str) -> None:
    try:
        cell.encode()
    except UnicodeEncodeError as error:
        surrogate = ord(cell[error.start])
        message = (
            f"source row {row}, column {quoted([column])}: lone surrogate U+{surrogate:04X} at character {error.start}"
        )
        raise InvalidTextError(message, row=row) from None

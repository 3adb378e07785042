"""Arguments that several functions take, checked: arrays with one entry a row, numbers, whether to show a bar."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zipfit.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable

Where = ArrayLike | None
"""bool (N,), True for rows that may be chosen; None for all."""

_LARGEST = np.iinfo(np.int64).max

_MAX_SEED = 2**64 - 1


def checked_where(where: Where, rows: int) -> tuple[NDArray[np.bool_] | None, int]:
    """Return `where` as an array, and how many rows it keeps."""
    if where is None:
        return None, rows
    mask = np.asarray(where, order="C")
    # An empty list has a dtype that nobody chose.
    if not mask.size:
        mask = mask.astype(np.bool_)
    if mask.dtype != np.bool_:
        raise ParameterError(f"where: dtype is {mask.dtype}; expected bool, True for rows that may be chosen")
    check_shape(mask, "where", rows)
    # In a view of other bytes as bool, True may be any of 255 numbers; Rust knows one.
    mask = mask.view(np.uint8) != 0
    return mask, int(np.count_nonzero(mask))


def numbers(values: ArrayLike, name: str, dtype: type[np.generic], rows: int | None = None) -> NDArray[Any]:
    """Return a copy of `values` as a one-dimensional array of float64 or int64."""
    array = np.asarray(values)
    kinds, expected = ("iuf", "numbers") if dtype is np.float64 else ("iu", "whole numbers")
    # As above.
    if array.size and array.dtype.kind not in kinds:
        raise ParameterError(f"{name}: dtype is {array.dtype}; expected {expected}")
    check_shape(array, name, rows)
    if array.dtype == np.uint64 and dtype is np.int64 and len(too_large := np.flatnonzero(array > _LARGEST)):
        row = int(too_large[0])
        raise ParameterError(f"{name}: row {row} has {array[row]}; expected at most {_LARGEST}", row=row)
    return np.array(array, dtype=dtype, order="C")


def check_shape(array: NDArray[Any], name: str, rows: int | None) -> None:
    """Raise unless `array` has one dimension and, where `rows` is known, as many entries."""
    if array.ndim != 1:
        raise ParameterError(f"{name}: shape is {array.shape}; expected one dimension")
    if rows is not None and len(array) != rows:
        raise ParameterError(f"{name}: {len(array)} entries; expected one a row, {rows}")


def whole_number(value: Any, name: str, *, at_least: int = 1) -> int:
    """Return `value` as an int of `at_least` or more."""
    # bool is an int to Python, but True rows is a slip of the pen.
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ParameterError(f"{name} must be a whole number, got {value!r}")
    if value < at_least:
        raise ParameterError(f"{name} must be at least {at_least}, got {value}")
    return int(value)


def checked_seed(value: Any) -> int:
    """Return `value` as a seed of random numbers."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or not 0 <= value <= _MAX_SEED:
        raise ParameterError(f"seed must be a whole number from 0 to {_MAX_SEED}, got {value!r}")
    return int(value)


def real_number(value: Any, name: str) -> float:
    """Return `value` as a float."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ParameterError(f"{name} must be a number, got {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise ParameterError(f"{name} is beyond the range of float64, which ends at 1.8e308") from None


def bar_if(wanted: bool, rows: int, phase: str) -> contextlib.AbstractContextManager[Callable[[int], None] | None]:
    """Show how far work on rows is, if somebody asked for it; see `zipfit.progress.rows_bar`."""
    if not wanted:
        return contextlib.nullcontext()
    # Imported here because most do not ask, and it brings more.
    from zipfit import progress

    return progress.rows_bar(rows, phase)

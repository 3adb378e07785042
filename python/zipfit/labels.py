"""Labels of rows to the numbers of groups.

As in ``inputs``, no library is imported for its own objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zipfit import _core
from zipfit.errors import ParameterError
from zipfit.inputs import is_instance


def group_codes(labels: Iterable[Any], rows: int) -> tuple[NDArray[np.int64], int]:
    """Number the groups in the order of their coming; return the number of each row's group, and of groups.

    Parameters
    ----------
    labels
        One hashable value a row; rows with equal values are one group.
    rows
        How many there must be.

    Raises
    ------
    ParameterError
        Another number of labels, no labels at all, or one that is None, NaN or not hashable, with its row.
    """
    if isinstance(labels, np.ndarray) and labels.dtype == np.int64 and labels.shape == (rows,):
        # The usual case at scale, without a Python object a row.
        return _core.group_codes(labels)
    values = _values(labels)
    if len(values) != rows:
        raise ParameterError(f"labels: {len(values)} entries; expected one a row, {rows}")
    numbers: dict[Any, int] = {}
    codes = np.empty(rows, np.int64)
    for row, label in enumerate(values):
        if _is_missing(label):
            message = f"labels: row {row} has none ({label}); give such rows a label of their own"
            raise ParameterError(message, row=row)
        try:
            codes[row] = numbers.setdefault(label, len(numbers))
        except TypeError:
            kind = type(label).__name__
            raise ParameterError(f"labels: row {row} is a {kind}, which cannot be hashed", row=row) from None
    return codes, len(numbers)


def _values(labels: Any) -> list[Any]:
    if isinstance(labels, (str, bytes, Mapping, set, frozenset)) or not isinstance(labels, Iterable):
        raise ParameterError(f"labels is a {type(labels).__name__}; expected a sequence or a column, one label a row")
    shape = getattr(labels, "shape", None)
    if isinstance(shape, tuple) and len(shape) != 1:
        raise ParameterError(f"labels: shape is {shape}; expected one dimension")
    if is_instance(labels, "pandas", "Series", "Index"):
        # pandas.NA and NaN become None.
        return list(labels.to_numpy(dtype=object, na_value=None))  # type: ignore[attr-defined]
    # The scalars of pyarrow are no Python values: a null would be a label like another.
    return list(labels.to_pylist() if hasattr(labels, "to_pylist") else labels)


def _is_missing(label: Any) -> bool:
    if label is None:
        return True
    try:
        return bool(label != label)  # noqa: PLR0124 (only NaN and its like differ from themselves)
    except (TypeError, ValueError):
        # pandas.NA refuses to say; an array, which is no label, is told as not hashable.
        return type(label).__name__ == "NAType"

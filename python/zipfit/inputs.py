"""Whatever holds the user's texts becomes ``_core.Texts``, or one clear error.

Nothing here imports pyarrow, pandas, polars, duckdb or datasets: their objects are known by what they offer. Arrow
memory is used where it lies; str is copied once, as UTF-8.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zipfit import _core
from zipfit.errors import InvalidTextError, ParameterError, TextTypeError

Side: TypeAlias = Literal["source", "target", "against", "held_out"]
"""Which set a text belongs to, for messages."""

DEFAULT_TEXT = "text"
"""Field or column that holds the texts when ``text`` is not given: what most data sets on the Hugging Face Hub use."""

_QUOTED_CHARS = 80
"""Longest piece of foreign text in a message: one line of a terminal."""

EXPECTED = "a list of str or bytes, a numpy array, a pathlib.Path or an Arrow table"


class ArrowStream(Protocol):
    """A table or a chunked array of any library that speaks the Arrow PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...


class ArrowArray(Protocol):
    """One array or record batch of any library that speaks the Arrow PyCapsule interface."""

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any: ...


TextData: TypeAlias = Iterable[Any] | os.PathLike[str] | ArrowStream | ArrowArray
"""What is accepted as ``source`` and ``target``. A str is iterable too, so only the run can refuse it."""


def to_texts(data: Any, *, text: str | None, side: Side, threads: int | None = None) -> _core.Texts:
    """Take the texts out of whatever holds them.

    Parameters
    ----------
    data
        A `TextData`: iterable of str or bytes, numpy array, ``pathlib.Path`` of a file, Hugging Face
        dataset, pandas object, or anything with ``__arrow_c_stream__`` or ``__arrow_c_array__``.
    text
        Column of a table; field, path, template or preset of a file. None: ``"text"`` if it is there, else the only
        column.
    side
        "source", "target", "against" or "held_out", for messages.
    threads
        For reading files; None means all CPUs that this process may use.

    Raises
    ------
    ParameterError
        A bare str or bytes, something without order, no or several columns to choose from, or a ``text`` that would
        have no effect.
    TextTypeError
        Something else, or a row that is neither str nor bytes.
    BadRowError, InvalidTextError
        A row that is null, or not Unicode.
    """
    refuse_what_holds_no_rows(data, side)
    if isinstance(data, os.PathLike):
        return _core.Texts.from_files([os.fspath(data)], DEFAULT_TEXT if text is None else text, side, threads)
    if is_hf_dataset(data):
        column = choose_column(data.column_names, text, side)
        # As Arrow and not as Python objects; select_columns keeps the rows and their order of a filtered dataset.
        return _core.Texts.from_arrow(data.select_columns([column]).with_format("arrow")[:], column, side)
    if is_instance(data, "pandas", "DataFrame"):
        return _from_pandas_series(data[choose_column(list(data.columns), text, side)], side)
    if is_instance(data, "pandas", "Series"):
        _refuse_text(text, data, side)
        return _from_pandas_series(data, side)
    if is_arrow(data):
        return _core.Texts.from_arrow(data, text, side)
    if not isinstance(data, Iterable):
        raise TextTypeError(f"{side} is of type {type(data).__name__}; expected {EXPECTED}")
    _refuse_text(text, data, side)
    if isinstance(data, np.ndarray):
        _check_array(data, side)
    return _core.Texts.from_iterable(data, side)


def to_bytes(text: str | bytes, name: str) -> bytes:
    """One text as bytes; `name` is the argument's, for messages."""
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str):
        raise TextTypeError(f"{name}: expected str or bytes, got {type(text).__name__}")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        surrogate = ord(text[error.start])
        raise InvalidTextError(f"{name}: lone surrogate U+{surrogate:04X} at character {error.start}") from None


def can_take_text(data: object) -> bool:
    """Whether ``text=`` means something for `data`: it is a file or has columns."""
    # Asked of the class: asking the object would run the property, which costs a query in some libraries.
    return isinstance(data, os.PathLike) or any(
        hasattr(type(data), name) for name in ("column_names", "columns", "schema")
    )


def resolve_target_text(target: TextData, target_text: str | None, text: str | None) -> str | None:
    """Return where the texts of `target` are: as those of the source, if nothing else is said and it has fields."""
    return text if target_text is None and can_take_text(target) else target_text


def refuse_what_holds_no_rows(data: object, side: str) -> None:
    """Raise for values that Python can iterate over, but not as rows in an order."""
    if isinstance(data, (str, bytes, bytearray)):
        kind = type(data).__name__
        message = f"{side} is a bare {kind}; pass [text] for one text or pathlib.Path(...) for a file"
    elif data is None:
        message = f"{side} is None; expected {EXPECTED}"
    elif isinstance(data, Mapping):
        message = f"{side} is a {type(data).__name__}; pass the value that holds the texts, as in data[key]"
    elif isinstance(data, (set, frozenset)):
        message = f"{side} is a {type(data).__name__}, which has no order to number rows by; pass a list"
    else:
        return
    raise ParameterError(message)


def is_hf_dataset(data: Any) -> bool:
    """Whether `data` is a ``datasets.Dataset``; an IterableDataset has no length."""
    names = ("column_names", "select_columns", "with_format", "select", "__len__")
    return all(hasattr(type(data), name) for name in names)


def is_arrow(data: object) -> bool:
    """Whether `data` speaks the Arrow PyCapsule interface."""
    return hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__")


def is_instance(data: object, library: str, *names: str) -> bool:
    """Whether `data` is of one of these classes of a library that need not be installed."""
    # Nobody holds an object of a library that was never imported.
    module = sys.modules.get(library)
    classes = [getattr(module, name, None) for name in names]
    return any(isinstance(kind, type) and isinstance(data, kind) for kind in classes)


def quoted(names: Sequence[object]) -> str:
    """Names for a message: in double quotes, escaped and cut as the core does it."""
    # A name takes three characters or more, so that these are enough however many there are.
    escaped = json.dumps(", ".join(str(name) for name in names[:_QUOTED_CHARS]), ensure_ascii=False)[1:-1]
    return f'"{escaped}"' if len(escaped) <= _QUOTED_CHARS else f'"{escaped[:_QUOTED_CHARS]}..."'


def choose_column(names: Sequence[Any], text: str | None, side: str) -> Any:
    """Return the column that holds the texts: the one that `text` names, else ``"text"``, else the only one."""
    if text is not None:
        if text not in names:
            message = f"{side} has the columns {quoted(names)}, and {quoted([text])} is not one of them"
            raise ParameterError(message)
        column: Any = text
    elif DEFAULT_TEXT in names:
        column = DEFAULT_TEXT
    elif len(names) == 1:
        column = names[0]
    else:
        message = f'{side} has the columns {quoted(names)}, and "{DEFAULT_TEXT}" is none of them; name one with text='
        raise ParameterError(message)
    if names.count(column) > 1:
        raise ParameterError(f"{side} has more than one column {quoted([column])}; rename all but one")
    return column


def _refuse_text(text: str | None, data: object, side: str) -> None:
    if text is not None:
        kind = type(data).__name__
        raise ParameterError(f"text names a column or a field, but {side} is a {kind}; leave text out")


def _from_pandas_series(series: Any, side: Side) -> _core.Texts:
    # A column of Python objects goes row by row: Arrow would refuse mixed types without naming a row.
    if series.dtype != object and hasattr(series, "__arrow_c_stream__"):
        try:
            return _core.Texts.from_arrow(series, None, side)
        except ImportError:
            pass  # pandas makes the capsule by pyarrow, which is not installed
    # pandas.NA and NaN become None, which the core knows as null.
    return _core.Texts.from_iterable(series.to_numpy(dtype=object, na_value=None), side)


def _check_array(array: NDArray[Any], side: str) -> None:
    if array.ndim != 1:
        raise ParameterError(f"{side} array has shape {array.shape}; expected one dimension")
    # U is str, S bytes, O Python objects, T numpy's StringDType.
    if array.dtype.kind not in "USOT":
        raise TextTypeError(f"{side} array has dtype {array.dtype}; expected str, bytes or object")

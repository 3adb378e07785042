"""`Selection.take`: chosen rows out of whatever was ranked, in the kind it came in.

As in ``inputs``, no library is imported for its own objects; pyarrow is imported for those of others that speak
Arrow but cannot be indexed (a duckdb relation, say).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zipfit import _core
from zipfit.errors import MissingExtraError, ParameterError, TextTypeError
from zipfit.inputs import EXPECTED, TextData, is_arrow, is_hf_dataset, is_instance, refuse_what_holds_no_rows


def take(source: TextData, rows: NDArray[np.int64], ranked: int) -> Any:
    """Return these rows of `source`, which must have as many rows as were ranked."""
    refuse_what_holds_no_rows(source, "source")
    if isinstance(source, os.PathLike):
        return _core.read_lines([os.fspath(source)], rows, ranked)
    held = _indexable(source)
    if len(held) != ranked:
        message = f"source has {len(held)} rows but {ranked} were ranked; pass the source that was ranked"
        raise ParameterError(message)
    if _is_pandas(held) or _is_pyarrow(held):
        return held.take(rows)
    if is_hf_dataset(held):
        return held.select(rows)
    if isinstance(held, np.ndarray) or _is_polars(held):
        return held[rows]
    chosen = [held[row] for row in rows.tolist()]
    return tuple(chosen) if isinstance(held, tuple) else chosen


def _indexable(source: Any) -> Any:
    """`source` itself if its rows can be counted and indexed, else a list or a pyarrow object of them."""
    if isinstance(source, Iterator):
        kind = type(source).__name__
        raise TextTypeError(f"source is an iterator ({kind}), which ranking has used up; rank and pass a list")
    by_row = (Sequence, np.ndarray)
    if isinstance(source, by_row) or _is_pandas(source) or _is_polars(source) or _is_pyarrow(source):
        return source
    if is_hf_dataset(source):
        return source
    if is_arrow(source):
        return _through_pyarrow(source)
    if isinstance(source, Iterable):
        return list(source)
    raise TextTypeError(f"source is of type {type(source).__name__}; expected {EXPECTED}")


def _through_pyarrow(source: Any) -> Any:
    try:
        import pyarrow as pa
    except ImportError:
        message = f'taking rows of a {type(source).__name__} needs pyarrow; pip install "zipfit[arrow]"'
        raise MissingExtraError(message) from None
    is_stream = hasattr(source, "__arrow_c_stream__")
    chunks = pa.chunked_array(source) if is_stream else pa.chunked_array([pa.array(source)])
    return pa.Table.from_struct_array(chunks) if pa.types.is_struct(chunks.type) else chunks


def _is_pandas(data: object) -> bool:
    return is_instance(data, "pandas", "DataFrame", "Series", "Index")


def _is_polars(data: object) -> bool:
    return is_instance(data, "polars", "DataFrame", "Series")


def _is_pyarrow(data: object) -> bool:
    return is_instance(data, "pyarrow", "Table", "RecordBatch", "Array", "ChunkedArray")

"""What the tests of Parquet share: files by pyarrow, read and copied through ``_core``."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from zipfit import _core
from zipfit._core import Output, Places, Reader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TEXTS = ["one", "zwei \u00fc", "", 'drei\n"3"', "four " * 100, "f\u00fcnf \U0001f600", "six", "seven"]


def save(path: Path, table: pa.Table, **options: Any) -> Path:
    pq.write_table(table, path, **options)
    return path


def batches(reader: Reader) -> list[_core.Batch]:
    found = []
    while (batch := reader.next_batch(2)) is not None:
        found.append(batch)
    return found


def texts_of(found: list[_core.Batch]) -> list[str]:
    return [text.decode() for batch in found for text in batch.texts.to_list()]


def read(*paths: Path, text: str = "text", **options: Any) -> list[str]:
    return texts_of(batches(Reader([str(path) for path in paths], text, **options)))


def strings(column: Any) -> list[str | None]:
    lengths, data = column
    ends = np.maximum(lengths, 0).cumsum()
    return [
        None if n < 0 else data[end - n : end].decode() for n, end in zip(lengths.tolist(), ends.tolist(), strict=True)
    ]


def column(found: list[_core.Batch], name: str) -> list[Any]:
    values: list[Any] = []
    for batch in found:
        piece = batch.columns()[name]
        values += strings(piece) if isinstance(piece, tuple) else piece.tolist()
    return values


def copy(directory: Path, reader: Reader, found: list[_core.Batch], rows: list[int]) -> Path:
    """Write these rows in this order and return the file of them."""
    chosen = np.array(rows, np.int64)
    columns = [batch.places.columns() for batch in found]
    places = Places.from_columns({name: np.concatenate([part[name] for part in columns]) for name in columns[0]})
    places, scores = places.take(chosen), np.linspace(1, 0, len(rows))
    with Output(str(directory), ["selected.parquet", "selection.jsonl"]) as output:
        files = output.copy_rows(reader, places, chosen, np.arange(len(rows)), scores)
        output.commit()
    assert [file["name"] for file in files] == ["selected.parquet", "selection.jsonl"]
    for file in files:
        content = (directory / file["name"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    return directory / "selected.parquet"


def taken(table: pa.Table, rows: Iterable[int]) -> pa.Table:
    """Return these rows; ``take`` knows no views."""
    return pa.concat_tables([table.slice(row, 1) for row in rows])


def everything(rows: int) -> pa.Table:
    """Columns of all kinds that Parquet has, with nulls where they may be."""
    at = range(rows)
    day = datetime.date(2024, 2, 29)
    time = datetime.datetime(2024, 2, 29, 12, 30, 15, 123456)

    def some(values: Any, every: int) -> list[Any]:
        return [None if row % every == 0 else value for row, value in zip(at, values, strict=False)]

    table = pa.table(
        {
            "id": [f"row-{row}" for row in at],
            "text": [TEXTS[row % 8] + str(row) for row in at],
            "int8": pa.array(some((row % 100 for row in at), 3), pa.int8()),
            "uint64": pa.array([2**64 - 1 - row for row in at], pa.uint64()),
            "float16": pa.array(np.arange(rows, dtype=np.float16)),
            "float64": pa.array(some((row / 7 for row in at), 5)),
            "bool": some((row % 2 == 0 for row in at), 4),
            "null": pa.nulls(rows),
            "decimal": pa.array(some((decimal.Decimal(row) / 100 for row in at), 7), pa.decimal128(9, 2)),
            "decimal256": pa.array([decimal.Decimal(f"{10**50 + row}") for row in at], pa.decimal256(60, 3)),
            "date": [day + datetime.timedelta(row) for row in at],
            "date64": pa.array([day + datetime.timedelta(row) for row in at], pa.date64()),
            "time": pa.array([datetime.time(1, 2, row % 60) for row in at], pa.time64("us")),
            "seconds": pa.array([time + datetime.timedelta(row) for row in at], pa.timestamp("ms")),
            "zoned": pa.array([time + datetime.timedelta(row) for row in at], pa.timestamp("us", "Europe/Berlin")),
            "nanoseconds": pa.array(some(at, 2), pa.timestamp("ns")),
            "duration": pa.array(some((datetime.timedelta(seconds=row) for row in at), 3), pa.duration("ms")),
            "fixed": pa.array([row.to_bytes(4) for row in at], pa.binary(4)),
            "list": pa.array(some(([str(i) for i in range(row % 4)] for row in at), 6)),
            "large_list": pa.array([[row, None] for row in at], pa.large_list(pa.int32())),
            "vector": pa.array([[row, row + 1, row + 2] for row in at], pa.list_(pa.float32(), 3)),
            "lists": pa.array([[[row], [], None] for row in at], pa.list_(pa.list_(pa.int64()))),
            "struct": pa.array(some(({"a": row, "b": {"c": str(row)}} for row in at), 9)),
            "map": pa.array([[("k", row), ("l", None)] for row in at], pa.map_(pa.string(), pa.int32())),
            "messages": pa.array([[{"role": "user", "content": str(row), "calls": None}] for row in at]),
            "dictionary": pa.array([f"label {row % 5}" for row in at]).dictionary_encode(),
            "small_dictionary": pa.DictionaryArray.from_arrays(
                pa.array([row % 2 for row in at], pa.int8()), ["a", "b"]
            ),
            "view": pa.array(some(TEXTS * rows, 4), pa.string_view()),
        }
    )
    fields = [field.with_metadata({"unit": "none"}) if field.name == "int8" else field for field in table.schema]
    fields[0] = fields[0].with_nullable(False)
    metadata = {"huggingface": json.dumps({"info": {"features": {}}}), "pandas": json.dumps({"columns": []}), "x": "y"}
    return table.cast(pa.schema(fields)).replace_schema_metadata(metadata)

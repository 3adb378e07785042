"""`Selection.write`: chosen rows of a file, of a list or of a table, as JSON Lines."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

import datasets
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from helpers_files import COVER_NAMES, SOURCE_TEXTS, TARGET_TEXTS, lines_of, read_rows, write_texts
from hypothesis import given
from hypothesis import strategies as st

import zipfit
from zipfit.errors import InvalidTextError, OutputExistsError, ParameterError, TextTypeError
from zipfit.json_rows import json_rows

if TYPE_CHECKING:
    from pathlib import Path

BEST = [1, 3, 4]
"""Rows of SOURCE_TEXTS by falling alignment with TARGET_TEXTS."""


@pytest.fixture
def picked() -> zipfit.Selection:
    selection = zipfit.rank(SOURCE_TEXTS, TARGET_TEXTS).top_k(3)
    assert selection.rows.tolist() == BEST
    return selection


def selected(directory: Path) -> list[dict[str, Any]]:
    assert {path.name for path in directory.iterdir()} == COVER_NAMES
    return read_rows(directory / "selected.jsonl")


def test_the_lines_of_a_file_are_copied_as_they_are(picked: zipfit.Selection, tmp_path: Path) -> None:
    lines = [f'{{ "n":{i:2}, "text" :{json.dumps(text)} }}'.encode() for i, text in enumerate(SOURCE_TEXTS)]
    (tmp_path / "pool.jsonl").write_bytes(b"\r\n\r\n".join(lines))
    picked.write(tmp_path / "out", tmp_path / "pool.jsonl")
    assert (tmp_path / "out" / "selected.jsonl").read_bytes() == b"".join(lines[row] + b"\n" for row in BEST)
    places = [
        {
            "rank": rank,
            "row": row,
            "file": str(tmp_path / "pool.jsonl"),
            "line": 2 * row + 1,
            "id": None,
            "score": float(score),
        }
        for rank, (row, score) in enumerate(zip(BEST, picked.scores, strict=True))
    ]
    assert read_rows(tmp_path / "out" / "selection.jsonl") == places
    assert json.loads((tmp_path / "out" / "manifest.json").read_bytes())["sources"][0]["rows"] == 6


def test_a_file_of_another_field_is_copied_too(tmp_path: Path) -> None:
    (tmp_path / "pool.jsonl").write_bytes(lines_of({"body": text} for text in SOURCE_TEXTS))
    picked = zipfit.rank(tmp_path / "pool.jsonl", TARGET_TEXTS, text="body").top_k(3)
    picked.write(tmp_path / "out", tmp_path / "pool.jsonl")
    assert [row["body"] for row in selected(tmp_path / "out")] == [SOURCE_TEXTS[row] for row in BEST]


def test_a_file_with_another_number_of_rows_is_refused(picked: zipfit.Selection, tmp_path: Path) -> None:
    write_texts(tmp_path / "pool.jsonl", SOURCE_TEXTS[:5])
    with pytest.raises(ParameterError, match="the file has 5 rows but 6 were ranked; pass the source that was ranked"):
        picked.write(tmp_path / "out", tmp_path / "pool.jsonl")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "make",
    [list, tuple, np.array, pa.array, lambda texts: pa.chunked_array([texts]), pd.Series, pl.Series],
    ids=["list", "tuple", "numpy", "pyarrow array", "chunked array", "pandas", "polars"],
)
def test_plain_texts_become_objects_with_the_field_text(make: Any, picked: zipfit.Selection, tmp_path: Path) -> None:
    picked.write(tmp_path / "out", make(SOURCE_TEXTS))
    assert selected(tmp_path / "out") == [{"text": SOURCE_TEXTS[row]} for row in BEST]
    places = read_rows(tmp_path / "out" / "selection.jsonl")
    assert [(row["rank"], row["row"], row["file"], row["line"]) for row in places] == [
        (rank, row, None, None) for rank, row in enumerate(BEST)
    ]


COLUMNS = {
    "text": SOURCE_TEXTS,
    "id": ["a", "b", "c", "d", "e", "f"],
    "n": [0, 1, 2, 3, 4, 5],
    "x": [0.5, math.nan, 2.5, 3.5, None, 5.5],
    "tags": [["p"], ["q", "é"], [], ["r"], ["s"], ["t"]],
}
CHOSEN = [
    {"text": SOURCE_TEXTS[1], "id": "b", "n": 1, "x": None, "tags": ["q", "é"]},
    {"text": SOURCE_TEXTS[3], "id": "d", "n": 3, "x": 3.5, "tags": ["r"]},
    {"text": SOURCE_TEXTS[4], "id": "e", "n": 4, "x": None, "tags": ["s"]},
]


def relation(columns: dict[str, list[Any]]) -> duckdb.DuckDBPyRelation:
    table = pa.table(columns)
    return duckdb.connect().from_arrow(table)


@pytest.mark.parametrize(
    "make",
    [
        pa.table,
        lambda columns: pa.table(columns).to_batches()[0],
        pd.DataFrame,
        pl.DataFrame,
        relation,
        datasets.Dataset.from_dict,
    ],
    ids=["pyarrow table", "record batch", "pandas", "polars", "duckdb", "datasets"],
)
def test_rows_of_a_table_become_objects_of_its_columns(make: Any, picked: zipfit.Selection, tmp_path: Path) -> None:
    picked.write(tmp_path / "out", make(COLUMNS))
    assert selected(tmp_path / "out") == CHOSEN
    assert [list(row) for row in selected(tmp_path / "out")] == [list(COLUMNS)] * 3
    # Text stays legible.
    assert "é" in (tmp_path / "out" / "selected.jsonl").read_text(encoding="utf-8")
    assert [row["id"] for row in read_rows(tmp_path / "out" / "selection.jsonl")] == ["b", "d", "e"]


def test_keep_order_writes_in_the_order_of_the_source(tmp_path: Path) -> None:
    write_texts(tmp_path / "pool.jsonl", SOURCE_TEXTS)
    backwards = zipfit.Ranking([0.1, 0.5, 0.2, 0.9, 0.4, 0.7]).top_k(3)
    for name, source in (("file", tmp_path / "pool.jsonl"), ("memory", SOURCE_TEXTS)):
        backwards.write(tmp_path / name, source, keep_order=True)
        assert [row["text"] for row in selected(tmp_path / name)] == [SOURCE_TEXTS[row] for row in (1, 3, 5)]
        places = read_rows(tmp_path / name / "selection.jsonl")
        assert [(row["row"], row["rank"], row["score"]) for row in places] == [(1, 2, 0.5), (3, 0, 0.9), (5, 1, 0.7)]


def test_the_manifest_says_how_the_rows_were_chosen_and_what_was_written(
    picked: zipfit.Selection, tmp_path: Path
) -> None:
    picked.write(tmp_path / "a", SOURCE_TEXTS)
    picked.write(tmp_path / "b", SOURCE_TEXTS)
    content = (tmp_path / "a" / "manifest.json").read_bytes()
    assert content == (tmp_path / "b" / "manifest.json").read_bytes()
    manifest = json.loads(content)
    assert manifest["zipfit"] == zipfit.__version__
    assert manifest["parameters"] == {**picked.provenance, "keep_order": False}
    assert manifest["parameters"]["top_k"] == 3
    rows = len(SOURCE_TEXTS)
    assert manifest["counts"] == {"read": rows, "scored": rows, "rejected": 0, "selected": 3}
    for entry, name in zip(manifest["outputs"], ["selected.jsonl", "selection.jsonl"], strict=True):
        written = (tmp_path / "a" / name).read_bytes()
        assert entry == {"name": name, "bytes": len(written), "sha256": hashlib.sha256(written).hexdigest()}


def test_an_existing_output_is_refused_unless_asked(picked: zipfit.Selection, tmp_path: Path) -> None:
    picked.write(tmp_path, SOURCE_TEXTS)
    before = (tmp_path / "manifest.json").read_bytes()
    with pytest.raises(OutputExistsError):
        picked.write(tmp_path, SOURCE_TEXTS, keep_order=True)
    assert (tmp_path / "manifest.json").read_bytes() == before
    picked.write(tmp_path, SOURCE_TEXTS, keep_order=True, overwrite=True)
    assert (tmp_path / "manifest.json").read_bytes() != before


def test_a_file_is_not_replaced_by_its_own_rows(picked: zipfit.Selection, tmp_path: Path) -> None:
    source = write_texts(tmp_path / "selected.jsonl", SOURCE_TEXTS)
    with pytest.raises(ParameterError, match="this input would be replaced by the output"):
        picked.write(tmp_path, source, overwrite=True)
    assert len(read_rows(source)) == 6


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        (None, None),
        (math.nan, None),
        (np.float32("nan"), None),
        (pd.NaT, None),
        (pd.NA, None),
        (True, True),
        (np.bool_(True), True),
        (np.int8(-3), -3),
        (2**80, 2**80),
        (np.float64(0.1), 0.1),
        (b"caf\xc3\xa9", "café"),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (datetime.datetime(2024, 2, 29, 12, 30), "2024-02-29T12:30:00"),
        (datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC), "2024-02-29T00:00:00+00:00"),
        (pd.Timestamp("2024-02-29 12:30"), "2024-02-29T12:30:00"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        ({"a": [{"b": math.nan}], 3: (b"x",)}, {"a": [{"b": None}], "3": ["x"]}),
    ],
)
def test_a_value_becomes_what_json_has_for_it(cell: Any, written: Any) -> None:
    (line,) = json_rows([{"text": "a", "cell": cell}], np.array([7]))
    assert json.loads(line) == {"text": "a", "cell": written}


@pytest.mark.parametrize(
    ("cell", "kind", "problem"),
    [
        (math.inf, TextTypeError, "inf has no form in JSON; convert or drop the column"),
        ([-math.inf], TextTypeError, "-inf has no form in JSON; convert or drop the column"),
        (
            decimal.Decimal("1.5"),
            TextTypeError,
            "a value of type Decimal has no form in JSON; convert or drop the column",
        ),
        ({1, 2}, TextTypeError, "a value of type set has no form in JSON; convert or drop the column"),
        (
            datetime.timedelta(1),
            TextTypeError,
            "a value of type timedelta has no form in JSON; convert or drop the column",
        ),
        (b"a\xff", InvalidTextError, "invalid UTF-8 at byte 1; decode it first"),
        ("a\ud800", InvalidTextError, "lone surrogate U+D800 at character 1"),
    ],
)
def test_a_value_that_json_cannot_hold_is_told_by_row_and_column(
    cell: Any, kind: type[Exception], problem: str
) -> None:
    with pytest.raises(kind) as caught:
        json_rows([{"text": "a", "cell": "b"}, {"text": "a", "cell": cell}], np.array([40, 7]))
    assert str(caught.value) == f'source row 7, column "cell": {problem}'


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
NESTED = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)


@given(st.lists(st.dictionaries(st.text(), NESTED, max_size=3), max_size=3))
def test_what_json_can_hold_comes_back_unchanged(rows: list[dict[str, Any]]) -> None:
    lines = json_rows(rows, np.arange(len(rows)))
    assert not any(b"\n" in line for line in lines)
    assert [json.loads(line) for line in lines] == rows

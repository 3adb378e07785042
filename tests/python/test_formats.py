"""CSV, TSV and text files: read as Python's csv module reads them, chosen rows given back as JSON objects."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zstandard
from helpers_files import read_rows, write_texts
from hypothesis import given
from hypothesis import strategies as st

import zipfit
from zipfit import _core
from zipfit.errors import BadRowError, InvalidTextError, ParameterError, TruncatedInputError

TABLE = 'id,text\n1,def sub(a): return a\n2,"The cat sat, said ""no"",\nand left."\n3,def add(a): return a\n'
TARGET = "def mul(a): return a\n\ndef div(a): return a\n"


def texts_of(path: Path, text: str = "text", text_by: Literal["line", "document"] = "line") -> list[str]:
    found = _core.Texts.from_files([str(path)], text, "source", text_by=text_by)
    return [text.decode() for text in found.to_list()]


def save(folder: Path, name: str, content: str) -> list[Path]:
    """Write a file plain, as gzip and as zstd."""
    data = content.encode()
    paths = [folder / name, folder / f"{name}.gz", folder / f"{name}.zst"]
    for path, packed in zip(paths, [data, gzip.compress(data, 1), zstandard.compress(data, 1)], strict=True):
        path.write_bytes(packed)
    return paths


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, str, list[dict[str, str]]]:
    """Give a suffix, what csv.writer makes of some rows, and the rows."""
    terminator = draw(st.sampled_from(["\n", "\r\n"]))
    quoting: Literal[0, 1] = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    # Before Python 3.13 the writer left a lone \r without quotes, which the reader refused.
    breaks = "\r\n" if quoting == csv.QUOTE_ALL or "\r" in terminator else "\n"
    common = st.text(st.sampled_from([*breaks, *"a,\t\"' \0\ufeff\u2028\u00e9"]), max_size=12)
    any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=12)
    columns = draw(st.lists(common | any_text, unique=True, max_size=3).filter(lambda names: "text" not in names))
    columns.insert(draw(st.integers(0, len(columns))), "text")
    width = len(columns)
    rows = draw(st.lists(st.lists(common | any_text, min_size=width, max_size=width), min_size=1, max_size=8))
    suffix, delimiter = draw(st.sampled_from([(".csv", ","), (".tsv", "\t"), (".tab", "\t")]))
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator=terminator)
    writer.writerows([columns, *rows])
    # The reader of the standard library is asked, not only trusted to undo the writer.
    read = list(csv.DictReader(io.StringIO(file.getvalue(), newline=""), delimiter=delimiter))
    assert read == [dict(zip(columns, row, strict=True)) for row in rows]
    return suffix, file.getvalue(), read


@given(tables(), st.integers(1, 9))
def test_rows_are_those_of_the_csv_module(table: tuple[str, str, list[dict[str, str]]], batch_rows: int) -> None:
    suffix, content, rows = table
    with tempfile.TemporaryDirectory() as folder:
        # A column name that begins with U+FEFF would be a mark without quotes; every file has one of its own here.
        for path in save(Path(folder), f"pool{suffix}", "\ufeff" + content):
            assert texts_of(path) == [row["text"] for row in rows]
            reader = _core.Reader([str(path)], "text", batch_rows=batch_rows)
            sizes = []
            while (batch := reader.next_batch()) is not None:
                sizes.append(len(batch))
            assert sum(sizes) == len(rows)
            assert all(size == batch_rows for size in sizes[:-1])
            order = np.arange(len(rows))[::-1]
            assert [json.loads(line) for line in _core.read_lines([str(path)], order, len(rows))] == rows[::-1]


def test_a_file_of_any_format_can_be_ranked_and_its_rows_taken_and_written(tmp_path: Path) -> None:
    target = tmp_path / "target.txt"
    target.write_text(TARGET)
    texts = [row["text"] for row in csv.DictReader(io.StringIO(TABLE, newline=""))]
    row = {"id": "3", "text": "def add(a): return a"}
    for source in save(tmp_path, "pool.csv", TABLE):
        ranking = zipfit.rank(source, target)
        np.testing.assert_array_equal(ranking.scores, zipfit.rank(texts, TARGET.splitlines()[::2]).scores)
        picked = ranking.top_k(2)
        assert [json.loads(line)["id"] for line in picked.take(source)] == [str(row + 1) for row in picked.rows]
        assert row in [json.loads(line) for line in picked.take(source)]
        out = tmp_path / f"out-{source.name}"
        picked.write(out, source)
        assert [found["id"] for found in read_rows(out / "selected.jsonl")] == [str(row + 1) for row in picked.rows]
        assert [found["id"] for found in read_rows(out / "selection.jsonl")] == [str(row + 1) for row in picked.rows]
    lines = tmp_path / "pool.txt"
    lines.write_text("a line\n\nanother")
    taken = zipfit.rank(lines, target).top_k(2).take(lines)
    assert sorted(json.loads(line)["text"] for line in taken) == ["a line", "another"]


def test_a_text_file_is_lines_or_one_document(tmp_path: Path) -> None:
    for path in [path for name in ("a.txt", "a.text", "a.md") for path in save(tmp_path, name, TARGET)]:
        assert texts_of(path) == TARGET.split("\n")[:3:2]
        assert texts_of(path, text_by="document") == [TARGET]
        line = _core.read_lines([str(path)], np.array([0]), 1, text_by="document")
        assert [json.loads(text) for text in line] == [{"text": TARGET}]
    with pytest.raises(ParameterError, match='text_by is "page"; expected "line" or "document"'):
        texts_of(path, text_by="page")  # type: ignore[arg-type]


def test_formats_may_be_mixed_in_one_run(tmp_path: Path) -> None:
    table, text = save(tmp_path, "a.csv", TABLE)[0], save(tmp_path, "b.txt", TARGET)[1]
    rows = write_texts(tmp_path / "c.jsonl", ["json"])
    paths = [str(path) for path in (table, text, rows)]
    reader = _core.Reader(paths, "text", keep_places=True)
    assert len(reader.rest()) == 6
    assert [file["rows"] for file in reader.files()] == [3, 2, 1]
    assert _core.read_lines(paths, np.array([5, 4, 0]), 6) == [
        '{"text": "json"}',
        '{"text":"def div(a): return a"}',
        '{"id":"1","text":"def sub(a): return a"}',
    ]


@pytest.mark.parametrize(
    ("content", "kind", "place", "message"),
    [
        ("id,text\n1,a\n2\n", BadRowError, (3, 12), "the row has 1 field, expected 2 as in the header"),
        ("id,text\n1,a,b\n", BadRowError, (2, 8), "the row has 3 fields, expected 2 as in the header"),
        ('id,text\n1,a\n2,"b\n', BadRowError, (3, 12), "a quote that the row opens is not closed"),
        ("id,text,id\n", BadRowError, (1, 0), 'columns 1 and 3 are both named "id"; rename or remove one'),
        ("id;text\n1;a\n", BadRowError, (2, 8), 'no field "text"; fields here: "id;text"'),
        ("id,text\n1,\udcff\n", InvalidTextError, (2, 10), "invalid UTF-8"),
    ],
)
def test_a_bad_record_names_file_line_and_byte(
    tmp_path: Path, content: str, kind: type[Any], place: tuple[int, int], message: str
) -> None:
    path = tmp_path / "pool.csv"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(kind) as refused:
        zipfit.rank(path, ["x"])
    assert f"pool.csv:{place[0]} (byte {place[1]}): {message}" in str(refused.value)
    assert (refused.value.line, refused.value.byte) == place


def test_a_compressed_table_that_is_cut_off_is_truncated(tmp_path: Path) -> None:
    whole = gzip.compress(TABLE.encode(), 1)
    path = tmp_path / "pool.csv.gz"
    for end in range(20, len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(TruncatedInputError, match="get a whole copy"):
            texts_of(path)

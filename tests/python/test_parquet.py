"""Texts of Parquet files through ``_core``, against pyarrow."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers_parquet import TEXTS, batches, column, copy, everything, read, save, texts_of
from hypothesis import given, settings
from hypothesis import strategies as st

from zipfit import _core
from zipfit._core import Reader, Texts
from zipfit.errors import (
    BadRowError,
    EmptyTargetError,
    InvalidTextError,
    ParameterError,
    TextTypeError,
    TruncatedInputError,
)

if TYPE_CHECKING:
    from pathlib import Path


@settings(deadline=None)
@given(
    texts=st.lists(st.text(max_size=20), min_size=1, max_size=60),
    sizes=st.tuples(st.integers(1, 70), st.integers(1, 70), st.integers(0, 60)),
    kind=st.sampled_from([pa.string(), pa.string_view(), pa.large_string()]),
)
def test_any_batch_size_gives_the_texts_and_can_be_gone_on_from(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], sizes: tuple[int, int, int], kind: pa.DataType
) -> None:
    group, batch, stop = sizes
    table = pa.table({"text": pa.array(texts, kind)})
    path = save(tmp_path_factory.mktemp("x") / "a.parquet", table, row_group_size=group)
    paths = [str(path), str(path)]
    reader = Reader(paths, "text", batch_rows=batch)
    found = batches(reader)
    assert texts_of(found) == texts * 2
    assert column(found, "row") == list(range(2 * len(texts)))
    assert all(len(piece) == batch for piece in found[:-1])
    half = Reader(paths, "text", batch_rows=batch)
    begun = [piece for piece in (half.next_batch() for _ in range(min(stop, len(found)))) if piece is not None]
    rest = Reader(paths, "text", batch_rows=batch)
    rest.resume(tuple(json.loads(json.dumps(half.position))), half.files())
    left = batches(rest)
    assert texts_of(begun + left) == texts * 2
    assert column(begun + left, "row") == column(found, "row")
    assert column(begun + left, "index") == column(found, "index")
    assert rest.files() == reader.files()


def test_the_files_are_told_with_their_hashes(tmp_path: Path) -> None:
    paths = [
        save(tmp_path / "a.parquet", pa.table({"text": TEXTS})),
        save(tmp_path / "b.parquet", pa.table({"text": ["x"]})),
    ]
    reader = Reader([str(path) for path in paths], "text")
    assert reader.files() == []
    batches(reader)
    contents = [path.read_bytes() for path in paths]
    assert reader.files() == [
        {"name": str(path), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "rows": rows}
        for path, content, rows in zip(paths, contents, [8, 1], strict=True)
    ]
    assert reader.bytes_read == reader.bytes_total == sum(map(len, contents))


ROWS = pa.table(
    {
        "text": ["a", "b"],
        "n": [1, 2],
        "price": [1.5, float("nan")],
        "ok": [True, False],
        "meta": [{"text": "x", "tags": ["t", "u"]}, {"text": "y", "tags": ["v", "w"]}],
        "a.b": ["dotted", "name"],
        "conversations": [[{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}]] * 2,
        "messages": [[{"role": "user", "content": "hi", "tool_calls": None}]] * 2,
        "instruction": ["do", "do"],
        "input": [None, "it"],
        "output": ["done", "done"],
        "map": pa.array([[("k", "v")], [("k", "w")]], pa.map_(pa.string(), pa.string())),
        "when": [datetime.datetime(2024, 1, 2, 3, 4, 5)] * 2,
        "money": pa.array([decimal.Decimal("1.50")] * 2, pa.decimal128(5, 2)),
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("meta.text", ["x", "y"]),
        ("a.b", ["dotted", "name"]),
        ("meta.tags.1", ["u", "w"]),
        ("map.k", ["v", "w"]),
        (
            r"{text}\n{n} {ok} {meta.text} {money} {when}",
            ["a\n1 true x 1.50 2024-01-02T03:04:05", "b\n2 false y 1.50 2024-01-02T03:04:05"],
        ),
        ("messages", ["<|im_start|>user\nhi<|im_end|>\n"] * 2),
        ("sharegpt", ["<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nho<|im_end|>\n"] * 2),
    ],
)
def test_texts_are_made_as_of_lines(tmp_path: Path, text: str, expected: list[str]) -> None:
    path = save(tmp_path / "a.parquet", ROWS)
    assert read(path, text=text) == expected


def test_alpaca_takes_an_input_where_there_is_one(tmp_path: Path) -> None:
    with_input = read(save(tmp_path / "a.parquet", ROWS), text="alpaca")
    assert ["### Input:\nit" in text for text in with_input] == [False, True]
    without = read(save(tmp_path / "b.parquet", ROWS.drop_columns(["input"])), text="alpaca")
    assert without == [with_input[0]] * 2


def test_ids_tokens_and_groups_come_from_their_columns(tmp_path: Path) -> None:
    table = pa.table(
        {"text": TEXTS, "meta": [{"id": row * 10} for row in range(8)], "tokens": range(8), "lang": ["de", "en"] * 4}
    )
    path = save(tmp_path / "a.parquet", table)
    found = batches(Reader([str(path)], "text", id_field="meta.id", token_field="tokens", group_field="lang"))
    assert column(found, "id") == [str(row * 10) for row in range(8)]
    assert column(found, "tokens") == list(range(8))
    assert column(found, "group") == ['"de"', '"en"'] * 4
    assert column(found, "size") == [len(text.encode()) for text in TEXTS]
    assert list(found[0].columns())[:3] == ["file", "row_group", "index"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "body",
            'no column "body"; columns here: "text", "n", "price", "ok", "meta", "a.b", "conversations", "messages"',
        ),
        ("meta.body", 'no column "meta.body"; fields in "meta": "text", "tags"'),
        ("text.body", 'no column "text.body"; there is nothing below "text"'),
        ("{text} {body}", 'no column "body"; columns here: '),
    ],
)
def test_a_missing_column_is_told_before_reading(tmp_path: Path, text: str, message: str) -> None:
    path = save(tmp_path / "a.parquet", ROWS)
    with pytest.raises(ParameterError) as caught:
        Reader([str(path)], text, skip_bad_rows=True)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_preset_says_what_it_takes(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", ROWS.select(["text", "instruction"]))
    with pytest.raises(ParameterError, match=r'no column "output"; .*; alpaca takes "instruction", "output" and'):
        Reader([str(path)], "alpaca")


BAD = pa.array([b"a", None, b"b\xff", b"c"], pa.binary())


@pytest.mark.parametrize("as_text", [False, True])
def test_a_bad_row_names_its_row_group_and_index(tmp_path: Path, as_text: bool) -> None:
    values = BAD.view(pa.string()) if as_text else BAD
    path = save(tmp_path / "a.parquet", pa.table({"id": range(4), "text": values}), row_group_size=2)
    with pytest.raises(BadRowError) as caught:
        read(path)
    assert str(caught.value) == f'{path} (row group 0, index 1): field "text" is null, expected a string'
    assert caught.value.row == 1
    reader = Reader([str(path)], "text", skip_bad_rows=True)
    found = batches(reader)
    assert texts_of(found) == ["a", "c"]
    assert column(found, "row") == [0, 3]
    assert column(found, "index") == [0, 1]
    place = {"file": str(path), "row_group": 1, "index": 0}
    message = 'invalid UTF-8 (byte 0xff) at byte 1 of field "text"; convert the column to UTF-8'
    assert found[0].rejected[1] == {"row": 2, "code": "ZF-TEXT", "message": message} | place
    # What was rejected is in the way of nothing else.
    assert pq.read_table(copy(tmp_path / "out", reader, found, [0]), columns=["id"])["id"].to_pylist() == [0]


def test_a_column_of_another_type_is_a_fault_of_its_rows(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", ROWS)
    with pytest.raises(
        TextTypeError, match=r'a\.parquet \(row group 0, index 0\): field "n" is a number, expected a string'
    ):
        read(path, text="n")
    with pytest.raises(
        BadRowError, match=r'\(row group 0, index 1\): field "price" is null, expected a string, number or'
    ):
        read(path, text="{price}")
    with pytest.raises(InvalidTextError, match=r"\(row group 0, index 2\): invalid UTF-8"):
        read(
            save(
                tmp_path / "b.parquet",
                pa.table({"text": BAD, "n": range(4)})
                .filter([True, False, True, True])
                .append_column("m", [["x"], ["y"], ["z"]])
                .take([0, 2, 1]),
            ),
            text="{text}",
        )


def test_a_null_struct_is_told_as_what_it_is(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", pa.table({"meta": [{"text": "x"}, None]}))
    with pytest.raises(BadRowError, match=r'\(row group 0, index 1\): field "meta" is null, expected an object'):
        read(path, text="meta.text")


def test_a_text_longer_than_allowed_is_a_bad_row(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", pa.table({"text": ["x" * 10, "x" * 11]}))
    assert read(path, max_row_bytes=11) == ["x" * 10, "x" * 11]
    with pytest.raises(
        BadRowError, match=r"index 1\): the text is longer than 10 bytes, the most that max_row_bytes allows"
    ):
        read(path, max_row_bytes=10)


def test_files_of_no_rows_are_fine_beside_others(tmp_path: Path) -> None:
    full = pa.table({"text": TEXTS})
    empty, other = save(tmp_path / "a.parquet", full.slice(0, 0)), save(tmp_path / "b.parquet", full)
    reader = Reader([str(empty), str(other), str(empty)], "text")
    found = batches(reader)
    assert texts_of(found) == TEXTS
    assert [file["rows"] for file in reader.files()] == [0, 8, 0]
    assert pq.read_table(copy(tmp_path / "out", reader, found, [3])).equals(full.take([3]))
    with pytest.raises(ParameterError, match=r"a\.parquet: source has 0 rows"):
        read(empty)
    with pytest.raises(EmptyTargetError):
        read(empty, side="target")


def test_what_is_no_parquet_or_cut_off_is_told(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.parquet", pa.table({"text": TEXTS})).read_bytes()
    path = tmp_path / "b.parquet"
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(TruncatedInputError, match=r"b\.parquet: the file ends before its footer does"):
            Reader([str(path)], "text")
    path.write_bytes(b'{"text": "a"}\n')
    with pytest.raises(BadRowError, match=r"b\.parquet: not a Parquet file"):
        Reader([str(path)], "text")


def test_a_file_is_read_as_texts_at_once(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", pa.table({"text": TEXTS}))
    assert [text.decode() for text in Texts.from_files([str(path)], "text", "source").to_list()] == TEXTS


def test_places_are_found_without_reading_texts(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", pa.table({"body": TEXTS}), row_group_size=3)
    reader, places = Reader.scan([str(path)], 8)
    assert places.columns()["row_group"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert places.columns()["index"].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert reader.files()[0]["rows"] == 8
    with pytest.raises(ParameterError, match="the file has 8 rows but 9 were ranked"):
        Reader.scan([str(path)], 9)
    with pytest.raises(ParameterError, match=r"rows of a Parquet file are no lines; read it by pyarrow\.parquet"):
        _core.read_lines([str(path)], np.array([1]), 8)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("int8", "1"),
        ("uint64", "18446744073709551614"),
        ("float16", "1.0"),
        ("float64", str(1 / 7)),
        ("bool", "false"),
        ("decimal", "0.01"),
        ("decimal256", f"{10**50 + 1}.000"),
        ("date", "2024-03-01"),
        ("date64", "2024-03-01"),
        ("time", "01:02:01"),
        ("seconds", "2024-03-01T12:30:15.123"),
        ("zoned", "2024-03-01T12:30:15.123456Z"),
        ("nanoseconds", "1970-01-01T00:00:00.000000001"),
        ("duration", "1000"),
        ("fixed", "\0\0\0\x01"),
        ("large_list.0", "1"),
        ("vector.2", "3.0"),
        ("lists.0.0", "1"),
        ("struct.b.c", "1"),
        ("map.k", "1"),
        ("messages", "<|im_start|>user\n1<|im_end|>\n"),
        ("dictionary", "label 1"),
        ("small_dictionary", "b"),
        ("view", "zwei \u00fc"),
    ],
)
def test_a_value_of_any_type_is_written_into_a_template(tmp_path: Path, name: str, expected: str) -> None:
    path = save(tmp_path / "a.parquet", everything(2).slice(1))
    assert read(path, text=f"<{{{name}}}>") == [f"<{expected}>"]

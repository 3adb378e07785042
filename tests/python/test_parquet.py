"""Parquet in and out through ``_core``, against pyarrow: the same texts, and chosen rows that keep every column."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zipfit import _core
from zipfit._core import Output, Places, Reader, Texts
from zipfit.errors import (
    BadRowError,
    EmptyTargetError,
    InvalidTextError,
    ParameterError,
    TextTypeError,
    TruncatedInputError,
)

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
    places = Places.concat([batch.places for batch in found]).take(chosen)
    with Output(str(directory), ["selected.parquet", "selection.jsonl"]) as output:
        files = output.copy_rows(reader, places, chosen, np.arange(len(rows)), np.linspace(1, 0, len(rows)))
        output.commit()
    assert [file["name"] for file in files] == ["selected.parquet", "selection.jsonl"]
    for file in files:
        content = (directory / file["name"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    return directory / "selected.parquet"


def taken(table: pa.Table, rows: Iterable[int]) -> pa.Table:
    """Return these rows; ``take`` knows no views."""
    return pa.concat_tables([table.slice(row, 1) for row in rows])


TYPES = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "string_view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
    "binary": pa.binary(),
    "large_binary": pa.large_binary(),
    "binary_view": pa.binary_view(),
}


@pytest.mark.parametrize("kind", TYPES)
def test_a_column_of_any_string_type_is_text(tmp_path: Path, kind: str) -> None:
    values = [text.encode() for text in TEXTS] if "binary" in kind else TEXTS
    array = pa.array(TEXTS).dictionary_encode() if kind == "dictionary" else pa.array(values, TYPES[kind])
    path = save(tmp_path / "a.parquet", pa.table({"n": range(8), "text": array}), row_group_size=3)
    reader = Reader([str(path)], "text")
    assert reader.is_parquet
    found = batches(reader)
    assert texts_of(found) == TEXTS
    selected = pq.read_table(copy(tmp_path / "out", reader, found, [7, 0, 3]))
    assert selected.to_pylist() == taken(pq.read_table(path), [7, 0, 3]).to_pylist()
    assert selected.schema.equals(pq.read_schema(path), check_metadata=True)


@pytest.mark.parametrize("codec", ["none", "snappy", "zstd", "gzip", "brotli", "lz4"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_every_codec_and_page_version_is_read_and_kept(tmp_path: Path, codec: str, version: str) -> None:
    table = pa.table({"text": TEXTS * 100, "n": range(800)})
    path = save(tmp_path / "a.parquet", table, compression=codec, data_page_version=version, data_page_size=500)
    reader = Reader([str(path)], "text")
    found = batches(reader)
    assert texts_of(found) == TEXTS * 100
    selected = copy(tmp_path / "out", reader, found, list(range(799, 0, -3)))
    assert pq.read_table(selected).equals(table.take(list(range(799, 0, -3))))
    chunk = [pq.read_metadata(file).row_group(0).column(0).compression for file in (path, selected)]
    assert chunk[0] == chunk[1]


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
            "decimal256": pa.array([decimal.Decimal(10) ** 50 + row for row in at], pa.decimal256(60, 3)),
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


def test_chosen_rows_keep_every_column_and_the_schema_with_its_metadata(tmp_path: Path) -> None:
    table = everything(200)
    paths = [
        save(tmp_path / "a.parquet", table.slice(0, 70), row_group_size=30),
        save(tmp_path / "b.pq", table.slice(70, 1)),
        save(tmp_path / "c.parquet", table.slice(71), row_group_size=1, store_schema=True),
    ]
    whole = pa.concat_tables([pq.read_table(path) for path in paths])
    reader = Reader([str(path) for path in paths], "text")
    found = batches(reader)
    assert texts_of(found) == whole["text"].to_pylist()
    assert column(found, "id") == whole["id"].to_pylist()
    assert [file["rows"] for file in reader.files()] == [70, 1, 129]
    rows = [199, 0, 70, 71, 69, 30, 29, 5, 5, *range(100, 150, 7)]
    selected = copy(tmp_path / "out", reader, found, rows)
    expected = taken(whole, rows)
    result = pq.read_table(selected)
    assert result.schema.equals(expected.schema, check_metadata=True)
    for name in expected.column_names:
        assert result[name].to_pylist() == expected[name].to_pylist(), name
    assert pq.read_metadata(selected).metadata == pq.read_metadata(paths[0]).metadata
    lines = [json.loads(line) for line in (tmp_path / "out" / "selection.jsonl").read_bytes().splitlines()]
    assert lines[0] == {
        "rank": 0,
        "row": 199,
        "file": str(paths[2]),
        "row_group": 128,
        "index": 0,
        "id": "row-199",
        "score": 1.0,
    }
    assert [line["id"] for line in lines] == expected["id"].to_pylist()
    again = copy(tmp_path / "again", reader, found, rows)
    assert again.read_bytes() == selected.read_bytes()


def test_pandas_and_datasets_find_their_own_again(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {"text": TEXTS, "kind": pd.Categorical(["a", "b"] * 4)}, index=pd.Index(list("abcdefgh"), name="key")
    )
    frame.to_parquet(tmp_path / "a.parquet")
    reader = Reader([str(tmp_path / "a.parquet")], "text")
    selected = copy(tmp_path / "out", reader, batches(reader), [6, 1, 2])
    pd.testing.assert_frame_equal(pd.read_parquet(selected), frame.iloc[[6, 1, 2]])


def test_no_chosen_row_gives_a_file_of_no_rows(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", everything(3))
    reader = Reader([str(path)], "text")
    result = pq.read_table(copy(tmp_path / "out", reader, batches(reader), []))
    assert result.num_rows == 0
    assert result.schema.equals(pq.read_schema(path), check_metadata=True)


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


def test_sources_are_of_one_kind_and_one_schema(tmp_path: Path) -> None:
    first = save(tmp_path / "a.parquet", pa.table({"text": ["a"], "n": [1]}))
    lines = tmp_path / "b.jsonl"
    lines.write_text('{"text": "b"}\n')
    for side in ("source", "target", "against"):
        with pytest.raises(
            ParameterError, match=f"^{side} files are Parquet .*a.parquet.* and not .*b.jsonl.*; convert"
        ):
            Reader([str(lines), str(first)], "text", side)  # type: ignore[arg-type]
    for table, fault in [
        (pa.table({"text": ["a"], "n": ["1"]}), 'column "n" is of type "Utf8", in ".*a.parquet" of type "Int64"'),
        (pa.table({"text": ["a"]}), 'there is no column "n", which is in ".*a.parquet"'),
        (pa.table({"text": ["a"], "n": [1], "m": [1]}), 'column "m" is not in ".*a.parquet"'),
        (pa.table({"n": [1], "text": ["a"]}), 'column 0 is "n", in ".*a.parquet" "text"'),
        (pa.table({"text": pa.array(["a"], pa.large_string()), "n": [1]}), 'column "text" is of type "LargeUtf8"'),
    ]:
        second = save(tmp_path / "c.parquet", table)
        with pytest.raises(ParameterError, match=f"c.parquet: {fault}.*; all sources must have the same columns"):
            Reader([str(first), str(second)], "text")
        # Nothing is written of targets.
        assert len(Reader([str(first), str(second)], "text", "target").rest()) == 2


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


def test_rows_left_out_are_listed_by_row_group(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", pa.table({"text": TEXTS}), row_group_size=3)
    reader, places = Reader.scan([str(path)], 8)
    with Output(str(tmp_path / "out"), []) as output:
        output.write_left_out(reader, places.take(np.array([4])), np.array([4]), ["duplicate"], np.array([1]))
        output.commit()
    line = json.loads((tmp_path / "out" / "left_out.jsonl").read_bytes())
    assert line == {"row": 4, "file": str(path), "row_group": 1, "index": 1, "reason": "duplicate", "of_row": 1}


def test_places_of_lines_are_none_in_parquet(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", pa.table({"text": TEXTS}), row_group_size=3)
    reader, places = Reader.scan([str(path)], 8)
    row = np.array([0])

    def write(places: Places) -> None:
        with Output(str(tmp_path / "out"), []) as output:
            output.copy_rows(reader, places, row, row, row.astype(float))

    with pytest.raises(ParameterError, match="the places are not those of rows in the files of this reader"):
        write(Places.from_columns({"file": row.astype(np.int32), "line": row, "byte": row, "length": row}))
    with pytest.raises(ParameterError, match=r"a\.parquet: there is no row 3 in row group 1"):
        write(
            Places.from_columns(
                {"file": row.astype(np.int32), "row_group": (row + 1).astype(np.int32), "index": row + 3}
            )
        )
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(RuntimeError, match=r"a\.parquet: the file changed while it was read"):
        write(places.take(row))


def test_files_of_old_writers_are_read_and_copied(tmp_path: Path) -> None:
    table = pa.table(
        {"text": TEXTS, "when": pa.array(range(8), pa.timestamp("ns")), "tags": [["a"], [], None, ["b", "c"]] * 2}
    )
    path = save(
        tmp_path / "a.parquet",
        table,
        use_deprecated_int96_timestamps=True,
        version="1.0",
        store_schema=False,
        use_compliant_nested_type=False,
        use_dictionary=False,
    )
    reader = Reader([str(path)], "text")
    found = batches(reader)
    assert texts_of(found) == TEXTS
    assert pq.read_table(copy(tmp_path / "out", reader, found, [5, 2])).equals(pq.read_table(path).take([5, 2]))

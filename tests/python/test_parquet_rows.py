"""Chosen rows of Parquet files, against pyarrow: every column, the schema, and its metadata."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers_parquet import TEXTS, batches, column, copy, everything, save, taken, texts_of

from zipfit._core import Output, Places, Reader
from zipfit.errors import ParameterError

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


def test_sources_are_of_one_kind_and_one_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Messages cut long names.
    monkeypatch.chdir(tmp_path)
    first = save(Path("a.parquet"), pa.table({"text": ["a"], "n": [1]}))
    lines = Path("b.jsonl")
    lines.write_text('{"text": "b"}\n')
    for side in ("source", "target", "against"):
        with pytest.raises(
            ParameterError, match=f"^{side} files are Parquet .*a.parquet.* and not .*b.jsonl.*; convert"
        ):
            Reader([str(lines), str(first)], "text", side)
    for table, fault in [
        (pa.table({"text": ["a"], "n": ["1"]}), 'column "n" is of type "Utf8", in ".*a.parquet" of type "Int64"'),
        (pa.table({"text": ["a"]}), 'there is no column "n", which is in ".*a.parquet"'),
        (pa.table({"text": ["a"], "n": [1], "m": [1]}), 'column "m" is not in ".*a.parquet"'),
        (pa.table({"n": [1], "text": ["a"]}), 'column 0 is "n", in ".*a.parquet" "text"'),
        (pa.table({"text": pa.array(["a"], pa.large_string()), "n": [1]}), 'column "text" is of type "LargeUtf8"'),
    ]:
        second = save(Path("c.parquet"), table)
        with pytest.raises(ParameterError, match=f"c.parquet: {fault}.*; all sources must have the same columns"):
            Reader([str(first), str(second)], "text")
        # Nothing is written of targets.
        assert len(Reader([str(first), str(second)], "text", "target").rest()) == 2


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

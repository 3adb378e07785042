"""The table of scores as pyarrow sees it, and as `ScoreTable` gives it back."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import zipfit
from zipfit._core import Output, Places, ScoreTable, ScoreWriter
from zipfit.errors import InvalidTextError, MismatchError, ParameterError, TruncatedInputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ROWS = 70_000
"""More than one row group."""


def strings(values: Sequence[str | None]) -> tuple[np.ndarray[Any, np.dtype[np.int32]], bytes]:
    encoded = [None if value is None else value.encode() for value in values]
    lengths = [-1 if value is None else len(value) for value in encoded]
    return np.array(lengths, np.int32), b"".join(value or b"" for value in encoded)


def columns(first: int, end: int, *, parquet_places: bool = False) -> dict[str, Any]:
    """Every column of the rows from ``first`` to ``end``."""
    row = np.arange(first, end)
    places: dict[str, Any] = {"line": row + 1, "byte": row * 100, "length": row % 90}
    if parquet_places:
        places = {"row_group": (row // 1000).astype(np.int32), "index": row % 1000}
    return {
        "row": row,
        "file": (row // 50_000).astype(np.int32),
        **places,
        "id": strings([None if r % 3 == 0 else f"dök-{r}" for r in row.tolist()]),
        "size": row % 80,
        "score": np.sin(row),
        "tokens": row % 20,
        "group": strings([f"g{r % 5}" for r in row.tolist()]),
        "left_out": strings(["duplicate" if r % 7 == 1 else None for r in row.tolist()]),
        "left_out_by": np.where(row % 7 == 1, row // 2, -1),
    }


def write(directory: Path, *, parquet_places: bool = False) -> Path:
    with Output(str(directory), ["scores.parquet"]) as output:
        writer = ScoreWriter(output, parquet_places=parquet_places, tokens=True, groups=True, left_out=True)
        for first, end in [(0, 10), (10, 66_000), (66_000, ROWS)]:
            writer.add(columns(first, end, parquet_places=parquet_places))
        file = writer.finish()
        output.commit()
    path = directory / "scores.parquet"
    assert file["name"] == "scores.parquet"
    assert file["bytes"] == path.stat().st_size
    assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    return path


@pytest.fixture(scope="module")
def table_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("scores"))


def test_pyarrow_reads_the_documented_schema(table_path: Path, tmp_path: Path) -> None:
    required = [("row", pa.int64()), ("file", pa.int32())]
    lines = [("line", pa.int64()), ("byte", pa.int64()), ("length", pa.int64())]
    parquet = [("row_group", pa.int32()), ("index", pa.int64())]
    for path, places in [(table_path, lines), (write(tmp_path, parquet_places=True), parquet)]:
        fields = [pa.field(name, kind, nullable=False) for name, kind in required + places]
        fields += [
            pa.field("id", pa.string()),
            pa.field("size", pa.int64(), nullable=False),
            pa.field("score", pa.float64(), nullable=False),
            pa.field("tokens", pa.int64(), nullable=False),
            pa.field("group", pa.string(), nullable=False),
            pa.field("left_out", pa.string()),
            pa.field("left_out_by", pa.int64()),
        ]
        assert pq.read_schema(path).remove_metadata() == pa.schema(fields)


def test_the_file_says_what_it_is_and_who_wrote_it(table_path: Path) -> None:
    metadata = pq.read_metadata(table_path)
    assert metadata.metadata == {b"zipfit.scores": b"1"}
    assert metadata.created_by == f"zipfit version {zipfit.__version__}"
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [65_536, ROWS - 65_536]


def test_pyarrow_reads_the_values_that_were_written(table_path: Path) -> None:
    table = pq.read_table(table_path)
    expected = columns(0, ROWS)
    for name in ["row", "file", "line", "byte", "length", "size", "score", "tokens"]:
        np.testing.assert_array_equal(table[name].to_numpy(), expected[name])
    rows = range(ROWS)
    assert table["id"].to_pylist() == [None if r % 3 == 0 else f"dök-{r}" for r in rows]
    assert table["group"].to_pylist() == [f"g{r % 5}" for r in rows]
    assert table["left_out"].to_pylist() == ["duplicate" if r % 7 == 1 else None for r in rows]
    assert table["left_out_by"].to_pylist() == [r // 2 if r % 7 == 1 else None for r in rows]


def test_a_table_gives_back_its_columns(table_path: Path) -> None:
    table = ScoreTable(str(table_path))
    expected = columns(0, ROWS)
    assert table.rows == ROWS
    assert table.columns == list(expected)
    for name in ["row", "file", "line", "byte", "length", "size", "tokens", "left_out_by"]:
        values = table.int64(name)
        assert values.dtype == np.int64
        np.testing.assert_array_equal(values, expected[name])
    np.testing.assert_array_equal(table.float64("score"), expected["score"])
    for name in ["id", "group", "left_out"]:
        lengths, data = table.strings(name)
        assert lengths.dtype == np.int32
        np.testing.assert_array_equal(lengths, expected[name][0])
        assert data == expected[name][1]


@pytest.mark.parametrize("parquet_places", [False, True])
def test_places_of_chosen_lines_are_theirs(tmp_path: Path, parquet_places: bool) -> None:
    table = ScoreTable(str(write(tmp_path, parquet_places=parquet_places)))
    chosen = np.array([0, 5, 5, 65_535, 65_536, ROWS - 1])
    places = table.places(chosen)
    assert len(places) == 6
    expected = columns(0, ROWS, parquet_places=parquet_places)
    names = ["file", "row_group", "index"] if parquet_places else ["file", "line", "byte", "length"]
    assert list(places.columns()) == names
    for name, values in Places.from_columns(places.columns()).columns().items():
        assert values.dtype == expected[name].dtype
        np.testing.assert_array_equal(values, expected[name][chosen])
    lengths, data = table.strings("group", chosen)
    assert (lengths.tolist(), data) == ([2] * 6, b"".join(b"g%d" % (row % 5) for row in chosen.tolist()))


def test_other_columns_than_those_of_the_table_are_refused(tmp_path: Path) -> None:
    with Output(str(tmp_path), ["scores.parquet"]) as output:
        writer = ScoreWriter(output)
        piece = {name: values for name, values in columns(0, 2).items() if name not in {"tokens", "group"}}
        with pytest.raises(ParameterError, match=r'^there is no column "left_out"$'):
            writer.add(piece)
        del piece["left_out"], piece["left_out_by"]
        with pytest.raises(ParameterError, match=r"^the column score has another type than float64$"):
            writer.add(piece | {"score": piece["row"]})
        with pytest.raises(ParameterError, match=r"^the column score must be a one-dimensional array of int64"):
            writer.add(piece | {"score": [0.5, 0.5]})
        with pytest.raises(ParameterError, match=r"^the column byte has -1, expected at least 0, in line 1$"):
            writer.add(piece | {"byte": np.array([0, -1])})
        with pytest.raises(InvalidTextError, match=r"^the column id has invalid UTF-8 in line 0$"):
            writer.add(piece | {"id": (np.array([1, 1], np.int32), b"\xff\xff")})
        with pytest.raises(ParameterError, match=r"scores\.parquet is not finished$"):
            output.commit()
        writer.add(piece)
        writer.finish()
        with pytest.raises(ParameterError, match=r"^the table of scores is finished$"):
            writer.add(piece)
        output.commit()
    assert ScoreTable(str(tmp_path / "scores.parquet")).rows == 2


def test_a_changed_file_is_found_by_its_hash(table_path: Path, tmp_path: Path) -> None:
    content = bytearray(table_path.read_bytes())
    sha256 = hashlib.sha256(content).hexdigest()
    ScoreTable(str(table_path)).verify(sha256)
    content[1000] ^= 1
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(MismatchError, match=r"x\.parquet: the table is not the one that its manifest describes"):
        ScoreTable(str(tmp_path / "x.parquet")).verify(sha256)


def test_other_files_are_refused(table_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(table_path.read_bytes()[:-1])
    with pytest.raises(TruncatedInputError, match="the file ends before its table does"):
        ScoreTable(str(path))
    pq.write_table(pa.table({"score": [0.5]}), path)
    with pytest.raises(ParameterError, match=r"not a table of scores: its metadata has no zipfit\.scores"):
        ScoreTable(str(path))
    table = pq.read_table(table_path)
    pq.write_table(table.drop_columns(["size"]), path)
    with pytest.raises(ParameterError, match='not a table of scores: its column "size" is not as expected'):
        ScoreTable(str(path))
    pq.write_table(table, path, row_group_size=1000)
    with pytest.raises(MismatchError, match="row group 0 has 1000 rows"):
        ScoreTable(str(path))
    with pytest.raises(FileNotFoundError):
        ScoreTable(str(tmp_path / "none"))


def test_places_that_cannot_be_are_refused() -> None:
    row = np.arange(2)
    with pytest.raises(ParameterError, match=r"^the column line is missing$"):
        Places.from_columns({"file": row.astype(np.int32)})
    with pytest.raises(ParameterError, match=r"^the column file must be a one-dimensional array of int32$"):
        Places.from_columns({"file": row, "row_group": row.astype(np.int32), "index": row})
    with pytest.raises(ParameterError, match=r"^the column index has -1, which is no place$"):
        Places.from_columns({"file": row.astype(np.int32), "row_group": row.astype(np.int32), "index": row - 1})
    with pytest.raises(ParameterError, match=r"^the columns of places must have one length$"):
        Places.from_columns({"file": row.astype(np.int32), "row_group": row.astype(np.int32), "index": row[:1]})

"""Every kind of object that may hold texts, and one clear error for each that may not."""

from __future__ import annotations

import gzip
import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zipfit
from zipfit.errors import (
    BadRowError,
    EmptyTargetError,
    InvalidTextError,
    ParameterError,
    TextTypeError,
    ZipfitError,
)

# Empty, short, not ASCII, longer than the 12 bytes that an Arrow view holds inline.
TEXTS = [
    "def f(x): return x",
    "",
    "\u00e9t\u00e9 \U0001f389",
    "the cat sat on the mat, and the mat sat on the cat",
    "x",
]
BYTES = [text.encode() for text in TEXTS]
SCORES = zipfit.rank(TEXTS, TEXTS).scores.tolist()

STRING_TYPES = [pa.string(), pa.large_string(), pa.string_view()]
BINARY_TYPES = [pa.binary(), pa.large_binary(), pa.binary_view()]


def scores_of(data: Any, text: str | None = None) -> object:
    """Scores with `data` as both source and target, so that both ways in are gone through."""
    ranking = zipfit.rank(data, data, text=text)
    assert ranking.sizes is not None
    assert ranking.sizes.tolist() == [len(text) for text in BYTES]
    return ranking.scores.tolist()


def refusal(kind: type[ZipfitError], function: Callable[..., object], *arguments: Any, **options: Any) -> ZipfitError:
    with pytest.raises(kind) as caught:
        function(*arguments, **options)
    assert type(caught.value) is kind
    return caught.value


class TestPythonAndNumpy:
    @pytest.mark.parametrize(
        "make",
        [
            list,
            tuple,
            deque,
            lambda rows: dict.fromkeys(rows).keys(),
            lambda rows: {str(row): row for row in rows}.values(),
        ],
    )
    def test_iterables_of_str_and_of_bytes_give_the_same_scores(self, make: Callable[[list[Any]], Any]) -> None:
        assert scores_of(make(TEXTS)) == SCORES
        assert scores_of(make(BYTES)) == SCORES

    def test_a_generator_is_read_once(self) -> None:
        ranking = zipfit.rank((text for text in TEXTS), iter(BYTES))
        assert ranking.scores.tolist() == SCORES

    def test_str_and_bytes_may_be_mixed(self) -> None:
        assert scores_of([TEXTS[0], *BYTES[1:]]) == SCORES

    @pytest.mark.parametrize("dtype", [None, object, np.dtypes.StringDType()])
    def test_numpy_arrays_of_str(self, dtype: Any) -> None:
        assert scores_of(np.array(TEXTS, dtype=dtype)) == SCORES

    @pytest.mark.parametrize("dtype", [None, object])
    def test_numpy_arrays_of_bytes(self, dtype: Any) -> None:
        assert scores_of(np.array(BYTES, dtype=dtype)) == SCORES

    def test_a_numpy_array_need_not_be_contiguous(self) -> None:
        assert scores_of(np.repeat(np.array(TEXTS), 2)[::2]) == SCORES

    def test_bytes_need_not_be_utf8(self) -> None:
        assert zipfit.rank([b"\xff\xfe\x00"], [b"\xff\xfe\x00"]).sizes.tolist() == [3]  # type: ignore[union-attr]

    @given(st.lists(st.text(max_size=30), max_size=8))
    def test_str_is_its_utf8(self, texts: list[str]) -> None:
        encoded = [text.encode() for text in texts]
        as_str, as_bytes = zipfit.rank(texts, ["x"]), zipfit.rank(encoded, [b"x"])
        assert as_str.scores.tolist() == as_bytes.scores.tolist()
        assert as_str.provenance == as_bytes.provenance

    def test_no_source_rows_give_no_scores(self) -> None:
        empty: list[Any] = [[], (), np.array([], dtype=str), pa.array([], pa.string()), pd.Series([], dtype=str)]
        for nothing in empty:
            assert zipfit.rank(nothing, ["x"]).scores.shape == (0,)
            assert zipfit.Scorer(["x"]).score(nothing).shape == (0,)
            assert zipfit.compressed_size(nothing).shape == (0,)
            assert zipfit.ncd_matrix(nothing, ["x", "y"]).shape == (0, 2)


class TestArrow:
    @pytest.mark.parametrize("kind", STRING_TYPES, ids=str)
    def test_string_types(self, kind: pa.DataType) -> None:
        assert scores_of(pa.array(TEXTS, kind)) == SCORES

    @pytest.mark.parametrize("kind", BINARY_TYPES, ids=str)
    def test_binary_types(self, kind: pa.DataType) -> None:
        assert scores_of(pa.array(BYTES, kind)) == SCORES

    @pytest.mark.parametrize("index", [pa.int8(), pa.uint16(), pa.int32(), pa.int64()], ids=str)
    @pytest.mark.parametrize("value", [pa.string(), pa.large_string(), pa.binary()], ids=str)
    def test_dictionary_types(self, index: pa.DataType, value: pa.DataType) -> None:
        rows = BYTES if value == pa.binary() else TEXTS
        keys = pa.array([4, 3, 2, 1, 0], index)
        assert scores_of(pa.DictionaryArray.from_arrays(keys, pa.array(rows[::-1], value))) == SCORES

    @pytest.mark.parametrize("kind", [*STRING_TYPES, pa.dictionary(pa.int8(), pa.string())], ids=str)
    def test_slices_and_chunks(self, kind: pa.DataType) -> None:
        padded = pa.array(["before", *TEXTS, "after"], pa.string()).cast(kind)
        assert scores_of(padded[1:-1]) == SCORES
        chunks = [padded[1:2], padded[2:2], padded[2:5], padded[5:6]]
        assert scores_of(pa.chunked_array(chunks)) == SCORES
        assert scores_of(pa.table({"text": pa.chunked_array(chunks)})) == SCORES

    def test_tables_and_record_batches(self) -> None:
        columns = {"id": [1, 2, 3, 4, 5], "body": TEXTS}
        assert scores_of(pa.table(columns), "body") == SCORES
        assert scores_of(pa.RecordBatch.from_pydict(columns), "body") == SCORES
        batches = pa.table(columns).to_batches(max_chunksize=2)
        assert scores_of(pa.Table.from_batches(batches), "body") == SCORES

    def test_a_stream_of_batches_is_read_once(self) -> None:
        reader = pa.table({"text": TEXTS}).to_reader(max_chunksize=2)
        assert zipfit.rank(reader, TEXTS).scores.tolist() == SCORES

    def test_the_column_text_or_the_only_one_is_the_default(self) -> None:
        assert scores_of(pa.table({"id": [1, 2, 3, 4, 5], "text": TEXTS})) == SCORES
        assert scores_of(pa.table({"body": TEXTS})) == SCORES

    def test_other_columns_may_have_any_type_and_nulls(self) -> None:
        table = pa.table(
            {
                "text": TEXTS,
                "tags": [["a"], [], None, ["b", "c"], ["d"]],
                "meta": [{"a": 1}, None, {"a": None}, {"a": 2}, {"a": 3}],
                "none": pa.nulls(5),
            }
        )
        assert scores_of(table) == SCORES

    def test_an_object_that_only_has_the_capsule_methods(self) -> None:
        class Stream:
            def __arrow_c_stream__(self, requested_schema: object = None) -> object:
                return pa.chunked_array([TEXTS]).__arrow_c_stream__(requested_schema)

        class Array:
            def __arrow_c_array__(self, requested_schema: object = None) -> object:
                return pa.array(TEXTS).__arrow_c_array__(requested_schema)

        assert scores_of(Stream()) == SCORES
        assert scores_of(Array()) == SCORES

    def test_texts_outlive_the_object_that_they_came_in(self) -> None:
        array = pa.array(TEXTS)
        scorer = zipfit.Scorer(array)
        del array
        assert scorer.score(TEXTS).tolist() == SCORES


class TestPandas:
    @pytest.mark.parametrize(
        "dtype",
        [
            "str",
            object,
            "category",
            pd.StringDtype("python"),
            pd.StringDtype("pyarrow"),
            pd.ArrowDtype(pa.large_string()),
        ],
        ids=str,
    )
    def test_a_series_of_any_text_dtype(self, dtype: Any) -> None:
        assert scores_of(pd.Series(TEXTS, dtype=dtype)) == SCORES

    def test_a_series_of_bytes(self) -> None:
        assert scores_of(pd.Series(BYTES)) == SCORES

    def test_a_column_of_a_frame(self) -> None:
        frame = pd.DataFrame({"id": range(5), "body": TEXTS})
        assert scores_of(frame, "body") == SCORES
        assert scores_of(frame.rename(columns={"body": "text"})) == SCORES

    def test_the_index_of_a_filtered_frame_is_no_column(self) -> None:
        frame = pd.DataFrame({"body": ["dropped", *TEXTS]})
        assert scores_of(frame[frame["body"] != "dropped"]) == SCORES

    def test_other_columns_of_mixed_types_do_no_harm(self) -> None:
        assert scores_of(pd.DataFrame({"text": TEXTS, "mixed": [1, "a", None, 2.5, [1]]})) == SCORES

    @pytest.mark.parametrize("dtype", ["str", object, pd.StringDtype("python")], ids=str)
    def test_a_pandas_without_the_arrow_capsule(self, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        # As before pandas 2.2 (DataFrame) and 3.0 (Series).
        monkeypatch.delattr(pd.DataFrame, "__arrow_c_stream__")
        monkeypatch.delattr(pd.Series, "__arrow_c_stream__")
        assert scores_of(pd.Series(TEXTS, dtype=dtype)) == SCORES
        assert scores_of(pd.DataFrame({"body": pd.Series(TEXTS, dtype=dtype)})) == SCORES
        error = refusal(BadRowError, zipfit.rank, pd.Series(["a", None, "b"], dtype=dtype), ["x"])
        assert str(error) == "source row 1: null text; leave such rows out or fill them"

    def test_a_pandas_without_pyarrow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def capsule(*_: object) -> object:
            raise ImportError("pyarrow is not installed")

        monkeypatch.setattr(pd.Series, "__arrow_c_stream__", capsule)
        assert scores_of(pd.Series(TEXTS, dtype=pd.StringDtype("python"))) == SCORES

    @pytest.mark.parametrize("dtype", ["str", object, "category", pd.StringDtype("python")], ids=str)
    @pytest.mark.parametrize("null", [None, float("nan"), pd.NA])
    def test_nulls_of_every_kind_are_named(self, dtype: Any, null: Any) -> None:
        error = refusal(BadRowError, zipfit.rank, pd.Series(["a", "b", null], dtype=dtype), ["x"])
        assert str(error) == "source row 2: null text; leave such rows out or fill them"
        assert error.row == 2

    def test_a_row_of_another_type_is_named(self) -> None:
        error = refusal(TextTypeError, zipfit.rank, pd.Series(["a", 5], dtype=object), ["x"])
        assert str(error) == "source row 1: expected str or bytes, got int"


class TestOtherLibraries:
    @pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum(TEXTS)], ids=str)
    def test_a_polars_series_and_frame(self, dtype: Any) -> None:
        series = pl.Series("body", TEXTS).cast(dtype)
        assert scores_of(series) == SCORES
        assert scores_of(pl.DataFrame([pl.Series("id", range(5)), series]), "body") == SCORES

    def test_a_polars_series_of_bytes(self) -> None:
        assert scores_of(pl.Series(BYTES)) == SCORES

    def test_a_polars_lazy_frame_is_refused(self) -> None:
        error = refusal(TextTypeError, zipfit.rank, pl.LazyFrame({"text": TEXTS}), ["x"], text="text")
        assert str(error).startswith("source is of type LazyFrame; expected a list of str or bytes")

    def test_a_duckdb_relation(self) -> None:
        connection = duckdb.connect()
        connection.register("texts", pa.table({"id": range(5), "body": TEXTS}))
        assert scores_of(connection.sql("select * from texts order by id"), "body") == SCORES

    def test_a_hugging_face_dataset(self) -> None:
        dataset = datasets.Dataset.from_dict({"id": list(range(5)), "body": TEXTS})
        assert scores_of(dataset, "body") == SCORES
        assert scores_of(dataset["body"]) == SCORES
        assert scores_of(dataset.with_format("numpy"), "body") == SCORES

    def test_the_indices_of_a_hugging_face_dataset_are_respected(self) -> None:
        dataset = datasets.Dataset.from_dict({"text": ["dropped", *TEXTS[::-1]]})
        assert scores_of(dataset.select([5, 4, 3, 2, 1])) == SCORES
        assert scores_of(dataset.select([5, 4, 3, 2, 1]).remove_columns([]), "text") == SCORES

    def test_source_and_target_may_be_of_different_kinds(self) -> None:
        frame = pd.DataFrame({"id": range(5), "body": TEXTS})
        assert zipfit.rank(frame, TEXTS, text="body").scores.tolist() == SCORES
        assert zipfit.rank(TEXTS, frame, target_text="body").scores.tolist() == SCORES
        assert zipfit.rank(frame, pa.table({"id": [1], "body": ["x"]}), text="body").provenance["targets"] == 1


class TestFiles:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "pool.jsonl"
        lines = [json.dumps({"text": text, "prompt": text[:1], "answer": text[1:]}) for text in TEXTS]
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    def test_a_field_of_a_file(self, path: Path) -> None:
        assert scores_of(path) == SCORES
        assert scores_of(path, "text") == SCORES

    def test_a_template_of_fields(self, path: Path) -> None:
        assert scores_of(path, "{prompt}{answer}") == SCORES

    def test_a_gzip_file(self, path: Path) -> None:
        packed = path.with_name("pool.jsonl.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        assert scores_of(packed) == SCORES

    def test_a_missing_file_is_an_oserror_with_its_path(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            zipfit.rank(tmp_path / "none.jsonl", ["x"])
        assert "none.jsonl" in str(caught.value)

    def test_a_directory_is_an_oserror(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="directory"):
            zipfit.rank(tmp_path, ["x"])

    def test_an_empty_target_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "empty.jsonl").write_text("\n\n")
        error = refusal(EmptyTargetError, zipfit.rank, ["x"], tmp_path / "empty.jsonl")
        assert str(error).endswith("target has 0 rows; alignment needs at least 1")


class TestRefusals:
    @pytest.mark.parametrize("bare", ["pool.jsonl", b"x", bytearray(b"x")])
    def test_a_bare_text_says_how_to_pass_it(self, bare: Any) -> None:
        kind = type(bare).__name__
        error = refusal(ParameterError, zipfit.rank, bare, ["x"])
        assert str(error) == f"source is a bare {kind}; pass [text] for one text or pathlib.Path(...) for a file"
        error = refusal(ParameterError, zipfit.rank, ["x"], bare)
        assert str(error) == f"target is a bare {kind}; pass [text] for one text or pathlib.Path(...) for a file"

    def test_none_is_refused(self) -> None:
        error = refusal(ParameterError, zipfit.rank, None, ["x"])
        assert str(error).startswith("source is None; expected a list of str or bytes")

    def test_a_dict_is_refused(self) -> None:
        error = refusal(ParameterError, zipfit.rank, {"text": TEXTS}, ["x"])
        assert str(error) == "source is a dict; pass the value that holds the texts, as in data[key]"
        splits = datasets.DatasetDict(train=datasets.Dataset.from_dict({"text": TEXTS}))
        assert str(refusal(ParameterError, zipfit.rank, splits, ["x"])).startswith("source is a DatasetDict;")

    @pytest.mark.parametrize("kind", [set, frozenset])
    def test_a_set_is_refused_because_it_has_no_order(self, kind: Callable[[list[str]], Any]) -> None:
        error = refusal(ParameterError, zipfit.rank, ["x"], kind(TEXTS))
        assert str(error) == f"target is a {kind.__name__}, which has no order to number rows by; pass a list"

    @pytest.mark.parametrize("number", [5, 2.5, object()])
    def test_what_is_no_collection_is_refused(self, number: Any) -> None:
        error = refusal(TextTypeError, zipfit.rank, number, ["x"])
        assert str(error).startswith(f"source is of type {type(number).__name__}; expected a list of str or bytes")

    @pytest.mark.parametrize(
        ("value", "name"), [(5, "int"), (b"x"[0], "int"), (["a"], "list"), ({}, "dict"), (1.5, "float")]
    )
    def test_a_row_of_another_type_is_named(self, value: Any, name: str) -> None:
        error = refusal(TextTypeError, zipfit.rank, ["a", "b", value, None], ["x"])
        assert str(error) == f"source row 2: expected str or bytes, got {name}"
        assert error.row == 2

    @pytest.mark.parametrize("null", [None, float("nan"), np.float64("nan")])
    def test_a_null_is_named(self, null: Any) -> None:
        error = refusal(BadRowError, zipfit.rank, ["a", "b", "c", null, 5], ["x"])
        assert str(error) == "source row 3: null text; leave such rows out or fill them"
        assert error.row == 3
        error = refusal(BadRowError, zipfit.Scorer, [null])
        assert str(error) == "target row 0: null text; leave such rows out or fill them"

    @pytest.mark.parametrize("kind", [*STRING_TYPES, pa.binary(), pa.dictionary(pa.int32(), pa.string())], ids=str)
    def test_a_null_of_arrow_is_named_over_all_chunks(self, kind: pa.DataType) -> None:
        chunks = [pa.array(["a", "b"]).cast(kind), pa.array(["c", None]).cast(kind)]
        error = refusal(BadRowError, zipfit.rank, pa.chunked_array(chunks), ["x"])
        assert str(error) == "source row 3: null text; leave such rows out or fill them"
        assert error.row == 3

    def test_a_null_in_the_values_of_a_dictionary_is_named(self) -> None:
        array = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["a", None]))
        error = refusal(BadRowError, zipfit.rank, array, ["x"])
        assert str(error) == "source row 1: null text; leave such rows out or fill them"

    @pytest.mark.parametrize("position", [0, 42])
    def test_a_lone_surrogate_is_named(self, position: int) -> None:
        text = "\u00e9" * position + "\ud800 after"
        error = refusal(InvalidTextError, zipfit.rank, ["fine"] * 17 + [text], ["x"])
        assert str(error) == f"source row 17: lone surrogate U+D800 at character {position}"
        assert error.row == 17
        error = refusal(InvalidTextError, zipfit.ncd, "x", text)
        assert str(error) == f"y: lone surrogate U+D800 at character {position}"
        error = refusal(InvalidTextError, zipfit.compressed_size, text)
        assert str(error) == f"x: lone surrogate U+D800 at character {position}"

    @pytest.mark.parametrize("values", [[1, 2], [1.5], [True], np.array([1]), np.array(["2020-01-01"], "M8[D]")])
    def test_an_arrow_column_of_another_type_is_refused(self, values: Any) -> None:
        error = refusal(TextTypeError, zipfit.rank, pa.array(values), ["x"])
        assert str(error).startswith("source column has Arrow type ")
        assert str(error).endswith("; expected a string or binary type")

    @pytest.mark.parametrize("array", [np.arange(3), np.zeros(2), np.array([True]), np.zeros(2, "M8[s]")])
    def test_a_numpy_array_of_another_type_is_refused(self, array: Any) -> None:
        error = refusal(TextTypeError, zipfit.rank, array, ["x"])
        assert str(error) == f"source array has dtype {array.dtype}; expected str, bytes or object"

    @pytest.mark.parametrize("array", [np.array("text"), np.array([["a"], ["b"]])])
    def test_a_numpy_array_of_another_shape_is_refused(self, array: Any) -> None:
        error = refusal(ParameterError, zipfit.rank, array, ["x"])
        assert str(error) == f"source array has shape {array.shape}; expected one dimension"

    @pytest.mark.parametrize(
        "make",
        [
            pa.table,
            pd.DataFrame,
            pl.DataFrame,
            datasets.Dataset.from_dict,
            lambda columns: pa.table(columns).to_reader(),
        ],
    )
    def test_a_table_needs_a_column_that_it_has(self, make: Callable[[dict[str, list[str]]], Any]) -> None:
        error = refusal(ParameterError, zipfit.rank, make({"a": ["x"], "b": ["y"]}), ["x"])
        assert str(error) == 'source has the columns "a, b", and "text" is none of them; name one with text='
        error = refusal(ParameterError, zipfit.rank, make({"a": ["x"], "b": ["y"]}), ["x"], text="c")
        assert str(error) == 'source has the columns "a, b", and "c" is not one of them'

    def test_a_column_must_be_the_only_one_of_its_name(self) -> None:
        frame = pd.DataFrame([["x", "y"]], columns=["text", "text"])
        error = refusal(ParameterError, zipfit.rank, frame, ["x"])
        assert str(error) == 'source has more than one column "text"; rename all but one'
        table = pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["text", "text"])
        assert str(refusal(ParameterError, zipfit.rank, table, ["x"])) == str(error)

    @pytest.mark.parametrize(
        "data",
        [["a"], np.array(["a"]), pd.Series(["a"]), pa.array(["a"]), pa.chunked_array([["a"]]), pl.Series(["a"])],
        ids=lambda data: f"{type(data).__module__}.{type(data).__name__}",
    )
    def test_a_column_of_what_has_none_is_refused(self, data: Any) -> None:
        error = refusal(ParameterError, zipfit.rank, data, ["x"], text="body")
        assert re.fullmatch("text names a column( or a field)?, but source is a .*; leave text out", str(error))
        error = refusal(ParameterError, zipfit.rank, ["x"], data, target_text="body")
        assert re.fullmatch("text names a column( or a field)?, but target is a .*; leave text out", str(error))

    @pytest.mark.parametrize(
        "empty",
        [[], (), np.array([], dtype=str), pa.array([], pa.string()), pa.table({"text": pa.array([], pa.string())})],
    )
    def test_an_empty_target_is_refused_on_every_path(self, empty: Any) -> None:
        for call in (zipfit.rank, zipfit.ncd_matrix):
            for source in (["x"], []):
                error = refusal(EmptyTargetError, call, source, empty)
                assert str(error) == "target has 0 rows; alignment needs at least 1"
        error = refusal(EmptyTargetError, zipfit.Scorer, empty)
        assert str(error) == "target has 0 rows; alignment needs at least 1"

    def test_an_error_of_the_iterable_comes_through(self) -> None:
        def rows() -> Iterator[str]:
            yield "a"
            raise LookupError("no more")

        with pytest.raises(LookupError, match="no more"):
            zipfit.rank(rows(), ["x"])


def test_a_null_row_of_a_struct_is_named_although_its_column_holds_a_text() -> None:
    # Was scored as the text that lies behind the null.
    rows = pa.StructArray.from_arrays([pa.array(["a", "b"])], ["text"], mask=pa.array([False, True]))
    with pytest.raises(BadRowError) as caught:
        zipfit.rank(rows, ["a"])
    assert str(caught.value) == "source row 1: null text; leave such rows out or fill them"

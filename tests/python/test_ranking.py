"""Choosing rows: each chooser against its naive twin, and taking them out of every kind of source."""

from __future__ import annotations

import copy
import hashlib
import math
import pickle
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

import zipfit
from zipfit.errors import MissingExtraError, ParameterError, TextTypeError

# Few different values, so that ties are common.
SCORE = st.one_of(st.sampled_from([0.0, -0.0, 0.25, 0.5, -1.0]), st.floats(allow_nan=False, allow_infinity=False))


@st.composite
def rankings(draw: st.DrawFn) -> tuple[list[float], list[int], list[bool] | None]:
    """Scores, sizes and which rows may be chosen."""
    scores = draw(st.lists(SCORE, min_size=1, max_size=20))
    rows = len(scores)
    sizes = draw(st.lists(st.integers(0, 50), min_size=rows, max_size=rows))
    return scores, sizes, draw(st.none() | st.lists(st.booleans(), min_size=rows, max_size=rows))


def eligible(scores: list[float], where: list[bool] | None) -> list[int]:
    return [row for row in reference.order(scores) if where is None or where[row]]


@pytest.mark.filterwarnings("ignore::UserWarning")
class TestChoosersAgainstTheirTwins:
    @given(rankings())
    def test_order_is_by_score_and_then_by_row(self, given: tuple[list[float], Any, Any]) -> None:
        ranking = zipfit.Ranking(given[0])
        assert ranking.order.tolist() == reference.order(given[0])
        assert ranking.order.dtype == np.int64

    @given(rankings(), st.integers(1, 25))
    def test_top_k(self, given: tuple[list[float], list[int], list[bool] | None], k: int) -> None:
        scores, _, where = given
        picked = zipfit.Ranking(scores).top_k(k, where=where)
        assert picked.rows.tolist() == eligible(scores, where)[:k]
        assert picked.scores.tolist() == [scores[row] for row in picked.rows]

    @given(rankings(), st.floats(0, 1, exclude_min=True))
    def test_top_fraction(self, given: tuple[list[float], list[int], list[bool] | None], fraction: float) -> None:
        scores, _, where = given
        rows = eligible(scores, where)
        count = max(math.floor(fraction * len(rows)), 1)
        assert zipfit.Ranking(scores).top_fraction(fraction, where=where).rows.tolist() == rows[:count]

    @given(rankings(), SCORE)
    def test_threshold(self, given: tuple[list[float], list[int], list[bool] | None], threshold: float) -> None:
        scores, _, where = given
        expected = [row for row in eligible(scores, where) if scores[row] >= threshold]
        assert zipfit.Ranking(scores).threshold(threshold, where=where).rows.tolist() == expected

    @given(rankings(), st.integers(1, 200))
    def test_within(self, given: tuple[list[float], list[int], list[bool] | None], budget: int) -> None:
        scores, sizes, where = given
        expected = []
        spent = 0
        for row in eligible(scores, where):
            spent += sizes[row]
            if spent > budget:
                break
            expected.append(row)
        ranking = zipfit.Ranking(scores, sizes)
        assert ranking.within(budget_bytes=budget, where=where).rows.tolist() == expected
        by_tokens = zipfit.Ranking(scores).within(budget_tokens=budget, tokens=sizes, where=where)
        assert by_tokens.rows.tolist() == expected


class TestRanking:
    def test_scores_of_any_numeric_kind_are_taken(self) -> None:
        for scores in ([1, 2], (1.0, 2.0), np.array([1, 2], np.float32), pd.Series([1, 2]), pa.array([1.0, 2.0])):
            ranking = zipfit.Ranking(scores)
            assert ranking.scores.tolist() == [1.0, 2.0]
            assert ranking.scores.dtype == np.float64
            assert ranking.sizes is None

    def test_the_scores_that_were_given_can_change_without_harm(self) -> None:
        scores = np.array([1.0, 2.0])
        ranking = zipfit.Ranking(scores)
        scores[0] = 3.0
        assert ranking.order.tolist() == [1, 0]
        assert ranking.scores.tolist() == [1.0, 2.0]

    def test_arrays_are_read_only_also_after_a_copy(self) -> None:
        ranking = zipfit.Ranking([1.0, 2.0], [3, 4])
        for one in (ranking, copy.copy(ranking), copy.deepcopy(ranking), pickle.loads(pickle.dumps(ranking))):
            picked = one.top_k(1)
            for each in (picked, copy.deepcopy(picked), pickle.loads(pickle.dumps(picked))):
                for array in (one.scores, one.sizes, one.order, each.rows, each.scores):
                    assert array is not None
                    with pytest.raises(ValueError, match="read-only"):
                        array[0] = 9
                assert each.rows.tolist() == [1]
                assert each.provenance == picked.provenance
            assert one.scores.tolist() == [1.0, 2.0]
            assert one.provenance == ranking.provenance

    @pytest.mark.parametrize(("bad", "shown"), [(math.nan, "NaN"), (math.inf, "inf"), (-math.inf, "-inf")])
    def test_a_score_that_is_not_finite_is_named(self, bad: float, shown: str) -> None:
        with pytest.raises(ParameterError) as caught:
            zipfit.Ranking([1.0, bad, bad])
        assert str(caught.value) == f"source row 1: score is {shown}; scores must be finite numbers"
        assert caught.value.row == 1

    @pytest.mark.parametrize(
        ("scores", "sizes", "message"),
        [
            (["a"], None, "scores: dtype is <U1; expected numbers"),
            ([1j], None, "scores: dtype is complex128; expected numbers"),
            ([True], None, "scores: dtype is bool; expected numbers"),
            ([None], None, "scores: dtype is object; expected numbers"),
            (1.0, None, "scores: shape is (); expected one dimension"),
            ([[1.0]], None, "scores: shape is (1, 1); expected one dimension"),
            ([1.0], [1.5], "sizes: dtype is float64; expected whole numbers"),
            ([1.0], [1, 2], "sizes: 2 entries; expected one a row, 1"),
        ],
    )
    def test_scores_and_sizes_are_checked(self, scores: Any, sizes: Any, message: str) -> None:
        with pytest.raises(ParameterError) as caught:
            zipfit.Ranking(scores, sizes)
        assert str(caught.value) == message

    def test_no_rows_can_be_ranked(self) -> None:
        ranking = zipfit.Ranking([], [])
        assert len(ranking) == 0
        assert ranking.order.shape == (0,)
        assert repr(ranking) == "Ranking(0 rows)"
        assert len(ranking.threshold(0.0)) == 0
        assert len(ranking.threshold(0.0, where=[])) == 0
        with pytest.warns(UserWarning, match="top_k is 1, but only 0 rows can be chosen"):
            assert len(ranking.top_k(1)) == 0

    def test_provenance_of_a_rank_says_what_the_scores_come_from(self) -> None:
        provenance = zipfit.rank(["a", "b"], ["c"], compressor="zstd-3", aggregate="max").provenance
        assert provenance["version"] == zipfit.__version__
        expected = {"metric": "ncd", "compressor": "zstd-3", "aggregate": "max", "sources": 2, "targets": 1}
        assert expected.items() <= provenance.items()
        assert provenance["compressor_library"] == "zstd"
        assert provenance["compressor_library_version"][0].isdigit()
        assert len(provenance["source_sha256"]) == len(provenance["target_sha256"]) == 64

    def test_the_hash_tells_texts_apart_and_not_their_kinds(self) -> None:
        def hashes(source: Any) -> str:
            return str(zipfit.rank(source, ["x"]).provenance["source_sha256"])

        assert hashes(["ab", "c"]) == hashes([b"ab", b"c"]) == hashes(pa.array(["ab", "c"]))
        assert hashes(["ab", "c"]) != hashes(["a", "bc"])

    def test_provenance_of_other_scores_is_version_count_and_hashes(self) -> None:
        scores = hashlib.sha256(struct.pack("<2d", 1.0, 2.0)).hexdigest()
        expected = {"version": zipfit.__version__, "sources": 2, "scores_sha256": scores}
        assert zipfit.Ranking([1, 2]).provenance == expected
        own = zipfit.Ranking([1.0, 2.0], [3, 4], provenance={"model": "a classifier"})
        sizes = hashlib.sha256(struct.pack("<2q", 3, 4)).hexdigest()
        assert own.provenance == {**expected, "model": "a classifier", "sizes_sha256": sizes}
        assert own.top_k(1).take(["a", "b"]) == ["b"]

    def test_provenance_handed_out_is_a_copy(self) -> None:
        ranking = zipfit.Ranking([1.0])
        ranking.provenance["sources"] = 7
        assert ranking.provenance["sources"] == 1

    def test_repr_says_what_was_ranked_and_the_best_row(self) -> None:
        assert repr(zipfit.Ranking([0.25, 0.5])) == "Ranking(2 rows, best row 1 with 0.5)"
        assert repr(zipfit.rank([b""], [b""])) == "Ranking(1 rows, ncd gzip-9 mean, best row 0 with 1)"


class TestChoosers:
    ranking = zipfit.Ranking([0.1, 0.4, 0.2, 0.3], [10, 20, 30, 40])

    def test_more_than_there_are_is_a_warning_and_all_rows(self) -> None:
        message = "^top_k is 9, but only 4 rows can be chosen; all of them are selected$"
        with pytest.warns(UserWarning, match=message) as caught:
            picked = self.ranking.top_k(9)
        assert picked.rows.tolist() == [1, 3, 2, 0]
        assert caught[0].filename == __file__

    def test_the_warning_counts_the_rows_that_where_keeps(self) -> None:
        with pytest.warns(UserWarning, match="top_k is 2, but only 1 rows can be chosen"):
            assert self.ranking.top_k(2, where=[False, False, True, False]).rows.tolist() == [2]

    def test_a_k_beyond_every_integer_type_is_more_than_there_are(self) -> None:
        with pytest.warns(UserWarning, match="all of them are selected"):
            assert len(self.ranking.top_k(10**30)) == 4

    @pytest.mark.parametrize("k", [0, -1, np.int64(0)])
    def test_k_below_1_is_refused(self, k: int) -> None:
        with pytest.raises(ParameterError) as caught:
            self.ranking.top_k(k)
        assert str(caught.value) == f"top_k must be at least 1, got {k}"

    @pytest.mark.parametrize("k", [1.0, "1", None, True, np.bool_(True)])
    def test_k_that_is_no_whole_number_is_refused(self, k: Any) -> None:
        with pytest.raises(ParameterError) as caught:
            self.ranking.top_k(k)
        assert str(caught.value) == f"top_k must be a whole number, got {k!r}"

    def test_k_may_be_a_numpy_integer(self) -> None:
        assert self.ranking.top_k(np.int32(2)).rows.tolist() == [1, 3]  # type: ignore[arg-type]

    @pytest.mark.parametrize("fraction", [0, -0.5, 1.125, math.nan, math.inf])
    def test_a_fraction_out_of_its_range_is_refused(self, fraction: float) -> None:
        with pytest.raises(ParameterError) as caught:
            self.ranking.top_fraction(fraction)
        shown = "NaN" if math.isnan(fraction) else fraction
        assert str(caught.value) == f"top_fraction must be above 0 and at most 1, got {shown}"

    @pytest.mark.parametrize("value", ["0.5", None, True])
    def test_what_is_no_number_is_refused(self, value: Any) -> None:
        with pytest.raises(ParameterError) as caught:
            self.ranking.top_fraction(value)
        assert str(caught.value) == f"top_fraction must be a number, got {value!r}"
        with pytest.raises(ParameterError) as caught:
            self.ranking.threshold(value)
        assert str(caught.value) == f"threshold must be a number, got {value!r}"

    def test_a_threshold_of_nan_is_refused(self) -> None:
        with pytest.raises(ParameterError, match=r"^threshold must be a finite number, got NaN$"):
            self.ranking.threshold(math.nan)

    def test_a_threshold_is_met_by_an_equal_score(self) -> None:
        assert self.ranking.threshold(0.3).rows.tolist() == [1, 3]
        assert self.ranking.threshold(0.5).rows.tolist() == []

    def test_a_budget_below_the_best_row_is_a_warning_and_no_rows(self) -> None:
        message = r"^budget of 19 bytes is below the 20 bytes of the best row \(row 1\); nothing is selected$"
        with pytest.warns(UserWarning, match=message):
            assert len(self.ranking.within(budget_bytes=19)) == 0
        with pytest.warns(UserWarning, match=r"budget of 4 tokens is below the 5 tokens of the best row \(row 3\)"):
            self.ranking.within(budget_tokens=4, tokens=[5, 5, 5, 5], where=[True, False, True, True])

    def test_a_budget_ends_before_the_first_row_that_does_not_fit(self) -> None:
        # Row 0 would fit once more after row 2 does not; a prefix of the order stays a prefix.
        assert self.ranking.within(budget_bytes=75).rows.tolist() == [1, 3]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({}, "within needs either budget_bytes or budget_tokens, got neither"),
            ({"budget_bytes": 1, "budget_tokens": 1}, "within needs either budget_bytes or budget_tokens, got both"),
            ({"budget_tokens": 1}, "budget_tokens needs tokens=, the number of tokens of each row"),
            (
                {"budget_bytes": 1, "tokens": [1] * 4},
                "tokens= has no effect on budget_bytes; leave it out or give budget_tokens",
            ),
            ({"budget_bytes": 0}, "budget_bytes must be at least 1, got 0"),
            ({"budget_bytes": 1.5}, "budget_bytes must be a whole number, got 1.5"),
            ({"budget_tokens": -3, "tokens": [1] * 4}, "budget_tokens must be at least 1, got -3"),
            ({"budget_tokens": 1, "tokens": [1]}, "tokens: 1 entries; expected one a row, 4"),
            ({"budget_tokens": 1, "tokens": [1.0] * 4}, "tokens: dtype is float64; expected whole numbers"),
            (
                {"budget_tokens": 1, "tokens": np.array([1, 1, 2**63, 1], np.uint64)},
                "tokens: row 2 has 9223372036854775808; expected at most 9223372036854775807",
            ),
            (
                {"budget_tokens": 1, "tokens": [1, 1, -7, 1]},
                "source row 2: cost is -7; bytes and tokens cannot be negative",
            ),
        ],
    )
    def test_budgets_are_checked(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ParameterError) as caught:
            self.ranking.within(**options)
        assert str(caught.value) == message

    def test_a_budget_of_bytes_needs_sizes(self) -> None:
        with pytest.raises(
            ParameterError, match="budget_bytes needs the size of each text; make the ranking with sizes="
        ):
            zipfit.Ranking([1.0]).within(budget_bytes=1)

    def test_a_budget_beyond_every_integer_type_holds_all_rows(self) -> None:
        assert len(self.ranking.within(budget_bytes=10**30)) == 4

    def test_a_budget_of_bytes_counts_utf8(self) -> None:
        ranking = zipfit.rank(["\u00e9\u00e9"], ["x"])
        assert len(ranking.within(budget_bytes=4)) == 1
        with pytest.warns(UserWarning, match="below the 4 bytes"):
            ranking.within(budget_bytes=3)

    @pytest.mark.parametrize(
        ("where", "message"),
        [
            ([1, 0, 1, 0], "where: dtype is int64; expected bool, True for rows that may be chosen"),
            ([True], "where: 1 entries; expected one a row, 4"),
            ([[True] * 4], "where: shape is (1, 4); expected one dimension"),
            (True, "where: shape is (); expected one dimension"),
        ],
    )
    def test_where_is_checked_by_every_chooser(self, where: Any, message: str) -> None:
        choosers: list[Callable[[], zipfit.Selection]] = [
            lambda: self.ranking.top_k(1, where=where),
            lambda: self.ranking.top_fraction(0.5, where=where),
            lambda: self.ranking.threshold(0.0, where=where),
            lambda: self.ranking.within(budget_bytes=9, where=where),
        ]
        for choose in choosers:
            with pytest.raises(ParameterError) as caught:
                choose()
            assert str(caught.value) == message

    def test_where_may_be_any_array_of_bool(self) -> None:
        mask = np.array([True, True, False, False, True, True, True, True])[::2]
        for where in (mask, mask.tolist(), pd.Series(mask), pl.Series(mask), pa.array(mask)):
            assert self.ranking.top_k(2, where=where).rows.tolist() == [3, 2]

    def test_where_that_leaves_out_every_row_selects_none(self) -> None:
        nobody = [False] * 4
        assert len(self.ranking.threshold(0.0, where=nobody)) == 0
        assert len(self.ranking.top_fraction(1.0, where=nobody)) == 0
        assert len(self.ranking.within(budget_bytes=100, where=nobody)) == 0
        with pytest.warns(UserWarning, match="only 0 rows can be chosen"):
            assert len(self.ranking.top_k(1, where=nobody)) == 0

    def test_provenance_says_how_the_rows_were_chosen(self) -> None:
        where = [True, True, True, False]
        mask = hashlib.sha256(bytes([1, 1, 1, 0])).hexdigest()
        base = {**self.ranking.provenance, "left_out_by_where": 1, "where_sha256": mask}
        chosen: dict[str, tuple[zipfit.Selection, dict[str, float]]] = {
            "top_k": (self.ranking.top_k(2, where=where), {"top_k": 2}),
            "top_fraction": (self.ranking.top_fraction(0.5, where=where), {"top_fraction": 0.5}),
            "threshold": (self.ranking.threshold(0.2, where=where), {"threshold": 0.2}),
            "within": (self.ranking.within(budget_bytes=50, where=where), {"budget_bytes": 50}),
        }
        for chooser, (picked, values) in chosen.items():
            assert picked.provenance == {**base, "chooser": chooser, **values}
        by_tokens = self.ranking.within(budget_tokens=5, tokens=[1, 2, 3, 4])
        assert by_tokens.provenance["budget_tokens"] == 5

    def test_repr_says_how_many_rows_and_shows_the_best(self) -> None:
        assert repr(self.ranking.top_k(2)) == "Selection(2 of 4 rows, row 1: 0.4, row 3: 0.3)"
        assert repr(self.ranking.top_k(4)) == "Selection(4 of 4 rows, row 1: 0.4, row 3: 0.3, row 2: 0.2, ...)"


ROWS = ["a", "b", "c", "d"]
PICKED = zipfit.Ranking([0.1, 0.4, 0.2, 0.3]).top_k(3)
CHOSEN = ["b", "d", "c"]


class TestTake:
    def test_a_list_gives_a_list_and_a_tuple_a_tuple(self) -> None:
        assert PICKED.take(ROWS) == CHOSEN
        assert PICKED.take(tuple(ROWS)) == tuple(CHOSEN)
        records = [{"id": 0}, {"id": 1}, {"id": 2}, {"id": 3}]
        assert PICKED.take(records) == [{"id": 1}, {"id": 3}, {"id": 2}]

    def test_another_iterable_gives_a_list(self) -> None:
        assert PICKED.take(dict.fromkeys(ROWS).keys()) == CHOSEN
        assert PICKED.take(range(4)) == [1, 3, 2]

    def test_a_numpy_array_gives_a_numpy_array(self) -> None:
        taken = PICKED.take(np.array(ROWS))
        assert isinstance(taken, np.ndarray)
        assert taken.tolist() == CHOSEN
        assert PICKED.take(np.arange(8).reshape(4, 2)).tolist() == [[2, 3], [6, 7], [4, 5]]

    def test_arrow_gives_the_same_kind(self) -> None:
        table = pa.table({"id": [0, 1, 2, 3], "text": ROWS})
        taken = PICKED.take(table)
        assert isinstance(taken, pa.Table)
        assert taken.to_pydict() == {"id": [1, 3, 2], "text": CHOSEN}
        batch = PICKED.take(table.to_batches()[0])
        assert isinstance(batch, pa.RecordBatch)
        assert batch.to_pydict() == taken.to_pydict()
        for column in (pa.array(ROWS), pa.chunked_array([["a"], ["b", "c", "d"]])):
            assert type(PICKED.take(column)) is type(column)
            assert PICKED.take(column).to_pylist() == CHOSEN

    def test_pandas_gives_the_same_kind_by_position(self) -> None:
        # The labels are misleading on purpose.
        frame = pd.DataFrame({"text": ROWS}, index=[3, 2, 1, 0])
        taken = PICKED.take(frame)
        assert isinstance(taken, pd.DataFrame)
        assert taken["text"].tolist() == CHOSEN
        assert taken.index.tolist() == [2, 0, 1]
        assert isinstance(PICKED.take(frame["text"]), pd.Series)
        assert PICKED.take(frame["text"]).tolist() == CHOSEN

    def test_polars_gives_the_same_kind(self) -> None:
        frame = pl.DataFrame({"text": ROWS})
        taken = PICKED.take(frame)
        assert isinstance(taken, pl.DataFrame)
        assert taken["text"].to_list() == CHOSEN
        assert PICKED.take(frame["text"]).to_list() == CHOSEN

    def test_a_hugging_face_dataset_gives_a_dataset(self) -> None:
        dataset = datasets.Dataset.from_dict({"text": ["x", *ROWS]}).select([1, 2, 3, 4])
        taken = PICKED.take(dataset)
        assert isinstance(taken, datasets.Dataset)
        assert list(taken["text"]) == CHOSEN

    def test_a_duckdb_relation_gives_a_pyarrow_table(self) -> None:
        relation = duckdb.connect().sql(
            "select * from (values (0, 'a'), (1, 'b'), (2, 'c'), (3, 'd')) as rows(id, text)"
        )
        taken = PICKED.take(relation)
        assert isinstance(taken, pa.Table)
        assert taken.to_pydict() == {"id": [1, 3, 2], "text": CHOSEN}

    def test_an_unknown_arrow_producer_gives_pyarrow(self) -> None:
        class Stream:
            def __arrow_c_stream__(self, requested_schema: object = None) -> object:
                return pa.chunked_array([["a", "b"], ["c", "d"]]).__arrow_c_stream__(requested_schema)

        class Array:
            def __arrow_c_array__(self, requested_schema: object = None) -> object:
                return pa.RecordBatch.from_pydict({"text": ["a", "b", "c", "d"]}).__arrow_c_array__(requested_schema)

        assert PICKED.take(Stream()).to_pylist() == CHOSEN
        assert PICKED.take(Array()).to_pydict() == {"text": CHOSEN}

    def test_an_unknown_arrow_producer_needs_pyarrow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        relation = duckdb.connect().sql("select * from range(4)")
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(MissingExtraError) as caught:
            PICKED.take(relation)
        expected = 'taking rows of a DuckDBPyRelation needs pyarrow; pip install "zipfit[arrow]"'
        assert str(caught.value) == expected

    def test_a_path_gives_the_lines_of_the_file_as_they_are(self, tmp_path: Path) -> None:
        lines = ['{"body":  "a"}', '{"body": "b", "n": 1e0}', '{"body": "\\u00e9"}', '{ "body": "d"}']
        path = tmp_path / "pool.jsonl"
        path.write_text("\n".join([*lines[:2], "", *lines[2:]]), encoding="utf-8")
        picked = zipfit.rank(path, ["x"], text="body").top_k(4)
        assert picked.take(path) == [lines[row] for row in picked.rows]
        assert PICKED.take(path) == [lines[1], lines[3], lines[2]]

    @pytest.mark.parametrize(
        "rows", [["a"], ["a"] * 5, np.array(["a"]), pa.array(["a"]), pd.Series(["a"]), pl.Series(["a"])]
    )
    def test_a_source_of_another_length_is_refused(self, rows: Any) -> None:
        with pytest.raises(ParameterError) as caught:
            PICKED.take(rows)
        message = f"source has {len(rows)} rows but 4 were ranked; pass the source that was ranked"
        assert str(caught.value) == message

    @pytest.mark.parametrize("count", [3, 5])
    def test_a_file_of_another_length_is_refused(self, tmp_path: Path, count: int) -> None:
        path = tmp_path / "pool.jsonl"
        path.write_text('{"text": "a"}\n' * count)
        with pytest.raises(
            ParameterError, match=f"the file has {count} rows but 4 were ranked; pass the source that was ranked"
        ):
            PICKED.take(path)

    def test_an_iterator_is_spent(self) -> None:
        rows = (text for text in ROWS)
        picked = zipfit.rank(rows, ["x"]).top_k(1)
        with pytest.raises(TextTypeError) as caught:
            picked.take(rows)
        message = "source is an iterator (generator), which ranking has used up; rank and pass a list"
        assert str(caught.value) == message
        with pytest.raises(TextTypeError, match="RecordBatchReader"):
            picked.take(pa.table({"text": ROWS}).to_reader())

    @pytest.mark.parametrize("source", ["abcd", b"abcd", None, {"a": 1}, {"a", "b", "c", "d"}])
    def test_what_cannot_be_ranked_cannot_be_taken_from(self, source: Any) -> None:
        with pytest.raises(ParameterError, match="source is "):
            PICKED.take(source)

    def test_what_is_no_collection_is_refused(self) -> None:
        with pytest.raises(TextTypeError, match="source is of type int; expected a list"):
            PICKED.take(5)  # type: ignore[arg-type]

    def test_no_rows_can_be_taken_from_every_kind(self) -> None:
        nothing = zipfit.Ranking([0.1] * 4).threshold(1.0)
        dataset = datasets.Dataset.from_dict({"text": ROWS})
        for source in (
            ROWS,
            np.array(ROWS),
            pa.array(ROWS),
            pd.Series(ROWS),
            pl.Series(ROWS),
            dataset,
        ):
            assert len(nothing.take(source)) == 0

"""Properties that the choosers promise: prefixes, budgets, quotas, and samples that a seed decides."""

from __future__ import annotations

import hashlib
import itertools
import math
import struct
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import reference
from hypothesis import assume, given
from hypothesis import strategies as st

import zipfit
from zipfit import _core
from zipfit.errors import ParameterError

# Few different values, so that ties are common.
SCORE = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0]) | st.floats(-100, 100)
SCORES = st.lists(SCORE, min_size=2, max_size=20)
TEMPERATURE = st.sampled_from([0.01, 0.5, 1.0, 30.0])
SEED = st.integers(0, 2**64 - 1)


def where_of(rows: int) -> st.SearchStrategy[list[bool] | None]:
    return st.none() | st.lists(st.booleans(), min_size=rows, max_size=rows)


def test_the_core_reads_vectors_of_any_strides_and_alignment_as_numpy_does() -> None:
    records = np.zeros(40, [("kept", np.bool_), ("label", np.int64), ("score", np.float64)])
    records["label"] = np.arange(40) % 7
    records["score"] = np.arange(40) * 11 % 40
    assert not records["score"].flags.aligned
    for seen in (records, records[::-1], records[::3]):
        scores, labels = seen["score"].copy(), seen["label"].copy()
        assert _core.order(seen["score"]).tolist() == np.argsort(-scores, kind="stable").tolist()
        assert _core.group_codes(seen["label"])[0].tolist() == _core.group_codes(labels)[0].tolist()
        order = np.arange(len(seen))
        assert _core.within(order, None, seen["label"], 50).tolist() == _core.within(order, None, labels, 50).tolist()
    assert _core.order(np.frombuffer(b"x" + records["score"].tobytes(), np.float64, offset=1)).tolist() == (
        _core.order(records["score"].copy()).tolist()
    )


def test_bytes_seen_as_bool_are_true_unless_0() -> None:
    where = np.array([2, 0, 255, 1], np.uint8).view(np.bool_)
    assert zipfit.Ranking([0.1, 0.2, 0.3, 0.4]).top_k(3, where=where).rows.tolist() == [3, 2, 0]


@pytest.mark.filterwarnings("ignore::UserWarning")
class TestPrefixes:
    @given(SCORES, st.data())
    def test_top_k_is_a_prefix_of_top_k_plus_1(self, scores: list[float], data: st.DataObject) -> None:
        where = data.draw(where_of(len(scores)))
        ranking = zipfit.Ranking(scores)
        selections = [ranking.top_k(k, where=where).rows.tolist() for k in range(1, len(scores) + 1)]
        for few, more in itertools.pairwise(selections):
            assert few == more[: len(few)]

    @given(SCORES, TEMPERATURE, SEED, st.data())
    def test_a_sample_of_k_is_part_of_that_of_k_plus_1(
        self, scores: list[float], temperature: float, seed: int, data: st.DataObject
    ) -> None:
        where = data.draw(where_of(len(scores)))
        ranking = zipfit.Ranking(scores)
        samples = [ranking.sample(k, temperature, seed, where=where).rows.tolist() for k in range(1, len(scores) + 1)]
        for few, more in itertools.pairwise(samples):
            assert set(few) <= set(more)
        eligible = [row for row in reference.order(scores) if where is None or where[row]]
        for k, rows in enumerate(samples, start=1):
            assert len(rows) == min(k, len(eligible))
            # In the order of the ranking, whatever the order of drawing.
            assert rows == [row for row in eligible if row in rows]


@pytest.mark.filterwarnings("ignore::UserWarning")
class TestBudgets:
    @given(SCORES, st.integers(1, 120), st.sampled_from(["bytes", "tokens"]), st.data())
    def test_a_budget_is_kept_and_the_next_row_would_not_fit(
        self, scores: list[float], budget: int, unit: str, data: st.DataObject
    ) -> None:
        costs = data.draw(st.lists(st.integers(0, 50), min_size=len(scores), max_size=len(scores)))
        where = data.draw(where_of(len(scores)))
        ranking = zipfit.Ranking(scores, costs)
        if unit == "bytes":
            rows = ranking.within(budget_bytes=budget, where=where).rows.tolist()
        else:
            rows = ranking.within(budget_tokens=budget, tokens=costs, where=where).rows.tolist()
        eligible = [row for row in ranking.order.tolist() if where is None or where[row]]
        spent = sum(costs[row] for row in rows)
        assert rows == eligible[: len(rows)]
        assert spent <= budget
        if len(rows) < len(eligible):
            assert spent + costs[eligible[len(rows)]] > budget

    def test_the_largest_count_of_tokens_is_taken_as_it_is(self) -> None:
        tokens = np.array([1, 2**63 - 1], np.uint64)
        assert zipfit.Ranking([0.2, 0.1]).within(budget_tokens=3, tokens=tokens).rows.tolist() == [0]


class TestPermutations:
    @given(st.lists(SCORE, min_size=2, max_size=20, unique=True), st.data())
    def test_permuting_the_rows_permutes_the_result_when_scores_are_distinct(
        self, scores: list[float], data: st.DataObject
    ) -> None:
        assume(len(set(scores)) == len(scores))
        rows = len(scores)
        permutation = data.draw(st.permutations(range(rows)))
        sizes = data.draw(st.lists(st.integers(1, 9), min_size=rows, max_size=rows))
        labels = data.draw(st.lists(st.sampled_from("abc"), min_size=rows, max_size=rows))
        k = data.draw(st.integers(1, rows))
        one = zipfit.Ranking(scores, sizes)
        other = zipfit.Ranking([scores[row] for row in permutation], [sizes[row] for row in permutation])
        other_labels = [labels[row] for row in permutation]
        for ours, theirs in (
            (one.top_k(k), other.top_k(k)),
            (one.top_fraction(0.5), other.top_fraction(0.5)),
            (one.threshold(scores[0]), other.threshold(scores[0])),
            (one.within(budget_bytes=20), other.within(budget_bytes=20)),
            (one.per_group(labels, k), other.per_group(other_labels, k)),
        ):
            assert ours.rows.tolist() == [permutation[row] for row in theirs.rows]

    def test_a_sample_follows_the_row_numbers_and_not_the_texts(self) -> None:
        # Noise belongs to a row number, so the same scores in another order draw others: told in the documentation.
        scores = np.repeat([0.0, 1.0], 500)
        permutation = np.random.default_rng(0).permutation(1000)
        drawn = zipfit.Ranking(scores).sample(50, 1.0).rows
        other = zipfit.Ranking(scores[permutation]).sample(50, 1.0).rows
        assert set(permutation[other]) != set(drawn)


class TestSamples:
    @given(SCORES, TEMPERATURE, SEED)
    def test_a_seed_repeats(self, scores: list[float], temperature: float, seed: int) -> None:
        k = len(scores) // 2
        first, again = (zipfit.Ranking(scores).sample(k, temperature, seed) for _ in range(2))
        assert first.rows.tolist() == again.rows.tolist()
        assert first.scores.tolist() == [scores[row] for row in first.rows]

    @given(SEED, SEED)
    def test_different_seeds_differ(self, seed: int, other: int) -> None:
        assume(seed != other)
        ranking = zipfit.Ranking(np.zeros(1000))
        # 500 of 1000 at random: the chance of the same rows is below 10^-299.
        assert ranking.sample(500, 1.0, seed).rows.tolist() != ranking.sample(500, 1.0, other).rows.tolist()

    @given(SCORES, TEMPERATURE, SEED, st.data())
    def test_rows_left_out_change_nothing_for_the_others(
        self, scores: list[float], temperature: float, seed: int, data: st.DataObject
    ) -> None:
        rows = len(scores)
        where = data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows).filter(any))
        ranking = zipfit.Ranking(scores)
        drawn: list[int] = []
        for k in range(1, rows + 1):
            drawn += [row for row in ranking.sample(k, temperature, seed).rows.tolist() if row not in drawn]
        expected = [row for row in drawn if where[row]]
        for k in range(1, len(expected) + 1):
            assert set(ranking.sample(k, temperature, seed, where=where).rows.tolist()) == set(expected[:k])

    @pytest.mark.parametrize("temperature", [0.25, 1.0, 4.0])
    def test_rows_are_drawn_in_proportion_to_the_exponential_of_their_scores(self, temperature: float) -> None:
        scores = np.array([0.0, 0.5, 1.0, -0.5, 0.25])
        draws = 5_000
        ranking = zipfit.Ranking(scores)
        weights = np.exp(scores / temperature)
        expected = draws * weights / weights.sum()
        counts = np.bincount([int(ranking.sample(1, temperature, seed).rows[0]) for seed in range(draws)], minlength=5)
        # Chi-square with 4 degrees of freedom is below 18.5 in 999 of 1000 cases; the seeds are fixed.
        assert ((counts - expected) ** 2 / expected).sum() < 18.5

    def test_the_second_row_is_drawn_from_what_the_first_left(self) -> None:
        scores, draws = np.array([0.0, 1.0, 2.0]), 5_000
        weights = np.exp(scores)
        ranking = zipfit.Ranking(scores)
        expected = {}
        for pair in itertools.combinations(range(3), 2):
            orders = itertools.permutations(pair)
            shares = (weights[a] / weights.sum() * weights[b] / (weights.sum() - weights[a]) for a, b in orders)
            expected[frozenset(pair)] = draws * sum(shares)
        counts = dict.fromkeys(expected, 0)
        for seed in range(draws):
            counts[frozenset(ranking.sample(2, 1.0, seed).rows.tolist())] += 1
        # 2 degrees of freedom: below 13.8 in 999 of 1000 cases.
        assert sum((counts[pair] - expected[pair]) ** 2 / expected[pair] for pair in expected) < 13.8

    def test_rows_of_one_seed_are_drawn_evenly(self) -> None:
        # Neighbouring rows and neighbouring seeds share most of their bits.
        counts = np.zeros(64, np.int64)
        for seed in range(500):
            counts[zipfit.Ranking(np.zeros(64)).sample(8, 1.0, seed).rows] += 1
        expected = 500 * 8 / 64
        # The variance of a draw without replacement is smaller by 1 - 8/64, so this is on the safe side of 103.4.
        assert ((counts - expected) ** 2 / expected).sum() < 103.4

    def test_a_k_beyond_the_rows_is_all_of_them_and_a_warning(self) -> None:
        with pytest.warns(UserWarning, match=r"^k is 9, but only 2 rows can be chosen; all of them are selected$"):
            picked = zipfit.Ranking([0.1, 0.2, 0.3]).sample(9, 1.0, where=[True, False, True])
        assert picked.rows.tolist() == [2, 0]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((0, 1.0), "k must be at least 1, got 0"),
            ((1.5, 1.0), "k must be a whole number, got 1.5"),
            ((1, 0.0), "temperature must be a finite number above 0, got 0"),
            ((1, -1), "temperature must be a finite number above 0, got -1"),
            ((1, math.nan), "temperature must be a finite number above 0, got NaN"),
            ((1, math.inf), "temperature must be a finite number above 0, got inf"),
            ((1, "1"), "temperature must be a number, got '1'"),
            ((1, 1.0, -1), "seed must be a whole number from 0 to 18446744073709551615, got -1"),
            ((1, 1.0, 2**64), "seed must be a whole number from 0 to 18446744073709551615, got 18446744073709551616"),
            ((1, 1.0, 0.5), "seed must be a whole number from 0 to 18446744073709551615, got 0.5"),
            ((1, 1.0, True), "seed must be a whole number from 0 to 18446744073709551615, got True"),
        ],
    )
    def test_arguments_are_checked(self, arguments: tuple[Any, ...], message: str) -> None:
        with pytest.raises(ParameterError) as caught:
            zipfit.Ranking([0.1, 0.2]).sample(*arguments)
        assert str(caught.value) == message

    def test_provenance_says_how_the_rows_were_drawn(self) -> None:
        picked = zipfit.Ranking([0.1, 0.2]).sample(1, 2, np.uint64(2**64 - 1))  # type: ignore[arg-type]
        expected = {"chooser": "sample", "k": 1, "temperature": 2.0, "seed": 2**64 - 1, "left_out_by_where": 0}
        assert picked.provenance == {**zipfit.Ranking([0.1, 0.2]).provenance, **expected}


class TestQuotas:
    @given(SCORES, st.integers(1, 6), st.data())
    def test_every_group_has_its_best_rows(self, scores: list[float], k: int, data: st.DataObject) -> None:
        rows = len(scores)
        labels = data.draw(st.lists(st.sampled_from(["a", "b", 3, ("a", 1)]), min_size=rows, max_size=rows))
        where = data.draw(where_of(rows))
        picked = zipfit.Ranking(scores).per_group(labels, k, where=where)
        order = [row for row in reference.order(scores) if where is None or where[row]]
        for label in set(labels):
            group = [row for row in order if labels[row] == label]
            assert [row for row in picked.rows.tolist() if labels[row] == label] == group[:k]
        assert picked.rows.tolist() == [row for row in order if row in picked.rows]
        assert picked.scores.tolist() == [scores[row] for row in picked.rows]

    def test_labels_of_every_kind_of_column_are_taken(self) -> None:
        ranking = zipfit.Ranking([0.1, 0.4, 0.2, 0.3])
        labels = ["x", "y", "x", "y"]
        kinds: list[Any] = [
            tuple(labels),
            np.array(labels),
            np.array(labels, object),
            pd.Series(labels, index=[9, 9, 3, 4]),
        ]
        kinds += [pd.Series(labels, dtype="category"), pd.Index(labels), pl.Series(labels), pa.array(labels)]
        kinds += [pa.chunked_array([labels[:1], labels[1:]]), pa.array(labels).dictionary_encode(), iter(labels)]
        for column in kinds:
            assert ranking.per_group(column, 1).rows.tolist() == [1, 2], type(column)
        assert ranking.per_group(np.array([5, 6, 5, 6]), 1).rows.tolist() == [1, 2]
        assert ranking.per_group([True, False, True, False], 9).rows.tolist() == [1, 3, 2, 0]

    @pytest.mark.parametrize(
        "labels",
        [
            ["a", None],
            ["a", math.nan],
            ["a", pd.NA],
            np.array([1.0, np.nan]),
            np.array(["2026-01-01", "NaT"], "M8[ns]"),
            pd.Series(["a", None]),
            pd.Series([1, None], dtype="Int64"),
            pl.Series(["a", None]),
            pa.array(["a", None]),
        ],
    )
    def test_a_row_without_a_label_is_named(self, labels: Any) -> None:
        with pytest.raises(
            ParameterError, match=r"^labels: row 1 has none \(.*\); give such rows a label of their own$"
        ):
            zipfit.Ranking([0.1, 0.2]).per_group(labels, 1)

    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            ("ab", "labels is a str; expected a sequence or a column, one label a row"),
            ({"a": 1, "b": 2}, "labels is a dict; expected a sequence or a column, one label a row"),
            ({"a", "b"}, "labels is a set; expected a sequence or a column, one label a row"),
            (5, "labels is a int; expected a sequence or a column, one label a row"),
            (["a"], "labels: 1 entries; expected one a row, 2"),
            (np.zeros((2, 1)), "labels: shape is (2, 1); expected one dimension"),
            (pd.DataFrame({"a": [1, 2]}), "labels: shape is (2, 1); expected one dimension"),
            (["a", ["b"]], "labels: row 1 is a list, which cannot be hashed"),
            ([np.zeros(2), "a"], "labels: row 0 is a ndarray, which cannot be hashed"),
        ],
    )
    def test_what_is_no_column_of_labels_is_refused(self, labels: Any, message: str) -> None:
        with pytest.raises(ParameterError) as caught:
            zipfit.Ranking([0.1, 0.2]).per_group(labels, 1)
        assert str(caught.value) == message

    @pytest.mark.parametrize(("k", "message"), [(0, "k must be at least 1, got 0"), (1.0, "k must be a whole number")])
    def test_k_is_checked(self, k: Any, message: str) -> None:
        with pytest.raises(ParameterError, match=message):
            zipfit.Ranking([0.1, 0.2]).per_group(["a", "b"], k)

    def test_a_k_beyond_every_integer_type_takes_all_rows(self) -> None:
        assert zipfit.Ranking([0.1, 0.2]).per_group(["a", "b"], 10**30).rows.tolist() == [1, 0]

    def test_no_rows_have_no_groups(self) -> None:
        assert len(zipfit.Ranking([]).per_group([], 1)) == 0

    def test_provenance_says_how_many_groups_there_are(self) -> None:
        picked = zipfit.Ranking([0.1, 0.2, 0.3]).per_group(["a", "b", "a"], 1, where=[True, True, False])
        hashes = {
            "labels_sha256": hashlib.sha256(struct.pack("<3q", 0, 1, 0)).hexdigest(),
            "where_sha256": hashlib.sha256(bytes([1, 1, 0])).hexdigest(),
        }
        expected = {"chooser": "per_group", "k": 1, "groups": 2, "left_out_by_where": 1, **hashes}
        assert picked.provenance == {**zipfit.Ranking([0.1, 0.2, 0.3]).provenance, **expected}


class TestProvenance:
    ranking = zipfit.Ranking([0.1, 0.4, 0.2], [1, 2, 3])

    @pytest.mark.filterwarnings("ignore::UserWarning")
    @pytest.mark.parametrize(
        "choose",
        [
            lambda ranking, where: ranking.top_k(1, where=where),
            lambda ranking, where: ranking.top_fraction(0.5, where=where),
            lambda ranking, where: ranking.threshold(0.1, where=where),
            lambda ranking, where: ranking.within(budget_bytes=3, where=where),
            lambda ranking, where: ranking.sample(1, 0.1, where=where),
            lambda ranking, where: ranking.per_group(["a", "b", "a"], 1, where=where),
        ],
    )
    def test_rows_left_out_are_told_apart(self, choose: Any) -> None:
        masks = [[True, True, False], [True, False, True]]
        one, other = (choose(self.ranking, np.array(mask)).provenance for mask in masks)
        assert one.pop("where_sha256") != other.pop("where_sha256")
        assert one == other
        assert "where_sha256" not in self.ranking.top_k(1).provenance

    def test_tokens_are_told_apart_and_their_types_are_not(self) -> None:
        def provenance(tokens: Any) -> dict[str, Any]:
            return self.ranking.within(budget_tokens=3, tokens=tokens).provenance

        assert provenance([1, 2, 1]) != provenance([1, 2, 2])
        assert provenance([1, 2, 1]) == provenance(np.array([1, 2, 1], ">i2"))
        assert "tokens_sha256" not in self.ranking.within(budget_bytes=3).provenance

    def test_groups_are_told_apart_and_their_names_are_not(self) -> None:
        def provenance(labels: list[Any]) -> dict[str, Any]:
            return self.ranking.per_group(labels, 1).provenance

        assert provenance(["a", "b", "a"]) != provenance(["a", "b", "b"])
        assert provenance(["a", "b", "a"]) == provenance([7, "x", 7])

    def test_scores_and_sizes_of_another_origin_are_told_apart(self) -> None:
        one = zipfit.Ranking([0.1, 0.2], [3, 4], provenance={"model": "m"}).provenance
        for scores, sizes in (([0.1, 0.3], [3, 4]), ([0.1, 0.2], [3, 5])):
            assert zipfit.Ranking(scores, sizes, provenance={"model": "m"}).provenance != one
            # Also where the provenance of others is passed on.
            assert zipfit.Ranking(scores, sizes, provenance=one).provenance != one
        assert "scores_sha256" not in zipfit.rank(["a"], ["b"]).provenance

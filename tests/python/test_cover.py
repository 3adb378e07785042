"""`zipfit.cover`: plain greedy written like the formula, what is left out, and what is refused."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zipfit
from zipfit.errors import EmptyTargetError, ParameterError

LENGTHS = range(3, 7)


def ngrams(text: bytes) -> Counter[bytes]:
    """Occurrences of each n-gram, by n, then by first occurrence."""
    return Counter(text[i : i + n] for n in LENGTHS for i in range(len(text) - n + 1))


def greedy(source: list[bytes], target: list[bytes], budget: int, beta: float) -> tuple[list[int], list[float]]:
    """Look at every row in every step."""
    weights = sum((ngrams(text) for text in target), Counter[bytes]())
    covered: Counter[bytes] = Counter()
    rows = [row for row, text in enumerate(source) if text not in target and text not in source[:row]]
    chosen: list[int] = []
    scores: list[float] = []
    while True:
        best, best_score = None, 0.0
        for row in rows:
            if len(source[row]) <= budget:
                gained = 0.0
                for g, m in ngrams(source[row]).items():
                    c = covered[g]
                    gained += (weights[g] * m * beta) / ((c + beta) * (c + m + beta)) if g in weights else 0.0
                if gained > 0 and gained / len(source[row]) > best_score:
                    best, best_score = row, gained / len(source[row])
        if best is None:
            return chosen, scores
        covered += ngrams(source[best])
        budget -= len(source[best])
        rows.remove(best)
        chosen.append(best)
        scores.append(best_score)


TEXT = st.binary(max_size=25) | st.text("ab\n", max_size=25).map(str.encode)


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(
    st.lists(TEXT, max_size=12),
    st.lists(st.text("ab\n", min_size=3, max_size=20).map(str.encode), min_size=1, max_size=3),
    st.integers(1, 150),
    st.sampled_from([0.5, 1.0, 7.25, 100.0]),
)
def test_cover_is_plain_greedy_to_the_last_bit(
    source: list[bytes], target: list[bytes], budget: int, beta: float
) -> None:
    picked = zipfit.cover(source, target, budget_bytes=budget, beta=beta)
    rows, scores = greedy(source, target, budget, beta)
    assert picked.rows.tolist() == rows
    assert picked.scores.tolist() == scores


def functions(rows: int) -> list[bytes]:
    """Pieces of Python code, as they lie in the standard library."""
    pieces = Path(np.__file__).with_name("matlib.py").read_bytes() + Path(pickle.__file__).read_bytes()
    return [piece for piece in dict.fromkeys(pieces.split(b"\n\n")) if len(piece) > 30][:rows]


@pytest.mark.parametrize("beta", [1.0, 10.0, 100.0])
def test_cover_is_plain_greedy_on_code(beta: float) -> None:
    source, target = functions(120), functions(130)[-10:]
    picked = zipfit.cover(source, target, budget_bytes=3000, beta=beta)
    assert (picked.rows.tolist(), picked.scores.tolist()) == greedy(source, target, 3000, beta)
    assert len(picked) > 5


def test_the_curve_is_the_covered_share_of_the_formula() -> None:
    source, target = functions(60), functions(70)[-10:]
    picked = zipfit.cover(source, target, budget_bytes=3000, beta=2)
    weights = sum((ngrams(text) for text in target), Counter[bytes]())
    covered: Counter[bytes] = Counter()
    for row, share in zip(picked.rows, picked.coverage, strict=True):
        covered += ngrams(source[row])
        f = sum(w * covered[g] / (covered[g] + 2) for g, w in weights.items())
        assert share == pytest.approx(f / weights.total(), rel=1e-12)


@pytest.mark.filterwarnings("ignore:nothing is left to gain")
def test_the_default_beta_is_the_budget_over_the_target() -> None:
    source, target = functions(60), functions(70)[-10:]
    joined = len(b"\n".join(target))
    picked = zipfit.cover(source, target, budget_bytes=5 * joined)
    assert picked.provenance["beta"] == 5.0
    assert zipfit.cover(source, target, budget_bytes=joined // 2).provenance["beta"] == 1.0
    mean = sum(map(len, source)) / len(source)
    rows = zipfit.cover(source, target, top_k=20)
    assert rows.provenance["beta"] == 20 * mean / joined
    assert len(rows) == 20


def test_copies_are_left_out_counted_and_listed() -> None:
    source = ["one", "three", "one two", "one", "three!"]
    with pytest.warns(UserWarning, match="nothing is left to gain: all 2 rows"):
        picked = zipfit.cover(source, ["one two", "three"], budget_bytes=1000)
    assert picked.rows.tolist() == [4, 0]
    assert picked.copies_of_target.tolist() == [[1, 1], [2, 0]]
    assert picked.duplicates.tolist() == [[3, 0]]
    assert picked.provenance["left_out_as_copies_of_target"] == 2
    assert picked.provenance["left_out_as_duplicates"] == 1


def test_budgets_in_tokens_count_the_tokens_of_each_row() -> None:
    source = ["abcdef", "abcd", "cdef"]
    picked = zipfit.cover(source, ["abcdefg"], budget_tokens=5, tokens=[9, 3, 2])
    assert sorted(picked.rows.tolist()) == [1, 2]
    assert zipfit.cover(source, ["abcdefg"], budget_tokens=9, tokens=np.array([9, 9, 9])).rows.tolist() == [0]


def test_rows_can_be_kept_out_by_where() -> None:
    picked = zipfit.cover(["abcdef", "abcd", "cdef"], ["abcdefg"], top_k=1, where=[False, True, True])
    assert picked.rows.tolist() == [1]
    assert picked.provenance["left_out_by_where"] == 1


def test_provenance_tells_apart_what_was_left_out_and_how_tokens_were_counted() -> None:
    source, target = ["abcdef", "abcd", "cdef"], ["abcdefg"]
    masks = [[False, True, True], [True, False, True]]
    one, other = (zipfit.cover(source, target, top_k=1, where=where).provenance for where in masks)
    assert one.pop("where_sha256") != other.pop("where_sha256")
    assert one == other
    counts = [[9, 3, 2], [9, 2, 3]]
    one, other = (zipfit.cover(source, target, budget_tokens=5, tokens=tokens).provenance for tokens in counts)
    assert one.pop("tokens_sha256") != other.pop("tokens_sha256")
    assert one == other
    assert not {"where_sha256", "tokens_sha256"} & zipfit.cover(source, target, top_k=1).provenance.keys()


@pytest.mark.filterwarnings("ignore:nothing is left to gain")
def test_a_budget_beyond_every_integer_type_takes_what_there_is_to_gain() -> None:
    options: list[dict[str, Any]] = [{"budget_bytes": 10**40}, {"top_k": 10**40}]
    for amount in options:
        assert zipfit.cover(["abcdef", "xyz"], ["abcdefg"], beta=1, **amount).rows.tolist() == [0]


def test_no_rows_are_covered_with_no_mask() -> None:
    assert len(zipfit.cover([], ["abcdefg"], top_k=1, where=[])) == 0


def test_results_do_not_depend_on_threads_and_survive_pickling(tmp_path: Path) -> None:
    source, target = functions(100), functions(130)[-10:]
    picked = [zipfit.cover(source, target, budget_bytes=4000, threads=threads) for threads in (1, 2, 3)]
    copy = pickle.loads(pickle.dumps(picked[0]))
    for other in [*picked[1:], copy]:
        assert other.rows.tolist() == picked[0].rows.tolist()
        assert other.scores.tolist() == picked[0].scores.tolist()
        assert other.coverage.tolist() == picked[0].coverage.tolist()
    assert copy.provenance == picked[0].provenance
    assert not copy.coverage.flags.writeable
    picked[0].write(tmp_path, [text.decode() for text in source])
    assert len((tmp_path / "selected.jsonl").read_text().splitlines()) == len(picked[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "cover needs exactly one of budget_bytes, budget_tokens and top_k, got none"),
        (
            {"budget_bytes": 1, "top_k": 1},
            "cover needs exactly one of budget_bytes, budget_tokens and top_k, got budget_bytes and top_k",
        ),
        ({"budget_bytes": 0}, "budget_bytes must be at least 1, got 0"),
        ({"top_k": 1.5}, "top_k must be a whole number, got 1.5"),
        ({"top_k": 1, "beta": 0}, "beta must be a number above 0 (between 1e-9 and 1e15), got 0"),
        ({"top_k": 1, "beta": -1.0}, "beta must be a number above 0 (between 1e-9 and 1e15), got -1"),
        ({"top_k": 1, "beta": "1"}, "beta must be a number, got '1'"),
        ({"top_k": 1, "beta": 10**400}, "beta is beyond the range of float64, which ends at 1.8e308"),
        ({"budget_tokens": 1}, "budget_tokens needs tokens=, the number of tokens of each row"),
        (
            {"top_k": 1, "tokens": [1, 1]},
            "tokens= has an effect on budget_tokens alone; leave it out or give budget_tokens",
        ),
        ({"budget_tokens": 1, "tokens": [1]}, "tokens: 1 entries; expected one a row, 2"),
        (
            {"budget_tokens": 1, "tokens": np.array([1, 2**64 - 1], np.uint64)},
            "tokens: row 1 has 18446744073709551615; expected at most 9223372036854775807",
        ),
        ({"budget_tokens": 1, "tokens": [1, -1]}, "source row 1: tokens is -1; a row cannot have less than 0"),
        ({"top_k": 1, "where": [1, 0]}, "where: dtype is int64; expected bool, True for rows that may be chosen"),
        ({"top_k": 1, "where": [True]}, "where: 1 entries; expected one a row, 2"),
    ],
)
def test_what_means_nothing_is_refused_by_a_sentence(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        zipfit.cover(["abc", "abd"], ["abcd"], **arguments)
    assert str(caught.value) == message


def test_a_target_without_anything_to_cover_is_refused() -> None:
    with pytest.raises(EmptyTargetError):
        zipfit.cover(["abc"], [], top_k=1)
    with pytest.raises(ParameterError, match="target has no text of 3 bytes or more"):
        zipfit.cover(["abc"], ["ab"], top_k=1)


def test_a_budget_below_every_row_selects_nothing_and_says_so() -> None:
    with pytest.warns(UserWarning, match="no row that shares anything with the target fits the budget"):
        assert len(zipfit.cover(["abcdef"], ["abcdefg"], budget_bytes=5)) == 0


@pytest.mark.parametrize(
    ("source", "options", "sentence"),
    [
        (
            ["one", "two", "six"],
            {"top_k": 3},
            "nothing is left to gain: all 2 rows that share anything with the target, and may be chosen, are selected, "
            "below the budget",
        ),
        (
            ["one", "two", "six"],
            {"top_k": 3, "where": [True, False, True]},
            "nothing is left to gain: the only row that shares anything with the target, and may be chosen, is "
            "selected, below the budget",
        ),
        (
            ["six", "ten"],
            {"top_k": 1},
            "no row that may be chosen shares anything with the target; nothing is selected",
        ),
        (
            ["one", "two"],
            {"budget_bytes": 9, "where": [False, False]},
            "where leaves no row to choose from; nothing is selected",
        ),
        (
            ["one two", "one", "one two"],
            {"top_k": 1, "where": [True, False, True]},
            "no row but copies of targets may be chosen; nothing is selected",
        ),
    ],
)
def test_what_is_missing_to_the_budget_is_told(source: list[str], options: dict[str, Any], sentence: str) -> None:
    with pytest.warns(UserWarning, match=f"^{sentence}$"):
        zipfit.cover(source, ["one two"], **options)


def test_no_rows_are_covered_without_a_warning() -> None:
    assert len(zipfit.cover([], ["one two"], top_k=1)) == 0


def test_a_coverage_is_half_where_every_n_gram_is_held_beta_times_and_never_1() -> None:
    assert zipfit.cover(["abcd"], ["abc"], top_k=1, beta=1).coverage.tolist() == [0.5]
    again = zipfit.cover(["abc " * 1000], ["abc"], top_k=1, beta=1)
    assert again.coverage.tolist() == [1000 / 1001]
    assert zipfit.cover(["abcd"], ["abc"], top_k=1, beta=3).coverage.tolist() == [0.25]

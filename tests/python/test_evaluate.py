"""`zipfit.evaluate`: numbers as by the formulae, verdicts as they should be, one sentence for what is wrong."""

from __future__ import annotations

import json
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from helpers_files import zipfit_cli
from hypothesis import given
from hypothesis import strategies as st
from reference import ngram_bits, word_counts, word_divergence

import zipfit
from zipfit import _core
from zipfit.evaluation import BETTER, NO_BETTER, UNDECIDED, Evaluation

if TYPE_CHECKING:
    from pathlib import Path

some_texts = st.lists(st.binary(max_size=30) | st.text("ab_ +é", max_size=30).map(str.encode), min_size=1, max_size=5)

SOURCE = ["def triple(x): return 3 * x", "We went to the sea in May.", "It rained all day.", "", "x = 1"]
HELD_OUT = ["def double(x): return 2 * x", "y = 2"]

EMPTY_ROW = "held-out rows without a byte: 1; they do not count"


def texts(rows: list[bytes]) -> _core.Texts:
    return _core.Texts.from_iterable(rows, "source")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str], list[str]]:
    """Source, targets and held-out texts of `zipfit demo`."""
    directory = tmp_path_factory.mktemp("demo")
    assert zipfit_cli("demo", "--write", directory).returncode == 0
    source, target = (
        [json.loads(line)["text"] for line in (directory / f"{side}.jsonl").read_text("utf-8").splitlines()]
        for side in ("source", "target")
    )
    return source, target[::2], target[1::2]


@given(some_texts, some_texts)
def test_the_model_needs_the_bits_of_the_formula(read: list[bytes], predicted: list[bytes]) -> None:
    model = _core.NgramModel(texts(predicted))
    model.read(texts(read))
    assert np.allclose(model.bits(), [ngram_bits(read, text) for text in predicted], rtol=1e-12, atol=0)


@given(some_texts, some_texts)
def test_words_are_counted_and_compared_as_the_formula_says(target: list[bytes], other: list[bytes]) -> None:
    counted, others = _core.word_counts(texts(target)), _core.word_counts(texts(other))
    assert counted.tolist() == word_counts(target)
    if counted.sum() and others.sum():
        expected = word_divergence(word_counts(target), word_counts(other))
        assert math.isclose(_core.word_divergence(counted, others), expected, rel_tol=1e-9, abs_tol=1e-12)


def test_every_number_is_that_of_the_formula() -> None:
    result = zipfit.evaluate(SOURCE, [0], HELD_OUT, seeds=3, seed=7)
    rows, held_out = [text.encode() for text in SOURCE], [text.encode() for text in HELD_OUT]
    size, budget = sum(map(len, held_out)), len(rows[0])

    def bits(chosen: list[int]) -> float:
        return sum(ngram_bits([rows[row] for row in chosen], text) for text in held_out) / size

    def reduction(chosen: list[int]) -> float:
        target = word_counts(held_out)
        whole = word_divergence(target, word_counts(rows))
        return whole - word_divergence(target, word_counts([rows[row] for row in chosen]))

    draws = [_core.draw(np.array(list(map(len, rows))), None, budget, seed).tolist() for seed in (7, 8, 9)]
    assert result.random.seeds == (7, 8, 9)
    assert np.allclose(result.random.each, [bits(draw) for draw in draws])
    assert math.isclose(result.random.kl_reduction, np.mean([reduction(draw) for draw in draws]), abs_tol=1e-9)
    shortest = [3, 4, 2]
    for judged, chosen in [(result.selection, [0]), (result.shortest, shortest), (result.pool, [0, 1, 2, 3, 4])]:
        assert judged is not None
        assert (judged.rows, judged.bytes) == (len(chosen), sum(len(rows[row]) for row in chosen))
        assert math.isclose(judged.bits_per_byte, bits(chosen))
        assert math.isclose(judged.difference, bits(chosen) - np.mean([bits(draw) for draw in draws]))
        assert math.isclose(judged.kl_reduction, reduction(chosen), abs_tol=1e-9)
        assert judged.interval[0] <= judged.difference <= judged.interval[1]
    assert (result.pool_rows, result.pool_bytes) == (5, sum(map(len, rows)))
    assert (result.held_out_rows, result.held_out_bytes) == (2, size)


def test_random_rows_are_no_better_than_random(demo: tuple[list[str], list[str], list[str]]) -> None:
    source, _, held_out = demo
    verdicts = []
    for seed in range(100, 120):
        chance = np.random.default_rng(seed).random(len(source))
        picked = zipfit.Ranking(chance, [len(text.encode()) for text in source]).within(budget_bytes=30_000)
        with warnings.catch_warnings(action="ignore"):
            verdicts.append(zipfit.evaluate(source, picked, held_out).verdict)
    # The interval is one of 95%.
    assert verdicts.count(NO_BETTER) >= 17


@pytest.mark.parametrize(("rows", "few"), [(1, True), (9, True), (10, False)])
def test_few_held_out_rows_are_told_of(rows: int, few: bool, demo: tuple[list[str], list[str], list[str]]) -> None:
    source, _, held_out = demo
    # An empty one says nothing.
    result = zipfit.evaluate(source[:50], [0], ["", *held_out[:rows]], seeds=2)
    sentence = f"held-out rows: {rows}; with fewer than 10 the interval may be narrower than it should be; give more"
    assert result.notes == (EMPTY_ROW, sentence) if few else (EMPTY_ROW,)
    assert result.held_out_rows == rows
    assert (f"note: {sentence}" in str(result)) == few


def test_rows_like_the_target_are_better_than_random(demo: tuple[list[str], list[str], list[str]]) -> None:
    source, target, held_out = demo
    for picked in (
        zipfit.rank(source, target).within(budget_bytes=10_000),
        zipfit.cover(source, target, budget_bytes=30_000),
    ):
        with warnings.catch_warnings(action="ignore"):
            result = zipfit.evaluate(source, picked, held_out)
        assert result.verdict == BETTER
        assert result.selection.interval[1] < 0
        assert ("cover" in " ".join(result.notes)) == isinstance(picked, zipfit.Cover)


def test_nothing_depends_on_the_number_of_threads(demo: tuple[list[str], list[str], list[str]]) -> None:
    source, _, held_out = demo
    rows = range(0, len(source), 9)
    one, three = (zipfit.evaluate(source, list(rows), held_out, threads=threads) for threads in (1, 3))
    assert json.dumps(one.to_dict()) == json.dumps(three.to_dict())


def test_rows_that_may_not_be_drawn_are_in_no_comparison() -> None:
    where = [True, True, False, True, False]
    result = zipfit.evaluate(SOURCE, [0], HELD_OUT, where=where)
    assert (result.pool_rows, result.pool_bytes) == (3, len(SOURCE[0]) + len(SOURCE[1]))
    assert result.shortest.rows == 2
    assert result.pool is not None
    assert math.isclose(
        result.pool.bits_per_byte,
        zipfit.evaluate([SOURCE[0], SOURCE[1]], [0], HELD_OUT).pool.bits_per_byte,  # type: ignore[union-attr]
    )


def test_a_selection_and_its_rows_give_the_same() -> None:
    picked = zipfit.Ranking([3, 1, 2, 0, 0]).top_k(2)
    assert zipfit.evaluate(SOURCE, picked, HELD_OUT) == zipfit.evaluate(SOURCE, [0, 2], HELD_OUT)


def test_a_selection_out_of_other_rows_is_refused() -> None:
    picked = zipfit.rank(SOURCE, ["def half(x): return x / 2"]).top_k(2)
    assert zipfit.evaluate(SOURCE, picked, HELD_OUT) == zipfit.evaluate(tuple(SOURCE), picked.rows, HELD_OUT)
    message = "the 5 rows of the source are not those that were ranked, or in another order; pass the source that was"
    with pytest.raises(zipfit.errors.ParameterError, match=message):
        zipfit.evaluate(SOURCE[::-1], picked, HELD_OUT)


def test_the_whole_pool_is_read_only_if_it_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zipfit.comparing.WHOLE_POOL_BYTES", 10)
    assert zipfit.evaluate(SOURCE, [0], HELD_OUT).pool is None


def test_it_tells_what_it_found_in_words() -> None:
    result = zipfit.evaluate(SOURCE, [0], HELD_OUT)
    printed = str(result).splitlines()
    first_words = ["bits", "selection", "random,", "shortest", "whole", "the", "note:"]
    assert [line.split()[0] for line in printed] == first_words
    assert printed[-2] == f"the selection is {result.verdict}, judged by 2 held-out rows"
    assert printed[-1].startswith("note: held-out rows: 2; with fewer than 10 ")
    assert repr(result).startswith(f"Evaluation({result.verdict}: {result.selection.bits_per_byte:.3f} bits per byte")
    assert json.loads(json.dumps(result.to_dict()))["selection"]["rows"] == 1


LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"


@pytest.mark.parametrize(
    ("source", "held_out", "expected"),
    [
        (["x = 1", LONG], [LONG], "equal held-out rows"),
        (["x = 1", f"zero {LONG}!"], [LONG], "hold 13 words in a row of a held-out row"),
        (["x = 1", "and so on, x"], ["x"], None),
    ],
)
def test_held_out_rows_among_the_selected_ones_are_told(
    source: list[str], held_out: list[str], expected: str | None
) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = zipfit.evaluate(source, [1], held_out)
    # The last note is that one held-out row is few.
    assert [str(warning.message) for warning in told] == list(result.notes[:-1])
    assert result.notes[:-1] == (
        ()
        if expected is None
        else (
            f"selected rows that {expected}: 1 (row 1); they may make the verdict an illusion, select without them, by "
            "--exclude or zipfit.contaminated",
        )
    )


def test_equal_held_out_rows_count_once() -> None:
    once = zipfit.evaluate(SOURCE, [0], HELD_OUT)
    with pytest.warns(UserWarning, match="^held-out rows that equal an earlier one: 3; they do not count$"):
        repeated = zipfit.evaluate(SOURCE, [0], [*HELD_OUT, HELD_OUT[0], *HELD_OUT])
    assert repeated.to_dict() | {"notes": once.notes} == once.to_dict()
    assert len(repeated.notes) == len(once.notes) + 1


def test_a_held_out_row_without_a_byte_does_not_count_and_a_note_says_so() -> None:
    without, result = (zipfit.evaluate(SOURCE, [0], held_out) for held_out in (HELD_OUT, [*HELD_OUT, ""]))
    assert EMPTY_ROW not in without.notes
    assert result.held_out_rows == 2
    assert f"the selection is {result.verdict}, judged by 2 held-out rows\nnote: {EMPTY_ROW}\n" in str(result)


@pytest.mark.parametrize(
    ("selection", "where", "is_whole"),
    [
        ([4, 2, 1, 0], None, True),
        (range(5), None, True),
        ([0, 1], [True, True, False, True, False], True),
        ([0, 1, 2], None, False),
        ([0, 1, 2], [True, True, False, True, True], False),
    ],
)
def test_a_note_says_that_random_rows_can_be_no_others_than_a_whole_pool(
    selection: Any, where: list[bool] | None, is_whole: bool
) -> None:
    result = zipfit.evaluate(SOURCE, selection, HELD_OUT, where=where)
    note = "the whole pool was selected, so that random rows are the same rows and cannot differ; select fewer"
    assert (note in result.notes) == is_whole
    assert not is_whole or (result.verdict, result.selection.difference) == (NO_BETTER, 0)


def test_one_held_out_row_decides_nothing() -> None:
    for held_out in (HELD_OUT[:1], ["", HELD_OUT[0]]):
        result = zipfit.evaluate(SOURCE, [0], held_out)
        assert result.verdict == UNDECIDED
        assert "one held-out row does not tell whether the selection is better than random" in str(result)


@pytest.mark.parametrize(
    ("target", "held_out", "count"),
    [
        ([LONG], [LONG, "y = 2"], 1),
        ([f"task 7:\n{LONG}.", f"task 8: {LONG}"], [f"  {LONG}\n", "y = 2"], 1),
        ([f"task 7: {LONG}", f"task 8: more, {LONG}, and {LONG[::-1]}"], [LONG, LONG[::-1], "y = 2"], 1),
        (["y = 2 and more"], [LONG, "y = 2"], 0),
        ([LONG.removesuffix(" fourteen")], [LONG, "y = 2"], 0),
    ],
)
def test_held_out_rows_within_targets_are_told(target: list[str], held_out: list[str], count: int) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        zipfit.evaluate(SOURCE, [0], held_out, target=target)
    said = f"held-out rows that equal target rows or are within one, by which the selection was made: {count}; they may"
    assert [str(warning.message).startswith(said) for warning in told] == [True] * (count > 0)


def test_many_selected_rows_that_give_the_verdict_away_are_named_in_part() -> None:
    held_out = [f"def f{i}(x): return x" for i in range(12)]
    with pytest.warns(UserWarning, match=r"equal held-out rows: 7 \(rows 0, 1, 2, 3, 4, \.\.\.\); "):
        zipfit.evaluate([*held_out, *SOURCE], list(range(7)), held_out)


@pytest.mark.parametrize(
    ("selection", "held_out", "options", "sentence"),
    [
        ([], HELD_OUT, {}, "selection has no rows; there is nothing to evaluate"),
        ([3], HELD_OUT, {}, "the selected rows have no bytes of text; there is nothing to evaluate"),
        ([5], HELD_OUT, {}, "selection: there is no row 5; the source has 5 rows"),
        ([-1], HELD_OUT, {}, "selection: there is no row -1; the source has 5 rows"),
        ([0, 1, 0], HELD_OUT, {}, "selection: row 0 is there more than once"),
        ([0.5], HELD_OUT, {}, "selection: dtype is float64; expected whole numbers"),
        (
            zipfit.Ranking([1, 2, 3, 4, 5]),
            HELD_OUT,
            {},
            "selection is a Ranking, of all rows; choose some",
        ),
        (zipfit.Ranking([1, 2]).top_k(1), HELD_OUT, {}, "source has 5 rows but 2 were ranked; pass the source that"),
        ([0], [], {}, "held_out has 0 rows; there is nothing to judge by"),
        ([0], [""], {}, "held_out has no bytes of text; there is nothing to judge by"),
        ([0], "abc", {}, "held_out is a bare str; pass [text] for one text or pathlib.Path(...) for a file"),
        ([0], HELD_OUT, {"seeds": 0}, "seeds must be at least 2, got 0"),
        ([0], HELD_OUT, {"seeds": 1}, "seeds must be at least 2, got 1"),
        ([0], HELD_OUT, {"seeds": "5"}, "seeds must be a whole number, got '5'"),
        ([0], HELD_OUT, {"seed": -1}, "seed must be a whole number from 0 to 18446744073709551615, got -1"),
        ([0], HELD_OUT, {"threads": 0}, "threads must be at least 1, got 0"),
        ([0], HELD_OUT, {"where": [True]}, "where: 1 entries; expected one a row, 5"),
        ([0], HELD_OUT, {"where": [False] * 5}, "no row with a byte of text is left to draw random rows from"),
    ],
)
def test_what_is_wrong_is_one_sentence(selection: Any, held_out: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(zipfit.errors.ParameterError) as caught:
        zipfit.evaluate(SOURCE, selection, held_out, **options)
    assert str(caught.value).startswith(sentence)


def test_texts_come_from_files_and_columns_too(tmp_path: Path) -> None:
    path = tmp_path / "held_out.jsonl"
    path.write_text("".join(json.dumps({"code": text}) + "\n" for text in HELD_OUT), "utf-8")
    result = zipfit.evaluate(SOURCE, [0], path, held_out_text="code")
    assert isinstance(result, Evaluation)
    assert result == zipfit.evaluate(SOURCE, [0], HELD_OUT)


def test_a_null_among_held_out_rows_is_named() -> None:
    with pytest.raises(zipfit.errors.BadRowError, match="held_out row 1: null text"):
        zipfit.evaluate(SOURCE, [0], ["x", None])

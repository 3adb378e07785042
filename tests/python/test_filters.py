"""`zipfit.duplicates` and `zipfit.contaminated` against double loops, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import zipfit
from zipfit.errors import ParameterError

NGRAM = 8


def ngrams(text: bytes) -> set[bytes]:
    return {text[i : i + NGRAM] for i in range(len(text) - NGRAM + 1)} or {text}


def repeats(source: list[bytes], threshold: float) -> list[bool]:
    """Compare every row with every earlier one that stays; at 1 only equal texts are alike, not equal sets."""
    if threshold == 1:
        return [text in source[:row] for row, text in enumerate(source)]
    kept: list[set[bytes]] = []
    found = []
    for text in source:
        grams = ngrams(text)
        alike = any(len(grams & other) >= threshold * len(grams | other) for other in kept)
        found.append(alike)
        if not alike:
            kept.append(grams)
    return found


PIECES = ["import os\n", "x = 1\n", "for i in range(10):\n", "    print(i)\n", "a", "", "return x\n"]
ROWS = st.lists(st.lists(st.sampled_from(PIECES), max_size=8).map(lambda pieces: "".join(pieces).encode()), max_size=15)


# Fractions of a power of two, so that the product above is exact.
@given(ROWS, st.sampled_from([0.0625, 0.25, 0.5, 0.75, 0.875, 1.0]))
@example([b"abcdefgh" * 2, b"abcdefgh" * 3], 1.0)
def test_near_duplicates_are_those_of_a_double_loop(source: list[bytes], threshold: float) -> None:
    assert zipfit.duplicates(source, threshold=threshold).tolist() == repeats(source, threshold)


@given(ROWS)
def test_exact_duplicates_are_equal_texts(source: list[bytes]) -> None:
    assert zipfit.duplicates(source).tolist() == [text in source[:row] for row, text in enumerate(source)]


def test_duplicates_do_not_depend_on_threads_and_find_near_copies_of_code() -> None:
    pieces = Path(np.__file__).with_name("matlib.py").read_text(encoding="utf-8").split("\n\n")
    changed = [piece.replace("matrix", "Matrix", 1) for piece in pieces if len(piece) > 300]
    source = [*dict.fromkeys(pieces), *changed]
    found = [zipfit.duplicates(source, threshold=0.8, threads=threads) for threads in (1, 2, 3)]
    assert found[0].tolist() == found[1].tolist() == found[2].tolist()
    assert found[0].tolist() == repeats([text.encode() for text in source], 0.8)
    assert found[0][-len(changed) :].any()


def test_rows_left_out_neither_repeat_nor_are_repeated() -> None:
    found = zipfit.duplicates(["a", "a", "a"], where=[False, True, True])
    assert found.dtype == np.bool_
    assert found.tolist() == [False, False, True]


@pytest.mark.parametrize("threshold", [0, -0.5, 1.01, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(ParameterError, match="threshold must be above 0 and at most 1, got"):
        zipfit.duplicates(["a"], threshold=threshold)


def words(text: str) -> list[str]:
    return re.findall(r"[0-9a-z\x80-\U0010ffff]+", text.translate({c: c + 32 for c in range(65, 91)}))


def holds(text: list[Any], piece: list[Any]) -> bool:
    return any(text[i : i + len(piece)] == piece for i in range(len(text) - len(piece) + 1))


def holds_a_piece(text: list[Any], evaluation: list[Any], length: int) -> bool:
    length = min(length, len(evaluation))
    return any(holds(text, evaluation[i : i + length]) for i in range(len(evaluation) - length + 1))


WORDS = st.lists(st.sampled_from(["a", "B", "b", "cd", " ", "\n", ", ", "é", "7"]), max_size=14).map("".join)


@given(st.lists(WORDS, max_size=6), st.lists(WORDS.filter(words), min_size=1, max_size=3), st.integers(1, 5))
def test_contamination_by_words_is_that_of_a_double_loop(source: list[str], against: list[str], n: int) -> None:
    expected = [any(holds_a_piece(words(text), words(row), n) for row in against) for text in source]
    assert zipfit.contaminated(source, against, overlap=f"{n}-gram").tolist() == expected


@given(st.lists(WORDS, max_size=6), st.lists(WORDS.filter(bool), min_size=1, max_size=3), st.integers(1, 9))
def test_contamination_by_bytes_is_that_of_a_double_loop(source: list[str], against: list[str], n: int) -> None:
    expected = [any(holds_a_piece(list(text.encode()), list(row.encode()), n) for row in against) for text in source]
    assert zipfit.contaminated(source, against, overlap=f"{n}-byte").tolist() == expected


def test_thirteen_words_in_a_row_are_the_default() -> None:
    row = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    twelve, thirteen = " ".join(row.split()[1:13]), " ".join(row.upper().split()[1:])
    assert zipfit.contaminated([f"x {twelve} y", f"x, {thirteen}!"], [row]).tolist() == [False, True]


def test_filters_leave_rows_out_of_every_chooser() -> None:
    source = ["the first row", "the first row", "an evaluation row", "the last row"]
    keep = ~zipfit.duplicates(source) & ~zipfit.contaminated(source, ["evaluation row"])
    assert keep.tolist() == [True, False, False, True]
    assert sorted(zipfit.rank(source, ["a row"]).top_k(2, where=keep).rows.tolist()) == [0, 3]


@pytest.mark.parametrize(
    ("against", "overlap", "message"),
    [
        ([], "13-gram", "against has 0 rows; there is nothing to look for"),
        (["a", "?!"], "13-gram", "against row 1: "),
        (["a", ""], "50-byte", "against row 1: "),
        (["a"], "13", 'overlap "13"'),
        (["a"], "0-gram", 'overlap "0-gram"'),
        (["a"], "13-word", 'overlap "13-word"'),
        (["a"], 13, "overlap must be a string"),
    ],
)
def test_an_evaluation_set_that_means_nothing_is_refused(against: list[str], overlap: Any, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        zipfit.contaminated(["a"], against, overlap=overlap)
    assert str(caught.value).startswith(message)


def test_neighbouring_rows_share_no_piece() -> None:
    texts = ["one two", "three four"]
    assert zipfit.contaminated(["two three"], texts, overlap="2-gram").tolist() == [False]

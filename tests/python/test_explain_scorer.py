"""`Scorer.explain`: the numbers are those of the engine, and every piece is where it says."""

from __future__ import annotations

import json
import pickle

import pytest
from helpers_files import SOURCE_TEXTS, TARGET_TEXTS

import zipfit
from zipfit import explain
from zipfit.errors import InvalidTextError, ParameterError, TextTypeError

TARGET = [*TARGET_TEXTS, "The cat sat on the m\u00e4t, said Zo\u00eb.", ""]

TEXTS: list[str | bytes] = [*SOURCE_TEXTS, *TARGET, "\x1b[31mred\x1b[0m", b"\xff\xfe\x80" * 9, b"\x80" * 99]

EXAMPLES = [
    "def mean(values): return sum(values) / len(values)",
    "def median(values): return sorted(values)[len(values) // 2]",
    "The rain fell on the roof all night long.",
]

ROWS = [
    "A note about nothing at all, and no more.",
    "def largest(values): return sorted(values)[-1]",
    "He heard that the rain fell on the roof.",
    "def total(values): return sum(values)",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("metric", ["ncd", "cdm", "clm", "gain"])
def test_numbers_are_those_of_the_engine_to_the_last_bit(metric: str, text: str | bytes) -> None:
    scorer = zipfit.Scorer(TARGET, metric=metric)
    why = scorer.explain(text)
    assert why.score == scorer.score([text])[0]
    assert why.compressed_size == zipfit.compressed_size(text, compressor=scorer.compressor)
    ncds = [zipfit.ncd(text, target, compressor=why.ncd_compressor) for target in TARGET]
    assert [near.ncd for near in why.nearest] == sorted(ncds)
    assert [near.target for near in why.nearest] == sorted(
        range(len(TARGET)), key=lambda target: (ncds[target], target)
    )
    assert why.ncd_compressor == ("gzip-9" if metric == "gain" else scorer.compressor)


@pytest.mark.parametrize("text", TEXTS)
def test_every_piece_is_in_its_target_and_none_overlaps_another(text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    why = zipfit.Scorer(TARGET).explain(text)
    taken: set[int] = set()
    for piece in why.pieces:
        place = range(piece.start, piece.start + piece.length)
        assert data[place.start : place.stop] == TARGET[piece.target].encode()[piece.target_start :][: piece.length]
        assert taken.isdisjoint(place)
        taken.update(place)
    assert why.shared_bytes == len(taken)
    lengths = [piece.length for piece in why.pieces]
    assert lengths == sorted(lengths, reverse=True)
    assert min(lengths, default=12) >= 12


def test_a_target_is_one_piece_of_its_own_length() -> None:
    (piece,) = zipfit.Scorer(TARGET).explain(TARGET[2]).pieces
    assert (piece.start, piece.length, piece.target, piece.target_start) == (0, len(TARGET[2].encode()), 2, 0)


def test_pieces_end_between_characters() -> None:
    # The first byte of the last letter is in the target, too.
    (piece,) = zipfit.Scorer(["twelve letters \u00e4"]).explain("twelve letters \u00f6").pieces
    assert piece.text == "twelve letters "


def test_what_could_move_a_terminal_is_escaped() -> None:
    text = "\x1b[31m twelve letters or more \u202e\r\x07"
    said = str(zipfit.Scorer([text]).explain(text))
    assert "twelve letters or more" in said
    assert not {"\x1b", "\u202e", "\r", "\x07"} & set(said)


@pytest.mark.parametrize(
    ("text", "shown", "more"),
    [
        ("x" * 200, repr("x" * 200), ""),
        ("x" * 201, repr("x" * 200), " ... and 1 byte more"),
        ("x" * 300_000, repr("x" * 200), " ... and 299,800 bytes more"),
        # Cut in the middle, the last character that fits in part would be shown as an escape.
        ("x" + "\u00e4" * 150, repr("x" + "\u00e4" * 99), " ... and 102 bytes more"),
        ("x" + "\U0001f41f" * 60, repr("x" + "\U0001f41f" * 49), " ... and 44 bytes more"),
        (b"\x80" * 201, repr("\\x80" * 200), " ... and 1 byte more"),
    ],
    ids=["fits", "one more", "many more", "two bytes a character", "four bytes a character", "not UTF-8"],
)
def test_of_a_long_piece_the_beginning_is_printed(text: str | bytes, shown: str, more: str) -> None:
    why = zipfit.Scorer([text], compressor="gzip-1").explain(text)
    size = f"{len(text if isinstance(text, bytes) else text.encode()):,}"
    assert str(why).splitlines()[-1] == f"  {size} bytes, target 0: {shown}{more}"
    assert [piece["length"] for piece in why.to_dict()["pieces"]] == [int(size.replace(",", ""))]


def test_wrong_arguments_are_told() -> None:
    scorer = zipfit.Scorer(TARGET)
    with pytest.raises(ParameterError, match="top"):
        scorer.explain("a", top=0)
    with pytest.raises(InvalidTextError, match=r"text: lone surrogate U\+D800 at character 1"):
        scorer.explain("a\ud800")
    with pytest.raises(TextTypeError, match="text: expected str or bytes, got list"):
        scorer.explain(["a"])  # type: ignore[arg-type]


def test_pieces_are_the_longest_that_the_text_and_a_target_share() -> None:
    why = zipfit.Scorer(EXAMPLES).explain(ROWS[2])
    assert [(piece.text, piece.start, piece.length) for piece in why.pieces] == [("he rain fell on the roof", 15, 24)]
    piece = why.pieces[0]
    assert EXAMPLES[piece.target][piece.target_start :].startswith(piece.text)
    assert why.shared_bytes == 24
    assert zipfit.Scorer(EXAMPLES).explain(ROWS[0]).pieces == ()


def test_at_most_twenty_pieces_are_told_but_all_their_bytes_are_counted() -> None:
    words = [f"{number:012}" for number in range(30)]
    why = zipfit.Scorer(words).explain("-".join(words))
    assert len(why.pieces) == 20
    assert why.shared_bytes == 12 * 30


def test_the_score_is_told_in_words() -> None:
    def meaning(text: str, **options: object) -> str:
        return zipfit.Scorer(EXAMPLES, **options).explain(text).meaning  # type: ignore[arg-type]

    ncd = zipfit.rank(ROWS, EXAMPLES).scores[3]
    size = zipfit.compressed_size(ROWS[3])
    tail = f"the row has 37 bytes, {size} compressed"
    assert meaning(ROWS[3]) == f"score {ncd:.4f}: 1 less the NCD by gzip-9, the mean over 3 targets; {tail}"
    assert "by gzip-9, the nearest of 3 targets;" in meaning(ROWS[3], aggregate="max")
    assert "1 less the CDM by zlib-6, the mean over the 2 nearest of 3;" in meaning(
        ROWS[3], aggregate="top-2", metric="cdm", compressor="zlib-6"
    )
    gain = zipfit.rank(ROWS, EXAMPLES, metric="gain").scores[3]
    assert meaning(ROWS[3], metric="gain") == (
        f"gain {gain:.4f}: zstd-3 makes {zipfit.compressed_size(ROWS[3], 'zstd-3')} bytes of the row's 37, and "
        f"{round(gain * 37)} less with the 3 targets as its dictionary"
    )


def test_an_explanation_is_ready_for_json_and_for_people() -> None:
    scorer = pickle.loads(pickle.dumps(zipfit.Scorer(EXAMPLES)))
    why = scorer.explain("caf\xe9: def mean(values): return sum".encode("latin-1"), top=1)
    content = json.loads(json.dumps(why.to_dict()))
    assert content["nearest"] == [{"target": 0, "ncd": why.nearest[0].ncd}]
    assert content["pieces"][0]["text"] == "def mean(values): return sum"
    assert "text" not in content
    lines = str(why).splitlines()
    assert lines[0] == why.meaning
    assert lines[2] == f"  target 0: {why.nearest[0].ncd:.4f}"


def test_an_empty_target_is_covered_and_no_rows_cover_nothing() -> None:
    texts = [zipfit._core.Texts.from_iterable(rows, "target") for rows in (["", EXAMPLES[0]], [])]
    found = explain.explain_selection(*texts)
    assert found.covered_by_target == (1.0, 0.0)
    assert (found.covered, found.best(5), found.lacking(1)) == (0.0, [], [(1, 0.0)])


def test_targets_that_are_covered_wholly_are_not_what_the_pool_lacks() -> None:
    target, chosen = (zipfit._core.Texts.from_iterable(rows, "target") for rows in (["", *EXAMPLES], EXAMPLES[::2]))
    assert [number for number, _ in explain.explain_selection(target, chosen).lacking(5)] == [2]


def test_targets_that_nothing_can_cover_are_not_what_the_pool_lacks() -> None:
    target, chosen = (
        zipfit._core.Texts.from_iterable(rows, "target") for rows in (["yes", "x" * 12, "y" * 11], ["yes"])
    )
    found = explain.explain_selection(target, chosen)
    assert found.too_short == (0, 2)
    assert found.lacking(5) == [(1, 0.0)]


def test_a_text_that_is_shared_twice_is_named_once() -> None:
    why = zipfit.Scorer(["shared words, these"]).explain("shared words, these | shared words, these | shared words, ab")
    assert [piece.text for piece in why.pieces].count("shared words, these") == 2
    assert [piece.text for piece in why.longest()] == ["shared words, these", "shared words, "]
    assert [piece.start for piece in why.longest()] == [0, 44]
    assert [piece.text for piece in why.longest(1)] == ["shared words, these"]

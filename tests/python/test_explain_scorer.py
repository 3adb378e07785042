"""`Scorer.explain`: the numbers are those of the engine, and every piece is where it says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from helpers_files import SOURCE_TEXTS, TARGET_TEXTS, write_texts, zipfit_cli

import zipfit
from zipfit.errors import InvalidTextError, ParameterError, TextTypeError

if TYPE_CHECKING:
    from pathlib import Path

TARGET = [*TARGET_TEXTS, "The cat sat on the m\u00e4t, said Zo\u00eb.", ""]

TEXTS: list[str | bytes] = [*SOURCE_TEXTS, *TARGET, "\x1b[31mred\x1b[0m", b"\xff\xfe\x80" * 9, b"\x80" * 99]


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


def test_an_explanation_is_json_and_a_text_for_people() -> None:
    why = zipfit.Scorer(TARGET, aggregate="top-2").explain("def sub(a, b): return a - b", top=1)
    content = json.loads(json.dumps(why.to_dict()))
    assert content["score"] == why.score
    assert len(content["nearest"]) == 1
    assert "the mean over the 2 nearest of 4" in content["meaning"]
    assert "target 0" in str(why)


def test_what_could_move_a_terminal_is_escaped() -> None:
    text = "\x1b[31m twelve letters or more \u202e\r\x07"
    said = str(zipfit.Scorer([text]).explain(text))
    assert "twelve letters or more" in said
    assert not {"\x1b", "\u202e", "\r", "\x07"} & set(said)


def test_wrong_arguments_are_told() -> None:
    scorer = zipfit.Scorer(TARGET)
    with pytest.raises(ParameterError, match="top"):
        scorer.explain("a", top=0)
    with pytest.raises(InvalidTextError, match=r"text: lone surrogate U\+D800 at character 1"):
        scorer.explain("a\ud800")
    with pytest.raises(TextTypeError, match="text: expected str or bytes, got list"):
        scorer.explain(["a"])  # type: ignore[arg-type]


def test_a_run_that_chose_nothing_covers_nothing(tmp_path: Path) -> None:
    write_texts(tmp_path / "pool.jsonl", SOURCE_TEXTS)
    write_texts(tmp_path / "target.jsonl", TARGET_TEXTS)
    zipfit_cli("select", "pool.jsonl", "--target", "target.jsonl", "--threshold", "9", "-o", "out", cwd=tmp_path)
    done = zipfit_cli("explain", "out", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["covered"] == 0
    done = zipfit_cli("explain", "out", "--top", "0", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "zipfit: --top must be at least 1, got 0\n")

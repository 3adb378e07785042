"""The metric "gain" is its transcription with Python's zstandard and zlib, to the last bit."""

from __future__ import annotations

import json
import pickle
import random
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

import zipfit
from zipfit.errors import BadRowError, EmptyTargetError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LIMITS = {"zstd-1": 64 * 1024} | {f"zstd-{level}": 128 * 1024 for level in range(2, 23)}
LIMITS |= {f"deflate-{level}": 32 * 1024 - 262 for level in range(1, 10)}
"""Every compressor that takes a dictionary, and how long one may be."""


def size_of(compressor: str, dictionary: bytes | None) -> Callable[[bytes], int]:
    """C(x), or C(x | dictionary): the reference."""
    codec, level = compressor.split("-")
    if codec == "zstd":
        data = None
        if dictionary is not None:
            data = zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        frame = zstandard.ZstdCompressor(
            level=int(level), dict_data=data, write_content_size=False, write_checksum=False, write_dict_id=False
        )
        return lambda x: len(frame.compress(x))

    def deflated(x: bytes) -> int:
        if dictionary is None:
            stream = zlib.compressobj(int(level), zlib.DEFLATED, -15)
        else:
            stream = zlib.compressobj(int(level), zlib.DEFLATED, -15, zdict=dictionary)
        return len(stream.compress(x) + stream.flush())

    if "zlib-ng" in zlib.ZLIB_RUNTIME_VERSION:
        pytest.skip("this Python has zlib-ng inside, which compresses to other sizes than zlib")
    return deflated


def dictionaries(target: Sequence[bytes], limit: int) -> list[bytes]:
    """The targets joined by a newline, as one dictionary or as several of about equal length."""
    joined = b"\n".join(target)
    k = max(1, -(-len(joined) // limit))
    while True:
        groups: list[list[bytes]] = [[] for _ in range(k)]
        start = 0
        for text in target:
            groups[min(k - 1, k * start // max(1, len(joined)))].append(text)
            start += len(text) + 1
        if all(len(group) < 2 or len(b"\n".join(group)) <= limit for group in groups):
            return [b"\n".join(group) for group in groups if group]
        k += k // 8 + 1


def gains(source: Sequence[bytes], target: Sequence[bytes], compressor: str) -> list[float]:
    """The formula."""
    alone = size_of(compressor, None)
    against = [size_of(compressor, dictionary) for dictionary in dictionaries(target, LIMITS[compressor])]
    result = []
    for x in source:
        s = 0.0
        for size in against:
            s += (alone(x) - size(x)) / len(x) if x else 0.0
        result.append(s / len(against))
    return result


def assert_exact(source: Sequence[bytes], target: Sequence[bytes], compressor: str, threads: int | None = None) -> None:
    scores = zipfit.rank(source, target, metric="gain", compressor=compressor, threads=threads).scores
    # Bytes, because == takes 0.0 for -0.0.
    assert scores.tobytes() == np.array(gains(source, target, compressor), np.float64).tobytes()


def words(count: int, seed: int = 0) -> bytes:
    """Text of a small vocabulary, with something new now and then."""
    rng = random.Random(seed)
    vocabulary = [bytes(rng.choices(b"abcdefgh", k=rng.randint(1, 9))) + b" " for _ in range(300)]
    return b"".join(rng.choice(vocabulary) if rng.random() < 0.97 else rng.randbytes(4) for _ in range(count))


WORDS = st.sampled_from(
    [b"the ", b"cat ", b"return ", b"x = x + 1\n", "\u00e9t\u00e9 ".encode(), b"\x00\xff", b"a" * 300]
)
TEXTS = st.one_of(
    st.binary(max_size=200),
    st.text("ab", max_size=200).map(str.encode),
    st.text(max_size=100).map(str.encode),
    st.lists(WORDS, max_size=60).map(b"".join),
)
TARGETS = st.lists(TEXTS, min_size=1, max_size=6).filter(
    lambda target: not any(text.startswith(b"\x37\xa4\x30\xec") for text in target)
)


@given(
    source=st.lists(TEXTS, max_size=8),
    target=TARGETS,
    compressor=st.sampled_from(list(LIMITS)),
    threads=st.sampled_from([1, 2, 8]),
)
def test_a_gain_is_the_transcription_to_the_last_bit(
    source: list[bytes], target: list[bytes], compressor: str, threads: int
) -> None:
    assert_exact(source, target, compressor, threads)


@pytest.mark.parametrize("compressor", LIMITS)
def test_every_level_gives_the_gains_of_the_reference(compressor: str, functions: list[str]) -> None:
    texts = [text.encode() for text in functions]
    source = [b"", b"x", *texts[:20], b"".join(texts)[:40_000], words(4000, seed=1)]
    assert_exact(source, texts[20:60], compressor)


# The rows from which zstd changes its tables, and lays a short dictionary aside: 16, 128 and 256 KiB.
LONG_ROWS = [words(60_000)[:length] for length in (16_384, 16_385, 131_071, 131_072, 140_000, 262_145)]


@pytest.mark.parametrize(
    "compressor", ["zstd-1", "zstd-2", "zstd-3", "zstd-5", "zstd-9", "zstd-12", "zstd-19", "deflate-9"]
)
@pytest.mark.parametrize("target_bytes", [0, 7, 8, 3000, 21_845, 21_846, 60_000])
def test_long_rows_have_the_gains_of_the_reference(compressor: str, target_bytes: int) -> None:
    assert_exact(LONG_ROWS, [words(15_000, seed=2)[:target_bytes]], compressor)


@pytest.mark.parametrize("compressor", ["zstd-1", "zstd-2", "zstd-3", "zstd-6", "zstd-16", "deflate-1", "deflate-6"])
@pytest.mark.parametrize("over", [-1, 0, 1, 70_000, 400_000])
def test_targets_around_and_above_the_limit_have_the_gains_of_the_reference(compressor: str, over: int) -> None:
    rng = random.Random(over)
    joined = bytearray(words(150_000, seed=3)[: LIMITS[compressor] + over])
    start = 0
    while (start := start + rng.choice([1, 2, 200, 3000, 50_000])) < len(joined):
        joined[start] = ord("\n")
    target = bytes(joined).split(b"\n")
    source = [words(200, seed=4), bytes(joined[:2000]), b"", target[0], target[-1], LONG_ROWS[-1]]
    assert_exact(source, target, compressor)


def test_one_dictionary_serves_up_to_the_limit_and_several_above_it() -> None:
    assert len(dictionaries([b"a" * 65_535, b"b" * 65_536], 128 * 1024)) == 1
    assert len(dictionaries([b"a" * 65_536, b"b" * 65_536], 128 * 1024)) == 2
    # A target that no dictionary holds wholly stays whole, and the last one, though empty, has a dictionary.
    assert dictionaries([b"a" * 10, b"b", b""], 4) == [b"a" * 10, b"b\n"]


def test_gains_do_not_depend_on_the_number_of_threads_or_the_rows_beside(functions: list[str]) -> None:
    scorer = zipfit.Scorer(functions[:20], metric="gain")
    scores = scorer.score(functions, threads=1)
    assert scorer.score(functions, threads=8).tobytes() == scores.tobytes()
    assert [scorer.score([text]).item() for text in functions] == scores.tolist()


def test_the_order_of_targets_and_rows_that_hold_targets_behave_as_expected(functions: list[str]) -> None:
    target = functions[:5]
    copy, other = zipfit.Scorer(target, metric="gain").score([target[2], "".join(map(chr, range(200, 600)))])
    assert copy > 0.2
    assert other < 0.01


def test_str_counts_as_its_utf_8_bytes() -> None:
    source, target = ["\u00e9t\u00e9 " * 9, "x"], ["\u00e9t\u00e9", ""]
    of_bytes = zipfit.rank([text.encode() for text in source], [text.encode() for text in target], metric="gain")
    assert zipfit.rank(source, target, metric="gain").scores.tolist() == of_bytes.scores.tolist()


def test_empty_rows_have_no_gain_and_no_rows_no_scores() -> None:
    scorer = zipfit.Scorer(["a target"], metric="gain")
    assert scorer.score(["", b""]).tobytes() == np.zeros(2).tobytes()
    assert scorer.score([]).shape == (0,)


def test_a_scorer_says_what_was_resolved_and_is_pickled_with_it() -> None:
    scorer = zipfit.Scorer(["def f(x): return x"], metric="gain")
    assert repr(scorer) == "Scorer(1 targets, gain zstd-3 mean)"
    assert scorer.provenance["compressor_library"] == "zstd"
    copied = pickle.loads(pickle.dumps(scorer))
    assert copied.provenance == scorer.provenance
    assert copied.score(["def g(y): return y"]).tolist() == scorer.score(["def g(y): return y"]).tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"compressor": "gzip-9"},
            'compressor "gzip-9" takes no dictionary, which metric "gain" needs; use deflate-1..9 or zstd-1..22',
        ),
        (
            {"compressor": "lz4"},
            'compressor "lz4" takes no dictionary, which metric "gain" needs; use deflate-1..9 or zstd-1..22',
        ),
        ({"aggregate": "max"}, 'aggregate "max": metric "gain" takes all targets together; use "mean"'),
        ({"aggregate": "top-1"}, 'aggregate "top-1": metric "gain" takes all targets together; use "mean"'),
        ({"compressor": "zstd-23"}, 'compressor "zstd-23": zstd has levels 1 to 22'),
    ],
)
def test_what_does_not_go_with_gain_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        zipfit.Scorer(["a target"], metric="gain", **options)
    assert str(caught.value) == message


def test_no_targets_are_refused() -> None:
    with pytest.raises(EmptyTargetError):
        zipfit.Scorer([], metric="gain")


def test_a_target_that_zstd_would_misread_is_refused_with_its_row() -> None:
    magic = b"\x37\xa4\x30\xec and more"
    with pytest.raises(BadRowError) as caught:
        zipfit.Scorer([b"a" * 100_000, b"b" * 100_000, magic * 20_000], metric="gain")
    assert str(caught.value) == (
        "target row 2: begins with the bytes 37 A4 30 EC, which mark a dictionary in zstd's own format; leave it out, "
        "or use compressor deflate-9"
    )
    assert caught.value.row == 2
    # Where it is not at the beginning, it is bytes like others.
    assert_exact([magic, b"and more"], [b"a", magic], "zstd-3")
    assert_exact([magic, b"and more"], [magic], "deflate-9")


def test_files_are_selected_by_gain(tmp_path: Path, functions: list[str]) -> None:
    from zipfit import pipeline

    def write(name: str, texts: list[str]) -> str:
        (tmp_path / name).write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        return str(tmp_path / name)

    options = pipeline.SelectOptions(
        source=(write("pool.jsonl", functions[10:]),),
        target=(write("target.jsonl", functions[:10]),),
        output=str(tmp_path / "out"),
        top_k=5,
        metric="gain",
    )
    pipeline.select(options)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["parameters"]["metric"], manifest["parameters"]["compressor"]) == ("gain", "zstd-3")
    rows = [json.loads(line)["row"] for line in (tmp_path / "out" / "selection.jsonl").read_text().splitlines()]
    assert rows == zipfit.rank(functions[10:], functions[:10], metric="gain").top_k(5).rows.tolist()

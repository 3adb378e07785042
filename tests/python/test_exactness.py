"""zipfit's numbers are those of the reference implementations, to the byte and to the last bit."""

from __future__ import annotations

import gzip
import random
from typing import Any

import brotlicffi
import numpy as np
import pytest
import reference
import zstandard
from helpers_texts import library_source
from hypothesis import given
from hypothesis import strategies as st

import zipfit
from zipfit import _core

WORDS = st.sampled_from(
    [b"the ", b"cat ", b"return ", b"x = x + 1\n", "\u00e9t\u00e9 ".encode(), b"\x00\xff", b"a" * 300]
)
TEXTS = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(str.encode),
    # Words repeat, so that there is something to compress; a few make blocks of several kilobytes.
    st.lists(WORDS, max_size=60).map(b"".join),
)


def real_texts() -> dict[str, bytes]:
    code = library_source("_pydecimal").encode()
    japanese = "\u5341\u5206\u306b\u767a\u9054\u3057\u305f\u79d1\u5b66\u6280\u8853 \U0001f389\u00fc\u00df "
    return {
        "empty": b"",
        "one byte": b"a",
        "two bytes": b"ab",
        "three bytes": b"abc",
        "all bytes equal": b"\x00" * 10_000,
        "every byte once": bytes(range(256)),
        "not ASCII": (japanese * 50 + library_source("statistics")[:2000] + japanese).encode(),
        "a function": code[50_000:50_600],
        "just over the window of DEFLATE": code[: 32 * 1024 + 1],
        "a block of LZ4": code[: 64 * 1024],
        "a block of LZ4 and a byte": code[: 64 * 1024 + 1],
        "100 kB": code[:100_000],
        # Longer than a piece in which the core feeds its codecs.
        "300 kB": (code + library_source("argparse").encode() + code)[:300_000],
    }


def test_the_references_have_the_same_libraries_inside() -> None:
    # The two whose sizes are known to differ between versions.
    versions = {library: version for _, library, version in _core.codec_libraries()}
    assert versions["zstd"] == ".".join(map(str, zstandard.ZSTD_VERSION))
    assert versions["brotli"] == ".".join(brotlicffi.__version__.split(".")[:3])


@pytest.mark.parametrize("compressor", [name for codec in reference.LEVELS for name in reference.compressors(codec)])
def test_sizes_of_real_texts_are_those_of_the_reference(compressor: str) -> None:
    texts = real_texts()
    sizes = zipfit.compressed_size(list(texts.values()), compressor)
    expected = {name: reference.compressed_size(text, compressor) for name, text in texts.items()}
    assert dict(zip(texts, sizes.tolist(), strict=True)) == expected
    assert sizes.dtype == np.int64


@pytest.mark.parametrize("codec", reference.LEVELS)
@given(data=st.data(), text=TEXTS)
def test_sizes_are_those_of_the_reference(codec: str, data: st.DataObject, text: bytes) -> None:
    compressor = data.draw(st.sampled_from(reference.compressors(codec)))
    assert zipfit.compressed_size(text, compressor) == reference.compressed_size(text, compressor)


@pytest.mark.parametrize("compressor", ["gzip-9", "zlib-6", "deflate-1", "zstd-3", "lz4", "brotli-5", "xz-1", "bz2-9"])
def test_a_size_does_not_depend_on_the_texts_before_it(compressor: str) -> None:
    texts = list(real_texts().values())
    alone = [zipfit.compressed_size([text], compressor).item() for text in texts]
    # One thread, so that one compressor meets every text.
    assert zipfit.compressed_size([*texts, *texts], compressor, threads=1).tolist() == alone * 2
    assert zipfit.compressed_size(texts[::-1], compressor, threads=1).tolist() == alone[::-1]


@given(x=TEXTS, y=TEXTS, compressor=st.sampled_from(["gzip-9", "zlib-1", "deflate-6", "zstd-3", "lz4", "bz2-9"]))
def test_ncd_is_the_formula_with_x_before_y(x: bytes, y: bytes, compressor: str) -> None:
    expected = reference.distance(x, y, "ncd", compressor)
    assert zipfit.ncd(x, y, compressor) == expected
    assert zipfit.ncd_matrix([x], [y], compressor=compressor).tolist() == [[expected]]


def test_ncd_matrix_has_a_row_a_source_and_a_column_a_target(functions: list[str]) -> None:
    source, target = functions[:40], functions[40:45]
    matrix = zipfit.ncd_matrix(source, target, threads=2)
    assert matrix.shape == (40, 5)
    assert matrix.dtype == np.float64
    assert matrix.tolist() == [[zipfit.ncd(x, y) for y in target] for x in source]


@given(
    source=st.lists(TEXTS, max_size=6),
    target=st.lists(TEXTS, min_size=2, max_size=4),
    options=st.fixed_dictionaries(
        {
            "metric": st.sampled_from(["ncd", "cdm", "clm"]),
            "aggregate": st.sampled_from(["mean", "max", "top-1", "top-2"]),
            "compressor": st.sampled_from(["gzip-9", "gzip-1", "zlib-6", "deflate-9", "zstd-3", "lz4", "brotli-5"]),
        }
    ),
    threads=st.sampled_from([1, 2, 8]),
)
def test_rank_is_the_transcription_to_the_last_bit(
    source: list[bytes], target: list[bytes], options: dict[str, Any], threads: int
) -> None:
    ranking = zipfit.rank(source, target, **options, threads=threads)
    expected = reference.scores(source, target, **options)
    # Bytes, because == takes 0.0 for -0.0.
    assert ranking.scores.tobytes() == np.array(expected, np.float64).tobytes()
    assert ranking.order.tolist() == reference.order(expected)
    assert ranking.sizes is not None
    assert ranking.sizes.tolist() == [len(text) for text in source]


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("metric", ["ncd", "cdm", "clm"])
@pytest.mark.parametrize("aggregate", ["mean", "max", "top-2"])
def test_rank_of_real_texts_is_the_transcription_for_any_number_of_threads(
    functions: list[str], threads: int, metric: str, aggregate: str
) -> None:
    source, target = functions[5:], functions[:5]
    ranking = zipfit.rank(source, target, metric=metric, aggregate=aggregate, threads=threads)
    expected = reference.scores(
        [text.encode() for text in source], [text.encode() for text in target], metric, "gzip-9", aggregate
    )
    assert ranking.scores.tolist() == expected
    assert ranking.order.tolist() == reference.order(expected)


def test_the_default_is_the_alignment_of_the_paper(functions: list[str]) -> None:
    source, target = functions[:20], functions[20:24]
    explicit = zipfit.rank(source, target, metric="ncd", compressor="gzip-9", aggregate="mean")
    assert zipfit.rank(source, target).scores.tolist() == explicit.scores.tolist()


def test_ncd_of_equal_texts_is_small_below_the_window_and_large_beyond() -> None:
    code = library_source("_pydecimal")
    assert zipfit.ncd(code[:8000], code[:8000]) < 0.05
    assert zipfit.ncd(code[:50_000], code[:50_000]) > 0.9


@pytest.mark.parametrize("seed", range(8))
def test_the_seam_of_a_pair_does_not_show_at_the_edge_of_the_window(seed: int) -> None:
    # Was off by some bytes where x ended just as zlib refilled its window.
    noise = random.Random(seed)
    x = bytearray(noise.randbytes(65_535))
    x[65_274:65_474] = x[32_768:32_968]
    p = noise.randbytes(400)
    size, sizes = len(gzip.compress(bytes(x) + p, 9)), [len(gzip.compress(text, 9)) for text in (bytes(x), p)]
    expected = (size - min(sizes)) / max(sizes)
    assert zipfit.ncd(bytes(x), p) == expected
    assert zipfit.rank([bytes(x)], [p]).scores[0] == 1.0 - expected / 1

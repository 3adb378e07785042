"""What zipfit must compute, in plain Python: the formulae of its documentation and the reference of each codec.

The oracle of the tests. It is meant to be read beside the formulae and never made fast.

brotlicffi is the ``brotli`` of the documentation with an older library inside, the version that zipfit has: brotli 1.1
and later give other sizes at qualities 2 to 4.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Sequence

import brotlicffi
import lz4.frame
import pytest
import zstandard

LEVELS: dict[str, Sequence[int | None]] = {
    "gzip": range(1, 10),
    "zlib": range(1, 10),
    "deflate": range(1, 10),
    "zstd": range(1, 23),
    "lz4": [None],
    "brotli": range(12),
    "xz": range(10),
    "bz2": range(1, 10),
}


def compressors(codec: str) -> list[str]:
    """Every compressor of a codec, as in "gzip-1" to "gzip-9"."""
    return [codec if level is None else f"{codec}-{level}" for level in LEVELS[codec]]


COMPRESS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "deflate": lambda x, level: zlib.compress(x, level, wbits=-15),
    "zstd": lambda x, level: zstandard.ZstdCompressor(level=level).compress(x),
    "lz4": lambda x, _: lz4.frame.compress(x),
    "brotli": lambda x, quality: brotlicffi.compress(x, quality=quality),
    "xz": lambda x, preset: lzma.compress(x, preset=preset),
    "bz2": bz2.compress,
}


def compressed_size(x: bytes, compressor: str) -> int:
    codec, _, level = compressor.partition("-")
    if codec in {"gzip", "zlib", "deflate"} and "zlib-ng" in zlib.ZLIB_RUNTIME_VERSION:
        pytest.skip("this Python has zlib-ng inside, which compresses to other sizes than zlib")
    return len(COMPRESS[codec](x, int(level or 0)))


def distance(x: bytes, y: bytes, metric: str, compressor: str) -> float:
    cx = compressed_size(x, compressor)
    cy = compressed_size(y, compressor)
    cxy = compressed_size(x + y, compressor)
    if metric == "ncd":
        return (cxy - min(cx, cy)) / max(cx, cy)
    if metric == "cdm":
        return cxy / (cx + cy)
    if metric == "clm":
        return 1 - (cx + cy - cxy) / cxy
    raise AssertionError(metric)


def mean(values: Sequence[float]) -> float:
    s = 0.0
    for value in values:
        s += value
    return s / len(values)


def score(x: bytes, target: Sequence[bytes], metric: str, compressor: str, aggregate: str) -> float:
    distances = [distance(x, y, metric, compressor) for y in target]
    if aggregate == "mean":
        return 1.0 - mean(distances)
    if aggregate == "max":
        return 1.0 - min(distances)
    nearest = int(aggregate.removeprefix("top-"))
    return 1.0 - mean(sorted(distances)[:nearest])


def scores(
    source: Sequence[bytes], target: Sequence[bytes], metric: str, compressor: str, aggregate: str
) -> list[float]:
    return [score(x, target, metric, compressor, aggregate) for x in source]


def order(scores: Sequence[float]) -> list[int]:
    """Best first, equal scores by row."""
    return sorted(range(len(scores)), key=lambda row: (-scores[row], row))

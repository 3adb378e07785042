"""What zipfit must compute, in plain Python: the formulae of its documentation and the reference of each codec.

The oracle of the tests. It is meant to be read beside the formulae and never made fast.

brotlicffi is the ``brotli`` of the documentation with an older library inside, the version that zipfit has: brotli 1.1
and later give other sizes at qualities 2 to 4.
"""

from __future__ import annotations

import bz2
import gzip
import itertools
import lzma
import math
import re
import zlib
from collections import Counter, defaultdict
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


def ngram_bits(read: Sequence[bytes], text: bytes, context: int = 6) -> float:
    """Bits that a text needs after a byte n-gram model has read others: interpolated Witten-Bell.

    p_k(x | h) = (c(hx) + T(h) p_{k-1}(x | h without its first byte)) / (c(h) + T(h)), p_{-1} = 1/256.
    """
    followers: dict[bytes, Counter[int]] = defaultdict(Counter)
    for other in read:
        for i, byte in enumerate(other):
            for k in range(min(i, context) + 1):
                followers[other[i - k : i]][byte] += 1
    bits = 0.0
    for i, byte in enumerate(text):
        p = 1 / 256
        for k in range(min(i, context) + 1):
            if seen := followers.get(text[i - k : i]):
                p = (seen[byte] + len(seen) * p) / (seen.total() + len(seen))
        bits -= math.log2(p)
    return bits


def word_counts(texts: Sequence[bytes], buckets: int = 10_000) -> list[int]:
    """How often words, and pairs of words that follow each other, fall into each bucket by their hash."""
    counts = [0] * buckets
    for text in texts:
        words = re.findall(rb"[0-9a-z_\x80-\xff]+|[^0-9a-z_\x80-\xff\s\x1c-\x1f]+", text.lower())
        for feature in [*words, *(b"\0".join(pair) for pair in itertools.pairwise(words))]:
            counts[_mixed(_fnv1a(feature)) % buckets] += 1
    return counts


def _fnv1a(text: bytes) -> int:
    hash_ = 0xCBF29CE484222325
    for byte in text:
        hash_ = (hash_ ^ byte) * 0x100000001B3 % 2**64
    return hash_


def _mixed(bits: int) -> int:
    """Return the output function of SplitMix64."""
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB % 2**64
    return bits ^ (bits >> 31)


def word_divergence(target: Sequence[int], other: Sequence[int]) -> float:
    """Kullback-Leibler divergence of shares, 1e-8 being added to each in a logarithm."""
    return math.fsum(
        p / sum(target) * (math.log(p / sum(target) + 1e-8) - math.log(q / sum(other) + 1e-8))
        for p, q in zip(target, other, strict=True)
        if p
    )

"""Byte n-grams of many texts as numbers, for numpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

LONGEST = 8
"""Bytes that a uint64 holds."""


def packed(texts: Sequence[bytes], longest: int) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.int64]]]:
    """For n = 1 to `longest`, at most `LONGEST`: all n-grams that lie within one text, and where they end.

    An n-gram is the number whose last byte is the lowest; the places count the bytes of all texts, from 0.
    """
    data = np.frombuffer(b"".join(texts), np.uint8).astype(np.uint64)
    lengths = np.array([len(text) for text in texts], np.int64)
    place_in_text = np.arange(len(data)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    keys = np.zeros_like(data)
    for n in range(1, longest + 1):
        keys[n - 1 :] |= data[: max(len(data) - n + 1, 0)] << np.uint64(8 * (n - 1))
        ends = np.flatnonzero(place_in_text >= n - 1)
        yield keys[ends], ends


def look_up(wanted: NDArray[np.uint64], keys: NDArray[np.uint64], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The values of the wanted keys, 0 for those that are not among `keys`, which ascend."""
    if not len(keys):
        return np.zeros(len(wanted), np.int64)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0)

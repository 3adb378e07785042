"""A byte n-gram model as a judge of selections: it reads the chosen texts, and then predicts the texts of a task.

Interpolated Witten-Bell smoothing (Witten and Bell 1991; Chen and Goodman 1999). With h the k bytes before byte x,
c(hx) how often x followed h in the texts read, c(h) the sum over all x, and T(h) the number of different x,

    p_k(x | h) = (c(hx) + T(h) p_{k-1}(x | h without its first byte)) / (c(h) + T(h)),    p_{-1} = 1/256,

and p_k = p_{k-1} where h was never seen. k goes up to ``CONTEXT``. A context begins at its own text's beginning at the
earliest, and no end of text is predicted. The verdict is the mean of -log2 p over all bytes of the task, so that long
texts count more: bits per byte, lower is better.

`Judge` sorts n-grams: O(CONTEXT B log B) time and some 20 CONTEXT bytes of memory a byte, B bytes read. `naive` is the
formula, and `check` compares the two.
"""

from __future__ import annotations

import math
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benches.ngrams import LONGEST, look_up, packed

CONTEXT = 6
"""Longest context in bytes, at most LONGEST - 1. At 4 all selections are judged some 0.2 bits better, at 7 some 0.1
worse; their order stays."""

BYTES = 256

LOWEST = np.uint64(8)
"""Bits of the last byte of a packed n-gram; without it, the rest is the context."""


class Judge:
    """The model that has read some texts.

    Parameters
    ----------
    texts
        What it reads.
    context
        Bytes of the longest context.
    """

    def __init__(self, texts: Sequence[bytes], context: int = CONTEXT) -> None:
        # For each n from 1: the distinct n-grams, ascending, and how often each occurs.
        self._ngrams = [np.unique(keys, return_counts=True) for keys, _ in packed(texts, context + 1)]
        self._contexts = [_contexts(*ngrams) for ngrams in self._ngrams]

    def bits_per_byte(self, texts: Sequence[bytes]) -> float:
        """Predict texts, at least one byte together: the mean of -log2 p."""
        probability = np.full(sum(map(len, texts)), 1 / BYTES)
        steps = zip(packed(texts, len(self._ngrams)), self._ngrams, self._contexts, strict=True)
        for (keys, ends), (ngrams, counts), (contexts, totals, followers) in steps:
            total = look_up(keys >> LOWEST, contexts, totals)
            different = look_up(keys >> LOWEST, contexts, followers)
            count = look_up(keys, ngrams, counts)
            seen = total > 0
            lower = probability[ends[seen]]
            probability[ends[seen]] = (count[seen] + different[seen] * lower) / (total[seen] + different[seen])
        return float(-np.log2(probability).mean())


def _contexts(
    ngrams: NDArray[np.uint64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """The distinct contexts of n-grams, ascending; how often each occurs with any byte after it, how many follow it."""
    contexts, first, followers = np.unique(ngrams >> LOWEST, return_index=True, return_counts=True)
    # The n-grams of one context are neighbours.
    totals = np.add.reduceat(counts, first) if len(first) else counts
    return contexts, totals, followers


def naive(read: Sequence[bytes], texts: Sequence[bytes], context: int = CONTEXT) -> float:
    """What ``Judge(read, context).bits_per_byte(texts)`` is, written like the formula."""
    followers: dict[bytes, Counter[int]] = defaultdict(Counter)
    for text in read:
        for i, byte in enumerate(text):
            for k in range(min(i, context) + 1):
                followers[text[i - k : i]][byte] += 1
    bits = []
    for text in texts:
        for i, byte in enumerate(text):
            p = 1 / BYTES
            for k in range(min(i, context) + 1):
                if seen := followers.get(text[i - k : i]):
                    p = (seen[byte] + len(seen) * p) / (seen.total() + len(seen))
            bits.append(-math.log2(p))
    return math.fsum(bits) / len(bits)


def check(rounds: int = 100, seed: int = 0) -> None:
    """Exit unless the judge agrees with the formula on texts of few letters and of many, empty ones among them."""
    generator = random.Random(seed)

    def texts(letters: bytes) -> list[bytes]:
        lengths = [0, 1, *generator.choices(range(40), k=6)]
        return [bytes(generator.choices(letters, k=length)) for length in lengths]

    for number in range(rounds):
        letters = b"ab" if number % 2 else bytes(range(BYTES))
        read, task = texts(letters), texts(letters)
        context = generator.randrange(LONGEST)
        fast, slow = Judge(read, context).bits_per_byte(task), naive(read, task, context)
        # The terms are the same, summed in another order.
        if not math.isclose(fast, slow, rel_tol=1e-12):
            sys.exit(f"the judge says {fast} bits per byte, the formula {slow}: context {context}, {read}, {task}")

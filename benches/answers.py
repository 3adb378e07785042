"""What the answers must be, made with other tools than zipfit: a benchmark checks them before it tells a time.

Those named check_ read what a run left in a directory and exit with a sentence where the answer is wrong. Scores are
compared to the last bit, on a sample of rows; coverage, whose terms numpy sums in another order, to `ROUNDING`.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benches.ngrams import look_up, packed

SHORTEST, LONGEST = 3, 6
"""Bytes of the n-grams that are to be covered."""

DICTIONARY_BYTES = 128 * 1024
"""Targets of more bytes than this are several dictionaries; as src/codec/dictionary.rs has it for zstd-3."""

ROUNDING = 1e-9
"""Relative; sums of some 100,000 terms."""

BARE_ZSTD_3 = {"level": 3, "write_content_size": False, "write_checksum": False, "write_dict_id": False}
"""Parameters of zstandard's compressor for gain: a frame holds nothing that does not depend on the text's content."""

Score = Callable[[bytes], float]


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


DISTANCES: dict[str, Callable[[int, int, int], float]] = {
    "ncd": lambda x, y, both: (both - min(x, y)) / max(x, y),
    "cdm": lambda x, y, both: both / (x + y),
    "clm": lambda x, y, both: 1 - (x + y - both) / both,
}
"""From the sizes of two texts and of both joined."""


def ncd(target: Sequence[bytes]) -> Score:
    """The alignment by ``gzip.compress(..., 9)``, summed in the order of the targets."""
    return by_pairs(target, DISTANCES["ncd"])


def by_pairs(target: Sequence[bytes], distance: Callable[[int, int, int], float]) -> Score:
    """1 - the mean distance by ``gzip.compress(..., 9)``, summed in the order of the targets."""

    def size(text: bytes) -> int:
        return len(gzip.compress(text, 9))

    sizes = [size(text) for text in target]

    def score(text: bytes) -> float:
        own, total = size(text), 0.0
        for other, other_size in zip(target, sizes, strict=True):
            total += distance(own, other_size, size(text + other))
        return 1.0 - total / len(target)

    return score


def gain(target: Sequence[bytes]) -> Score:
    """Bytes saved per byte by zstd-3, through Python's ``zstandard``."""
    import zstandard

    alone, against = zstandard.ZstdCompressor(**BARE_ZSTD_3), []
    for joined in dictionaries(target):
        data = zstandard.ZstdCompressionDict(joined, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        data.precompute_compress(level=3)
        against.append(zstandard.ZstdCompressor(dict_data=data, **BARE_ZSTD_3))

    def score(text: bytes) -> float:
        if not text:
            return 0.0
        own, total = len(alone.compress(text)), 0.0
        for compressor in against:
            total += (own - len(compressor.compress(text))) / len(text)
        return total / len(against)

    return score


def dictionaries(target: Sequence[bytes]) -> Iterable[bytes]:
    """The targets joined by newlines, dealt out in order where they are more than one dictionary holds."""
    whole = len(b"\n".join(target))
    count = max(1, -(-whole // DICTIONARY_BYTES))
    while True:
        parts: dict[int, list[bytes]] = {}
        start = 0
        for text in target:
            parts.setdefault(min(count * start // max(whole, 1), count - 1), []).append(text)
            start += len(text) + 1
        if all(len(part) == 1 or len(b"\n".join(part)) <= DICTIONARY_BYTES for part in parts.values()):
            return map(b"\n".join, parts.values())
        count += count // 8 + 1


def check_scores(directory: Path, source: Sequence[bytes], score: Score, rows: int) -> None:
    """Chosen rows, some of them, have their scores and descend; some of all others come after the last."""
    chosen = [(line["row"], line["score"]) for line in lines(directory / "selection.jsonl")]
    if chosen != sorted(set(chosen), key=lambda pair: (-pair[1], pair[0])):
        sys.exit(f"{directory.name}: rows are not in order, or one is there twice")
    generator = random.Random(0)
    for row, found in generator.sample(chosen, min(rows, len(chosen))):
        if (expected := score(source[row])) != found:
            sys.exit(f"{directory.name}: row {row} has score {found}; expected {expected}")
    last_row, last = chosen[-1]
    among = {row for row, _ in chosen}
    for row in generator.sample(range(len(source)), min(rows, len(source))):
        expected = score(source[row])
        if row not in among and (-expected, row) < (-last, last_row):
            sys.exit(
                f"{directory.name}: row {row} has score {expected}, above the last chosen, {last}, but is not chosen"
            )


Counts = list[tuple[NDArray[np.int64], NDArray[np.int64]]]
"""For each n: which of the target's n-grams a text holds, and how often each."""


class Coverage:
    """F(S) = sum of w c / (c + beta) over the distinct n-grams of the target, in numpy."""

    def __init__(self, target: Sequence[bytes], beta: float) -> None:
        self._beta = beta
        self._ngrams = [np.unique(keys, return_counts=True) for keys in _ngrams(target)]
        self._covered = [np.zeros(len(keys), np.int64) for keys, _ in self._ngrams]

    def counts(self, text: bytes) -> Counts:
        """What a text holds of the target."""
        found = []
        for keys, (ngrams, _) in zip(_ngrams([text]), self._ngrams, strict=True):
            places = look_up(keys, ngrams, np.arange(1, len(ngrams) + 1))
            found.append(np.unique(places[places > 0] - 1, return_counts=True))
        return found

    def added(self, counts: Counts) -> float:
        """F(S and a text) - F(S)."""
        total = 0.0
        for (places, more), (_, weights), covered in zip(counts, self._ngrams, self._covered, strict=True):
            before, after = covered[places], covered[places] + more
            total += float((weights[places] * (self._saturated(after) - self._saturated(before))).sum())
        return total

    def add(self, counts: Counts) -> None:
        """Put a text into S."""
        for (places, more), covered in zip(counts, self._covered, strict=True):
            covered[places] += more

    def share(self) -> float:
        """F(S) over the sum of all weights."""
        pairs = list(zip(self._ngrams, self._covered, strict=True))
        covered = sum(float((weights * self._saturated(counts)).sum()) for (_, weights), counts in pairs)
        return covered / sum(int(weights.sum()) for (_, weights), _ in pairs)

    def _saturated(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        return counts / (counts + self._beta)


def _ngrams(texts: Sequence[bytes]) -> list[NDArray[np.uint64]]:
    return [keys for keys, _ in packed(texts, LONGEST)][SHORTEST - 1 :]


def check_cover(
    directory: Path, source: Sequence[bytes], target: Sequence[bytes], budget: int, *, rows: int = 50
) -> None:
    """Scores and coverage are those of the rows in their order; no sampled row was better, or still fits and adds."""
    chosen = lines(directory / "selection.jsonl")
    beta = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))["parameters"]["beta"]
    if not np.isclose(beta, max(1.0, budget / len(b"\n".join(target))), rtol=ROUNDING):
        sys.exit(f"{directory.name}: beta is {beta}, which is not the default for {budget} bytes")
    left, coverage, taken = budget, Coverage(target, beta), set(target)
    sample = random.Random(0).sample(range(len(source)), min(rows, len(source)))
    others = {source[row]: coverage.counts(source[row]) for row in sample if source[row]}
    stride = max(1, len(chosen) // rows)
    for step, line in enumerate(chosen):
        text, score, place = source[line["row"]], line["score"], f"{directory.name}, step {step}"
        if text in taken:
            sys.exit(f"{place}: row {line['row']} equals a target or a row chosen before")
        counts = coverage.counts(text)
        if not np.isclose(added := coverage.added(counts) / len(text), score, rtol=ROUNDING, atol=0):
            sys.exit(f"{place}: row {line['row']} adds {added} a byte, not {score}")
        for other, held in others.items() if step % stride == 0 else ():
            if other in taken or len(other) > left:
                continue
            if coverage.added(held) / len(other) > score * (1 + ROUNDING):
                sys.exit(f"{place}: a row that adds more a byte was not chosen: {other[:80]!r}")
        coverage.add(counts)
        taken.add(text)
        left -= len(text)
    if left < 0:
        sys.exit(f"{directory.name}: the rows have {-left} bytes more than the budget")
    for other, held in others.items():
        if other not in taken and len(other) <= left and coverage.added(held) > 0:
            sys.exit(f"{directory.name}: {left} bytes are left, and a row that adds something fits: {other[:80]!r}")
    if not np.isclose(share := coverage.share(), chosen[-1]["coverage"], rtol=ROUNDING, atol=0):
        sys.exit(f"{directory.name}: the rows cover {share} of the target, not {chosen[-1]['coverage']}")


def ngram_bits(read: Sequence[bytes], texts: Sequence[bytes], context: int = 6) -> float:
    """Bits that texts need after a byte n-gram model has read others: interpolated Witten-Bell.

    p_k(x | h) = (c(hx) + T(h) p_{k-1}(x | h without its first byte)) / (c(h) + T(h)), p_{-1} = 1/256, where T(h) is how
    many different bytes followed h.
    """
    p = np.full(sum(map(len, texts)), 1 / 256)
    for (keys, _), (wanted, ends) in zip(packed(read, context + 1), packed(texts, context + 1), strict=True):
        ngrams, counts = np.unique(keys, return_counts=True)
        contexts, first = np.unique(ngrams >> np.uint64(8), return_index=True)
        before = wanted >> np.uint64(8)
        total = look_up(before, contexts, np.add.reduceat(counts, first))
        different = look_up(before, contexts, np.diff(first, append=len(ngrams)))
        known = total > 0
        seen = (look_up(wanted, ngrams, counts) + different * p[ends])[known]
        p[ends[known]] = seen / (total + different)[known]
    return float(-np.log2(p).sum())


def check_resampled(directory: Path, source: Sequence[bytes], k: int) -> None:
    """What DSIR wrote is k different rows of the source (its choice is random)."""
    known = set(source)
    texts = [line["text"].encode() for path in sorted(directory.glob("*.jsonl")) for line in lines(path)]
    if len(texts) != k or not set(texts) <= known:
        sys.exit(f"{directory.name}: {len(texts)} rows, not {k}, or rows that the source does not have")

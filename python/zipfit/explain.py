"""Why a row has its score, and what chosen rows hold of the target: what `Scorer.explain` and ``zipfit explain`` give.

Substrings have no part in any score; they are what compressors look at, as far as it can be shown.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from zipfit import _core
from zipfit.checks import whole_number

__all__ = ["Explanation", "Nearest", "Piece", "RowOfSelection", "SelectionExplanation", "explain", "explain_selection"]

GAIN_NCD_COMPRESSOR = "gzip-9"
"""Of the NCDs in the explanation of a gain, which has none itself: the paper's."""

PIECES = 20
"""Shared substrings of an explanation at most; the bytes that all of them take are told in any case."""

SHOWN_OF_PIECE = 200
"""Bytes of a shared substring that are printed, two or three lines of a terminal: enough to find it by. A row that is a
copy of a target is one piece, however long, and would fill the terminal twice. `Explanation.to_dict` has all of it."""

_CONTINUED = 3
"""Bytes that may follow the first of a character in UTF-8."""


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """A target, and how far it is from the text."""

    target: int
    """Its row, from 0."""
    ncd: float
    """``zipfit.ncd(text, target)``, with the compressor of the explanation."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A substring that the text shares with a target."""

    text: str
    """What it says; bytes that are not UTF-8 as escapes."""
    start: int
    """Where it begins in the text, in bytes."""
    length: int
    """In bytes."""
    target: int
    """Row of a target that has it."""
    target_start: int
    """Where it begins in that target, in bytes."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a text has its score."""

    score: float
    """To the last bit that of `Scorer.score`."""
    metric: str
    compressor: str
    """Of the score."""
    aggregate: str
    size: int
    """Bytes of the text."""
    compressed_size: int
    """``zipfit.compressed_size(text, compressor)``."""
    targets: int
    """How many there are."""
    ncd_compressor: str
    """Of `nearest`: that of the score, or "gzip-9" where the score is a gain, which has no NCDs."""
    nearest: tuple[Nearest, ...]
    """The nearest targets, nearest first, equal ones by row."""
    pieces: tuple[Piece, ...]
    """The longest substrings of at least 12 bytes that a target has too, longest first, none overlapping another."""
    shared_bytes: int
    """Bytes of the text in all such substrings, those that are not among `pieces` with them."""
    text: bytes = field(repr=False)
    """The text that is explained."""

    def to_dict(self) -> dict[str, Any]:
        """Return all of it but the text, ready for ``json.dumps``."""
        found = asdict(self)
        del found["text"]
        return found | {"meaning": self.meaning}

    @property
    def meaning(self) -> str:
        """What the score says, in a sentence."""
        if self.metric == "gain":
            saved = round(self.score * self.size)
            return (
                f"gain {self.score:.4f}: {self.compressor} makes {self.compressed_size:,} bytes of the row's "
                f"{self.size:,}, and {abs(saved):,} {'less' if saved >= 0 else 'more'} with the "
                f"{counted(self.targets, 'target')} as its dictionary"
            )
        over = {
            "mean": f"the mean over {counted(self.targets, 'target')}",
            "max": f"the nearest of {counted(self.targets, 'target')}",
        }.get(self.aggregate, f"the mean over the {self.aggregate.removeprefix('top-')} nearest of {self.targets}")
        return (
            f"score {self.score:.4f}: 1 less the {self.metric.upper()} by {self.compressor}, {over}; the row has "
            f"{counted(self.size, 'byte')}, {self.compressed_size:,} compressed"
        )

    def longest(self, top: int = PIECES) -> list[Piece]:
        """Return the longest pieces, of those with the same text the first."""
        first = {piece.text: piece for piece in reversed(self.pieces)}
        return [piece for piece in self.pieces if first[piece.text] is piece][:top]

    def quoted(self, piece: Piece) -> str:
        """Return how a piece begins, as a Python literal that nothing can move a terminal by, and how much follows.

        In quotes, as blanks at its ends would not be seen, nor a line break be told from a backslash and an n.
        """
        whole = self.text[piece.start : piece.start + piece.length]
        shown = beginning(whole, SHOWN_OF_PIECE)
        more = f" ... and {counted(len(whole) - len(shown), 'byte')} more" if len(shown) < len(whole) else ""
        return f"{shown.decode(errors='backslashreplace')!r}{more}"

    def __str__(self) -> str:
        lines = [self.meaning, f"nearest targets, by NCD ({self.ncd_compressor}):"]
        lines += [f"  target {near.target}: {near.ncd:.4f}" for near in self.nearest]
        lines.append(
            f"{self.shared_bytes:,} of {counted(self.size, 'byte')} lie in substrings of {_core.MIN_SHARED_BYTES} or "
            f"more that a target has too{'; the longest:' if self.pieces else ''}"
        )
        lines += [f"  {piece.length:,} bytes, target {piece.target}: {self.quoted(piece)}" for piece in self.longest()]
        return "\n".join(lines)


def explain(scorer: _core.Scorer, index: _core.SharedIndex, text: bytes, *, top: int) -> Explanation:
    """Do what `zipfit.Scorer.explain` says; `index` is that of the scorer's target."""
    top = whole_number(top, "top")
    row = _core.Texts.from_iterable([text], "source")
    compressor = GAIN_NCD_COMPRESSOR if scorer.metric == "gain" else scorer.compressor
    ncds = _core.ncd_matrix(row, scorer.target, compressor)[0]
    order = np.argsort(ncds, kind="stable")[:top]
    pieces = index.shared(text)
    return Explanation(
        score=float(scorer.score(row)[0]),
        metric=scorer.metric,
        compressor=scorer.compressor,
        aggregate=scorer.aggregate,
        size=len(text),
        compressed_size=_core.compressed_size(text, scorer.compressor),
        targets=len(scorer.target),
        ncd_compressor=compressor,
        nearest=tuple(Nearest(target=int(target), ncd=float(ncds[target])) for target in order),
        pieces=tuple(
            Piece(
                text=text[start : start + length].decode(errors="backslashreplace"),
                start=start,
                length=length,
                target=target,
                target_start=target_start,
            )
            for start, length, target, target_start in pieces[:PIECES]
        ),
        shared_bytes=sum(length for _, length, _, _ in pieces),
        text=text,
    )


@dataclass(frozen=True, kw_only=True)
class RowOfSelection:
    """A chosen row, and what it brought."""

    rank: int
    """Its place among the chosen rows, from 0."""
    covers: int
    """Bytes of the targets that it covers and no row before it."""


@dataclass(frozen=True, kw_only=True)
class SelectionExplanation:
    """What chosen rows hold of the targets.

    A byte of a target is covered if it lies in a substring of at least 12 bytes that a chosen row holds.
    """

    rows: int
    target_bytes: int
    covered_bytes: int
    covered_by_target: tuple[float, ...]
    """The share of the bytes of each target that is covered, 0 to 1; 1 for an empty target."""
    covers: tuple[int, ...]
    """By rank of the row, the bytes that it covers and no row before it."""
    too_short: tuple[int, ...]
    """Targets of fewer than 12 bytes, but not of none, which nothing can cover."""

    @property
    def covered(self) -> float:
        """The share of all bytes of the targets that is covered, 0 to 1."""
        return self.covered_bytes / self.target_bytes if self.target_bytes else 1.0

    def best(self, top: int) -> list[RowOfSelection]:
        """Return the rows that cover most, best first, equal ones by rank."""
        order = sorted(range(len(self.covers)), key=lambda rank: (-self.covers[rank], rank))
        return [RowOfSelection(rank=rank, covers=self.covers[rank]) for rank in order[:top] if self.covers[rank]]

    def lacking(self, top: int) -> list[tuple[int, float]]:
        """Return the targets that are covered least, and by how much: what the pool lacks; equal ones by row.

        Those that are covered wholly, as an empty one is, or that nothing can cover are not among them.
        """
        too_short = set(self.too_short)
        partly = [
            target for target, share in enumerate(self.covered_by_target) if share < 1 and target not in too_short
        ]
        order = sorted(partly, key=lambda target: (self.covered_by_target[target], target))
        return [(target, self.covered_by_target[target]) for target in order[:top]]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, ready for ``json.dumps``."""
        return {"covered": self.covered, **asdict(self)}


def explain_selection(target: _core.Texts, chosen: _core.Texts) -> SelectionExplanation:
    """Tell what part of the targets chosen rows cover; `chosen` are their texts, best first."""
    coverage = _core.Coverage(target)
    covers = coverage.add(chosen)
    by_target = coverage.by_target()
    sizes = target.sizes()
    shares = np.divide(by_target, sizes, out=np.ones(len(sizes)), where=sizes > 0)
    return SelectionExplanation(
        rows=len(chosen),
        target_bytes=int(sizes.sum()),
        covered_bytes=int(by_target.sum()),
        covered_by_target=tuple(shares.tolist()),
        covers=tuple(covers.tolist()),
        too_short=tuple(np.flatnonzero((sizes > 0) & (sizes < _core.MIN_SHARED_BYTES)).tolist()),
    )


def beginning(text: bytes, size: int) -> bytes:
    """Return the first `size` bytes, or up to three fewer where they would end within a character."""
    if len(text) <= size:
        return text
    for end in range(size, max(size - _CONTINUED - 1, 0), -1):
        if text[end] & 0xC0 != 0x80:  # noqa: PLR2004 - the first byte of a character
            return text[:end]
    # This is not UTF-8.
    return text[:size]


def counted(count: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"

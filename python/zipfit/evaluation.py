"""What `zipfit.evaluate` has to tell: numbers, a verdict, and both as a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["BETTER", "NO_BETTER", "UNDECIDED", "WORSE", "Evaluation", "Judgement", "RandomRows"]

BETTER, NO_BETTER, WORSE = "better than random", "no better than random", "worse than random"

UNDECIDED = "undecided"
"""By one held-out row, which says nothing of how much others would differ from it."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What came of one choice of rows."""

    rows: int
    bytes: int
    """Of their texts."""
    bits_per_byte: float
    """Of the held-out rows; lower is better, 8 is to know nothing."""
    difference: float
    """To the mean of the random rows; below 0 is better."""
    interval: tuple[float, float]
    """Where this difference lies, with 95% confidence: to one more draw of random rows, on other held-out rows."""
    kl_reduction: float
    """DSIR's measure, in nats; higher is better, the whole pool has 0."""


@dataclass(frozen=True, kw_only=True)
class RandomRows:
    """What came of rows drawn at random, as many bytes as were selected."""

    seeds: tuple[int, ...]
    """One a draw."""
    rows: tuple[int, ...]
    bytes: tuple[int, ...]
    each: tuple[float, ...]
    """Bits per byte of each draw."""
    bits_per_byte: float
    """Their mean."""
    kl_reduction: float
    """The mean over the draws."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What `evaluate` has to tell."""

    verdict: str
    """"better than random", "no better than random" or "worse than random": which side of 0 the interval lies on.

    "undecided" by one held-out row.
    """
    held_out_rows: int
    """Different ones that have a byte; the verdict is by these."""
    held_out_bytes: int
    pool_rows: int
    """Rows that random ones were drawn from."""
    pool_bytes: int
    selection: Judgement
    random: RandomRows
    shortest: Judgement
    """The shortest rows, which is what some scores come down to."""
    pool: Judgement | None
    """The whole pool; None if it has more than 64 MiB of text."""
    notes: tuple[str, ...]
    """Why the verdict may mislead."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as dictionaries, lists, numbers and strings, ready for ``json.dumps``."""
        return asdict(self)

    def __repr__(self) -> str:
        low, high = self.selection.interval
        return (
            f"Evaluation({self.verdict}: {self.selection.bits_per_byte:.3f} bits per byte, random rows "
            f"{self.random.bits_per_byte:.3f}, difference {self.selection.difference:+.3f} ({low:+.3f} to {high:+.3f}))"
        )

    def __str__(self) -> str:
        random = self.random
        draws = len(random.seeds)
        spread = f"draws: {min(random.each):.3f} to {max(random.each):.3f}"
        lines = [f"{'':<14}{'bits per byte':>13}  {'against random':<26}{'KL reduction':>12}{'rows':>10}{'bytes':>14}"]
        lines.append(_line("selection", self.selection))
        lines.append(
            f"{f'random, {draws}x':<14}{random.bits_per_byte:>13.3f}  {spread:<26}{random.kl_reduction:>12.3f}"
            f"{round(sum(random.rows) / draws):>10,}{round(sum(random.bytes) / draws):>14,}"
        )
        lines.append(_line("shortest", self.shortest))
        if self.pool is not None:
            lines.append(_line("whole pool", self.pool))
        if self.verdict == UNDECIDED:
            lines.append("one held-out row does not tell whether the selection is better than random")
        else:
            lines.append(f"the selection is {self.verdict}, judged by {self.held_out_rows:,} held-out rows")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


def _line(name: str, of: Judgement) -> str:
    low, high = of.interval
    against = f"{of.difference:+.3f} ({low:+.3f} to {high:+.3f})"
    return f"{name:<14}{of.bits_per_byte:>13.3f}  {against:<26}{of.kl_reduction:>12.3f}{of.rows:>10,}{of.bytes:>14,}"

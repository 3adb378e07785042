"""Draws docs/selecting.svg: what gain measures, how cover chooses, and what its choice covers beside the others'.

The rows of the first two panels are those of docs/selecting.md, those of the third the texts of ``zipfit demo``; every
number drawn is computed. From the root of the repository, with zipfit, matplotlib and zstandard installed::

    python -m benches.picture
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import zstandard
from matplotlib.axes import Axes

import zipfit
from benches import answers, report

PICTURE = Path("docs/selecting.svg")

BUDGET = 40_000
"""Bytes that each way may choose in the third panel."""

LIGHT, DARK, GREY = "#a9c7e8", "#1f5fa8", "#999999"

EXAMPLES = ["def square(x):\n    return x * x\n", "def double(x):\n    return 2 * x\n"]
ROWS = {
    "def cube(x):\n    return x * x * x\n": "def cube(x): ...",
    "def half(x):\n    return x / 2\n": "def half(x): ...",
    "The ship sailed at dawn.\n": "The ship sailed ...",
}

WORDS = ["cat", "dog", "owl", "cat"]
NEAR_WORDS = ["a cat", "cats", "my cat", "cat, cat", "dogs", "a dog", "owls", "a bird"]
"""The ten rows without the two that are left out."""


def draw_gain(axes: Axes) -> None:
    """Bytes of a row by itself, and when the targets are known."""
    ranking = zipfit.rank(list(ROWS), EXAMPLES, metric="gain")
    by_itself = zstandard.ZstdCompressor(**answers.BARE_ZSTD_3)
    for place, (row, gain) in enumerate(zip(ROWS, ranking.scores, strict=True)):
        alone = len(by_itself.compress(row.encode()))
        saved = round(gain * len(row.encode()))
        axes.barh(place, alone, color=LIGHT)
        axes.barh(place, alone - saved, color=DARK)
        axes.text(alone + 0.6, place, f"saves {saved} of {len(row)}", va="center")
    axes.set_yticks(range(len(ROWS)), list(ROWS.values()), family="monospace")
    axes.invert_yaxis()
    axes.set_xlim(0, 60)
    axes.set_xlabel("bytes: by itself (light), targets known (dark)")
    axes.set_title("gain: the targets as one dictionary", loc="left")


def draw_steps(axes: Axes) -> None:
    """What each row adds per byte, in each of three steps."""
    coverage = answers.Coverage([word.encode() for word in WORDS], beta=1.0)
    chosen: list[int] = []
    for step in range(3):
        counts = [coverage.counts(row.encode()) for row in NEAR_WORDS]
        added = np.array([coverage.added(held) for held in counts]) / [len(row) for row in NEAR_WORDS]
        added[chosen] = 0.0
        best = int(added.argmax())
        places = step * (len(NEAR_WORDS) + 2) + np.arange(len(NEAR_WORDS))
        axes.barh(places, added, color=[DARK if row == best else LIGHT for row in range(len(NEAR_WORDS))])
        for row, place in enumerate(places):
            label = "chosen" if row in chosen else NEAR_WORDS[row]
            colour = GREY if row in chosen else "black"
            axes.text(-0.005, place, label, ha="right", va="center", fontsize=7, color=colour, family="monospace")
        axes.text(0.25, places[-1], f"step {step + 1}", ha="right", va="center")
        coverage.add(counts[best])
        chosen.append(best)
    axes.invert_yaxis()
    axes.set_yticks([])
    axes.set_xlabel("what a row adds per byte")
    axes.set_title("cover: what the chosen have, counts less", loc="left")


def draw_curves(axes: Axes) -> None:
    """Coverage by the chosen rows, as they become more."""
    with tempfile.TemporaryDirectory() as name:
        source, target = (report.read_texts(path) for path in report.demo_texts(Path(name)))
    by_chance = zipfit.Ranking([random.Random(0).random() for _ in source], [len(text) for text in source])
    ways = {
        "cover": zipfit.cover(source, target, budget_bytes=BUDGET),
        "best by gain": zipfit.rank(source, target, metric="gain").within(budget_bytes=BUDGET),
        "best by NCD": zipfit.rank(source, target).within(budget_bytes=BUDGET),
        "random rows": by_chance.within(budget_bytes=BUDGET),
    }
    beta = max(1.0, BUDGET / len(b"\n".join(target)))
    for (name, picked), style in zip(ways.items(), ["-", "--", "-.", ":"], strict=True):
        coverage, spent, coverages = answers.Coverage(target, beta), [0], [0.0]
        for text in picked.take(source):
            coverage.add(coverage.counts(text))
            spent.append(spent[-1] + len(text))
            coverages.append(coverage.share())
        axes.plot(np.array(spent) / 1000, coverages, style, color=DARK, label=name)
    axes.set_xlabel("kilobytes chosen (rows of zipfit demo)")
    axes.set_ylabel(f"coverage at beta {beta:.1f}")
    axes.set_title("what it comes to", loc="left")
    axes.legend(frameon=False)


def main() -> None:
    """Draw all three, the same bytes every time."""
    plain = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}
    mpl.rcParams.update({"svg.hashsalt": "zipfit", **plain})
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    draw_gain(left)
    draw_steps(middle)
    draw_curves(right)
    figure.savefig(PICTURE, metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    main()

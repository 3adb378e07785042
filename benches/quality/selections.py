"""Every way of choosing, cut to every budget, with the seconds and the memory that it took; kept in a directory.

A way that scores rows is run once a task, and cut to each budget afterwards: the best rows, those passed over that do
not fit what is left, so that the budget is full for all ways alike. What was run is not run again.

N.B. memory is that of the largest single process, so that ways which start several (DSIR, zip-fit) take more than told.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import zipfit
from benches import report
from benches.quality.tasks import Task

RANDOM_SEEDS = 3


@dataclass(frozen=True)
class Way:
    """A way of choosing."""

    name: str
    """As in the tables."""
    method: str
    """A way of choose.py, or random, shortest, fuse."""
    options: tuple[str, ...] = ()
    """For choose.py."""
    seed: int = 0
    parts: tuple[str, ...] = ()
    """Methods whose scores are fused."""


WAYS = (
    *(Way("random", "random", seed=seed) for seed in range(RANDOM_SEEDS)),
    Way("shortest", "shortest"),
    Way("zip-fit 1.0.9 as shipped", "zip-fit"),
    Way("BM25", "bm25"),
    Way("DSIR", "dsir"),
    Way("cross-entropy difference", "cross-entropy"),
    Way("embeddings, mean", "embeddings-mean"),
    Way("embeddings, nearest", "embeddings-nearest"),
    Way("NCD, the paper's", "ncd"),
    Way("gain", "gain"),
    Way("gain and embeddings, mean", "fuse", parts=("gain", "embeddings-mean")),
    Way("gain and embeddings, nearest", "fuse", parts=("gain", "embeddings-nearest")),
    Way("cover, beta 1", "cover", ("--beta", "1")),
    Way("cover, default beta", "cover"),
    Way("cover, beta 100", "cover", ("--beta", "100")),
)


@dataclass(frozen=True)
class Budget:
    """How much may be chosen."""

    amount: int
    unit: str
    """bytes or tokens."""

    def __str__(self) -> str:
        return f"{self.amount:,} {self.unit}"


@dataclass
class Chosen:
    """Rows of the pool, and what choosing them took."""

    rows: NDArray[np.int64]
    spent: int
    """Of the budget."""
    cost: dict[str, Any] = field(default_factory=dict)
    """Choosing seconds, and choosing MB: the peak of the process, where there was one."""


class Selections:
    """What is chosen out of one pool.

    Parameters
    ----------
    pool, texts
        The file, and its texts.
    directory
        Where all is kept.
    threads
        For every way alike.
    """

    tokens: NDArray[np.int64] | None = None
    """Tokens of each row, for budgets of tokens."""

    def __init__(self, pool: Path, texts: Sequence[str], directory: Path, threads: int) -> None:
        self._pool, self._directory, self._threads = pool, directory, threads
        self._sizes = np.array([len(text.encode()) for text in texts])

    def chosen(self, way: Way, task: Task, budget: Budget) -> Chosen:
        """Choose, or find what was chosen before."""
        costs = self._sizes if budget.unit == "bytes" else self.tokens
        if costs is None:
            sys.exit("a budget of tokens needs the tokens of each row")
        if way.method == "cover":
            options = [*way.options, f"--budget-{budget.unit}", str(budget.amount)]
            if budget.unit == "tokens":
                options += ["--tokens", os.fspath(self.tokens_path)]
            rows, cost = self._run(way.method, task, options)
        else:
            scores, cost = self._scores(way, task)
            rows = filled(scores, costs, budget.amount)
        spent = int(costs[rows].sum())
        if spent > budget.amount or len(np.unique(rows)) != len(rows):
            sys.exit(f"{way.name}: {len(rows)} rows, {spent} of {budget}, or a row twice")
        return Chosen(rows, spent, cost)

    def _scores(self, way: Way, task: Task) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Return a score for each row, and what that took."""
        if way.method == "random":
            return np.random.default_rng(way.seed).random(len(self._sizes)), {}
        if way.method == "shortest":
            return -self._sizes.astype(np.float64), {}
        if way.method == "fuse":
            parts = [self._run(method, task, []) for method in way.parts]
            seconds = round(sum(cost["choosing seconds"] for _, cost in parts), 1)
            megabytes = max(cost["choosing MB"] for _, cost in parts)
            scores = zipfit.fuse(*(zipfit.Ranking(scores) for scores, _ in parts)).scores
            return scores, {"choosing seconds": seconds, "choosing MB": megabytes}
        return self._run(way.method, task, [*way.options, "--seed", str(way.seed)])

    @property
    def tokens_path(self) -> Path:
        """The file of the tokens of each row."""
        return self._directory / "tokens.npy"

    def _run(self, method: str, task: Task, options: Sequence[str]) -> tuple[NDArray[Any], dict[str, Any]]:
        """Run choose.py unless that was done; its array, and what it took."""
        words = [word.strip("-") for word in options if not word.endswith(".npy")]
        result = task.directory / "chosen" / f"{'_'.join([method, *words])}.npy"
        cost = result.with_suffix(".json")
        if not cost.exists():
            result.parent.mkdir(exist_ok=True)
            command = [sys.executable, "-m", "benches.quality.choose", method, os.fspath(self._pool)]
            command += [os.fspath(task.target_path), os.fspath(result), "--threads", str(self._threads), *options]
            # The pool's embeddings are made once for all tasks; the task that happens to be first pays for them.
            command += ["--embeddings", os.fspath(self._directory / "embeddings")]
            run = report.timed(command)
            cost.write_text(
                json.dumps({"choosing seconds": round(run.seconds, 1), "choosing MB": round(run.peak_megabytes)})
            )
        return np.load(result), json.loads(cost.read_text())


def filled(scores: NDArray[np.float64], costs: NDArray[np.int64], budget: int) -> NDArray[np.int64]:
    """The best rows that fit a budget, those passed over that do not; never one with the score -inf."""
    order = np.lexsort((np.arange(len(scores)), -scores))
    rows, left, cheapest = [], budget, int(costs.min())
    for row in order[np.isfinite(scores[order])].tolist():
        if left < cheapest:
            break
        if costs[row] <= left:
            rows.append(row)
            left -= int(costs[row])
    return np.array(rows, np.int64)

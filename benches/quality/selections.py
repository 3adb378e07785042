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
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import zipfit
from benches import report
from benches.quality import embed, kept
from benches.quality.tasks import Task

RANDOM_SEEDS = 3

EMBEDDED = "embeddings-"
"""What the methods begin with that need the embeddings of pool and target."""


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
        # What is fused is what the plain ways have, whichever of them is first.
        methods = way.parts or (way.method,)
        parts = [self._run(method, task, [*way.options, "--seed", str(way.seed)]) for method in methods]
        costs = [cost for _, cost in parts]
        if any(method.startswith(EMBEDDED) for method in methods):
            made = self._embedding(task)
            costs.append({"choosing seconds": made["seconds"], "choosing MB": round(made["MB"])})
        seconds = round(sum(cost["choosing seconds"] for cost in costs), 1)
        cost = {"choosing seconds": seconds, "choosing MB": max(cost["choosing MB"] for cost in costs)}
        if way.method == "fuse":
            return zipfit.fuse(*(zipfit.Ranking(scores) for scores, _ in parts)).scores, cost
        return parts[0][0], cost

    @property
    def tokens_path(self) -> Path:
        """The file of the tokens of each row."""
        return self._directory / "tokens.npy"

    @property
    def _embeddings(self) -> Path:
        """The directory of the pool's and the targets' embeddings, which are made once for all ways."""
        return self._directory / "embeddings"

    @cached_property
    def _pool_embedded(self) -> Path:
        # The pool is large, and read for its hash.
        return embed.place_of(self._pool, self._embeddings)

    def _embedding(self, task: Task) -> dict[str, float]:
        """What embedding the pool and a target took, as far as that was done and measured."""
        return embed.costs([self._pool_embedded, embed.place_of(task.target_path, self._embeddings)])

    def _run(self, method: str, task: Task, options: Sequence[str]) -> tuple[NDArray[Any], dict[str, Any]]:
        """Run choose.py unless that was done; its array, and what it took, the making of embeddings apart."""
        words = [word.strip("-") for word in options if not word.endswith(".npy")]
        result = task.directory / "chosen" / f"{'_'.join([method, *words])}.npy"
        cost = result.with_suffix(".json")
        if not (cost.exists() and result.exists()):
            before = self._embedding(task)["seconds"] if method.startswith(EMBEDDED) else 0
            result.parent.mkdir(exist_ok=True)
            cost.unlink(missing_ok=True)
            command = [sys.executable, "-m", "benches.quality.choose", method, os.fspath(self._pool)]
            command += [os.fspath(task.target_path), os.fspath(result), "--threads", str(self._threads), *options]
            command += ["--embeddings", os.fspath(self._embeddings)]
            run = report.timed(command)
            making = self._embedding(task)["seconds"] - before if method.startswith(EMBEDDED) else 0
            took = {"choosing seconds": round(run.seconds - making, 1), "choosing MB": round(run.peak_megabytes)}
            cost.write_text(json.dumps(took | {"zipfit": zipfit.__version__}), encoding="utf-8")
        took = kept.fields(cost)
        # Without a version it is of a time when none was written.
        if (version := took.pop("zipfit", zipfit.__version__)) != zipfit.__version__:
            said = f"{result} was made by zipfit {version}, not by this {zipfit.__version__}"
            sys.exit(f"{said}; delete it, and it is made again")
        return kept.array(result), took


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

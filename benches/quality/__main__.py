r"""Does the selection train better? Rows chosen in several ways, each judged by what a model learns from them.

Every way of choosing gets the same pool and the same examples of a task, and may choose texts of so many bytes; the
n-gram model of judge.py reads them and predicts *other* texts of the task, in bits per byte. From the root of the
repository, with zipfit installed::

    python -m benches.quality --source pool.jsonl \
        --task HumanEval humaneval_val.jsonl humaneval_test.jsonl --task ProofNet proofnet_val.jsonl proofnet_test.jsonl

The table is printed as Markdown; ``--record FILE`` appends it, with date, versions and command, to a file under
``benches/record``. Before, the judge is compared with its formula, and each selection with its budget. Without
``--source`` and ``--task`` the texts of ``zipfit demo --write`` are used, half of its targets as examples and half to
judge by: enough to see that all works, too little to conclude from.

N.B. the judge counts n-grams, and so does the objective of `zipfit.cover`: docs/quality.md says how far to trust it.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import zipfit
from benches import report
from benches.quality import judge

RANDOM = "random, seed"

BETAS = (1.0, None, 100.0)
"""The smallest that makes sense, the default, and one beyond it."""


@dataclass
class Task:
    """Texts of one kind, in two disjoint parts."""

    name: str
    target: list[bytes]
    """What zipfit sees."""
    test: list[bytes]
    """What the judge predicts."""


def ways(
    source: list[bytes], task: Task, budgets: list[int], options: argparse.Namespace
) -> Iterator[tuple[str, int, zipfit.Selection]]:
    """Each way of choosing with each budget: its name, the budget, the selection."""
    sizes = np.array([len(text) for text in source])
    for seed in range(options.seeds):
        generator = random.Random(seed)
        by_chance = zipfit.Ranking([generator.random() for _ in source], sizes)
        for budget in budgets:
            yield f"{RANDOM} {seed}", budget, by_chance.within(budget_bytes=budget)
    for metric in options.metric:
        ranking = zipfit.rank(source, task.target, metric=metric, threads=options.threads)
        for budget in budgets:
            yield metric, budget, ranking.within(budget_bytes=budget)
    for beta in BETAS:
        name = "cover, default beta" if beta is None else f"cover, beta {beta:g}"
        for budget in budgets:
            yield (
                name,
                budget,
                zipfit.cover(source, task.target, budget_bytes=budget, beta=beta, threads=options.threads),
            )


def judged(source: list[bytes], task: Task, options: argparse.Namespace) -> list[dict[str, Any]]:
    """What the judge says to each selection for one task."""
    found = []
    for way, budget, selection in ways(source, task, options.budget_bytes, options):
        chosen = [source[row] for row in selection.rows]
        size = sum(map(len, chosen))
        if size > budget or len(set(selection.rows.tolist())) != len(chosen):
            sys.exit(f"{way}: {len(chosen)} rows of {size} bytes for a budget of {budget}, or a row twice")
        entry = {"task": task.name, "budget bytes": budget, "way": way, "rows": len(chosen), "bytes": size}
        if way.startswith("cover"):
            entry["beta"] = round(selection.provenance["beta"], 3)
        found.append({**entry, "bits per byte": round(judge.Judge(chosen).bits_per_byte(task.test), 3)})
    return found


def table(results: list[dict[str, Any]]) -> str:
    """The results as Markdown: a line for each way, a column for each task and budget."""
    columns = list(dict.fromkeys((entry["task"], entry["budget bytes"]) for entry in results))
    lines: dict[str, dict[tuple[str, int], list[float]]] = {}
    for entry in results:
        way = "random" if entry["way"].startswith(RANDOM) else entry["way"]
        cells = lines.setdefault(way, {column: [] for column in columns})
        cells[entry["task"], entry["budget bytes"]].append(entry["bits per byte"])
    head = ["bits per byte", *[f"{task}, {budget / 1e6:g} MB" for task, budget in columns]]
    rows = [head, ["---"] * len(head)]
    rows += [[way, *[cell(values) for values in cells.values()]] for way, cells in lines.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def cell(values: list[float]) -> str:
    """One value, or the mean of several with half their range."""
    mean = f"{np.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ± {np.ptp(values) / 2:.2f}"


def demo(directory: Path) -> tuple[list[bytes], list[Task]]:
    """Source and task of the demo's texts."""
    source, target = map(report.read_texts, report.demo_texts(directory))
    return source, [Task("demo", target[::2], target[1::2])]


def main() -> None:
    """Read the arguments, choose and judge, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, help="JSON Lines with a field text (default: the demo's texts)")
    parser.add_argument("--task", nargs=3, action="append", default=[], metavar=("NAME", "TARGET", "TEST"))
    parser.add_argument("--budget-bytes", type=int, nargs="+", default=[400_000, 1_600_000])
    parser.add_argument("--metric", nargs="*", default=["ncd", "gain"], help="scores whose best rows are judged")
    parser.add_argument("--seeds", type=int, default=5, help="random selections, which show the noise")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    if (options.source is None) != (not options.task):
        sys.exit("--source and --task go together")
    # A note that nothing is left to gain concerns the demo's few texts only; the record has the bytes.
    warnings.simplefilter("ignore", UserWarning)
    judge.check()
    if options.source is None:
        with tempfile.TemporaryDirectory() as name:
            source, tasks = demo(Path(name))
    else:
        source = report.read_texts(options.source)
        tasks = [Task(name, *map(report.read_texts, map(Path, files))) for name, *files in options.task]
    results = [entry for task in tasks for entry in judged(source, task, options)]
    print(table(results))
    if options.record:
        inputs = {
            "source": {"rows": len(source), "bytes": sum(map(len, source))},
            "tasks": [
                {"name": task.name, "target rows": len(task.target), "test rows": len(task.test)} for task in tasks
            ],
            "judge": f"byte n-gram model, interpolated Witten-Bell, contexts of up to {judge.CONTEXT} bytes",
        }
        report.append({**report.make("benches.quality", results), **inputs}, options.record)


if __name__ == "__main__":
    main()

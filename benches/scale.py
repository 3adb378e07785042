r"""Seconds and memory of ``zipfit select`` over a whole pool, beside DSIR, and how both grow.

Whole processes are timed, from the file to the file. NCD, gain and cover choose from the same file as
``data-selection`` 1.0.3, the released package of DSIR (Xie et al. 2023), with as many threads as that has processes;
ratios are taken within a run. Answers are checked first: scores of sampled rows against Python's ``gzip`` and
``zstandard``, coverage against numpy (answers.py), and the same bytes on any number of threads. Growth is measured with
the number of rows and of targets, both taken from the pool. From the root of the repository::

    python -m venv dsir && dsir/bin/pip install data-selection==1.0.3
    python -m benches.scale --source pool.jsonl --target humaneval_val.jsonl --dsir dsir/bin/python \
        --rows 20000 100000 1000000 --target-rows 5 100 1000 10000 --record scale.json

Rows beyond the pool are made of it, so that they are no copies and have its n-grams and lengths: the first half of a
row and the second half of another, both drawn by seed 0. Without ``--source`` and ``--target`` the texts of
``zipfit demo --write`` are used, in a minute or two; without ``--dsir`` there is no DSIR. The check of gain needs
``zstandard``, whose zstd should be the one that ``zipfit doctor`` names.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benches import answers, report

DSIR_VERSION = "1.0.3"

# As its README has it, but for the number of processes and of rows.
DSIR = """
import sys
from data_selection import HashedNgramDSIR
source, target, k, processes, directory = sys.argv[1:]
tool = HashedNgramDSIR([source], [target], cache_dir=f"{directory}/cache", num_proc=int(processes))
tool.fit_importance_estimator(num_tokens_to_fit="auto")
tool.compute_importance_weights()
tool.resample(out_dir=f"{directory}/rows", num_to_sample=int(k), cache_dir=f"{directory}/spool")
"""

GROWTH_BUDGET = 1_600_000
"""Bytes that cover chooses where rows and targets grow."""

CHECKED_ROWS = {"ncd": 100, "gain": 1000}
"""Rows whose scores are made again, among those chosen and among all; some seconds each."""


@dataclass
class Texts:
    """A source and a target, as files and in memory."""

    source: list[bytes]
    target: list[bytes]
    source_path: Path
    target_path: Path


@dataclass
class Way:
    """A way of choosing: its options, and what checks the directory that it leaves."""

    name: str
    options: list[str]
    check: Callable[[Path, Texts], None]
    runs: list[report.Run] = field(default_factory=list)


def by_score(metric: str, top_k: int) -> Way:
    """The best rows by a score."""

    def check(directory: Path, texts: Texts) -> None:
        score = {"ncd": answers.ncd, "gain": answers.gain}[metric](texts.target)
        answers.check_scores(directory, texts.source, score, CHECKED_ROWS[metric])

    return Way(metric, ["--metric", metric, "--top-k", str(top_k)], check)


def by_cover(budget: int) -> Way:
    """Rows chosen jointly."""

    def check(directory: Path, texts: Texts) -> None:
        answers.check_cover(directory, texts.source, texts.target, budget)

    return Way(f"cover, {budget / 1e6:g} MB", ["--cover", "--budget-bytes", str(budget)], check)


def run_once(way: Way, texts: Texts, threads: int, directory: Path) -> None:
    """Time one run of zipfit; its files stay in the directory."""
    command = [sys.executable, "-m", "zipfit", "select", os.fspath(texts.source_path)]
    command += ["--target", os.fspath(texts.target_path), "--threads", str(threads), *way.options]
    way.runs.append(report.timed([*command, "--overwrite", "-o", os.fspath(directory)]))


def run_dsir(texts: Texts, processes: int, directory: Path, options: argparse.Namespace) -> report.Run:
    """Time one run of DSIR and look at what it chose."""
    shutil.rmtree(directory, ignore_errors=True)
    command = [options.dsir, "-c", DSIR, os.fspath(texts.source_path), os.fspath(texts.target_path)]
    run = report.timed([*command, str(options.top_k), str(processes), os.fspath(directory)])
    answers.check_resampled(directory / "rows", texts.source, options.top_k)
    return run


def measure(
    ways: Sequence[Way], texts: Texts, directory: Path, options: argparse.Namespace, *, dsir: bool = False
) -> list[dict[str, Any]]:
    """Run all ways in turn, on each number of threads; check; what was measured, an entry for each number."""
    results, chosen = [], {}
    for threads in options.threads:
        rivals: list[report.Run] = []
        for way in ways:
            way.runs.clear()
        for number in range(options.runs):
            for way in ways:
                run_once(way, texts, threads, directory / way.name)
            if dsir and number < options.dsir_runs:
                rivals.append(run_dsir(texts, threads, directory / "dsir", options))
        for way in ways:
            selection = (directory / way.name / "selection.jsonl").read_bytes()
            if way.name not in chosen:
                way.check(directory / way.name, texts)
            if chosen.setdefault(way.name, selection) != selection:
                sys.exit(f"{way.name} chooses other rows on {threads} threads than on {options.threads[0]}")
        results.append({"threads": threads, **told(ways, rivals)})
    size = {"rows": len(texts.source), "bytes": sum(map(len, texts.source))}
    size |= {"targets": len(texts.target), "target bytes": sum(map(len, texts.target))}
    return [{**size, **result} for result in results]


def told(ways: Sequence[Way], rivals: Sequence[report.Run]) -> dict[str, Any]:
    """Seconds and memory by way, and ratios to the rival within each run."""
    found = {
        way.name: {
            "seconds": [round(run.seconds, 2) for run in way.runs],
            "peak MB": round(max(run.peak_megabytes for run in way.runs)),
        }
        for way in ways
    }
    if rivals:
        for way in ways:
            ratios = [rival.seconds / run.seconds for run, rival in zip(way.runs, rivals, strict=False)]
            found[way.name]["times as fast as DSIR, median"] = round(float(np.median(ratios)), 1)
        found["DSIR"] = {
            "seconds": [round(run.seconds, 2) for run in rivals],
            "peak MB (largest process)": round(max(run.peak_megabytes for run in rivals)),
        }
    return found


def more_rows(pool: Sequence[bytes], rows: int, seed: int = 0) -> list[bytes]:
    """Rows that the pool does not have: the first half of one of its rows and the second half of another."""
    generator, known = random.Random(seed), set(pool)
    made: list[bytes] = []
    while len(made) < rows:
        first, second = (text.decode() for text in generator.choices(pool, k=2))
        text = (first[: len(first) // 2] + second[len(second) // 2 :]).encode()
        if text not in known:
            known.add(text)
            made.append(text)
    return made


def growth(pool: list[bytes], target: list[bytes], directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What more rows cost, and more targets; rows and targets are drawn from the pool by seed 0, the fewer first."""
    shuffled = random.Random(0).sample(pool, len(pool))
    most = max([0, *options.target_rows])
    if most + min(options.rows) > len(pool):
        sys.exit(f"the pool has {len(pool)} rows, too few for {most} targets and {min(options.rows)} other rows")
    beyond = more_rows(pool, max(0, max(options.rows) - len(pool)))

    def measured(source: list[bytes], target: list[bytes]) -> list[dict[str, Any]]:
        source_path = report.write_texts(source, directory / "source.jsonl")
        target_path = report.write_texts(target, directory / "target.jsonl")
        ways = [by_score("gain", options.top_k), by_cover(GROWTH_BUDGET)]
        return measure(ways, Texts(source, target, source_path, target_path), directory, options)

    few = shuffled[: min(options.rows)]
    return {
        "growth with rows": [measured((shuffled + beyond)[:rows], target) for rows in options.rows],
        "growth with targets": [measured(few, shuffled[len(pool) - rows :]) for rows in options.target_rows],
    }


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, help="JSON Lines with a field text (default: the demo's texts)")
    parser.add_argument("--target", type=Path, action="append", help="JSON Lines with a field text; several are fine")
    parser.add_argument("--budget-bytes", type=int, nargs="*", default=[400_000, 1_600_000, 6_400_000])
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 5000, 10_000], help="growth with rows")
    parser.add_argument("--target-rows", type=int, nargs="*", default=[5, 50, 500], help="growth with targets")
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument("--no-growth", action="store_true", help="only the pool as it is")
    parts.add_argument("--only-growth", action="store_true", help="not the pool as it is")
    parser.add_argument("--top-k", type=int, default=1000, help="rows chosen by a score, and by DSIR")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="and processes of DSIR")
    parser.add_argument("--runs", type=int, default=1, help="runs of each, in turn")
    parser.add_argument("--dsir", metavar="PYTHON", help="interpreter that has data-selection")
    parser.add_argument("--dsir-runs", type=int, default=1, help="DSIR is slow: it is run in so many of the runs")
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    if (options.source is None) != (options.target is None):
        sys.exit("--source and --target go together")
    return options


def dsir_version(python: str) -> str:
    """Which version of the package this interpreter has; another than ours ends the program."""
    command = [python, "-c", "import importlib.metadata as m; print(m.version('data-selection'))"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    if found != DSIR_VERSION:
        sys.exit(f"{python} has data-selection {found or '(none)'}; the comparison is with {DSIR_VERSION}")
    return found


def plain(path: Path, texts: Sequence[bytes], directory: Path) -> Path:
    """The file itself if it is plain, as DSIR needs it; else its texts."""
    return (
        path if path.suffix == ".jsonl" else report.write_texts(texts, directory / f"{path.name.split('.')[0]}.jsonl")
    )


def main() -> None:
    """Read the arguments, measure, print the report as JSON."""
    options = arguments()
    versions = {"data-selection": dsir_version(options.dsir)} if options.dsir else {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if options.source is None:
            options.source, target = report.demo_texts(directory / "demo")
            options.target = [target]
        pool = report.read_texts(options.source)
        source_path = plain(options.source, pool, directory)
        results: dict[str, Any] = {}
        for path in [] if options.only_growth else options.target:
            target = report.read_texts(path, "target")
            texts = Texts(pool, target, source_path, plain(path, target, directory))
            ways = [
                by_score("gain", options.top_k),
                *map(by_cover, options.budget_bytes),
                by_score("ncd", options.top_k),
            ]
            results[path.name] = measure(ways, texts, directory, options, dsir=options.dsir is not None)
        if not options.no_growth:
            results |= growth(pool, report.read_texts(options.target[0], "target"), directory, options)
    report.tell(report.make("benches.scale", results, versions), options.record)


if __name__ == "__main__":
    main()

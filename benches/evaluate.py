r"""What ``zipfit evaluate`` and ``zipfit explain`` say of selections of a whole pool, and what they take.

Rows are chosen by gain, as many bytes as each budget has. The bits per byte are checked against numpy first
(answers.py); then both commands are timed, whole processes, from the file to the word. What chosen rows hold of the
target in long substrings is told beside what random rows of as many bytes hold. From the root of the repository::

    python -m benches.evaluate --source pool.jsonl --task HumanEval humaneval_val.jsonl humaneval_test.jsonl \
        --task ProofNet proofnet_val.jsonl proofnet_test.jsonl --record evaluate.json

Without ``--source`` the texts of ``zipfit demo --write`` are used, half of its targets being held out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benches import answers, report
from zipfit import _core

RANDOM_SEEDS = 3


def told(command: Sequence[str]) -> tuple[dict[str, Any], report.Run]:
    """Run a command of zipfit twice: what it says as JSON, and what it takes."""
    whole = [sys.executable, "-m", "zipfit", *command]
    said = subprocess.run([*whole, "--json"], check=True, capture_output=True, text=True).stdout
    return json.loads(said), report.timed(whole)


def random_share(source: Sequence[bytes], target: Sequence[bytes], size: int, seed: int) -> float:
    """The part of the target that lies in long substrings of random rows of so many bytes; drawn as evaluate does."""
    drawn = _core.draw(np.array([len(text) for text in source]), None, size, seed)
    covered = _core.Coverage(_core.Texts.from_iterable(target, "target"))
    covered.add(_core.Texts.from_iterable([source[row] for row in drawn.tolist()], "source"))
    return float(covered.by_target().sum() / sum(map(len, target)))


def measure(source_path: Path, task: Sequence[str], budget: int, directory: Path) -> dict[str, Any]:
    """Choose, check, time."""
    name, target_path, held_out_path = task
    select = ["select", os.fspath(source_path), "--target", target_path, "--metric", "gain"]
    select += ["--budget-bytes", str(budget), "--overwrite", "-o", os.fspath(directory)]
    report.timed([sys.executable, "-m", "zipfit", *select])
    source = report.read_texts(source_path)
    target = report.read_texts(Path(target_path), "target")
    held_out = report.read_texts(Path(held_out_path), "held_out")
    chosen = [source[line["row"]] for line in answers.lines(directory / "selection.jsonl")]
    size = sum(map(len, chosen))
    judged, evaluating = told(["evaluate", os.fspath(directory), "--held-out", held_out_path])
    expected = answers.ngram_bits(chosen, held_out) / sum(map(len, held_out))
    if not np.isclose(found := judged["selection"]["bits_per_byte"], expected, rtol=answers.ROUNDING, atol=0):
        sys.exit(f"{name}, {budget} bytes: {found} bits per byte, not {expected}")
    explained, explaining = told(["explain", os.fspath(directory)])
    _, row = told(["explain", os.fspath(directory), "--rank", "0"])
    return {
        "task": name,
        "budget bytes": budget,
        "held-out rows": len(held_out),
        "verdict": judged["verdict"],
        "bits per byte": {way: judged[way]["bits_per_byte"] for way in ("selection", "random", "shortest")},
        "interval": judged["selection"]["interval"],
        "share of the target in substrings": {
            "chosen": explained["covered"],
            "random": [random_share(source, target, size, seed) for seed in range(RANDOM_SEEDS)],
        },
        "evaluate": _taken(evaluating),
        "explain": _taken(explaining),
        "explain --rank 0": _taken(row),
    }


def _taken(run: report.Run) -> dict[str, float]:
    return {"seconds": round(run.seconds, 2), "peak MB": round(run.peak_megabytes)}


def main() -> None:
    """Read the arguments, measure, print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, help="plain JSON Lines with a field text (default: the demo's texts)")
    parser.add_argument("--task", nargs=3, action="append", default=[], metavar=("NAME", "TARGET", "HELD_OUT"))
    parser.add_argument("--budget-bytes", type=int, nargs="+", default=[400_000, 1_600_000, 6_400_000])
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    if bool(options.source) != bool(options.task):
        parser.error("--source and --task go together")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if not options.source:
            options.source, options.task = demo(directory)
        results = [
            measure(options.source, task, budget, directory / "chosen")
            for task in options.task
            for budget in options.budget_bytes
        ]
    report.tell(report.make("benches.evaluate", results), options.record)


def demo(directory: Path) -> tuple[Path, list[list[str]]]:
    """The demo's texts, the targets in two halves."""
    source, target = report.demo_texts(directory)
    texts = report.read_texts(target, "target")
    halves = [os.fspath(report.write_texts(texts[first::2], directory / f"half_{first}.jsonl")) for first in range(2)]
    return source, [["demo", *halves]]


if __name__ == "__main__":
    main()

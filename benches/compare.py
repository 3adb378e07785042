"""zipfit beside zip-fit 1.0.9, the released reference tool: the same rows, the same answer, the time of each.

Whole processes are timed, as a user would start them, and the answers are compared before any time is printed: both
tools must choose the same texts, ties at the last score aside (zip-fit breaks them by scheduling, and drops ids and
scores). zip-fit is asked for what it should have as its default, gzip at level 9; as shipped, at level 0, it ranks by
length. Run it in an environment that has both::

    pip install zip-fit==1.0.9 brotli zstandard lz4 datasets
    python -m benches.sample pool.jsonl.zst sample.jsonl --rows 20000
    python -m benches.compare --source sample.jsonl --target code.jsonl --target maths.jsonl --runs 3

The two run in turn; the ratio is taken within each pair of runs and its median told, because a machine has slow and
fast minutes. A source with more rows than ``--rows`` is cut after these.

Without ``--source`` and ``--target`` the texts of ``zipfit demo --write`` are used. ``--record FILE`` appends the
result, with date, processor, versions and command, to a file under ``benches/record``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

import zipfit
from benches import report

ZIP_FIT_VERSION = "1.0.9"

ROUNDING = 1e-12
"""How far two sums of some hundred NCDs in another order may lie apart."""

# zip-fit starts as many processes as the machine has CPUs; the patch makes the number ours.
RIVAL = """
import sys
import zip_fit.zipfit as tool
source, target, k, processes, output = sys.argv[1:]
tool.cpu_count = lambda: int(processes)
tool.ZIPFIT(source, target, int(k), output_file=output, compression_algorithm="gzip", compress_level=9).run()
"""


def check_same_choice(ours: Path, theirs: Path, target: Path) -> int:
    """Exit unless both chose the same texts but for ties at the last score; the number of tied texts."""
    with (ours / "selection.jsonl").open(encoding="utf-8") as file:
        last_score = [json.loads(line)["score"] for line in file][-1]
    our_texts = Counter(report.read_texts(ours / "selected.jsonl"))
    their_texts = Counter(report.read_texts(theirs))
    different = list((our_texts - their_texts).elements()) + list((their_texts - our_texts).elements())
    if our_texts.total() != their_texts.total():
        sys.exit(f"zipfit chose {our_texts.total()} texts, zip-fit {their_texts.total()}")
    if different:
        scores = zipfit.rank(different, target).scores
        # zip-fit sums in another order, so its scores differ in the last bits.
        if np.abs(scores - last_score).max() > ROUNDING:
            sys.exit(f"the tools chose different texts: {len(different)} of them, scores {scores}, last {last_score}")
    return len(different)


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's, ties in the order of the rows: there are few."""
    ranks = [values.argsort(kind="stable").argsort() for values in (x, y)]
    return float(np.corrcoef(*ranks)[0, 1])


def compare(source: Path, target: Path, directory: Path, options: argparse.Namespace) -> dict[str, object]:
    """Time both tools on one target set, in turn, after checking their answers."""
    k, threads = str(options.top_k), str(options.threads)
    ours, theirs = directory / "ours", directory / "theirs.jsonl"
    our_command = [sys.executable, "-m", "zipfit", "select", os.fspath(source), "--target", os.fspath(target)]
    our_command += ["--top-k", k, "--threads", threads, "--overwrite", "-o", os.fspath(ours)]
    their_command = [sys.executable, "-c", RIVAL, os.fspath(source), os.fspath(target)]
    their_command += [k, threads, os.fspath(theirs)]
    pairs = [(report.timed(our_command), report.timed(their_command)) for _ in range(options.runs)]
    tied = check_same_choice(ours, theirs, target)
    ranking = zipfit.rank(source, target, threads=options.threads)
    if (picked := ranking.top_k(options.top_k).take(source)) != (ours / "selected.jsonl").read_text().splitlines():
        sys.exit(f"zipfit.rank chose other rows than zipfit select, among them {picked[0][:80]}")
    ratios = sorted(rival.seconds / run.seconds for run, rival in pairs)
    return {
        "target": target.name,
        "rows": len(ranking),
        "targets": len(report.read_texts(target, "target")),
        "texts that differ, all tied at the last score": tied,
        "zipfit seconds": [round(run.seconds, 2) for run, _ in pairs],
        "zip-fit seconds": [round(rival.seconds, 2) for _, rival in pairs],
        "ratios": [round(rival.seconds / run.seconds, 2) for run, rival in pairs],
        "ratio, median": round(float(np.median(ratios)), 2),
        "rank correlation of alignment and length": round(rank_correlation(ranking.scores, ranking.sizes), 2),
        "zipfit peak MB": round(pairs[0][0].peak_megabytes),
        "zip-fit peak MB (largest process)": round(pairs[0][1].peak_megabytes),
    }


def main() -> None:
    """Read the arguments, compare on each target set, print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, help="JSON Lines with a field text (default: the demo's texts)")
    parser.add_argument("--target", type=Path, action="append", help="JSON Lines with a field text; several are fine")
    parser.add_argument("--rows", type=int, default=20_000, help="how many rows of the source, from its start")
    parser.add_argument("--top-k", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2, help="threads of zipfit and processes of zip-fit")
    parser.add_argument("--runs", type=int, default=1, help="runs of each, in turn")
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    try:
        found = importlib.metadata.version("zip-fit")
    except importlib.metadata.PackageNotFoundError:
        sys.exit(f"zip-fit is not installed: pip install zip-fit=={ZIP_FIT_VERSION} brotli zstandard lz4 datasets")
    if found != ZIP_FIT_VERSION:
        sys.exit(f"zip-fit is {found}; the comparison is with {ZIP_FIT_VERSION}")
    if (options.source is None) != (options.target is None):
        sys.exit("--source and --target go together")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if options.source is None:
            options.source, target = report.demo_texts(directory / "demo")
            options.target = [target]
        source = report.write_texts(report.read_texts(options.source)[: options.rows], directory / "source.jsonl")
        targets = [
            report.write_texts(report.read_texts(path, "target"), directory / f"{path.name.split('.')[0]}.jsonl")
            for path in options.target
        ]
        results = [compare(source, target, directory, options) for target in targets]
    report.tell(report.make("benches.compare", results, {"zip-fit": found}), options.record)


if __name__ == "__main__":
    main()

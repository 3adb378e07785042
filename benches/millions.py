r"""Millions of rows: seconds, rows a second and peak memory of ``zipfit score`` and ``zipfit select``, beside rivals.

Whole processes, from the file to the file. The first part scores a pool of a million rows by each metric, chooses the
top 1% (by the scores that are there, and in one command), and covers a budget; beside it DSIR (``data-selection``
1.0.3) and the reference tool (``zip-fit`` 1.0.9, at gzip level 9), each on as many rows as it does in the time of our
NCD, which is found from a trial on few rows. The second part is about memory: ten million short rows and two targets,
beside one million of them, plain, .gz and Parquet. Scores are held against Python's ``gzip`` and ``zstandard`` on rows
drawn by seed 0 before a time is told. From the root of the repository::

    pip install psutil zstandard pyarrow
    python -m venv rivals && rivals/bin/pip install data-selection==1.0.3 zip-fit==1.0.9 brotli zstandard lz4 datasets
    python -m benches.millions --source pool.jsonl --target humaneval_val.jsonl --target proofnet_val.jsonl \
        --rivals rivals/bin/python --directory work --record millions.json

The million rows are those of the source several times (``--copies``), with a number appended to each text, so that none
repeats. Without ``--source`` and ``--target`` the texts of ``zipfit demo --write`` are used, and fewer short rows.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benches import answers, compare, report, scale

METRICS = ("gain", "ncd", "cdm", "clm")

TRIAL_ROWS = 2000
"""Rows from which the speed of a rival is found."""

SHORT_BYTES = 150
"""Of a line of the many short rows, about."""

CHECKED_ROWS = 50

POLL_SECONDS = 0.05


@dataclass
class Run:
    """One finished process with its children."""

    seconds: float
    peak_megabytes: float
    """Resident memory of all its processes at the worst moment; pages that they share count once for each."""

    def told(self, rows: int) -> dict[str, Any]:
        """What goes into the report."""
        speed = round(rows / self.seconds)
        return {"seconds": round(self.seconds, 1), "rows/s": speed, "peak MB": round(self.peak_megabytes)}


def timed(command: Sequence[str]) -> Run:
    """Run a command, its words into the void; an error shows them."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(command, stdout=words, stderr=words)
        watched, peak = psutil.Process(process.pid), 0
        while process.poll() is None:
            peak = max(peak, resident(watched))
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - start
        if process.returncode:
            words.seek(0)
            sys.exit(f"{shlex.join(command[:4])} ... failed:\n{words.read()[-2000:].decode(errors='replace')}")
    return Run(seconds, peak / 1e6)


def resident(process: psutil.Process) -> int:
    """Bytes of a process and of all that it started."""
    total = 0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    for one in family:
        try:
            total += one.memory_info().rss
        except psutil.Error:
            continue
    return total


def zipfit(command: str, *arguments: str | Path) -> Run:
    """Time one run of zipfit."""
    return timed([sys.executable, "-m", "zipfit", command, *map(str, arguments), "--overwrite"])


def repeated(source: Path, copies: int, path: Path) -> int:
    """Write the rows of a file several times, a number appended to each text; how many there are."""
    rows = 0
    with path.open("w", encoding="utf-8") as out:
        for _ in range(copies):
            with source.open(encoding="utf-8") as lines:
                for line in lines:
                    row = json.loads(line)
                    row["text"] += f" {rows}"
                    out.write(json.dumps(row, ensure_ascii=False) + "\n")
                    rows += 1
    return rows


def short_rows(source: Path, rows: int) -> Iterator[str]:
    """Pieces of the texts of a file, each with its number, over and over."""
    number = 0
    while True:
        with source.open(encoding="utf-8") as lines:
            for line in lines:
                text = json.loads(line)["text"]
                for at in range(0, len(text), 110):
                    if number == rows:
                        return
                    yield f"{text[at : at + 110]} {number}"
                    number += 1


def write_short(source: Path, rows: int, directory: Path) -> dict[str, Path]:
    """The same short rows in three formats."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = {suffix: directory / f"short-{rows}.{suffix}" for suffix in ("jsonl", "jsonl.gz", "parquet")}
    if all(path.exists() for path in paths.values()):
        return paths
    schema = pa.schema({"text": pa.string()})
    partial = {suffix: path.with_name(f"partial-{path.name}") for suffix, path in paths.items()}
    with (
        partial["jsonl"].open("wb") as plain,
        gzip.open(partial["jsonl.gz"], "wb", 1) as packed,
        pq.ParquetWriter(partial["parquet"], schema) as table,
    ):
        texts: list[str] = []

        def flush() -> None:
            content = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode()
            plain.write(content)
            packed.write(content)
            table.write_table(pa.table({"text": texts}, schema))
            texts.clear()

        for text in short_rows(source, rows):
            texts.append(text)
            if len(texts) == 1 << 17:
                flush()
        flush()
    for suffix, path in paths.items():
        partial[suffix].rename(path)
    return paths


def check_scores(directory: Path, source: Path, metric: str, target: Path) -> None:
    """Exit unless the scores of some rows are those that other tools give."""
    import pyarrow.parquet as pq

    texts = report.read_texts(target, "target")
    score = answers.gain(texts) if metric == "gain" else answers.by_pairs(texts, answers.DISTANCES[metric])
    table = pq.read_table(directory / "scores.parquet", columns=["row", "byte", "length", "score"])
    with source.open("rb") as file:
        for at in random.Random(0).sample(range(len(table)), min(CHECKED_ROWS, len(table))):
            row = {name: table[name][at].as_py() for name in table.column_names}
            file.seek(row["byte"])
            text = json.loads(file.read(row["length"]))["text"].encode()
            if score(text) != row["score"]:
                sys.exit(f"{metric} of row {row['row']} is {score(text)!r}, but zipfit has {row['score']!r}")


def rival(name: str, source: Path, target: Path, seconds: float, options: argparse.Namespace) -> dict[str, Any]:
    """What a rival does of the source in so many seconds."""
    part, work = options.directory / "part.jsonl", options.directory / "rival"

    def run(rows: int) -> Run:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        head(source, rows, part)
        script, output = (scale.DSIR, work) if name == "DSIR" else (compare.RIVAL, work / "chosen.jsonl")
        arguments = (part, target, max(1, rows // 100), options.threads, output)
        return timed([options.rivals, "-c", script, *map(str, arguments)])

    total = count_rows(source)
    trial, more = run(TRIAL_ROWS), run(2 * TRIAL_ROWS)
    a_row = max(1e-6, (more.seconds - trial.seconds) / TRIAL_ROWS)
    rows = max(TRIAL_ROWS, min(total, TRIAL_ROWS + round((seconds - trial.seconds) / a_row)))
    return {"rows": rows, "of": total, **run(rows).told(rows)}


def head(source: Path, rows: int, path: Path) -> None:
    """The first rows of a file."""
    with source.open("rb") as lines, path.open("wb") as out:
        for number, line in enumerate(lines):
            if number == rows:
                break
            out.write(line)


def count_rows(path: Path) -> int:
    """Lines of a file."""
    with path.open("rb") as lines:
        return sum(1 for _ in lines)


def million(source: Path, target: Path, metrics: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """Each metric over all rows, the top 1%, and rivals."""
    rows, work = count_rows(source), options.directory
    common = ("--target", target, "--threads", str(options.threads))
    found: dict[str, Any] = {"rows": rows, "bytes": source.stat().st_size, "targets": count_rows(target)}
    seconds = 0.0
    for metric in metrics:
        run = zipfit("score", source, *common, "--metric", metric, "-o", work / "scores")
        check_scores(work / "scores", source, metric, target)
        again = zipfit("select", "--scores", work / "scores", "--top-fraction", "0.01", "-o", work / "again")
        at_once = None
        if metric == "gain":
            at_once = zipfit(
                "select", source, *common, "--metric", metric, "--top-fraction", "0.01", "-o", work / "once"
            )
            if (work / "again/selected.jsonl").read_bytes() != (work / "once/selected.jsonl").read_bytes():
                sys.exit(f"{metric}: one command chose other rows than two")
        found[metric] = {"all scores": run.told(rows), "top 1% by them": again.told(rows)}
        if at_once:
            found[metric]["top 1% in one command"] = at_once.told(rows)
        seconds = run.seconds if metric == "ncd" else seconds
    budget = str(source.stat().st_size // 100)
    if options.cover:
        covered = zipfit("select", source, *common, "--cover", "--budget-bytes", budget, "-o", work / "cover")
        found["cover, 1% of the bytes"] = covered.told(rows)
    if options.rivals and seconds:
        for name in ("DSIR", "zip-fit"):
            found[f"{name}, in the time of ncd"] = rival(name, source, target, seconds, options)
    return found


def many_short(source: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Memory for many short rows, and how it grows, in each format."""
    few, many = options.short_rows // 10, options.short_rows
    target = options.directory / "two.jsonl"
    report.write_texts([text.encode() for text in list(short_rows(source, 2))], target)
    found: dict[str, Any] = {}
    for rows in (few, many):
        for suffix, path in write_short(source, rows, options.directory).items():
            common = ("--target", target, "--threads", str(options.threads), "--top-fraction", "0.01")
            run = zipfit("select", path, *common, "-o", options.directory / "short")
            found.setdefault(suffix, {})[f"{rows} rows"] = run.told(rows) | {"bytes": path.stat().st_size}
    for suffix, runs in found.items():
        first, last = (runs[f"{rows} rows"]["peak MB"] for rows in (few, many))
        found[suffix] = runs | {"bytes of memory a row more": round((last - first) * 1e6 / (many - few), 1)}
    return found


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, help="JSON Lines with a field text (default: the demo's texts)")
    parser.add_argument("--target", type=Path, action="append", help="JSON Lines with a field text; several are fine")
    parser.add_argument("--copies", type=int, default=4, help="how often the source is repeated")
    parser.add_argument("--metric", action="append", choices=METRICS, help="default: all")
    parser.add_argument("--no-cover", dest="cover", action="store_false")
    parser.add_argument("--short-rows", type=int, help="default: 10,000,000; 100,000 of the demo's; 0: none")
    parser.add_argument("--threads", type=int, default=2, help="and processes of the rivals")
    parser.add_argument("--rivals", metavar="PYTHON", help="interpreter that has data-selection and zip-fit")
    parser.add_argument(
        "--directory", type=Path, help="for files of some gigabytes, which stay (default: a temporary one)"
    )
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    if (options.source is None) != (options.target is None):
        sys.exit("--source and --target go together")
    return options


def versions(python: str) -> dict[str, str]:
    """Which rivals an interpreter has; others than those of the comparison end the program."""
    code = "import importlib.metadata as m; print(m.version('data-selection'), m.version('zip-fit'))"
    told = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.split()
    if told != [scale.DSIR_VERSION, compare.ZIP_FIT_VERSION]:
        sys.exit(f"{python} has data-selection and zip-fit {told or 'not'}; the comparison is with 1.0.3 and 1.0.9")
    return dict(zip(("data-selection", "zip-fit"), told, strict=True))


def main() -> None:
    """Read the arguments, measure, print the report as JSON."""
    options = arguments()
    found = versions(options.rivals) if options.rivals else {}
    with tempfile.TemporaryDirectory() as name:
        options.directory = options.directory or Path(name)
        options.directory.mkdir(parents=True, exist_ok=True)
        if options.source is None:
            options.source, target = report.demo_texts(options.directory / "demo")
            options.target = [target]
            options.short_rows = 100_000 if options.short_rows is None else options.short_rows
        options.short_rows = 10_000_000 if options.short_rows is None else options.short_rows
        results: dict[str, Any] = {}
        if options.short_rows:
            results["short rows"] = many_short(options.source, options)
        if options.copies:
            source = options.directory / "million.jsonl"
            repeated(options.source, options.copies, source)
            for path in options.target:
                results[path.name] = million(source, path, options.metric or METRICS, options)
    report.tell(report.make("benches.millions", results, found), options.record)


if __name__ == "__main__":
    main()

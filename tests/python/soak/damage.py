"""Scores damaged copies of a file in a process of its own, which a crash may end and whose memory is limited.

    python damage.py < job        job: {"file", "target", "metric", "cases": [[kind, at, bit], ...]}

For each case a line of JSON goes to standard output: before it is tried, and its outcome.
A result that is not that of the undamaged file is right only if independent readers (json, gzip, zstandard, pyarrow)
read those rows from the damaged one.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import resource
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

import zipfit
from zipfit import errors, pipeline

MEMORY = 1 << 30
"""Bytes of addresses that all cases together may take beyond what the undamaged file took."""


def damaged(content: bytes, kind: str, at: int, bit: int) -> bytes:
    if kind == "cut":
        return content[:at]
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def score(file: Path, target: str, metric: str, output: Path, policy: str) -> tuple[dict[int, float], set[int]]:
    """Return the score of each row, and the rows that were rejected."""
    options = pipeline.ScoreOptions(
        source=(str(file),), target=(target,), output=str(output), metric=metric, on_bad_row=policy, threads=2
    )
    pipeline.score(options)
    table = pq.read_table(output / "scores.parquet", columns=["row", "score"]).to_pydict()
    rejected = output / "rejected.jsonl"
    lines = rejected.read_bytes().splitlines() if rejected.exists() else []
    return dict(zip(table["row"], table["score"], strict=True)), {json.loads(line)["row"] for line in lines}


def texts_of(file: Path) -> list[str | None]:
    """Read the texts of a file by other means; None for a row that has none."""
    if file.suffix == ".parquet":
        table = pq.read_table(file, columns=["text"], page_checksum_verification=True)
        return [decoded(text) for text in table.column(0).cast(pa.binary()).to_pylist()]
    content = file.read_bytes()
    if file.suffix == ".gz":
        content = gzip.decompress(content)
    elif file.suffix == ".zst":
        content = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content), read_across_frames=True).read()
    texts: list[str | None] = []
    for line in content.split(b"\n"):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode())
            texts.append(row["text"] if isinstance(row["text"], str) and row["text"].encode() else None)
        except (ValueError, KeyError, TypeError):
            texts.append(None)
    return texts


def decoded(text: bytes | None) -> str | None:
    try:
        return None if text is None else text.decode()
    except UnicodeDecodeError:
        return None


def right(file: Path, target: str, metric: str, scores: dict[int, float], rejected: set[int]) -> str | None:
    """Say in which respect a result is not what independent readers find in the file; None if it is."""
    try:
        texts = texts_of(file)
    except Exception as error:  # noqa: BLE001 - whatever they raise, they could not read it
        return f"others cannot read it ({type(error).__name__}: {error})"
    wanted = [text for text in texts if text is not None]
    by_others = zipfit.rank(wanted, Path(target), metric=metric, threads=2).scores.tolist() if wanted else []
    expected = dict(zip([row for row, text in enumerate(texts) if text is not None], by_others, strict=True))
    if len(texts) != len(scores) + len(rejected):
        return f"others read {len(texts)} rows, it {len(scores)} and rejected {len(rejected)}"
    if different := [row for row in scores if not math.isclose(scores[row], expected.get(row, math.nan), abs_tol=0)]:
        return f"others read other texts in rows {different[:5]}"
    return None


def outcome(file: Path, job: dict[str, Any], output: Path, policy: str, whole: Any) -> str:
    """Try one damaged file; what is wrong begins with "wrong"."""
    try:
        found = score(file, job["target"], job["metric"], output, policy)
    except (errors.ZipfitError, OSError) as error:
        said = str(error)
        if isinstance(error, errors.InternalError) or "\n" in said or file.name not in said:
            return f"wrong: {type(error).__name__}: {said}"
        return "error"
    except BaseException as error:  # noqa: BLE001 - a panic is no Exception
        return f"wrong: {type(error).__name__}: {error}"
    if found == whole:
        return "as undamaged"
    problem = right(file, job["target"], job["metric"], *found)
    return "as others read it" if problem is None else f"wrong: {problem}"


def kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def main() -> None:
    job = json.load(sys.stdin)
    original = Path(job["file"])
    content = original.read_bytes()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = score(original, job["target"], job["metric"], folder / "out", "skip")
        shutil.rmtree(folder / "out")
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        before = kilobytes("VmRSS")
        # From here on the peak counts anew.
        Path("/proc/self/clear_refs").write_text("5")
        for number, case in enumerate(job["cases"]):
            print(json.dumps({"trying": case}), flush=True)  # noqa: T201
            (folder / original.name).write_bytes(damaged(content, *case))
            policy = ("error", "skip")[number % 2]
            said = outcome(folder / original.name, job, folder / "out", policy, whole)
            shutil.rmtree(folder / "out", ignore_errors=True)
            print(json.dumps({"case": [*case, policy], "outcome": said}), flush=True)  # noqa: T201
        print(json.dumps({"grown_kilobytes": kilobytes("VmHWM") - before}))  # noqa: T201


main()

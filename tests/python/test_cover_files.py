"""`zipfit select --cover` in bounded memory: what it puts away on disk, and that nobody can tell from the result."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from helpers_files import (
    COVER_NAMES,
    SOURCE_TEXTS,
    TARGET_TEXTS,
    command,
    environment,
    lines_of,
    read_rows,
    write_texts,
    zipfit_cli,
)

import zipfit
from zipfit import estimate, pipeline

ROWS = 300


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # Repeats, near repeats, copies of targets and bad rows, in both files.
    texts = [f"{SOURCE_TEXTS[i % 6]} {i * 7 % 40}" for i in range(ROWS)]
    texts[40], texts[170] = TARGET_TEXTS
    rows = [{"id": i, "text": text, "tokens": len(text.split())} for i, text in enumerate(texts)]
    (tmp_path / "a.jsonl").write_bytes(lines_of(rows[:100]) + b"[]\n" + lines_of(rows[100:120]))
    (tmp_path / "b.jsonl").write_bytes(b"[]\n" + lines_of(rows[120:]))
    write_texts(tmp_path / "target.jsonl", TARGET_TEXTS)
    return tmp_path


def options(folder: Path, **changes: Any) -> pipeline.SelectOptions:
    values: dict[str, Any] = {
        "source": (str(folder / "a.jsonl"), str(folder / "b.jsonl")),
        "target": (str(folder / "target.jsonl"),),
        "output": str(folder / "out"),
        "cover": True,
        "budget_bytes": 900,
        "id": "id",
        "on_bad_row": "skip",
        "overwrite": True,
    }
    return pipeline.SelectOptions(**(values | changes))


def digest(directory: Path) -> dict[str, str]:
    """Hashes of all files but the one that tells how the run went."""
    files = [path for path in directory.rglob("*") if path.is_file() and path.name != "run.json"]
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"budget_bytes": None, "budget_tokens": 150, "token_field": "tokens"},
        {"budget_bytes": None, "top_k": 20, "min_bytes": 25, "dedup": 1.0},
        {"dedup": 0.9, "max_bytes": 45, "budget_bytes": 120},
        {"keep_order": True, "beta": 2.0},
    ],
    ids=lambda changes: " ".join(changes) or "plain",
)
def test_any_batches_give_the_same_bytes(folder: Path, changes: dict[str, Any]) -> None:
    digests = []
    for batch_rows in (None, 1, 7):
        result = pipeline.select(options(folder, batch_rows=batch_rows, **changes))
        digests.append(digest(folder / "out"))
    assert digests == digests[:1] * 3
    counts = result.counts
    assert (counts["read"], counts["rejected"]) == (ROWS + 2, 2)
    assert counts["copies_of_target"] == 2
    assert counts["duplicates"] > 50
    lines = [line for name in ("a.jsonl", "b.jsonl") for line in (folder / name).read_bytes().splitlines()]
    chosen = read_rows(folder / "out" / "selection.jsonl")
    assert [json.loads(lines[entry["row"]]) for entry in chosen] == read_rows(folder / "out" / "selected.jsonl")
    for entry in read_rows(folder / "out" / "left_out.jsonl"):
        text = json.loads(lines[entry["row"]])["text"]
        assert lines[entry["row"]] == (folder / Path(entry["file"]).name).read_bytes().splitlines()[entry["line"] - 1]
        if entry["reason"] == "copy_of_target":
            assert text == TARGET_TEXTS[entry["target_row"]]
        elif "dedup" not in changes or changes["dedup"] == 1:
            assert text == json.loads(lines[entry["of_row"]])["text"]
            assert entry["of_row"] < entry["row"]


def test_the_rows_are_those_of_the_function(folder: Path) -> None:
    result = pipeline.select(options(folder, batch_rows=9))
    lines = [line for name in ("a.jsonl", "b.jsonl") for line in (folder / name).read_bytes().splitlines()]
    numbers = [number for number, line in enumerate(lines) if line != b"[]"]
    texts = [json.loads(lines[number])["text"] for number in numbers]
    expected = zipfit.cover(texts, TARGET_TEXTS, budget_bytes=900)
    chosen = read_rows(folder / "out" / "selection.jsonl")
    assert [entry["row"] for entry in chosen] == [numbers[row] for row in expected.rows]
    assert [entry["score"] for entry in chosen] == expected.scores.tolist()
    assert [entry["coverage"] for entry in chosen] == expected.coverage.tolist()
    assert result.spent == sum(len(texts[row]) for row in expected.rows)
    assert result.beta == expected.provenance["beta"]


def test_nothing_stays_of_what_was_put_away(folder: Path) -> None:
    pipeline.select(options(folder))
    names = {path.name for path in (folder / "out").iterdir()}
    assert names == COVER_NAMES | {"left_out.jsonl", "rejected.jsonl"}
    with pytest.raises(zipfit.errors.BadRowError):
        pipeline.select(options(folder, output=str(folder / "other"), on_bad_row="error", batch_rows=10))
    assert not (folder / "other").exists()


def test_what_a_killed_run_has_put_away_is_removed_by_the_next(folder: Path) -> None:
    pipeline.select(options(folder))
    expected = digest(folder / "out")
    for path in (folder / "out").iterdir():
        path.unlink()
    (folder / "out" / ".zipfit").mkdir()
    (folder / "out" / ".zipfit" / "rows").write_bytes(b"half of something")
    pipeline.select(options(folder, overwrite=False))
    assert digest(folder / "out") == expected
    assert not (folder / "out" / ".zipfit").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files here")
@pytest.mark.parametrize(
    ("rows", "length", "place"),
    [(20, 2000, Path("out") / ".zipfit"), (2000, 20, Path("out") / ".zipfit" / "rows")],
    ids=["texts", "rows"],
)
def test_a_disk_that_is_full_while_rows_are_put_away_ends_the_run_with_status_3(
    tmp_path: Path, rows: int, length: int, place: Path
) -> None:
    import resource

    write_texts(tmp_path / "pool.jsonl", [f"{i} ".ljust(length, "x") for i in range(rows)])
    write_texts(tmp_path / "target.jsonl", TARGET_TEXTS)
    done = zipfit_cli(
        *("select", "pool.jsonl", "--target", "target.jsonl", "--cover", "--top-k", "5", "-o", "out"),
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
    )
    assert (done.returncode, done.stderr) == (3, f"zipfit: {place}: file too large; nothing was left behind\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
def test_ctrl_c_ends_a_joint_selection_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    texts = (f"{i:x} {i**5:x} {(i * 7919) % 1000003:x} " * 30 for i in range(40_000))
    (tmp_path / "pool.jsonl").write_bytes(lines_of({"text": text} for text in texts))
    write_texts(tmp_path / "target.jsonl", [f"{i**5:x} {i * 31:x}" for i in range(2_000)])
    arguments = (
        "select",
        "pool.jsonl",
        "--target",
        "target.jsonl",
        "--cover",
        "--budget-bytes",
        "30000000",
        "-o",
        "out",
    )
    process = subprocess.Popen(command(*arguments), cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True)
    # While rows are taken apart.
    while not (tmp_path / "out" / ".zipfit" / "rows").exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert not (tmp_path / "out").exists()


def peak_memory(folder: Path, rows: int) -> int:
    """Memory of a run among rows of 2,000 bytes."""
    body = " ".join(f"word{i}" for i in range(230))
    with (folder / "pool.jsonl").open("wb") as pool:
        for start in range(0, rows, 1000):
            pool.write(lines_of({"text": f"{i} {body} {i}"} for i in range(start, start + 1000)))
    done = zipfit_cli(
        *("select", "pool.jsonl", "--target", "target.jsonl", "--cover", "--top-k", "5", "-o", "out", "--overwrite"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    peak = json.loads((folder / "out" / "run.json").read_text())["peak_memory_bytes"]
    return int(peak or 0)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_memory_does_not_grow_with_the_texts(tmp_path: Path) -> None:
    write_texts(tmp_path / "target.jsonl", [*TARGET_TEXTS, "word17 word18 word19"])
    # Enough rows that all batches which may be there at once are there, which is chance with few.
    few, many = peak_memory(tmp_path, 20_000), peak_memory(tmp_path, 80_000)
    texts = 2_000 * (80_000 - 20_000)
    assert many - few < texts / 2, (few, many)


def test_a_dry_run_tells_what_is_put_away(folder: Path) -> None:
    found = estimate.estimate(options(folder))
    texts = sum(len(row["text"]) for name in ("a", "b") for row in _good_rows(folder / f"{name}.jsonl"))
    # The texts, their n-grams, and for each row a head and its place.
    assert texts + 64 * ROWS < found.disk_bytes < 3 * texts + 128 * ROWS
    assert not (folder / "out").exists()


def _good_rows(path: Path) -> list[dict[str, Any]]:
    return [row for row in read_rows(path) if row]

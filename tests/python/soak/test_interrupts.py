"""Ctrl-C at any moment stops a run at once, says how to go on, and going on ends with the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers_files import command, digest, write_texts
from helpers_soak import (
    LONG,
    SEED,
    Way,
    child_environment,
    count,
    driven,
    library_functions,
    none,
    record,
    remove,
    run,
    whole_records,
)

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process here")

LONG_ROWS = ("long.jsonl", "--target", "long-target.jsonl")
MANY_ROWS = ("many.jsonl", "--target", "many-target.jsonl")

WAYS: dict[str, Way] = {
    "ncd, gzip-9": Way(("score", *MANY_ROWS)),
    "select, gain": Way(("select", *MANY_ROWS, "--metric", "gain", "--top-k", "500", "--dedup", "1")),
    "26 KB a row, xz-9": Way(("score", *LONG_ROWS, "--compressor", "xz-9"), batch_rows=4),
    "26 KB a row, brotli-11": Way(("select", *LONG_ROWS, "--compressor", "brotli-11", "--top-k", "3"), batch_rows=4),
    "26 KB a row, bz2-9": Way(("score", *LONG_ROWS, "--compressor", "bz2-9"), batch_rows=4),
    "joint": Way(("select", *MANY_ROWS, "--cover", "--top-k", "300"), has_journal=False),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows that take seconds: 13 MB of short ones, which are four batches, and long ones."""
    folder = tmp_path_factory.mktemp("interrupts")
    functions = library_functions()
    numbers = random.Random(0)
    write_texts(folder / "many.jsonl", [f"{row} {numbers.choice(functions)[:800]}" for row in range(24_000)])
    write_texts(folder / "many-target.jsonl", functions[:12])
    text = "\n".join(functions)
    starts = [numbers.randrange(len(text) - 26_000) for _ in range(18)]
    pieces = [text[start : start + 26_000] for start in starts]
    write_texts(folder / "long.jsonl", pieces[:16])
    write_texts(folder / "long-target.jsonl", pieces[16:])
    return folder


def command_of(way: Way, output: Path, *more: str) -> list[str]:
    """Return what a user types; for long rows, which would all be one batch, that with smaller ones."""
    if "long.jsonl" in way.arguments:
        return driven(way, output, Path(os.devnull), *more)
    return command(*way.arguments, "-o", output, *more)


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[dict[str, str], float]]:
    """Files of a run that nobody interrupts, and its seconds."""
    known: dict[str, tuple[dict[str, str], float]] = {}

    def find(name: str) -> tuple[dict[str, str], float]:
        if name not in known:
            output = tmp_path_factory.mktemp("whole") / "out"
            done = run(command_of(WAYS[name], output), folder)
            assert done.status == 0, done
            known[name] = digest(output), done.seconds
        return known[name]

    return find


def interrupted(arguments: list[str], folder: Path, said: Path, moment: float) -> tuple[int, float]:
    """Run and interrupt after so many seconds; the exit status, and the seconds from the signal to the end."""
    with said.open("wb") as errors:
        process = subprocess.Popen(arguments, cwd=folder, env=child_environment(), stderr=errors)
    time.sleep(moment)
    start = time.perf_counter()
    process.send_signal(signal.SIGINT)
    status = process.wait(timeout=120)
    return status, time.perf_counter() - start


def test_ctrl_c_at_any_moment_stops_at_once_and_the_run_goes_on_to_the_same_bytes(
    folder: Path, whole: Callable[[str], tuple[dict[str, str], float]], tmp_path: Path
) -> None:
    numbers = random.Random(SEED)
    wanted = count(4, 100)
    problems: list[str] = []
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    counts = dict.fromkeys(("interrupts", "said_how_to_resume", "before_zipfit_began", "too_late", "equal_outputs"), 0)
    output, said_file, ordered = tmp_path / "out", tmp_path / "said", [0.0]
    while counts["interrupts"] < wanted:
        name = list(WAYS)[counts["interrupts"] % len(WAYS)]
        files, all_seconds = whole(name)
        moment = numbers.uniform(0.0, all_seconds)
        status, stopped = interrupted(command_of(WAYS[name], output), folder, said_file, moment)
        said, batches = said_file.read_text(), whole_records(output)
        problem, counts_as = None, "interrupts"
        if (output / "manifest.json").exists():
            # All was done when the signal came.
            counts_as = "too_late"
        elif not output.exists() and not said.startswith("zipfit: ") and is_of_python(status, said):
            # It was still loading its modules, and does what it does then.
            counts_as = "before_zipfit_began"
        else:
            counts["said_how_to_resume"] += "--resume" in said
            seconds[name].append(stopped)
            problem = wrong_words(status, said, batches)
        counts[counts_as] += 1
        resumed = run(command_of(WAYS[name], output, "--resume"), folder, forked=True)
        if resumed.status != 0 or digest(output) != files:
            problem = f"--resume: {resumed}"
        elif counts_as == "interrupts":
            counts["equal_outputs"] += 1
        if problem is not None:
            problems.append(f"{name}, interrupted after {moment:.3f} of {all_seconds:.3f} s: {problem}")
        remove(output)
        ordered = tell(counts, seconds, problems)
    none(problems)
    # Of a hundred, one may be slow; where there are four, a busy machine may stall all but one.
    assert ordered[-2 if LONG else 0] < 0.5


def is_of_python(status: int, said: str) -> bool:
    """Whether Python ended by itself: by the signal, which shells call status 130, too, or by 1 at its very start."""
    return status == -signal.SIGINT or (status == 1 and said.rstrip().endswith("KeyboardInterrupt"))


def tell(counts: dict[str, int], seconds: dict[str, list[float]], problems: list[str]) -> list[float]:
    """Keep what is known so far; returns all seconds, rising."""
    ordered = sorted(second for some in seconds.values() for second in some) or [0.0]
    percentiles = {f"p{p}": round(ordered[(len(ordered) - 1) * p // 100], 3) for p in (50, 90, 99)}
    record(
        "interrupts at a random moment",
        **counts,
        seconds_to_stop=percentiles | {"max": round(ordered[-1], 3)},
        slowest_of={name: round(max(some), 3) for name, some in seconds.items() if some},
        problems=problems,
    )
    return ordered


def wrong_words(status: int, said: str, batches: int) -> str | None:
    """Say what is wrong with the end of a run that was interrupted; None if nothing is."""
    # The second where the signal fell into the making of a dataclass, say: Python remembers it and ends by it after us.
    # Shells call either status 130.
    if status not in {130, -signal.SIGINT}:
        return f"status {status}, said {said!r}"
    sentence = "zipfit: interrupted"
    if batches and "rows are done and kept; go on by the same command with --resume" not in said:
        return f"{batches} batches are done, but it said {said!r}"
    if not said.startswith(sentence) or said.count("\n") != 1:
        return f"said {said!r}"
    return None

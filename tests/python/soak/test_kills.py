"""A run that is killed goes on to the bytes of one that was not, and does at most one batch again."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from helpers_files import digest
from helpers_soak import (
    SEED,
    WAYS,
    Undisturbed,
    child_environment,
    count,
    driven,
    lines,
    need_strace,
    none,
    record,
    remove,
    resume,
    run,
    traced,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL here")


def test_a_run_that_is_killed_at_any_moment_goes_on_to_the_same_bytes(
    pool: Path, whole: Callable[[str], Undisturbed], tmp_path: Path
) -> None:
    numbers = random.Random(SEED)
    problems, equal, kills, too_late, redone, begun = [], 0, 0, 0, [0, 0], 0
    wanted = count(7, 200)
    output, notes = tmp_path / "out", tmp_path / "notes"
    while kills < wanted:
        name = list(WAYS)[kills % len(WAYS)]
        way, expected = WAYS[name], whole(name)
        moment = numbers.uniform(0.0, expected.seconds)
        process = subprocess.Popen(
            driven(way, output, notes), cwd=pool, env=child_environment(), stderr=subprocess.DEVNULL
        )
        time.sleep(moment)
        process.kill()
        was_killed = process.wait(timeout=60) == -signal.SIGKILL
        # One that had ended by then counts for nothing, but must be right as well.
        kills, too_late = kills + was_killed, too_late + (not was_killed)
        begun += was_killed and bool(lines(notes))
        resumed = resume(way, pool, output, expected, lines(notes))
        if resumed.problem is None:
            equal += was_killed
            redone[resumed.redone] += was_killed
        else:
            problems.append(f"{name}, killed after {moment:.3f} of {expected.seconds:.3f} s: {resumed.problem}")
        remove(output)
        notes.unlink(missing_ok=True)
        record(
            "kills at a random moment",
            kills=kills,
            equal_outputs=equal,
            killed_while_or_after_scoring=begun,
            no_batch_done_again=redone[0],
            one_batch_done_again=redone[1],
            ended_before_the_kill=too_late,
            problems=problems,
        )
    none(problems)


def test_a_run_that_is_killed_at_any_system_call_goes_on_to_the_same_bytes(
    pool: Path, whole: Callable[[str], Undisturbed], tmp_path: Path
) -> None:
    need_strace()
    numbers = random.Random(SEED)
    problems, equal, kills, missed, calls = [], 0, 0, 0, {}
    wanted = count(3, 50)
    output, notes, log = tmp_path / "out", tmp_path / "notes", tmp_path / "log"
    while kills < wanted:
        assert missed < wanted + 20, "hardly any system call is met again"
        name = list(WAYS)[kills % len(WAYS)]
        way, expected = WAYS[name], whole(name)
        if name not in calls:
            counted = run(traced(driven(way, output, notes), log), pool)
            assert counted.status == 0, counted
            assert digest(output) == expected.files
            calls[name] = calls_of_main_thread(log.read_text(errors="replace"), str(output))
            remove(output)
        call, at = numbers.choice(calls[name])
        notes.unlink(missing_ok=True)
        kill = f"-e trace={call} -e inject={call}:signal=KILL:when={at}"
        done = run(traced(driven(way, output, notes), log, kill), pool)
        was_killed = done.status == -signal.SIGKILL
        kills, missed = kills + was_killed, missed + (not was_killed)
        resumed = resume(way, pool, output, expected, lines(notes))
        if resumed.problem is None:
            equal += was_killed
        else:
            problems.append(f"{name}, killed at {call} {at}: {resumed.problem}")
        remove(output)
        record(
            "kills at a random system call",
            kills=kills,
            equal_outputs=equal,
            calls_to_choose_from={name: len(found) for name, found in calls.items()},
            not_met_again=missed,
            problems=problems,
        )
    none(problems)


def calls_of_main_thread(log: str, output: str) -> list[tuple[str, int]]:
    """Return each call of the main thread from that on which makes the output: its name, and which of that name."""
    found, counts = [], dict[str, int]()
    begun, main = False, log.split(maxsplit=1)[0]
    for line in log.splitlines():
        call = re.match(r"(\d+) +(\w+)\(", line)
        if call is None or call[1] != main:
            continue
        counts[call[2]] = counts.get(call[2], 0) + 1
        begun = begun or (call[2].startswith("mkdir") and output in line)
        if begun and call[2] != "exit_group":
            found.append((call[2], counts[call[2]]))
    return found

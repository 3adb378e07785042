"""Whatever the disk refuses: one sentence, nothing half-done under a final name, and the run goes on when it can."""

from __future__ import annotations

import random
import re
import shlex
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from helpers_files import digest
from helpers_soak import (
    LONG,
    SEED,
    Done,
    Way,
    child_environment,
    count,
    driven,
    need_strace,
    none,
    record,
    remove,
    run,
    traced,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ERRORS = {
    "open": ("EIO", "ENOSPC", "EMFILE", "EACCES"),
    "openat": ("EIO", "ENOSPC", "EMFILE", "EACCES"),
    "mkdir": ("ENOSPC", "EROFS"),
    "mkdirat": ("ENOSPC", "EROFS"),
    "read": ("EIO",),
    "pread64": ("EIO",),
    "write": ("ENOSPC", "EIO", "EDQUOT"),
    "pwrite64": ("ENOSPC", "EIO", "EDQUOT"),
    "fsync": ("EIO", "ENOSPC"),
    "ftruncate": ("EIO",),
    "lseek": ("EIO",),
    "flock": ("EIO",),
    "rename": ("EIO", "ENOSPC"),
    "renameat": ("EIO", "ENOSPC"),
    "renameat2": ("EIO", "ENOSPC"),
    "unlink": ("EIO",),
    "unlinkat": ("EIO",),
    "rmdir": ("EIO",),
    "getdents64": ("EIO",),
}
"""What each system call may fail with; one of a name that this machine does not have is passed over."""

READING = ("read", "pread64", "lseek", "getdents64")
"""Those of them that change nothing, and are many."""

TRACED = "trace=" + ",".join("?" + name for name in ERRORS)

ALL = ("--target", "target.jsonl", "--exclude", "exclude.jsonl", "--dedup", "1")
ROWS = {
    "JSONL": ("select", "a.jsonl", "b.jsonl", *ALL, "--on-bad-row", "skip"),
    "Parquet": ("select", "a.parquet", *ALL),
}
WAYS = {name: Way((*arguments, "--top-k", "30"), batch_rows=50) for name, arguments in ROWS.items()}
FINAL_NAMES = {
    "manifest.json",
    "run.json",
    "scores.parquet",
    "selection.jsonl",
    "selected.jsonl",
    "selected.parquet",
    "left_out.jsonl",
    "rejected.jsonl",
}


@dataclass(frozen=True)
class Call:
    """A system call on a file of the run."""

    name: str
    path: str
    """``PID`` stands for the number of the process."""
    at: int
    """Which of its name on this path, from 1."""


def own_calls(log: str, output: str) -> list[Call]:
    """Return the calls on files in the output directory, by any thread, in the log of a run."""
    found: list[Call] = []
    counts = Counter[tuple[str, str, str]]()
    main = log.split(maxsplit=1)[0]
    for line in log.splitlines():
        call = re.match(r"(\d+) +(\w+)\((.*)", line)
        path = re.search(re.escape(output) + r'[^"<>()]*', call[3]) if call else None
        if call is None or path is None or call[2] not in ERRORS:
            continue
        name = path[0].replace(f".{main}-", ".PID-")
        # strace counts by thread.
        counts[call[1], call[2], name] += 1
        found.append(Call(call[2], name, counts[call[1], call[2], name]))
    return list(dict.fromkeys(found))


def calls_to_refuse(calls: list[Call], kinds: int, numbers: random.Random) -> list[Call]:
    """Choose calls: all that change something, and some of the others; in the short form one each of some kinds."""
    if LONG:
        reading = [[call for call in calls if call.name == name] for name in READING]
        some = [call for of_name in reading for call in numbers.sample(of_name, min(len(of_name), 5))]
        return [call for call in calls if call.name not in READING] + some
    of_kind: dict[tuple[str, str], list[Call]] = {}
    for call in calls:
        of_kind.setdefault((call.name, call.path), []).append(call)
    # What is done is what these have written.
    always = next(kind for kind in of_kind if kind[0] == "write" and kind[1].endswith("/journal"))
    drawn = [always, *numbers.sample(sorted(of_kind.keys() - {always}), kinds - 1)]
    return [numbers.choice(of_kind[kind]) for kind in drawn]


def problem_with(done: Done, output: Path, error: str, expected: dict[str, str]) -> str | None:
    """Say what is wrong after a fault; None if nothing is."""
    files = {name: content for name, content in digest(output).items() if not name.startswith(".zipfit/")}
    final = {name: content for name, content in files.items() if name in FINAL_NAMES}
    if done.status == 0:
        # It did without what was refused, such as the removal of a file of its own.
        return None if final == expected else f"all is said to be well, but the files differ: {done}"
    problems = {
        "another status": done.status not in ({2, 3} if error == "EACCES" else {3}),
        "more than a sentence": not done.said.startswith("zipfit: ") or done.said.count("\n") != 1,
        # Where all is done but for the removal of the journal, the files are whole.
        "a manifest": "manifest.json" in final and final != expected,
        "partial files": any(content != expected[name] for name, content in final.items()),
        "other words than fit the journal": (output / ".zipfit" / "journal").exists() != ("--resume" in done.said),
    }
    found = ", ".join(problem for problem, is_there in problems.items() if is_there)
    return f"{found}: {done}" if found else None


def test_every_refused_system_call_ends_the_run_in_a_sentence_and_it_goes_on(small_pool: Path, tmp_path: Path) -> None:
    need_strace()
    numbers = random.Random(SEED)
    output, log, notes = tmp_path / "out", tmp_path / "log", tmp_path / "notes"
    problems, seen = [], {}
    for name, way in WAYS.items():
        counted = run(traced(driven(way, output, notes), log, "-y", "-e", TRACED), small_pool)
        assert counted.status == 0, counted
        expected = digest(output)
        remove(output)
        calls = own_calls(log.read_text(errors="replace"), str(output))
        assert {"openat", "write", "fsync"} <= {call.name for call in calls}
        statuses = Counter[str]()
        for call in calls_to_refuse(calls, 6, numbers):
            # Once, as when a disk stumbles, or from then on, as when it is full.
            error, more = numbers.choice(ERRORS[call.name]), numbers.choice(("", "+"))
            inject = f"-e trace={call.name} -e inject={call.name}:error={error}:when={call.at}{more}"
            done = run(traced(driven(way, output, notes), log, inject, paths=(call.path,)), small_pool)
            is_met = "(INJECTED)" in log.read_text(errors="replace")
            statuses[f"status {done.status}" if is_met else "not met again"] += 1
            output.mkdir(exist_ok=True)
            problem = problem_with(done, output, error, expected)
            resumed = run(driven(way, output, notes, "--resume"), small_pool, forked=True)
            if problem is None and (resumed.status != 0 or digest(output) != expected):
                problem = f"{done}, then --resume: {resumed}, {sorted(digest(output))}"
            if problem is not None:
                problems.append(f"{name}, {call}{more} {error}: {problem}")
            remove(output)
            faults = statuses.total() - statuses["not met again"]
            seen[name] = {"calls": len(calls), "faults": faults, **statuses}
            record("refused system calls", **seen, problems=problems)
        assert statuses["not met again"] <= len(calls) // 20
    none(problems)


def test_a_run_that_replaces_another_never_leaves_a_mixture(small_pool: Path, tmp_path: Path) -> None:
    """With --overwrite, over a finished run of other parameters."""
    need_strace()
    numbers = random.Random(SEED)
    output, log, notes, former = tmp_path / "out", tmp_path / "log", tmp_path / "notes", tmp_path / "former"
    way = WAYS["JSONL"]
    assert run(driven(way, former, notes, "--metric", "gain"), small_pool, forked=True).status == 0
    shutil.copytree(former, output)
    counted = run(traced(driven(way, output, notes, "--overwrite"), log, "-y", "-e", TRACED), small_pool)
    assert counted.status == 0, counted
    before, after = digest(former), digest(output)
    calls = own_calls(log.read_text(errors="replace"), str(output))
    problems, statuses = [], Counter[str]()
    for call in calls_to_refuse(calls, 5, numbers):
        error = numbers.choice(ERRORS[call.name])
        remove(output)
        shutil.copytree(former, output)
        inject = f"-e trace={call.name} -e inject={call.name}:error={error}:when={call.at}"
        done = run(traced(driven(way, output, notes, "--overwrite"), log, inject, paths=(call.path,)), small_pool)
        statuses[f"status {done.status}"] += 1
        found = {name: content for name, content in digest(output).items() if name in FINAL_NAMES}
        if done.status == 0 and found != after:
            problems.append(f"{call} {error}: the files differ: {done}")
        if "manifest.json" in found and found not in (before, after):
            problems.append(f"{call} {error}: a manifest vouches for a mixture: {done}")
        if any(content not in (before.get(name), after.get(name)) for name, content in found.items()):
            problems.append(f"{call} {error}: a partial file: {done}")
        again = run(driven(way, output, notes, "--overwrite"), small_pool, forked=True)
        if again.status != 0 or digest(output) != after:
            problems.append(f"{call} {error}: {done}, then --overwrite: {again}, {sorted(digest(output))}")
        record("refused system calls with --overwrite", faults=statuses.total(), **statuses, problems=problems)
    none(problems)


def mounter() -> Callable[[str], list[str]]:
    """Return what runs a script that may mount; skips where nobody may."""
    for flags in ("-rm", "-m"):
        trial = ["unshare", flags, "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"]
        if shutil.which("unshare") and not subprocess.run(trial, check=False, capture_output=True).returncode:
            return lambda script, flags=flags: ["unshare", flags, "sh", "-c", script]  # type: ignore[misc]
    pytest.skip("needs unshare and the right to mount a tmpfs, in a user namespace or as root")


@pytest.mark.parametrize("name", WAYS)
def test_a_full_disk_ends_the_run_in_a_sentence_and_it_goes_on_when_there_is_room(
    pool: Path, tmp_path: Path, name: str
) -> None:
    """On disks of many sizes, so that each file is the one that does not fit."""
    in_namespace = mounter()
    numbers = random.Random(SEED)
    way = Way((*ROWS[name], "--top-k", "1500"), batch_rows=200)
    assert run(driven(way, tmp_path / "whole", tmp_path / "notes"), pool).status == 0
    expected, needed = digest(tmp_path / "whole"), sum(file.stat().st_size for file in (tmp_path / "whole").iterdir())
    disk = tmp_path / "disk"
    disk.mkdir()
    problems, full, kept = [], 0, 0
    for _ in range(count(2, 40)):
        kilobytes = numbers.randrange(16, needed * 3 // 2 // 1024)
        first, then = (shlex.join(driven(way, disk / "out", tmp_path / "n", *more)) for more in ((), ("--resume",)))
        script = f"""
            mount -t tmpfs -o size={kilobytes}k tmpfs {disk} || exit 99
            {first} 2> {tmp_path}/said; echo $? > {tmp_path}/status
            mkdir -p {disk}/out; cp -r {disk}/out {tmp_path}/left
            mount -o remount,size=64m {disk} || exit 98
            {then} 2> {tmp_path}/said-then || exit 97
            cp -r {disk}/out {tmp_path}/resumed
        """
        done = subprocess.run(in_namespace(script), cwd=pool, env=child_environment(), check=False, timeout=300)
        said = (tmp_path / "said-then" if done.returncode == 97 else tmp_path / "said").read_text()
        assert done.returncode == 0, f"{kilobytes} kB: status {done.returncode}, {said}"
        ended = Done(int((tmp_path / "status").read_text()), said, 0.0)
        problem = problem_with(ended, tmp_path / "left", "ENOSPC", expected)
        full, kept = full + (ended.status == 3), kept + ("--resume" in said)
        if problem is None and digest(tmp_path / "resumed") != expected:
            problem = f"{ended}, then --resume leaves {sorted(digest(tmp_path / 'resumed'))}"
        if problem is not None:
            problems.append(f"{kilobytes} kB: {problem}")
        remove(tmp_path / "left")
        remove(tmp_path / "resumed")
    record(f"full disks, {name}", disks=count(2, 40), full=full, with_batches_kept=kept, problems=problems)
    none(problems)
    assert full

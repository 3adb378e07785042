"""What the benchmarks written in Python share: timed processes, texts as plain files, and the report."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zipfit
from zipfit import _core

# A process starts with the memory of the one that started it, and Linux counts that as its own peak: hence a small one
# in between. Not subprocess.wait: only wait4 tells the memory of this process and not the largest of all until now.
LAUNCHER = """
import os, sys, time
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
start = time.perf_counter()
process = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(process, 0)
print(time.perf_counter() - start, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass
class Run:
    """One finished process."""

    seconds: float
    peak_megabytes: float
    """Resident memory of the process, or of the largest of those that it started and waited for."""


def timed(command: Sequence[str]) -> Run:
    """Run a command, its words into the void; an error shows them."""
    launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, *command]
    finished = subprocess.run(launcher, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        sys.exit(f"{shlex.join(command[:3])} ... failed:\n{finished.stderr[-2000:]}")
    seconds, kilobytes = finished.stdout.split()
    return Run(float(seconds), int(kilobytes) / 1024)


def demo_texts(directory: Path) -> tuple[Path, Path]:
    """Write the texts of ``zipfit demo``; the files of source and target."""
    command = [sys.executable, "-m", "zipfit", "demo", "--write", os.fspath(directory)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return directory / "source.jsonl", directory / "target.jsonl"


def read_texts(path: Path, side: str = "source") -> list[bytes]:
    """The texts of a JSON Lines file, plain, .gz or .zst, of its field text."""
    return _core.Texts.from_files([os.fspath(path)], "text", side).to_list()


def write_texts(texts: Sequence[bytes], path: Path) -> Path:
    """Write texts as a plain JSON Lines file, which is all that some tools can read."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text.decode()}) + "\n" for text in texts)
    return path


def command_line(script: str) -> str:
    """The command that runs, without directories, as it goes into a record."""
    return shlex.join(["python", "-m", script, *[Path(word).name for word in sys.argv[1:]]])


def make(script: str, results: Any, versions: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A report: the results, with what is needed to judge and to repeat them."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": command_line(script),
        "processor": f"{_processor()}, {_core.available_threads()} CPUs",
        "versions": {
            "zipfit": zipfit.__version__ + " (debug build)" * _core.debug_build,
            **(versions or {}),
            "python": platform.python_version(),
            "commit": _commit(),
        },
        "results": results,
    }


def tell(report: Mapping[str, Any], record: Path | None) -> None:
    """Print a report as JSON; append it to the file of records, if one is given."""
    print(json.dumps(report, indent=2))
    if record:
        append(report, record)


def append(report: Mapping[str, Any], record: Path) -> None:
    """Append a report to a file of records."""
    with record.open("a", encoding="utf-8") as file:
        file.write(json.dumps(report, indent=2) + "\n")


def _processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit() -> str:
    """The checkout that this file lies in; "unknown" where there is none."""
    command = ["git", "-C", os.fspath(Path(__file__).parent), "describe", "--always", "--dirty"]
    described = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return described.stdout.strip() or "unknown"

"""How zipfit behaves inside a process: imports, signals, forks, threads."""

from __future__ import annotations

import importlib
import itertools
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers_interrupts import assert_quick, interrupt_python
from numpy.typing import NDArray

import zipfit
from zipfit import _core

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and fork")

SOURCE = [f"def function_{i}(x):\n    return x * {i} + {i * i}\n" for i in range(300)]
TARGET = SOURCE[:5]
EXPECTED = zipfit.rank(SOURCE, TARGET, threads=1).scores.tolist()


def run_python(code: str) -> str:
    """Output of a fresh interpreter that runs `code`."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_brings_numpy_and_nothing_else_that_is_heavy() -> None:
    code = "import sys, zipfit; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    modules = run_python(code).split()
    assert "numpy" in modules
    heavy = {
        "typer",
        "rich",
        "click",
        "pyarrow",
        "pandas",
        "polars",
        "duckdb",
        "datasets",
        "tokenizers",
        "tiktoken",
        "asyncio",
        "multiprocessing",
    }
    assert heavy.isdisjoint(modules)


@pytest.mark.alone
def test_import_costs_less_than_50_ms_over_numpy() -> None:
    code = "import numpy, time; start = time.perf_counter(); import zipfit; print(1000 * (time.perf_counter() - start))"
    # The best of some, because other programs run too.
    assert min(float(run_python(code)) for _ in range(5)) < 50


def test_all_names_everything_public() -> None:
    public = {name for name in vars(zipfit) if not name.startswith("_")} | {"__version__"}
    modules = {
        "annotations",
        "api",
        "checks",
        "comparing",
        "covering",
        "evaluating",
        "evaluation",
        "filters",
        "fusing",
        "inputs",
        "labels",
        "ranking",
        "scorer",
    }
    modules |= {"selection", "taking", "tokens"}
    # Others appear when a test has used them.
    lazily = {
        "choosing",
        "cli",
        "cli_evaluate",
        "cli_explain",
        "cli_options",
        "demo",
        "doctor",
        "estimate",
        "evaluating_files",
        "explain",
        "explaining_files",
        "filtering",
        "former",
        "integrations",
        "joint",
        "journal",
        "json_rows",
        "manifest",
        "merge",
        "options",
        "paths",
        "pipeline",
        "progress",
        "remote",
        "run",
        "scores",
        "scoring",
        "shards",
        "spool",
        "workplace",
        "writing",
    }
    assert public - modules - lazily == set(zipfit.__all__)
    for name in zipfit.__all__:
        assert hasattr(zipfit, name)


def test_the_version_is_that_of_the_core() -> None:
    assert zipfit.__version__ == _core.__version__


def test_a_debug_build_warns_at_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_core, "debug_build", True)
    with pytest.warns(RuntimeWarning, match="this zipfit is a debug build"):
        importlib.reload(zipfit)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads where Linux shows them")
def test_no_thread_is_started_before_it_is_needed() -> None:
    code = """
import os, time
import numpy
before = len(os.listdir("/proc/self/task"))
import zipfit
zipfit.ncd("a", "b")
zipfit.rank(["a"] * 500, ["b"], threads=1)
time.sleep(0.2)
print(len(os.listdir("/proc/self/task")) - before)
zipfit.rank(["a"] * 500, ["b"], threads=3)
time.sleep(0.2)
print(len(os.listdir("/proc/self/task")) - before)
"""
    before, after = map(int, run_python(code).split())
    assert before == 0
    assert after == 3


# Ten seconds of work and more, if it is not interrupted.
LONG_RANK = """
import sys, time, zipfit
source = [(f"row {i} " * 700) for i in range(20_000)]
print("beginning", flush=True)
try:
    zipfit.rank(source, ["target " * 600] * 100, threads=int(sys.argv[1]), compressor=sys.argv[2])
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


# Rows that have parts in common, but not enough: every row is compared with every other.
LONG_DUPLICATES = """
import sys, random, zipfit
words = [f"{random.Random(i).getrandbits(60):x}" for i in range(300)]
source = [" ".join(random.Random(row).choices(words, k=40)) for row in range(20_000)]
print("beginning", flush=True)
try:
    zipfit.duplicates(source, threshold=0.3, threads=int(sys.argv[1]))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""

# Evaluation rows of 900 lengths that end in one word: each is looked for after every word.
LONG_CONTAMINATED = """
import sys, zipfit
source = ["word " * 1000] * 5_000
against = ["first " + "word " * length for length in range(900)]
print("beginning", flush=True)
try:
    zipfit.contaminated(source, against, overlap="1000-gram", threads=int(sys.argv[1]))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""

# Rows that are all worth nearly the same: each step looks at many.
LONG_COVER = """
import sys, random, zipfit
words = [f"{random.Random(i).getrandbits(60):x}" for i in range(300)]
source = [" ".join(random.Random(row).choices(words, k=40)) for row in range(20_000)]
print("beginning", flush=True)
try:
    zipfit.cover(source, words, top_k=20_000, threads=int(sys.argv[1]))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@posix
@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (LONG_RANK, ["gzip-9"]),
        (LONG_RANK, ["bz2-9"]),
        (LONG_RANK, ["brotli-11"]),
        (LONG_DUPLICATES, []),
        (LONG_CONTAMINATED, []),
        (LONG_COVER, []),
    ],
)
def test_ctrl_c_is_answered_within_half_a_second(code: str, arguments: list[str], threads: str) -> None:
    assert_quick(lambda: interrupt_python(code, threads, *arguments))


@posix
def test_a_forked_child_ranks_on_threads_of_its_own() -> None:
    # The parent's threads do not exist in the child: waiting for them would hang.
    code = """
import os, signal, zipfit
source = [f"row {i}" for i in range(500)]
expected = zipfit.rank(source, ["row"], threads=2).scores.tolist()
child = os.fork()
if child == 0:
    signal.alarm(20)
    same = zipfit.rank(source, ["row"], threads=2).scores.tolist() == expected
    os._exit(0 if same else 1)
print(os.waitpid(child, 0)[1])
print(zipfit.rank(source, ["row"], threads=2).scores.tolist() == expected)
"""
    assert run_python(code).split() == ["0", "True"]


def score_in_worker(batch: list[str]) -> NDArray[np.float64]:
    return zipfit.rank(batch, TARGET, threads=2).scores


@posix
def test_a_pool_of_forked_processes_ranks() -> None:
    zipfit.rank(SOURCE, TARGET, threads=2)
    with warnings.catch_warnings():
        # Python 3.12 warns of every fork of a process with threads; this one is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            parts = pool.map_async(score_in_worker, [SOURCE[:150], SOURCE[150:]]).get(timeout=60)
    assert np.concatenate(parts).tolist() == EXPECTED


@pytest.mark.alone
def test_other_threads_run_while_a_rank_is_going_on() -> None:
    done = threading.Event()
    times: list[float] = []

    def tick() -> None:
        while not done.wait(0.005):
            times.append(time.perf_counter())

    ticker = threading.Thread(target=tick)
    ticker.start()
    start = time.perf_counter()
    zipfit.rank(SOURCE * 100, TARGET * 8, threads=1)
    stop = time.perf_counter()
    done.set()
    ticker.join()
    during = [start, *(moment for moment in times if start < moment < stop), stop]
    # Held, the interpreter would let nothing run from start to stop.
    assert stop - start > 0.2
    assert max(after - before for before, after in itertools.pairwise(during)) < (stop - start) / 2


def test_progress_writes_nothing_where_there_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    assert zipfit.rank(SOURCE, TARGET, progress=True).scores.tolist() == EXPECTED
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


@posix
def test_progress_shows_a_bar_on_a_terminal() -> None:
    code = "import zipfit; zipfit.rank(['a text'] * 3000, ['a'] * 9, progress=True)"
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b""
    shown = os.read(ours, 100_000).decode()
    os.close(theirs)
    os.close(ours)
    assert "ranking" in shown
    assert "3,000 rows" in shown

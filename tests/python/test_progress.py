"""How far a run is: on a terminal a bar, with rate and time left; in a pipe lines of JSON or not a byte."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import types
from typing import TYPE_CHECKING, Any

import pytest
from helpers_files import command, environment, read_rows, write_texts, zipfit_cli

import zipfit
from zipfit.progress import Meter, Status, bytes_bar, rows_bar, shown_as

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

needs_terminal = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals here")


def run_on_terminal(arguments: list[str], cwd: Path, **changes: str) -> str:
    """Return what a command writes to standard error when that is a terminal."""
    import pty

    leader, follower = pty.openpty()
    process = subprocess.Popen(
        arguments,
        cwd=cwd,
        env=environment(**{"TERM": "xterm", "COLUMNS": "100", **changes}),
        stdout=subprocess.PIPE,
        stderr=follower,
    )
    os.close(follower)
    written = bytearray()
    # Linux tells the end of a terminal by an error, other systems by no bytes.
    with os.fdopen(leader, "rb", buffering=0) as terminal:
        try:
            while part := terminal.read(4096):
                written += part
        except OSError:
            pass
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, b"")
    return written.decode()


def long_select(folder: Path) -> list[str]:
    """Return a command that takes a second or so: at level 6 each pair is compressed."""
    write_texts(folder / "pool.jsonl", [f"{i * i * 7919:x} {i**40:o} " * 8 for i in range(1_500)])
    write_texts(folder / "target.jsonl", [f"{i**60:o}" * 20 for i in range(16)])
    choose = ["--top-k", "3", "-o", "out", "--compressor", "gzip-6", "--threads", "1"]
    return command("select", "pool.jsonl", "--target", "target.jsonl", *choose)


@needs_terminal
def test_a_terminal_sees_rows_rate_and_time_left(tmp_path: Path) -> None:
    written = run_on_terminal(long_select(tmp_path), tmp_path)
    assert "scoring" in written
    assert " rows/s" in written
    assert " left" in written
    assert ", best 0." in written
    # The bar is gone when the words come.
    assert written.rstrip().endswith("in out")


@needs_terminal
def test_a_terminal_sees_how_far_the_comparison_of_rows_is(tmp_path: Path) -> None:
    written = run_on_terminal([*long_select(tmp_path), "--dedup", "0.8"], tmp_path)
    assert "comparing" in written[written.rindex("scoring") :]
    assert "1,500 rows" in written[written.rindex("comparing") :]


@needs_terminal
def test_a_dumb_terminal_sees_only_the_words(tmp_path: Path) -> None:
    written = run_on_terminal(long_select(tmp_path), tmp_path, TERM="dumb")
    assert written.startswith("read 1,500 rows")


@pytest.mark.parametrize("changes", [{}, {"FORCE_COLOR": "1"}])
def test_a_pipe_sees_only_the_words(tmp_path: Path, changes: dict[str, str]) -> None:
    done = subprocess.run(
        long_select(tmp_path), cwd=tmp_path, env=environment(**changes), capture_output=True, text=True, check=True
    )
    assert done.stderr.startswith("read 1,500 rows")
    assert "\x1b" not in done.stderr


def test_there_is_nothing_to_call_without_a_terminal() -> None:
    with rows_bar(10, "ranking") as progress:
        assert progress is None
    with bytes_bar(10, "scoring") as show:
        assert show is None


def test_there_may_be_no_standard_error_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with rows_bar(10, "ranking") as progress:
        assert progress is None


FIELDS = {
    "phase",
    "rows",
    "rows_total",
    "bytes",
    "bytes_total",
    "rows_per_second",
    "seconds",
    "seconds_left",
    "rejected",
    "best_score",
}


def told(arguments: list[str], cwd: Path) -> list[dict[str, Any]]:
    """Return the lines of JSON of a run."""
    done = zipfit_cli(*arguments[3:], "--progress", "json", cwd=cwd)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    lines = done.stderr.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_lines_of_json_say_how_far_a_run_is(tmp_path: Path) -> None:
    arguments = long_select(tmp_path)
    with (tmp_path / "pool.jsonl").open("a") as pool:
        pool.write("no row\n" * 3)
    lines = told([*arguments, "--on-bad-row", "skip"], tmp_path)
    assert all(set(line) == FIELDS for line in lines)
    scoring = [line for line in lines if line["phase"] == "scoring"]
    first, last = scoring[0], scoring[-1]
    size = (tmp_path / "pool.jsonl").stat().st_size
    assert (first["bytes"], first["bytes_total"], first["rows"], first["best_score"]) == (0, size, None, None)
    assert (last["bytes"], last["rows"], last["rejected"], last["seconds_left"]) == (size, 1_503, 3, 0)
    assert last["best_score"] == read_rows(tmp_path / "out" / "selection.jsonl")[0]["score"]
    assert last["rows_per_second"] > 0
    assert [line["phase"] for line in lines][len(scoring) :] == ["writing", "writing"]
    assert lines[-1]["rows"] == lines[-1]["rows_total"] == 3


def test_there_are_at_most_some_two_lines_a_second(tmp_path: Path) -> None:
    lines = [line["seconds"] for line in told(long_select(tmp_path), tmp_path) if line["phase"] == "scoring"]
    # The first and the last come in any case.
    assert all(later - earlier > 0.45 for earlier, later in itertools.pairwise(lines[:-1]))


def test_how_a_run_is_shown_changes_no_file(tmp_path: Path) -> None:
    arguments = long_select(tmp_path)[3:]
    files = []
    for mode in ("auto", "json", "none"):
        assert zipfit_cli(*arguments, "--overwrite", "--progress", mode, cwd=tmp_path).returncode == 0
        names = ("manifest.json", "scores.parquet", "selection.jsonl")
        files.append([(tmp_path / "out" / name).read_bytes() for name in names])
    assert files[0] == files[1] == files[2]


@pytest.mark.parametrize("choose", [[], ["--cover"]])
def test_both_ways_of_choosing_tell_their_phases(tmp_path: Path, choose: list[str]) -> None:
    write_texts(tmp_path / "pool.jsonl", [f"row {i}" for i in range(30)])
    write_texts(tmp_path / "target.jsonl", ["row 7"])
    arguments = command("select", "pool.jsonl", "--target", "target.jsonl", "--top-k", "3", "-o", "out", *choose)
    phases = {line["phase"] for line in told(arguments, tmp_path)}
    assert phases >= ({"covering", "writing"} if choose else {"scoring", "writing"})


@needs_terminal
def test_a_terminal_sees_nothing_if_that_is_asked_for(tmp_path: Path) -> None:
    written = run_on_terminal([*long_select(tmp_path), "--progress", "none"], tmp_path)
    assert written.startswith("read 1,500 rows")


def test_an_unknown_way_to_show_is_refused(tmp_path: Path) -> None:
    done = zipfit_cli(*long_select(tmp_path)[3:], "--progress", "loud", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, 'zipfit: --progress is "loud"; expected auto, json or none\n')


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of another kind")
def test_a_run_goes_on_when_nobody_reads_its_progress_any_more(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    arguments = [*long_select(tmp_path), "--progress", "json"]
    subprocess.run(arguments, cwd=tmp_path, env=environment(), stderr=writing, check=False)
    os.close(writing)
    assert (tmp_path / "out" / "manifest.json").exists()


def test_rates_are_those_of_this_run_and_not_of_the_one_that_it_goes_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    monkeypatch.setattr("time.monotonic", lambda: clock)
    seen: list[Status] = []
    meter = Meter("scoring", 2_000, seen.append, 0.5, counts_bytes=True)
    for seconds, done, rows in [(1.0, 1_000, 100), (2.0, 1_100, 110), (3.0, 1_200, 120)]:
        clock = seconds
        meter(done, rows)
    assert (seen[-1].rows_per_second, seen[-1].seconds_left) == (10, 8)


class Notebook:
    """What IPython is in a notebook, as far as progress needs it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown: list[dict[str, str]] = []
        self.kernel: object | None = self
        ipython, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
        ipython.__dict__["get_ipython"] = lambda: self
        display.__dict__["display"] = self.display
        monkeypatch.setitem(sys.modules, "IPython", ipython)
        monkeypatch.setitem(sys.modules, "IPython.display", display)

    def display(self, content: dict[str, str], *, raw: bool, display_id: bool) -> Notebook:
        assert raw
        assert display_id
        self.update(content, raw=raw)
        return self

    def update(self, content: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(content)


def test_a_notebook_shows_a_bar_that_ends_full(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    notebook = Notebook(monkeypatch)
    source, target = [f"row {i} <b>" for i in range(20)], ["row 7"]
    work: dict[str, Callable[[], object]] = {
        "ranking": lambda: zipfit.rank(source, target, progress=True),
        "covering": lambda: zipfit.cover(source, target, top_k=2, progress=True),
        "comparing": lambda: zipfit.duplicates(source, threshold=0.9, progress=True),
    }
    for phase, call in work.items():
        notebook.shown.clear()
        call()
        assert notebook.shown[0]["text/plain"] == f"{phase}: 0 rows"
        assert notebook.shown[-1]["text/plain"].startswith(f"{phase}: 20 rows")
        assert notebook.shown[-1]["text/html"].startswith('<div><progress value="20" max="20"></progress> ')
    assert capfd.readouterr() == ("", "")


def test_a_notebook_shows_nothing_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook(monkeypatch)
    zipfit.rank(["a"], ["b"])
    zipfit.cover(["a b c d"], ["a b c"], top_k=1)
    zipfit.duplicates(["a"])
    with shown_as("none"):
        zipfit.rank(["a"], ["b"], progress=True)
    # IPython in a terminal or a script has no kernel.
    notebook.kernel = None
    zipfit.rank(["a"], ["b"], progress=True)
    assert notebook.shown == []

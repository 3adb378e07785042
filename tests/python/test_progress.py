"""Progress bars: on a terminal, with rate and time left; in a pipe not a byte."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from helpers_files import command, environment, write_texts

from zipfit.progress import bytes_bar, rows_bar

if TYPE_CHECKING:
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

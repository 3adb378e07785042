"""Rows by standard input, ``-``: read once, copied to ``.zipfit/`` until the run is finished."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import zstandard
from helpers_files import (
    OUTPUT_NAMES,
    SOURCE_TEXTS,
    TARGET_TEXTS,
    command,
    environment,
    lines_of,
    read_rows,
    write_texts,
    zipfit_cli,
)
from helpers_interrupts import assert_quick

from zipfit import pipeline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POOL = lines_of({"text": text} for text in SOURCE_TEXTS)
LONG = lines_of({"text": f"{i}: {i * i * 7919:x} {i**40:o} " * 4} for i in range(4_000))
TARGET_TO_TOP_3 = ("--target", "target.jsonl", "--top-k", "3")

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of another kind")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with targets."""
    write_texts(tmp_path / "target.jsonl", TARGET_TEXTS)
    return tmp_path


def fed(
    content: bytes | int, *arguments: str, cwd: Path, preexec_fn: Callable[[], object] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run zipfit with this standard input."""
    return zipfit_cli(*arguments, cwd=cwd, stdin=content, preexec_fn=preexec_fn)


def sentence(content: bytes | int, *arguments: str, cwd: Path, status: int = 2) -> str:
    """Return what a run says that must fail and leave nothing behind."""
    done = fed(content, *arguments, "-o", "out", cwd=cwd)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert not (cwd / "out").exists()
    (line,) = done.stderr.splitlines()
    return line.removeprefix("zipfit: ")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("packed", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_standard_input_gives_the_rows_that_a_file_gives(folder: Path, packed: Callable[[bytes], bytes]) -> None:
    (folder / "pool.jsonl").write_bytes(POOL)
    assert fed(b"", "select", "pool.jsonl", *TARGET_TO_TOP_3, "-o", "by_file", cwd=folder).returncode == 0
    done = fed(packed(POOL), "select", "-", *TARGET_TO_TOP_3, "-o", "out", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "out" / "selected.jsonl").read_bytes() == (folder / "by_file" / "selected.jsonl").read_bytes()
    by_file = [{**row, "file": "-"} for row in read_rows(folder / "by_file" / "selection.jsonl")]
    assert read_rows(folder / "out" / "selection.jsonl") == by_file
    # The copy is gone.
    assert names(folder / "out") == OUTPUT_NAMES


def test_the_manifest_knows_standard_input_by_its_bytes(folder: Path) -> None:
    manifests = []
    for output in ("a", "b"):
        assert fed(POOL, "score", "-", "--target", "target.jsonl", "-o", output, cwd=folder).returncode == 0
        manifests.append((folder / output / "manifest.json").read_bytes())
    assert manifests[0] == manifests[1]
    (source,) = json.loads(manifests[0])["sources"]
    assert (source["name"], source["bytes"], source["rows"]) == ("-", len(POOL), len(SOURCE_TEXTS))
    assert json.loads((folder / "a" / "run.json").read_bytes())["sources"] == [{"name": "-", "modified_ns": None}]


@pytest.mark.parametrize("option", ["--target", "--exclude"])
def test_targets_and_evaluation_rows_may_come_by_standard_input(folder: Path, option: str) -> None:
    (folder / "pool.jsonl").write_bytes(POOL)
    arguments = ["select", "pool.jsonl", "--top-k", "2", "-o", "out", option, "-"]
    if option == "--exclude":
        arguments += ["--target", "target.jsonl"]
    done = fed(lines_of({"text": text} for text in TARGET_TEXTS), *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    side = "targets" if option == "--target" else "exclude"
    assert json.loads((folder / "out" / "manifest.json").read_bytes())[side][0]["name"] == "-"


@pytest.mark.parametrize("way", [["--cover"], ["--cover", "--dedup", "0.8"], ["--dedup", "1"]])
def test_every_way_of_choosing_takes_standard_input(folder: Path, way: list[str]) -> None:
    done = fed(POOL, "select", "-", *TARGET_TO_TOP_3, *way, "-o", "out", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert not (folder / "out" / ".zipfit").exists()
    left_out = read_rows(folder / "out" / "left_out.jsonl")
    assert all(row["file"] == "-" for row in left_out)


def test_what_cannot_be_read_is_told_in_one_sentence(folder: Path) -> None:
    select = ("select", "-", *TARGET_TO_TOP_3)
    assert sentence(b"", *select, cwd=folder) == "standard input is empty; give the rows by a pipe or a file"
    assert sentence(b"\n\n", *select, cwd=folder) == "<stdin>: source has 0 rows; there is nothing to choose from"
    assert sentence(POOL + b'{"text": "cut o', *select, cwd=folder).startswith("<stdin>:7 (byte ")
    assert sentence(b"PAR1" + bytes(100), *select, cwd=folder).startswith("standard input is Parquet, which is not")
    cut = gzip.compress(LONG)[:-100]
    assert "the file is cut off" in sentence(cut, *select, cwd=folder)
    target = ("select", "pool.jsonl", "--target", "-", "--top-k", "1")
    (folder / "pool.jsonl").write_bytes(POOL)
    assert sentence(b"\n", *target, cwd=folder) == "<stdin>: target has 0 rows; alignment needs at least 1"


@posix
def test_standard_input_that_is_closed_is_told(folder: Path) -> None:
    said = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *command("select", "-", *TARGET_TO_TOP_3, "-o", "out")],
        cwd=folder,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    expected = "zipfit: standard input is closed; give the rows by a pipe or a file\n"
    assert (said.returncode, said.stderr) == (2, expected)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["select", "-", "-", *TARGET_TO_TOP_3], "can be read only once; name it once"),
        (["select", "-", "--target", "-", "--top-k", "1"], "can be read only once; name it once"),
        (["select", "-", *TARGET_TO_TOP_3, "--exclude", "-"], "can be read only once; name it once"),
        (["score", "-", "--target", "target.jsonl", "--shard", "1/2"], "--shard does not go with -"),
    ],
)
def test_what_does_not_go_with_standard_input_is_refused_before_it_is_read(
    folder: Path, arguments: list[str], part: str
) -> None:
    reading, writing = os.pipe()
    try:
        # A pipe that never ends would be waited for.
        assert part in sentence(reading, *arguments, cwd=folder)
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--target", "missing.jsonl"], "missing.jsonl: no such file"),
        (["--target", "target.jsonl", "--compressor", "gzip-0"], "level 0 stores without compressing"),
        (["--target", "target.jsonl", "--target-text", "body"], 'no field "body"'),
    ],
)
def test_whatever_else_is_wrong_is_told_before_standard_input_is_read(
    folder: Path, options: list[str], part: str
) -> None:
    reading, writing = os.pipe()
    try:
        assert part in sentence(reading, "score", "-", *options, cwd=folder)
    finally:
        os.close(reading)
        os.close(writing)


def test_rows_that_are_gone_cannot_be_chosen_later(folder: Path) -> None:
    assert fed(POOL, "score", "-", "--target", "target.jsonl", "-o", "scores", cwd=folder).returncode == 0
    said = sentence(b"", "select", "--scores", "scores", "--top-k", "1", cwd=folder)
    assert said == (
        "scores: the rows that were scored came by standard input and are gone, so none can be copied; "
        "save them to a file and score that"
    )


def test_a_finished_run_is_known_again_by_its_bytes(folder: Path) -> None:
    select = ("select", "-", *TARGET_TO_TOP_3, "-o", "out", "--resume")
    assert fed(POOL, *select, cwd=folder).returncode == 0
    before = (folder / "out" / "manifest.json").stat().st_mtime_ns
    again = fed(POOL, *select, cwd=folder)
    assert (again.returncode, again.stderr.split(":")[0]) == (0, "nothing to do")
    other = fed(POOL[: POOL.index(b"\n") + 1], *select, cwd=folder)
    assert (other.returncode, "it was another one: sources differ" in other.stderr) == (2, True)
    assert (folder / "out" / "manifest.json").stat().st_mtime_ns == before
    assert names(folder / "out") == OUTPUT_NAMES


def waiting(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Return a run that waits for more of standard input."""
    run = subprocess.Popen(
        command(*arguments), cwd=folder, env=environment(), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert run.stdin is not None
    run.stdin.write(POOL)
    run.stdin.flush()
    partial = folder / "out" / ".zipfit" / "spool" / "stdin.partial"
    while not (partial.exists() and partial.stat().st_size == len(POOL)):
        assert run.poll() is None
        time.sleep(0.01)
    return run


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_dry_run_says_how_much_of_standard_input_will_be_copied(
    folder: Path, compress: Callable[[bytes], bytes]
) -> None:
    content = compress(LONG)
    done = fed(content, "select", "-", *TARGET_TO_TOP_3, "-o", "out", "--dry-run", "--json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["rows"], found["copied_bytes"]) == (4_000, len(content))
    assert not (folder / "out").exists()


def test_a_dry_run_takes_targets_by_standard_input(folder: Path) -> None:
    write_texts(folder / "pool.jsonl", SOURCE_TEXTS)
    targets = (folder / "target.jsonl").read_bytes()
    done = fed(targets, "score", "pool.jsonl", "--target", "-", "-o", "out", "--dry-run", cwd=folder)
    assert done.returncode == 0
    assert f"{len(SOURCE_TEXTS)} rows, {len(TARGET_TEXTS)} rows of the target" in done.stderr
    assert "MB for copies of inputs that are no files" in done.stderr


@posix
def test_ctrl_c_ends_the_wait_for_standard_input_at_once(folder: Path) -> None:
    def interrupt() -> float:
        with waiting(folder, "select", "-", *TARGET_TO_TOP_3, "-o", "out") as run:
            started = time.monotonic()
            run.send_signal(signal.SIGINT)
            assert run.wait(timeout=30) == 130
            seconds = time.monotonic() - started
            assert run.stderr is not None
            assert run.stderr.read() == b"zipfit: interrupted\n"
        assert not (folder / "out").exists()
        return seconds

    assert_quick(interrupt)


@posix
@pytest.mark.parametrize("way", [[], ["--resume"], ["--overwrite"]])
def test_half_of_standard_input_is_no_hindrance_to_the_next_run(folder: Path, way: list[str]) -> None:
    with waiting(folder, "select", "-", *TARGET_TO_TOP_3, "-o", "out") as run:
        run.kill()
    assert (folder / "out" / ".zipfit" / "spool").exists()
    done = fed(POOL, "select", "-", *TARGET_TO_TOP_3, "-o", "out", *way, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert names(folder / "out") == OUTPUT_NAMES


def interrupted(folder: Path, sign: signal.Signals) -> str:
    """Stop a run while it scores, and return what it says."""
    arguments = command("select", "-", *TARGET_TO_TOP_3, "-o", "out", "--compressor", "gzip-6", "--threads", "1")
    run = subprocess.Popen(arguments, cwd=folder, env=environment(), stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert run.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        run.stdin.write(LONG)
    run.stdin.close()
    copy = folder / "out" / ".zipfit" / "spool" / "stdin.jsonl"
    while not copy.exists():
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(sign)
    run.wait(timeout=30)
    assert run.stderr is not None
    said = run.stderr.read().decode()
    run.stderr.close()
    return said


@posix
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_a_run_goes_on_with_what_it_had_read_of_standard_input(folder: Path, sign: signal.Signals) -> None:
    said = interrupted(folder, sign)
    if sign == signal.SIGINT:
        assert said.endswith(" kept; go on by the same command with --resume\n")
    select = ("select", "-", *TARGET_TO_TOP_3, "--compressor", "gzip-6", "-o")
    refused = fed(LONG, *select, "out", cwd=folder)
    assert (refused.returncode, "an unfinished run is here" in refused.stderr) == (2, True)
    wrong = fed(b"", *select, "out", "--resume", "--target-text", "body", cwd=folder)
    assert (wrong.returncode, 'no field "body"' in wrong.stderr) == (2, True)
    done = fed(b"", *select, "out", "--resume", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("zipfit: warning: standard input is not read: the run that began here has a copy")
    assert names(folder / "out") == OUTPUT_NAMES
    assert fed(LONG, *select, "whole", cwd=folder).returncode == 0
    for name in ("manifest.json", "selection.jsonl", "scores.parquet"):
        assert (folder / "out" / name).read_bytes() == (folder / "whole" / name).read_bytes()


def test_a_damaged_copy_of_standard_input_does_not_stay_in_the_way(folder: Path) -> None:
    spool = folder / "out" / ".zipfit" / "spool"
    spool.mkdir(parents=True)
    (spool / "stdin.jsonl.gz").write_bytes(gzip.compress(LONG)[:-20])
    select = ("select", "-", *TARGET_TO_TOP_3, "-o", "out", "--resume")
    refused = fed(LONG, *select, cwd=folder)
    assert refused.returncode == 2
    assert "the file is cut off, get a whole copy" in refused.stderr
    assert "--resume" not in refused.stderr
    assert fed(LONG, *select, cwd=folder).returncode == 0


@posix
def test_a_full_disk_while_standard_input_is_copied_is_told_with_the_file(folder: Path) -> None:
    import resource

    (folder / "big").write_bytes(LONG)
    with (folder / "big").open("rb") as pool:
        done = fed(
            pool.fileno(),
            *("select", "-", *TARGET_TO_TOP_3, "-o", "out"),
            cwd=folder,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        )
    partial = os.fspath(folder.joinpath("out", ".zipfit", "spool", "stdin.partial").relative_to(folder))
    assert (done.returncode, done.stderr) == (3, f"zipfit: {partial}: file too large; nothing was left behind\n")
    assert not (folder / "out").exists()


def test_memory_does_not_grow_with_standard_input(folder: Path) -> None:
    def peak(rows: int) -> int:
        content = lines_of({"text": f"row {i} " + "x" * 2_000} for i in range(rows))
        arguments = ("--target", "target.jsonl", "--metric", "gain", "-o", "out", "--overwrite")
        done = fed(content, "score", "-", *arguments, cwd=folder)
        assert done.returncode == 0, done.stderr
        return int(json.loads((folder / "out" / "run.json").read_bytes())["peak_memory_bytes"])

    # 40 MB more of text.
    assert peak(40_000) - peak(20_000) < 20_000_000


def test_a_file_of_that_name_is_read_by_its_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "-").write_bytes(POOL)
    options = pipeline.ScoreOptions(source=("./-",), target=("target.jsonl",), output="out")
    assert pipeline.score(options).counts["read"] == len(SOURCE_TEXTS)
    shutil.rmtree("out")

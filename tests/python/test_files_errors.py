"""Bad files and bad arguments: one sentence, the right exit status, nothing left behind."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zstandard
from helpers_files import SOURCE_TEXTS, TARGET_TEXTS, command, environment, lines_of, write_texts, zipfit_cli
from helpers_interrupts import assert_quick

import zipfit
from zipfit import errors

GOOD = lines_of({"text": text} for text in SOURCE_TEXTS)
LONG = lines_of({"text": f"{i}: {i * i * 7919:x} {i**3:o}"} for i in range(20_000))
PACKED_GZ = gzip.compress(LONG, mtime=0)
PACKED_ZST = zstandard.ZstdCompressor().compress(LONG)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a good pool.jsonl and target.jsonl."""
    write_texts(tmp_path / "pool.jsonl", SOURCE_TEXTS)
    write_texts(tmp_path / "target.jsonl", TARGET_TEXTS)
    return tmp_path


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(folder: Path, *arguments: str, status: int = 2) -> str:
    """Run `zipfit select` with these arguments, which must fail without a trace, and return its sentence."""
    before, names = snapshot(folder), sorted(folder.rglob("*"))
    done = zipfit_cli("select", *arguments, cwd=folder)
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert sorted(folder.rglob("*")) == names
    assert snapshot(folder) == before
    (line,) = done.stderr.splitlines()
    assert line.startswith("zipfit: ")
    return line.removeprefix("zipfit: ")


BAD_ROWS = {
    "broken JSON": (
        b'{"text": "a" "id": 3}',
        errors.BadRowError,
        13,
        "invalid JSON: expected `,` or `}`",
    ),
    "a row cut off": (
        b'{"text": "a',
        errors.BadRowError,
        10,
        "invalid JSON: EOF while parsing a string",
    ),
    "no object": (b'["a"]', errors.BadRowError, 0, "expected a JSON object, got an array"),
    "missing field": (
        b'{"body": "a", "id": 3}',
        errors.BadRowError,
        0,
        'no field "text"; fields here: "body", "id"',
    ),
    "number": (b'{"text": 12}', errors.TextTypeError, 9, 'field "text" is a number, expected a string'),
    "null": (b'{"text": null}', errors.BadRowError, 9, 'field "text" is null, expected a string'),
    "invalid UTF-8": (
        b'{"text": "a\xff"}',
        errors.InvalidTextError,
        11,
        "invalid UTF-8 (byte 0xff); convert the file to UTF-8",
    ),
    "lone surrogate": (
        b'{"text": "ab\\ud800c"}',
        errors.InvalidTextError,
        12,
        'lone surrogate \\ud800 in field "text"; it stands for no character',
    ),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_told_by_file_line_and_byte(folder: Path, name: str) -> None:
    row, kind, offset, problem = BAD_ROWS[name]
    (folder / "bad.jsonl").write_bytes(b"\n" + GOOD + row + b"\n" + GOOD)
    place = f"bad.jsonl:8 (byte {len(GOOD) + 1 + offset}): "
    assert refusal(folder, "bad.jsonl", "--target", "target.jsonl", "--top-k", "1", "-o", "out") == place + problem
    with pytest.raises(kind) as caught:
        zipfit.rank(folder / "bad.jsonl", folder / "target.jsonl")
    assert str(caught.value) == f"{folder / place}{problem}"
    assert (caught.value.path, caught.value.row, caught.value.line, caught.value.byte) == (
        str(folder / "bad.jsonl"),
        6,
        8,
        len(GOOD) + 1 + offset,
    )


BAD_FILES = {
    "truncated .gz": (
        "pool.jsonl.gz",
        PACKED_GZ[: len(PACKED_GZ) // 2],
        errors.TruncatedInputError,
        "stream ends inside row {row}; the file is cut off, get a whole copy",
    ),
    "truncated .zst": (
        "pool.jsonl.zst",
        PACKED_ZST[: len(PACKED_ZST) // 2],
        errors.TruncatedInputError,
        "stream ends inside row {row}; the file is cut off, get a whole copy",
    ),
    ".gz that is none": (
        "pool.jsonl.gz",
        GOOD,
        errors.BadRowError,
        'not a gzip file: it starts with "{\\"text\\":"; rename it or compress it',
    ),
    ".zst that is none": (
        "pool.jsonl.zst",
        b"",
        errors.BadRowError,
        "not a zstd file: it is empty; rename it or compress it",
    ),
    "empty source": ("empty.jsonl", b"", errors.ParameterError, "source has 0 rows; there is nothing to choose from"),
    "blank source": (
        "blank.jsonl",
        b"\xef\xbb\xbf\r\n \n\n",
        errors.ParameterError,
        "source has 0 rows; there is nothing to choose from",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_source_file_is_told_by_its_name(folder: Path, case: str) -> None:
    name, content, kind, problem = BAD_FILES[case]
    (folder / name).write_bytes(content)
    with pytest.raises(kind) as caught:
        zipfit.rank(folder / name, folder / "target.jsonl")
    if "{row}" in problem:
        assert caught.value.row is not None
        assert 0 < caught.value.row < 20_000
        problem = problem.format(row=caught.value.row)
    assert str(caught.value) == f"{folder / name}: {problem}"
    sentence = refusal(folder, name, "--target", "target.jsonl", "--top-k", "1", "-o", "out")
    assert sentence == f"{name}: {problem}"


def test_json_nested_a_million_deep_in_an_unused_field_is_fine(folder: Path) -> None:
    deep = b'{"text": "def f(a): return a", "deep": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"
    (folder / "deep.jsonl").write_bytes(deep)
    done = zipfit_cli("select", "deep.jsonl", "--target", "target.jsonl", "--top-k", "1", "-o", "out", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "out" / "selected.jsonl").read_bytes() == deep + b"\n"


def test_an_empty_target_is_refused(folder: Path) -> None:
    (folder / "target.jsonl").write_bytes(b"\n")
    sentence = refusal(folder, "pool.jsonl", "--target", "target.jsonl", "--top-k", "1", "-o", "out")
    assert sentence == "target.jsonl: target has 0 rows; alignment needs at least 1"
    with pytest.raises(errors.EmptyTargetError):
        zipfit.rank(folder / "pool.jsonl", folder / "target.jsonl")


def test_a_bad_row_of_the_target_is_told_like_one_of_the_source(folder: Path) -> None:
    (folder / "target.jsonl").write_bytes(b'{"text": 1}\n')
    sentence = refusal(folder, "pool.jsonl", "--target", "target.jsonl", "--top-k", "1", "-o", "out")
    assert sentence == 'target.jsonl:1 (byte 9): field "text" is a number, expected a string'


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--compressor", "gzip-0"], 'compressor "gzip-0": level 0 stores without compressing; use 1-9'),
        (
            ["--compressor", "zip"],
            'compressor "zip" is not known; use one of gzip-1..9, zlib-1..9, deflate-1..9, zstd-1..22, lz4, '
            "brotli-0..11, xz-0..9, bz2-1..9",
        ),
        (["--metric", "cosine"], 'metric "cosine" is not known; use ncd, cdm, clm or gain'),
        (
            ["--metric", "gain", "--compressor", "gzip-9"],
            'compressor "gzip-9" takes no dictionary, which metric "gain" needs; use deflate-1..9 or zstd-1..22',
        ),
        (["--aggregate", "top-0"], 'aggregate "top-0" is not known; use mean, max or top-M with M of 1 or more'),
        (["--text", "{a"], 'template "{a": a field is not closed; write {{ for a brace'),
        (["--threads", "0"], "--threads must be at least 1, got 0"),
        (["--min-bytes", "-1"], "--min-bytes is -1; sizes are 0 bytes or more"),
        (
            ["--min-bytes", "9", "--max-bytes", "8"],
            "--min-bytes 9 is above --max-bytes 8, which leaves out every row",
        ),
        (["--id", "key"], 'pool.jsonl:1 (byte 0): no field "key"; fields here: "text"'),
        (["--token-field", "n"], "--token-field has no effect without --budget-tokens; leave it out or give both"),
    ],
)
def test_a_wrong_argument_is_told_in_one_sentence(folder: Path, arguments: list[str], sentence: str) -> None:
    assert (
        refusal(folder, "pool.jsonl", "--target", "target.jsonl", "--top-k", "1", "-o", "out", *arguments) == sentence
    )


CHOOSERS = "--top-k, --top-fraction, --threshold, --budget-bytes, --budget-tokens"


@pytest.mark.parametrize(
    ("chooser", "sentence"),
    [
        ([], f"say how much to choose by exactly one of {CHOOSERS}; got none"),
        (
            ["--top-k", "1", "--threshold", "0.1"],
            f"say how much to choose by exactly one of {CHOOSERS}; got --top-k and --threshold",
        ),
        (["--top-k", "0"], "--top-k must be at least 1, got 0"),
        (["--top-k", "-3"], "--top-k must be at least 1, got -3"),
        (["--top-fraction", "0"], "--top-fraction must be above 0 and at most 1, got 0"),
        (["--top-fraction", "1.5"], "--top-fraction must be above 0 and at most 1, got 1.5"),
        (["--threshold", "nan"], "--threshold must be a finite number, got NaN"),
        (["--budget-bytes", "0"], "--budget-bytes must be at least 1, got 0"),
        (
            ["--budget-tokens", "5"],
            "--budget-tokens needs --token-field, the integer field that holds the tokens of each row, or --tokenizer, "
            "which counts them",
        ),
        (["--budget-tokens", "5", "--token-field", "n"], 'pool.jsonl:1 (byte 0): no field "n"; fields here: "text"'),
        (
            ["--budget-tokens", "5", "--token-field", "text"],
            'pool.jsonl:1 (byte 0): field "text" is a string, expected a whole number of tokens',
        ),
    ],
)
def test_a_wrong_amount_is_told_in_one_sentence(folder: Path, chooser: list[str], sentence: str) -> None:
    assert refusal(folder, "pool.jsonl", "--target", "target.jsonl", "-o", "out", *chooser) == sentence


def test_a_wrong_amount_is_told_before_any_file_is_read(folder: Path) -> None:
    sentence = refusal(folder, "missing.jsonl", "--target", "missing.jsonl", "-o", "out", "--top-k", "0")
    assert sentence == "--top-k must be at least 1, got 0"


def test_a_missing_file_is_told_by_its_name(folder: Path) -> None:
    sentence = refusal(folder, "pool.jsonl", "no.jsonl", "--target", "target.jsonl", "--top-k", "1", "-o", "out")
    assert sentence == "no.jsonl: no such file or directory"
    sentence = refusal(folder, "pool.jsonl", "--target", "no.jsonl", "--top-k", "1", "-o", "out")
    assert sentence == "no.jsonl: no such file or directory"


def test_a_directory_is_no_source(folder: Path) -> None:
    (folder / "data").mkdir()
    sentence = refusal(folder, "data", "--target", "target.jsonl", "--top-k", "1", "-o", "out")
    assert sentence == "data: is a directory"


def test_a_file_is_no_output_directory(folder: Path) -> None:
    sentence = refusal(folder, "pool.jsonl", "--target", "target.jsonl", "--top-k", "1", "-o", "target.jsonl")
    assert sentence == "target.jsonl: not a directory"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told_by_its_name(folder: Path) -> None:
    (folder / "pool.jsonl").chmod(0)
    sentence = refusal(folder, "pool.jsonl", "--target", "target.jsonl", "--top-k", "1", "-o", "out")
    assert sentence == "pool.jsonl: permission denied"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_because_it_cannot_be_read_twice(folder: Path) -> None:
    os.mkfifo(folder / "pipe.jsonl")
    done = zipfit_cli("select", "pipe.jsonl", "--target", "target.jsonl", "--top-k", "1", "-o", "out", cwd=folder)
    assert done.returncode == 2
    problem = "not a regular file: chosen rows are read a second time; save it to a file first"
    assert done.stderr == f"zipfit: pipe.jsonl: {problem}\n"


@pytest.mark.parametrize("name", ["selected.jsonl", "selection.jsonl", "run.json", "manifest.json"])
def test_an_existing_output_is_refused_before_any_work(folder: Path, name: str) -> None:
    (folder / "out").mkdir()
    (folder / "out" / name).write_text("precious", encoding="utf-8")
    # The source is broken, and yet the output is what is told.
    (folder / "bad.jsonl").write_bytes(b"{")
    sentence = refusal(folder, "bad.jsonl", "--target", "target.jsonl", "--top-k", "1", "-o", "out")
    assert sentence == (
        f"out: {name} is there already; choose another directory, or replace what is there by --overwrite (in Python "
        "overwrite=True)"
    )


@pytest.mark.parametrize("side", ["source", "target"])
def test_an_input_is_never_overwritten(folder: Path, side: str) -> None:
    (folder / "out").mkdir()
    write_texts(folder / "out" / "selected.jsonl", SOURCE_TEXTS)
    own = "./out/../out/selected.jsonl"
    source, target = (own, "target.jsonl") if side == "source" else ("pool.jsonl", own)
    sentence = refusal(folder, source, "--target", target, "--top-k", "1", "-o", "out", "--overwrite")
    assert sentence == f"{own}: this input would be replaced by the output; choose another directory"


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files here")
def test_a_file_that_may_not_grow_ends_the_run_with_status_3(folder: Path) -> None:
    import resource

    (folder / "long.jsonl").write_bytes(LONG)
    before = snapshot(folder)
    done = zipfit_cli(
        *("select", "long.jsonl", "--target", "target.jsonl", "--top-k", "20000", "-o", "out"),
        cwd=folder,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert done.returncode == 3, done.stderr
    path = Path("out") / ".zipfit" / "journal"
    assert done.stderr == f"zipfit: {path}: file too large; nothing was left behind\n"
    assert snapshot(folder) == before
    assert not (folder / "out").exists()


def test_a_full_disk_ends_the_run_with_status_3(folder: Path) -> None:
    """In a file system of 64 kB of its own, which a user namespace may mount."""
    unshare = shutil.which("unshare")
    mount = f"mount -t tmpfs -o size=64k tmpfs '{folder}/disk'"
    (folder / "disk").mkdir()
    if (
        unshare is None
        or subprocess.run([unshare, "-rm", "sh", "-c", mount], check=False, capture_output=True).returncode
    ):
        pytest.skip("needs unshare and the right to mount a tmpfs in a user namespace")
    (folder / "long.jsonl").write_bytes(LONG)
    select = command("select", "long.jsonl", "--target", "target.jsonl", "--top-k", "20000", "-o", "disk/out")
    script = f'{mount}; "$@"; status=$?; ls -A disk; exit $status'
    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", script, "sh", *select],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stderr == "zipfit: disk/out/.zipfit/journal: no space left on device; nothing was left behind\n"
    assert done.stdout == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process here")
def test_ctrl_c_ends_a_long_run_within_half_a_second_and_leaves_nothing(folder: Path) -> None:
    # Ten seconds of work and more: 2,000,000 pairs of some 6 kB each.
    write_texts(folder / "long.jsonl", [f"{i} " * 600 + str(i**400) for i in range(10_000)])
    write_texts(folder / "targets.jsonl", [f"{i} " * 800 for i in range(200)])
    arguments = command("select", "long.jsonl", "--target", "targets.jsonl", "--top-k", "5", "-o", "out")

    def interrupt() -> float:
        process = subprocess.Popen(arguments, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True)
        with contextlib.closing(process.stderr or sys.stderr):
            while not (folder / "out").exists():
                assert process.poll() is None
                time.sleep(0.01)
            time.sleep(1)
            start = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=60)
            seconds = time.monotonic() - start
        assert process.returncode == 130
        assert stderr == "zipfit: interrupted\n"
        assert not (folder / "out").exists()
        return seconds

    assert_quick(interrupt)

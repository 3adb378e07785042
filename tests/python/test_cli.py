"""The command line itself: help, version, usage errors, exit status, pipes."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from pathlib import Path
from typing import NoReturn

import pytest
from helpers_files import command, environment, zipfit_cli

import zipfit
from zipfit import cli, demo, doctor, errors


def test_version_is_printed() -> None:
    done = started("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"zipfit {zipfit.__version__}\n", "")


def started(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a new process, which imports what it needs itself."""
    return subprocess.run(
        command(*arguments), cwd=cwd, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("select", "no", "--target", "no", "--top-k", "1", "-o", "out"), "no: no such file or directory"),
        (("score", "no", "--target", "no", "-o", "out"), "no: no such file or directory"),
        (("merge", "no", "-o", "out"), "no"),
        (("evaluate", "no", "--held-out", "no"), "no"),
        (("explain", "no"), "no"),
    ],
)
def test_every_command_finds_what_it_needs_in_a_new_process(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = started(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"zipfit: {said}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_every_command(arguments: list[str]) -> None:
    done = zipfit_cli(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("select", "score", "demo", "doctor"):
        assert f" {name} " in done.stdout


def test_help_of_select_names_every_option() -> None:
    done = zipfit_cli("select", "--help", env=environment(COLUMNS="160"))
    options = """--target --output -o --top-k --top-fraction --threshold --budget-bytes --budget-tokens --cover
        --beta --sample --seed --group --text
        --target-text --id --token-field --metric --compressor --aggregate --min-bytes --max-bytes --keep-order
        --exclude --exclude-text --exclude-overlap --dedup
        --scores --verify --on-bad-row --max-rejected --max-row-bytes --resume --dry-run --shard --text-by
        --threads --overwrite --json --progress"""
    for option in options.split():
        assert f" {option} " in done.stdout
    assert r"'{prompt}\n{answer}'" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["selekt"], "no such command 'selekt'"),
        (["score"], "missing argument 'SOURCE...'; see zipfit score --help"),
        (["select", "--top-k", "1", "-o", "out"], "no source file is given; name one or more, or --scores DIR"),
        (["select", "a.jsonl", "--top-k", "1", "-o", "out"], "no target file is given; name it by --target"),
        (["score", "a.jsonl", "-o", "out"], "missing option '--target'; see zipfit score --help"),
        (["select", "a.jsonl", "--target", "b.jsonl", "--top-k", "1"], "missing option '--output'"),
        (["select", "a.jsonl", "--top-k", "many"], "'--top-k'"),
        (["select", "a.jsonl", "--topk", "1"], "no such option: --topk"),
        (["demo", "--write"], "'--write' requires an argument"),
        (["demo", "extra"], "unexpected extra argument"),
    ],
)
def test_a_usage_error_is_one_sentence_and_status_2(arguments: list[str], part: str) -> None:
    done = zipfit_cli(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("zipfit: ")
    assert part in line
    assert not line.endswith(".")


@pytest.mark.parametrize("arguments", [["doctor"], ["doctor", "--json"]])
def test_a_closed_pipe_ends_quietly(arguments: list[str]) -> None:
    process = subprocess.Popen(
        command(*arguments), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    # Nobody is left to read before the first word is written.
    process.stdout.close()
    with process.stderr as stderr:
        assert stderr.read() == ""
    assert process.wait(timeout=60) == 0


def test_a_character_that_the_terminal_cannot_show_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    row = demo.DemoRow(1, 0.5, "m.naïve", "m", "Café.")
    result = demo.DemoResult("m", 30, 24, 720, 1.5, 1, [row], 6, 20, 3, 4.0, "zipfit demo")
    monkeypatch.setattr(demo, "run", lambda **_options: result)
    monkeypatch.setattr(sys, "argv", ["zipfit", "demo"])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert cli.main() == 0
    assert b"m.na\\xefve" in written.getvalue()


def run_and_fail(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run `zipfit doctor` in this process, with an error in its middle."""

    def examine() -> None:
        raise error

    monkeypatch.setattr(doctor, "examine", examine)
    monkeypatch.setattr(sys, "argv", ["zipfit", "doctor"])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    return cli.main()


def test_ctrl_c_while_arguments_are_parsed_is_told_like_any(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ended in silence: typer makes an exit status of it."""

    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_fields", interrupted)
    monkeypatch.setattr(sys, "argv", ["zipfit", "score", "a.jsonl", "--target", "b.jsonl", "-o", "out"])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    assert cli.main() == 130
    assert capsys.readouterr() == ("", "zipfit: interrupted\n")


def test_a_bug_of_ours_has_status_1_and_asks_for_a_report_with_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_and_fail(ZeroDivisionError("it broke"), monkeypatch) == 1
    out, err = capsys.readouterr()
    assert out == ""
    first, second, *_, last = err.splitlines()
    sentence = "ZeroDivisionError: it broke; this is a bug in zipfit, please report it with the lines below"
    assert first == f"zipfit: {sentence}"
    assert second == "Traceback (most recent call last):"
    assert last == "ZeroDivisionError: it broke"


@pytest.mark.parametrize(
    ("error", "sentence", "status"),
    [
        (errors.ParameterError("k is 0"), "k is 0", 2),
        (errors.OutputExistsError("out: it is there"), "out: it is there", 2),
        (errors.TruncatedInputError("a.gz: cut"), "a.gz: cut", 2),
        (errors.MissingExtraError("pyarrow"), "pyarrow", 2),
        (FileNotFoundError(2, "No such file or directory", "a"), "a: no such file or directory", 2),
        (FileNotFoundError(2, "No such file or directory", ""), "(empty name): no such file or directory", 2),
        (PermissionError(13, "Permission denied", "a"), "a: permission denied", 2),
        (OSError(28, "No space left on device", "a"), "a: no space left on device; nothing was left behind", 3),
        (OSError(5, "Input/output error"), "input/output error; nothing was left behind", 3),
        (MemoryError(), "out of memory; nothing was left behind", 3),
        (KeyboardInterrupt(), "interrupted", 130),
        (errors.InternalError("a worker panicked"), "a worker panicked", 1),
    ],
)
def test_each_kind_of_error_has_its_sentence_and_status(
    error: BaseException,
    sentence: str,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_and_fail(error, monkeypatch) == status
    assert capsys.readouterr().err.splitlines()[0] == f"zipfit: {sentence}"


def test_importing_zipfit_brings_neither_typer_nor_rich() -> None:
    script = (
        "import sys, zipfit; print([name for name in ('typer', 'rich', 'pyarrow', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
